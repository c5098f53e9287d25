// The shared file of a queue, "queue.<incarnation>".
//
//      0 +---------------------------+
//        | facts: magic ... depth    |  written once, before the registry names the queue; read-only afterwards
//    128 +---------------------------+
//        | wake word, sleepers, ...  |  the consumer sleeps here; producers read this line at every push
//    256 +---------------------------+
//        | tail                      |  moved by producers
//    384 +---------------------------+
//        | head                      |  moved by the consumer and by evicting producers
//    512 +---------------------------+
//        | space word, blocked       |  blocked publishers sleep here
//    640 +---------------------------+
//        | first_sequence[256]       |  one word per publisher of the topic
//   4096 +---------------------------+
//        | cells[cell_count]         |  64 bits each: (lap:32 | ref:32)
//        +---------------------------+
//
// The owner is the subscriber; publishers of the topic write it too (see the tables in docs/design.md). Every value
// read from here is another process's word: QueueFacts are checked once, when the queue is connected, and used from a
// copy.
#ifndef WEIR_QUEUE_QUEUE_LAYOUT_H_
#define WEIR_QUEUE_QUEUE_LAYOUT_H_

#include <bit>
#include <cstddef>
#include <cstdint>

#include "middleware/base/limits.h"
#include "middleware/base/words.h"
#include "middleware/queue/atomics.h"

namespace weir::queue {

inline constexpr uint64_t kQueueMagic = 0x3155455551524557;  // "WERQUEU1" in memory

// What a producer does when the queue is full. Chosen by the subscriber.
enum class WhenFull : uint32_t { kOverwriteOldest = 0, kDropNewest = 1, kBlock = 2 };
inline constexpr uint32_t kWhenFullCount = 3;

// The form of a queue is fixed for its incarnation. It decides which of the two indices needs a locked instruction.
//   producers: shared    - several publishers; a cell is claimed and filled by one CAS
//              exclusive - the topic has one publisher; the cell is a plain release store, tail is private to it
//   head:      shared    - producers may evict; head moves by CAS
//              owned     - one consumer and no eviction; head is a plain release store
struct QueueForm {
  bool exclusive_producer = false;
  bool owned_head = false;

  friend constexpr bool operator==(QueueForm, QueueForm) = default;
};

constexpr QueueForm FormOf(bool exclusive_topic, WhenFull when_full) {
  return {.exclusive_producer = exclusive_topic, .owned_head = when_full != WhenFull::kOverwriteOldest};
}

// Written by the subscriber before the registry entry goes live; never changes. A death while writing leaves a file
// that no registry entry names; the next cleanup removes it.
struct QueueFacts {
  uint64_t magic = kQueueMagic;
  uint32_t layout = kLayoutNumber;
  uint32_t exclusive_producer = 0;  // bool
  Incarnation incarnation = 0;
  WhenFull when_full = WhenFull::kOverwriteOldest;
  uint32_t depth = 0;       // messages, 1 to kQueueDepthMax; exact, also when it is no power of two
  uint32_t cell_count = 0;  // power of two >= max(depth, kQueueCellsMin)
  uint32_t reserved = 0;
  uint64_t reserved_too = 0;
  uint64_t cells_offset = 0;  // bytes from the start of the file
  uint64_t file_bytes = 0;
};

enum QueueState : uint32_t { kQueueOpen = 0, kQueueClosed = 1 };

template <class A>
struct QueueHeader {
  template <class T>
  using Atomic = typename A::template Atomic<T>;

  QueueFacts facts;

  // Writers: producers add 1 when somebody sleeps; Interrupt() and close add 1. Readers conclude nothing but "changed
  // since I looked". A death between push and this leaves a sleeper asleep for at most a second.
  alignas(kIsolationBytes) Atomic<uint32_t> wake_word;
  // Writer: the consumer, +1 before it sleeps and -1 after. A dead consumer's queue is dead; nobody corrects this.
  Atomic<uint32_t> sleepers;
  // Writer: the consumer sets it to 1, for good, when it cannot make other cores fence (no membarrier): wakers fence
  // then.
  Atomic<uint32_t> force_fence;
  // Writer: the consumer (or the cleanup of a dead one), open -> closed, for good. A publisher that missed it pushes
  // into a queue that nobody reads, which harms nobody: the slot is free as soon as the queue is known to be closed.
  Atomic<uint32_t> state;
  // Writer: the consumer, another number each time it wants its descriptor signalled, before it counts itself among the
  // sleepers; 0: it has none. A publisher signals once per number. A death leaves nothing that matters.
  Atomic<uint32_t> arming;

  // Writers: producers, t -> t+1 by CAS, any producer for any other. May lag behind the cells: a death after the cell's
  // CAS leaves it one short, and the next producer helps. In an exclusive topic only a hint (written when the publisher
  // leaves).
  alignas(kIsolationBytes) Atomic<uint64_t> tail;

  // Writers: the consumer (h -> h+1) and evicting producers (CAS). Every value is a committed one.
  alignas(kIsolationBytes) Atomic<uint64_t> head;

  // Writers: the consumer adds 1 after it moved head if `blocked` is not 0. Same rules as wake_word, other way round.
  alignas(kIsolationBytes) Atomic<uint32_t> space_word;
  // Writers: blocked publishers, +1 before sleeping, saturating -1 after. A publisher that dies asleep leaves it too
  // high, which costs the consumer a wake call per take until the cleanup of that publisher sets it to 0 and wakes
  // everybody.
  Atomic<uint32_t> blocked;

  // Writer of entry i: publisher i of the topic, before each of its pushes until the first one is accepted. A reader
  // (the subscriber) concludes: messages of publisher i from this sequence on come, or came, through the queue. 0: none
  // yet.
  alignas(kIsolationBytes) Atomic<uint64_t> first_sequence[kPublishersPerTopicMax];
};

inline constexpr size_t kQueueCellsOffset = kPageBytes;

using SystemQueueHeader = QueueHeader<SystemAtomics>;
static_assert(sizeof(QueueFacts) == 64);
static_assert(offsetof(SystemQueueHeader, wake_word) == 128);
static_assert(offsetof(SystemQueueHeader, sleepers) == 132);
static_assert(offsetof(SystemQueueHeader, force_fence) == 136);
static_assert(offsetof(SystemQueueHeader, state) == 140);
static_assert(offsetof(SystemQueueHeader, arming) == 144);
static_assert(offsetof(SystemQueueHeader, tail) == 256);
static_assert(offsetof(SystemQueueHeader, head) == 384);
static_assert(offsetof(SystemQueueHeader, space_word) == 512);
static_assert(offsetof(SystemQueueHeader, blocked) == 516);
static_assert(offsetof(SystemQueueHeader, first_sequence) == 640);
static_assert(sizeof(SystemQueueHeader) <= kQueueCellsOffset);

constexpr uint32_t CellCount(uint32_t depth) {
  return std::bit_ceil(depth < kQueueCellsMin ? kQueueCellsMin : depth);
}

constexpr uint64_t QueueFileBytes(uint32_t depth) {
  return kQueueCellsOffset + uint64_t{CellCount(depth)} * sizeof(uint64_t);
}

// One cell's word.
constexpr uint64_t CellWord(uint32_t lap, Ref ref) {
  return uint64_t{lap} << 32 | ref.word();
}
constexpr uint32_t LapOf(uint64_t cell) {
  return static_cast<uint32_t>(cell >> 32);
}
constexpr Ref RefOf(uint64_t cell) {
  return Ref(static_cast<uint32_t>(cell));
}

// A queue in memory: the header, the cells, and the checked copy of the facts. Does not own the memory.
template <class A>
struct QueueView {
  using Cell = typename A::template Atomic<uint64_t>;

  QueueHeader<A>* header = nullptr;
  Cell* cells = nullptr;
  uint32_t depth = 0;
  uint32_t cell_mask = 0;
  uint32_t cell_shift = 0;
  WhenFull when_full = WhenFull::kOverwriteOldest;
  QueueForm form;

  Cell& cell(Position position) const { return cells[position & cell_mask]; }
  uint32_t lap(Position position) const { return static_cast<uint32_t>(position >> cell_shift) + 1; }
};

// Lap and position arithmetic wraps; this is the signed distance that the protocol compares.
constexpr int32_t LapDistance(uint32_t from_cell, uint32_t wanted) {
  return static_cast<int32_t>(from_cell - wanted);
}

template <class A>
QueueView<A> MakeQueueView(QueueHeader<A>* header, typename A::template Atomic<uint64_t>* cells, uint32_t depth,
                           WhenFull when_full, bool exclusive_producer) {
  const uint32_t cell_count = CellCount(depth);
  return {.header = header,
          .cells = cells,
          .depth = depth,
          .cell_mask = cell_count - 1,
          .cell_shift = static_cast<uint32_t>(std::countr_zero(cell_count)),
          .when_full = when_full,
          .form = FormOf(exclusive_producer, when_full)};
}

// Makes an empty queue whose first position is `start`. Every cell gets the lap of the last position before `start`
// that falls on it, so that a queue may begin anywhere (tests begin just below the wrap of the lap).
template <class A>
void InitializeQueue(const QueueView<A>& queue, Position start = 0) {
  const uint64_t cell_count = uint64_t{queue.cell_mask} + 1;
  for (uint64_t i = 0; i < cell_count; ++i) {
    const Position next = start + ((i - start) & queue.cell_mask);  // first position >= start on cell i
    queue.cells[i].store(CellWord(queue.lap(next) - 1, Ref()), kRelaxed);
  }
  queue.header->head.store(start, kRelaxed);
  queue.header->tail.store(start, kRelaxed);
}

}  // namespace weir::queue

#endif  // WEIR_QUEUE_QUEUE_LAYOUT_H_
