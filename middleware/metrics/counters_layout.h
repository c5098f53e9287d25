// Counters of one endpoint, in a page of its own. One writer (the endpoint), relaxed stores, readable by everybody at
// any time, also while the writer hangs and after it died. A count is stored after the fact it counts, so a death
// leaves it at most one short.
#ifndef WEIR_METRICS_COUNTERS_LAYOUT_H_
#define WEIR_METRICS_COUNTERS_LAYOUT_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <iterator>

#include "middleware/base/limits.h"

namespace weir::metrics {

// A counter that one thread at a time adds to. Not fetch_add: with a single writer a plain load, add and store is
// exact, and costs no locked instruction.
class Counter {
 public:
  void Add(uint64_t delta) {
    // relaxed: single writer, statistic.
    value_.store(value_.load(std::memory_order_relaxed) + delta, std::memory_order_relaxed);
  }
  // For levels and maxima.
  void Set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_;
};

// A counter that several threads of the endpoint's process may add to (rare events only).
class SharedCounter {
 public:
  void Add(uint64_t delta) { value_.fetch_add(delta, std::memory_order_relaxed); }  // relaxed: statistic
  // For a sum of several endpoints' counters, which one thread at a time writes.
  void Set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_;
};

// In the publisher's pool file. "Pushes" are counted per queue: one message to three subscribers is three.
struct PublisherCounters {
  Counter published;          // messages
  Counter published_bytes;    // their bodies, blobs included
  Counter pushed;             // accepted by a queue
  Counter evicted;            // messages this publisher removed to make room (overwrite oldest)
  Counter refused_full;       // not accepted, the queue was full (drop newest)
  Counter refused_timed_out;  // not accepted, the queue was full and max_block passed (block)
  Counter refused_corrupt;    // not accepted, the queue's words are no queue's
  Counter blocked_ns;         // time spent waiting for room
  Counter wakeups;            // futex_wake calls
  Counter loans;              // granted
  Counter loans_refused;
  Counter reclaim_passes;
  Counter reclaimed_slots;
  Counter message_bytes_max;     // the largest message published
  Counter pool_bytes_committed;  // levels, not counts: stored, never summed
  Counter pool_bytes_in_use;
};
static_assert(sizeof(PublisherCounters) <= kPageBytes);

// In the subscriber's table file.
struct SubscriberCounters {
  Counter taken;         // refs removed from the queue by Take, whatever became of them
  Counter taken_bytes;   // bodies of what was handed to the user
  Counter delivered;     // samples handed to the user: from the queue and from history
  Counter from_history;  // of these, how many came from a history
  Counter invalid;       // taken, but the ref or the header did not check
  Counter duplicate;     // taken, but already delivered from history
  Counter missed;        // gaps in the publishers' sequences
  SharedCounter torn;    // the publisher wrote to a sample while it was held
  Counter refused_held;  // takes refused because max_borrowed samples are held
  Counter sleeps;        // times it went to sleep
  Counter queued_max;    // the longest queue that a take found, what it took included
};
static_assert(sizeof(SubscriberCounters) <= kPageBytes);

// What becomes of the counters of several endpoints when they are added up. A level belongs to an endpoint that is
// there; of those that are gone it is left out.
inline constexpr Counter PublisherCounters::*kPublisherSums[] = {
    &PublisherCounters::published,       &PublisherCounters::published_bytes, &PublisherCounters::pushed,
    &PublisherCounters::evicted,         &PublisherCounters::refused_full,    &PublisherCounters::refused_timed_out,
    &PublisherCounters::refused_corrupt, &PublisherCounters::blocked_ns,      &PublisherCounters::wakeups,
    &PublisherCounters::loans,           &PublisherCounters::loans_refused,   &PublisherCounters::reclaim_passes,
    &PublisherCounters::reclaimed_slots};
inline constexpr Counter PublisherCounters::*kPublisherMaxima[] = {&PublisherCounters::message_bytes_max};
inline constexpr Counter PublisherCounters::*kPublisherLevels[] = {&PublisherCounters::pool_bytes_committed,
                                                                   &PublisherCounters::pool_bytes_in_use};
// `torn`, which is of another type, is a sum too.
inline constexpr Counter SubscriberCounters::*kSubscriberSums[] = {
    &SubscriberCounters::taken,        &SubscriberCounters::taken_bytes,  &SubscriberCounters::delivered,
    &SubscriberCounters::from_history, &SubscriberCounters::invalid,      &SubscriberCounters::duplicate,
    &SubscriberCounters::missed,       &SubscriberCounters::refused_held, &SubscriberCounters::sleeps};
inline constexpr Counter SubscriberCounters::*kSubscriberMaxima[] = {&SubscriberCounters::queued_max};
static_assert(sizeof(PublisherCounters) / sizeof(Counter) ==
                  std::size(kPublisherSums) + std::size(kPublisherMaxima) + std::size(kPublisherLevels),
              "a counter that is added must be in one of the lists above");
static_assert(sizeof(SubscriberCounters) / sizeof(Counter) ==
                  std::size(kSubscriberSums) + std::size(kSubscriberMaxima) + 1,
              "a counter that is added must be in one of the lists above");

// to = a + b, without levels. `to` may be `a`.
inline void StoreSum(const PublisherCounters& a, const PublisherCounters& b, PublisherCounters& to) {
  for (const auto sum : kPublisherSums) (to.*sum).Set((a.*sum).value() + (b.*sum).value());
  for (const auto maximum : kPublisherMaxima) (to.*maximum).Set(std::max((a.*maximum).value(), (b.*maximum).value()));
}
inline void StoreSum(const SubscriberCounters& a, const SubscriberCounters& b, SubscriberCounters& to) {
  for (const auto sum : kSubscriberSums) (to.*sum).Set((a.*sum).value() + (b.*sum).value());
  to.torn.Set(a.torn.value() + b.torn.value());
  for (const auto maximum : kSubscriberMaxima) (to.*maximum).Set(std::max((a.*maximum).value(), (b.*maximum).value()));
}

}  // namespace weir::metrics

#endif  // WEIR_METRICS_COUNTERS_LAYOUT_H_
