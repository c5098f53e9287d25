// Counters of one endpoint as plain numbers, read at one moment.
#ifndef WEIR_COUNTS_H_
#define WEIR_COUNTS_H_

#include <cstdint>

namespace weir {

// What became of PublisherOptions::huge_pages: the kernel's last answer.
enum class HugePages : uint8_t {
  kNotAsked = 0,
  kGranted = 1,
  kKernelTooOld = 2,  // before 6.1
  kForbidden = 3,     // shmem_enabled is "deny", or huge pages are disabled for this process (prctl)
  kNoMemory = 4,      // no 2 MiB of memory in one piece, or a memory limit; part of the pool may have them
  kBusy = 5,          // somebody else was using pages at that moment; likewise
};

constexpr const char* HugePagesName(HugePages answer) {
  constexpr const char* kNames[] = {"not asked", "granted", "kernel too old", "forbidden", "no memory", "busy"};
  return kNames[static_cast<uint8_t>(answer) < 6 ? static_cast<uint8_t>(answer) : 0];
}

// "Pushes" are counted per queue: one message to three subscribers is three.
struct PublisherCounts {
  uint64_t published = 0;          // messages
  uint64_t published_bytes = 0;    // their bodies, all segments
  uint64_t pushed = 0;             // accepted by a queue
  uint64_t evicted = 0;            // older messages this publisher removed to make room
  uint64_t refused_full = 0;       // pushes not accepted: queue full, drop newest
  uint64_t refused_timed_out = 0;  // pushes not accepted: queue full, blocked as long as allowed
  uint64_t refused_corrupt = 0;    // pushes not accepted: the queue's memory is damaged
  uint64_t blocked_ns = 0;         // time spent waiting for room
  uint64_t wakeups = 0;            // calls to wake a sleeping subscriber
  uint64_t loans = 0;              // granted
  uint64_t loans_refused = 0;
  uint64_t reclaim_passes = 0;
  uint64_t reclaimed_slots = 0;
  uint64_t pool_bytes_committed = 0;
  uint64_t queues = 0;  // subscribers connected right now
  // Known to the publisher itself only: 0 in an Inspector's counts.
  uint64_t pool_bytes_huge = 0;  // of the committed, in huge pages when they were committed
  HugePages huge_pages = HugePages::kNotAsked;
  uint64_t bytes_locked = 0;    // by PublisherOptions::lock_memory: pool, queues and tables
  uint64_t bytes_unlocked = 0;  // of these, what should be locked but RLIMIT_MEMLOCK did not allow

  friend bool operator==(const PublisherCounts&, const PublisherCounts&) = default;
};

// taken = delivered - from_history + invalid + duplicate, once nothing is in flight.
struct SubscriberCounts {
  uint64_t taken = 0;         // messages removed from the queue
  uint64_t taken_bytes = 0;   // of what was handed out
  uint64_t delivered = 0;     // samples handed out, from queue and history
  uint64_t from_history = 0;  // of these, how many came from a history
  uint64_t invalid = 0;       // removed from the queue, but the reference or the header did not check
  uint64_t duplicate = 0;     // removed from the queue, but already handed out from the history
  uint64_t missed = 0;        // gaps in the publishers' sequences
  uint64_t torn = 0;          // the publisher wrote to a sample while it was held
  uint64_t refused_held = 0;  // takes refused because max_borrowed samples are held
  uint64_t sleeps = 0;
  uint64_t queued = 0;   // in the queue right now
  uint64_t removed = 0;  // from the queue, by takes and evictions, ever
  // Known to the subscriber itself only: 0 in an Inspector's counts.
  uint64_t bytes_locked = 0;    // by SubscriberOptions::lock_memory: queue, table and pools
  uint64_t bytes_unlocked = 0;  // of these, what should be locked but RLIMIT_MEMLOCK did not allow

  friend bool operator==(const SubscriberCounts&, const SubscriberCounts&) = default;
};

}  // namespace weir

#endif  // WEIR_COUNTS_H_
