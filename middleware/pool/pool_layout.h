// The shared file of a publisher, "pool.<incarnation>".
//
//      0 +---------------------------+
//        | facts                     |  written once, before the registry names the publisher
//   4096 +---------------------------+
//        | publisher's counters      |  middleware/metrics/counters_layout.h
//   8192 +---------------------------+
//        | history[history_count]    |  64 bits each, middleware/queue/history.h
//        +---------------------------+  slots_offset (a multiple of the page)
//        | slots of several classes  |  the file grows here; its size is its committed size
//        +---------------------------+
//
// Writer: the publisher only. Everybody else maps it read-only, over the length it may grow to, and checks each ref
// against the file's size before touching it. What a death leaves: whole slots of published messages, and one or more
// half-built ones that no ref names.
#ifndef WEIR_POOL_POOL_LAYOUT_H_
#define WEIR_POOL_POOL_LAYOUT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "middleware/base/limits.h"
#include "middleware/base/words.h"

namespace weir::pool {

inline constexpr uint64_t kPoolMagic = 0x314c4f4f50494557;  // "WEIPOOL1" in memory
inline constexpr size_t kPoolCountersOffset = kPageBytes;
inline constexpr size_t kPoolHistoryOffset = 2 * kPageBytes;

struct PoolFacts {
  uint64_t magic = kPoolMagic;
  uint32_t layout = kLayoutNumber;
  uint32_t granule_shift = 0;  // a granule is kGranuleBytesMin << granule_shift bytes
  Incarnation incarnation = 0;
  uint64_t bytes_max = 0;  // the file never grows beyond this; what readers map
  uint32_t history_count = 0;
  uint32_t publisher_index = 0;
  uint64_t slots_offset = 0;
};
static_assert(sizeof(PoolFacts) == 48);

constexpr uint64_t SlotsOffset(uint32_t history_count) {
  const uint64_t end = kPoolHistoryOffset + uint64_t{history_count} * sizeof(uint64_t);
  return (end + kPageBytes - 1) / kPageBytes * kPageBytes;
}

// A further segment of a message: where its slot lies and how many bytes of it are used.
struct SegmentEntry {
  uint32_t offset_granules = 0;
  uint32_t words = 0;  // of 8 bytes
};

inline constexpr uint32_t kInlineSegments = 4;

// In front of every slot's body. One cache line, so that a small message is this line and the next.
//
// Everything but `sequence` is ordinary memory: written while the publisher owns the slot, read by subscribers after
// they took the ref, made visible by the release and acquire of the queue's cell (or of the history entry).
struct SlotHeader {
  // Writer: the publisher. 0 while a message is being built, its number from Publish to the next Loan. A subscriber
  // compares it when it lets go: another value means that the publisher wrote to a slot that was held, which counts as
  // torn. Atomic because in that (forbidden) case the two do race.
  std::atomic<Sequence> sequence;
  uint64_t published_ns;   // CLOCK_MONOTONIC; 0 if the publisher does not stamp
  uint32_t body_bytes;     // used bytes of the body; for Cap'n Proto those of the first segment
  uint32_t segment_count;  // further segments, 0 for most messages
  uint64_t total_bytes;    // of the message, all segments
  // Up to kInlineSegments further segments. With more of them, only the first entry is used: it names a slot whose body
  // holds the whole table, and its `words` is that table's length.
  SegmentEntry segments[kInlineSegments];
};
static_assert(sizeof(SlotHeader) == 64);
static_assert(offsetof(SlotHeader, segments) == 32);
static_assert(sizeof(SegmentEntry) == 8);
static_assert(std::atomic<Sequence>::is_always_lock_free);

inline constexpr size_t kSlotHeaderBytes = sizeof(SlotHeader);

}  // namespace weir::pool

#endif  // WEIR_POOL_POOL_LAYOUT_H_
