// Counters as plain numbers, for their owner and for whoever looks from outside. Any thread, any process.
#ifndef WEIR_PUBSUB_READ_COUNTS_H_
#define WEIR_PUBSUB_READ_COUNTS_H_

#include <algorithm>

#include "middleware/metrics/counters_layout.h"
#include "middleware/metrics/histogram.h"
#include "middleware/queue/borrow_table.h"
#include "middleware/queue/queue.h"
#include "weir/counts.h"
#include "weir/latency_histogram.h"

namespace weir::internal {

// Without what does not stand in the shared pages and is the caller's to say: `queues`, and what is locked or in huge
// pages.
inline PublisherCounts ReadCounts(const metrics::PublisherCounters& c) {
  return {.published = c.published.value(),
          .published_bytes = c.published_bytes.value(),
          .pushed = c.pushed.value(),
          .evicted = c.evicted.value(),
          .refused_full = c.refused_full.value(),
          .refused_timed_out = c.refused_timed_out.value(),
          .refused_corrupt = c.refused_corrupt.value(),
          .blocked_ns = c.blocked_ns.value(),
          .wakeups = c.wakeups.value(),
          .loans = c.loans.value(),
          .loans_refused = c.loans_refused.value(),
          .reclaim_passes = c.reclaim_passes.value(),
          .reclaimed_slots = c.reclaimed_slots.value(),
          .message_bytes_max = c.message_bytes_max.value(),
          .pool_bytes_committed = c.pool_bytes_committed.value(),
          .pool_bytes_in_use = c.pool_bytes_in_use.value()};
}

// What stands in the counters' page alone.
inline SubscriberCounts ReadCounts(const metrics::SubscriberCounters& c) {
  return {.taken = c.taken.value(),
          .taken_bytes = c.taken_bytes.value(),
          .delivered = c.delivered.value(),
          .from_history = c.from_history.value(),
          .invalid = c.invalid.value(),
          .duplicate = c.duplicate.value(),
          .missed = c.missed.value(),
          .torn = c.torn.value(),
          .refused_held = c.refused_held.value(),
          .sleeps = c.sleeps.value(),
          .queued_max = c.queued_max.value()};
}

// All of a subscriber that is there.
inline SubscriberCounts ReadCounts(const metrics::SubscriberCounters& c,
                                   const queue::QueueView<queue::SystemAtomics>& queue,
                                   const queue::BorrowTable<queue::SystemAtomics>& table) {
  SubscriberCounts counts = ReadCounts(c);
  counts.removed = queue.header->head.load(queue::kRelaxed);  // relaxed: statistic
  counts.queued = queue::CountQueued(queue);
  counts.queued_max = std::max(counts.queued_max, counts.queued);
  table.ForEach([&counts](Ref) { ++counts.held; });
  return counts;
}

inline LatencyHistogram ReadLatency(const metrics::Histogram& histogram) {
  LatencyHistogram latency;
  for (size_t i = 0; i < latency.buckets.size(); ++i) latency.buckets[i] = histogram.buckets[i].value();
  latency.sum_ns = histogram.sum_ns.value();
  return latency;
}

}  // namespace weir::internal

#endif  // WEIR_PUBSUB_READ_COUNTS_H_
