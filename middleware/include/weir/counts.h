// Counters of one endpoint as plain numbers, read at one moment.
//
// They lie in shared memory, in a page of the endpoint's own that nobody else writes, so they can be read while it
// hangs and after it was killed (<weir/inspect.h>). Each is stored after the fact it counts: a death leaves it at most
// one short (`evicted`: by as many as the last push removed). What is not called a level only grows.
//
// Where a message went, per queue, once nothing is in flight:
//
//   published = pushed + refused_full + refused_timed_out + refused_corrupt    (while it was connected)
//   pushed    = taken + evicted + queued
//   taken     = delivered - from_history + invalid + duplicate
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
  uint64_t published = 0;          // messages that Publish sent off, also if no queue took them
  uint64_t published_bytes = 0;    // their bodies, all segments
  uint64_t pushed = 0;             // pushes accepted by a queue
  uint64_t evicted = 0;            // dropped: older messages overwritten by this publisher's pushes (kOverwriteOldest)
  uint64_t refused_full = 0;       // dropped: pushes not accepted, queue full (kDropNewest)
  uint64_t refused_timed_out = 0;  // dropped: pushes not accepted, queue full for as long as was allowed (kBlock)
  uint64_t refused_corrupt = 0;    // dropped: pushes not accepted, the queue's memory is damaged
  uint64_t blocked_ns = 0;         // time spent waiting for room (kBlock)
  uint64_t wakeups = 0;            // times a sleeping subscriber was woken: futex calls, one per queue and message
  uint64_t loans = 0;              // loans granted
  uint64_t loans_refused = 0;      // loans not granted: max_loans out, or no slot to be had
  uint64_t reclaim_passes = 0;     // looks at all queues and tables for slots that are free again
  uint64_t reclaimed_slots = 0;    // slots that those looks freed
  uint64_t message_bytes_max = 0;  // the largest message published, all segments
  uint64_t pool_bytes_committed = 0;  // level: memory that the pool takes
  // Level, as the last Publish left it: slots that are not free, headers and rounding included. They are written,
  // queued, held or kept in the history, or everybody has passed them and no reclaim pass has found that out yet.
  uint64_t pool_bytes_in_use = 0;
  uint64_t queues = 0;  // level: subscribers connected
  // Known to the publisher itself only: 0 in an Inspector's counts.
  uint64_t pool_bytes_huge = 0;  // of the committed, in huge pages when they were committed
  HugePages huge_pages = HugePages::kNotAsked;
  uint64_t bytes_locked = 0;    // by PublisherOptions::lock_memory: pool, queues and tables
  uint64_t bytes_unlocked = 0;  // of these, what should be locked but RLIMIT_MEMLOCK did not allow

  friend bool operator==(const PublisherCounts&, const PublisherCounts&) = default;
};

struct SubscriberCounts {
  uint64_t taken = 0;         // messages that takes removed from the queue, whatever became of them
  uint64_t taken_bytes = 0;   // bodies of what was handed out, from queue and history
  uint64_t delivered = 0;     // samples handed out, from queue and history
  uint64_t from_history = 0;  // of these, how many came from a history
  uint64_t invalid = 0;       // dropped: removed from the queue, but the reference or the header did not check
  uint64_t duplicate = 0;     // removed from the queue, but already handed out from the history
  uint64_t missed = 0;        // messages that the gaps in the publishers' sequences stand for, whatever dropped them
  uint64_t torn = 0;          // samples that the publisher wrote to while they were held
  uint64_t refused_held = 0;  // takes refused because max_borrowed samples are held
  uint64_t sleeps = 0;        // times it went to sleep to wait for a message
  uint64_t removed = 0;       // messages gone from the queue, by takes and by evictions
  // The longest the queue was seen: by a take, which counts the message it takes and those behind it (also those that
  // come in meanwhile), or by this reading. Never above the depth. By this reading only with Metrics::kOff, or while
  // nobody takes.
  uint64_t queued_max = 0;
  uint64_t queued = 0;  // level: messages in the queue
  uint64_t held = 0;    // level: samples held, and messages of a history that are not taken yet
  // Known to the subscriber itself only: 0 in an Inspector's counts.
  uint64_t bytes_locked = 0;    // by SubscriberOptions::lock_memory: queue, table and pools
  uint64_t bytes_unlocked = 0;  // of these, what should be locked but RLIMIT_MEMLOCK did not allow

  friend bool operator==(const SubscriberCounts&, const SubscriberCounts&) = default;
};

}  // namespace weir

#endif  // WEIR_COUNTS_H_
