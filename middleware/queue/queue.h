// The queue: a bounded ring of refs, many producers, one subscription taking from it.
//
// Invariants, for positions t and the ring's cells:
//   I1  A cell's lap never goes back. A message enters the queue by the one atomic write that gives its cell a new lap;
//       there is no claimed-but-unfinished state, so no death can leave one.
//   I2  tail <= the first position whose cell is not filled. It may lag behind that; whoever notices moves it.
//   I3  head <= that position, and that position - head <= depth: a producer writes position t only after it saw
//       t - head < depth.
//   I4  A ref at a position >= head belongs to the queue; the consumer owns it from the moment its borrow entry names
//       it *and* its move of head from that position has won. Only then may it be dereferenced.
//   I5  A cell is only written by producers, head never goes back, and each move of head is by one: a plain store if
//       the consumer owns head, else a CAS.
//
// Death, at any instruction: before the cell's write nothing happened (the slot returns to nobody: its publisher is
// dead); after it the message is in the queue, and tail lags by one. A dead consumer's queue is dead with it.
//
// Thread-safety: a Producer and a Consumer are each used by one thread at a time; any number of producers (one, if the
// topic is exclusive) and one consumer work on a queue concurrently, in any processes. Nothing here blocks or
// allocates.
#ifndef WEIR_QUEUE_QUEUE_H_
#define WEIR_QUEUE_QUEUE_H_

#include <cstdint>

#include "middleware/base/crash_point.h"
#include "middleware/base/words.h"
#include "middleware/queue/atomics.h"
#include "middleware/queue/borrow_table.h"
#include "middleware/queue/queue_layout.h"

namespace weir::queue {

struct PushResult {
  bool accepted = false;
  bool corrupt = false;   // not accepted, because the words are no queue's
  Position position = 0;  // where the ref lies, if accepted
  uint32_t evicted = 0;  // messages removed to make room; may be > 0 even if not accepted (another producer was faster)
};

// Another process owns head, tail and cells too. A loop that must end because of what the protocol guarantees gives up
// after this many rounds: then the words are not a queue's.
inline constexpr uint32_t kStuckRounds = 1u << 16;

// The first position whose cell is not filled yet, found by walking: from the shared tail, or in an exclusive topic,
// whose tail is private, from head. At most `cell_count` steps, each justified by a fitting lap (never by a maximum
// over cells, which a cell from the lap before would spoil).
template <class A>
Position FindEnd(const QueueView<A>& queue) {
  Position end = queue.form.exclusive_producer ? queue.header->head.load(kRelaxed) : queue.header->tail.load(kRelaxed);
  for (uint64_t steps = 0; steps <= queue.cell_mask; ++steps, ++end) {
    if (LapDistance(LapOf(queue.cell(end).load(kRelaxed)), queue.lap(end)) != 0) break;
  }
  return end;
}

// Messages in the queue right now; exact when nothing moves, and never more than depth.
template <class A>
uint64_t CountQueued(const QueueView<A>& queue) {
  const Position head = queue.header->head.load(kRelaxed);
  const Position end = FindEnd(queue);
  const auto count = static_cast<int64_t>(end - head);
  if (count < 0) return 0;  // head moved between the two
  return static_cast<uint64_t>(count) < queue.depth ? static_cast<uint64_t>(count) : queue.depth;
}

template <class A>
class Producer {
 public:
  Producer() = default;
  explicit Producer(const QueueView<A>& queue)
      : queue_(queue), cached_head_(queue.header->head.load(kRelaxed)), private_tail_(FindEnd(queue)) {}

  const QueueView<A>& queue() const { return queue_; }

  // Puts `ref` at the end of the queue. When the queue is full: evicts the oldest if `evict`, else refuses.
  // Visible to the consumer that takes it: everything written to the slot before.
  PushResult Push(Ref ref, bool evict) {
    return queue_.form.exclusive_producer ? PushExclusive(ref, evict) : PushShared(ref, evict);
  }

  // True if a push would be refused or would evict at this moment. A tail that lags hides that once: the push that is
  // tried then helps it and is refused.
  bool IsFull() {
    const Position tail = queue_.form.exclusive_producer ? private_tail_ : queue_.header->tail.load(kRelaxed);
    return IsFullAt(tail);
  }

  // In an exclusive topic: leaves the private tail where tools look for it. A successor does not rely on it.
  void LeaveTail() {
    if (queue_.form.exclusive_producer) queue_.header->tail.store(private_tail_, kRelaxed);
  }

 private:
  // Full is a signed comparison: a tail that lags (its mover died) makes the difference negative, which is not full.
  static bool Reaches(Position tail, Position head, uint32_t depth) {
    return static_cast<int64_t>(tail - head) >= static_cast<int64_t>(depth);
  }

  // head only grows, so the cached value can only make the queue look fuller than it is.
  bool IsFullAt(Position tail) {
    if (!Reaches(tail, cached_head_, queue_.depth)) return false;
    cached_head_ = queue_.header->head.load(kRelaxed);
    return Reaches(tail, cached_head_, queue_.depth);
  }

  // Evicting is the CAS of head and nothing else. An RMW and not a store, because a store would cut the release
  // sequence that a consumer's earlier move of head started.
  bool EvictOldest() {
    Position head = cached_head_;
    // relaxed: the evictor has read nothing from the slot that the slot's owner would have to wait for.
    if (queue_.header->head.compare_exchange(head, head + 1, kRelaxed)) {
      cached_head_ = head + 1;
      return true;
    }
    cached_head_ = head;
    return false;
  }

  PushResult PushShared(Ref ref, bool evict) {
    PushResult result;
    // Each round either succeeds, or somebody else's push, take or eviction made progress (lock-free).
    for (uint32_t round = 0; round < kStuckRounds; ++round) {
      Position tail = queue_.header->tail.load(kRelaxed);
      if (IsFullAt(tail)) {
        if (!evict) return result;
        if (EvictOldest()) ++result.evicted;
        WEIR_CRASH_POINT("queue.push.after_evict");
        continue;
      }
      auto& cell = queue_.cell(tail);
      const uint32_t lap = queue_.lap(tail);
      uint64_t seen = cell.load(kRelaxed);
      const int32_t distance = LapDistance(LapOf(seen), lap);
      if (distance == 0) {  // filled, but tail was left behind: help
        queue_.header->tail.compare_exchange(tail, tail + 1, kRelaxed);
        continue;
      }
      if (distance > 0) continue;  // our tail is stale by a lap or more; an older lap is never written
      WEIR_CRASH_POINT("queue.push.before_cell");
      // sync(queue.cell): release; pairs with the acquire in Consumer::Take(). Claims and fills in one step; makes the
      // slot's header and body visible. death: after this CAS and before the tail moves, tail lags by one.
      if (!cell.compare_exchange(seen, CellWord(lap, ref), kRelease, "queue.cell")) continue;
      WEIR_CRASH_POINT("queue.push.before_tail");
      result.position = tail;
      // relaxed: tail is a hint about where to look for the first unfilled cell.
      queue_.header->tail.compare_exchange(tail, tail + 1, kRelaxed);
      result.accepted = true;
      return result;
    }
    result.corrupt = true;
    return result;
  }

  PushResult PushExclusive(Ref ref, bool evict) {
    PushResult result;
    // Ends: a full queue that we evict from is full only while our CAS of head loses to a take, which makes room
    // itself.
    for (;;) {
      const bool full = IsFullAt(private_tail_);
      // Nobody else produces, so head lies in [tail - depth, tail]; unsigned, which checks both ends. A head that
      // garbage set back would be evicted from for ever, one that it set ahead would never be full again.
      if (private_tail_ - cached_head_ > queue_.depth) {
        result.corrupt = true;
        return result;
      }
      if (!full) break;
      if (!evict) return result;
      if (EvictOldest()) ++result.evicted;
      WEIR_CRASH_POINT("queue.push.after_evict");
    }
    WEIR_CRASH_POINT("queue.push.before_cell");
    // sync(queue.cell): release; pairs with the acquire in Consumer::Take(). A plain store suffices: nobody else
    // produces.
    queue_.cell(private_tail_).store(CellWord(queue_.lap(private_tail_), ref), kRelease, "queue.cell");
    WEIR_CRASH_POINT("queue.push.before_tail");
    result.position = private_tail_++;
    result.accepted = true;
    return result;
  }

  QueueView<A> queue_;
  Position cached_head_ = 0;
  Position private_tail_ = 0;  // exclusive topics only
};

enum class TakeStatus : uint8_t { kTaken, kEmpty, kCorrupt };

struct TakeResult {
  TakeStatus status = TakeStatus::kEmpty;
  Ref ref = Ref();
  Position position = 0;
};

template <class A>
class Consumer {
 public:
  Consumer() = default;
  explicit Consumer(const QueueView<A>& queue) : queue_(queue), private_head_(queue.header->head.load(kRelaxed)) {}

  const QueueView<A>& queue() const { return queue_; }

  // Takes the oldest ref and leaves it in entry `entry` of `table`, which the caller found free. On kTaken the slot may
  // be read until the entry is cleared. On kEmpty and kCorrupt the entry is free again. kCorrupt: the words are no
  // queue's.
  TakeResult Take(BorrowTable<A>& table, uint32_t entry) {
    return Take(table, entry, [](Ref) {});
  }

  // The same, and `hint(Ref)` is called as early as the ref is known: before it is won, so the slot may only be
  // prefetched, not touched.
  template <class Hint>
  TakeResult Take(BorrowTable<A>& table, uint32_t entry, Hint hint) {
    return queue_.form.owned_head ? TakeOwned(table, entry, hint) : TakeShared(table, entry, hint);
  }

  // Calls `hint(Ref)` for messages behind the one just taken from `position`, each once, a few at a time and at most
  // `distance` ahead, as far as they are there. What it gets may be evicted before it is taken.
  template <class Hint>
  void LookAhead(Position position, uint32_t distance, Hint hint) {
    if (static_cast<int64_t>(looked_ahead_ - position) <= 0) looked_ahead_ = position + 1;
    for (int i = 0; i < 2 && looked_ahead_ - position <= distance; ++i, ++looked_ahead_) {
      const uint64_t seen = queue_.cell(looked_ahead_).load(kRelaxed);  // relaxed: nothing is dereferenced by it
      if (LapDistance(LapOf(seen), queue_.lap(looked_ahead_)) != 0) return;
      hint(RefOf(seen));
    }
  }

  // A look without a take; used before sleeping. True if Take() would not say kEmpty.
  bool HasMessage() const {
    const Position head = queue_.form.owned_head ? private_head_ : queue_.header->head.load(kRelaxed);
    return LapDistance(LapOf(queue_.cell(head).load(kRelaxed)), queue_.lap(head)) >= 0;
  }

 private:
  template <class Hint>
  TakeResult TakeShared(BorrowTable<A>& table, uint32_t entry, Hint hint) {
    Position previous = 0;
    uint32_t stuck = 0;
    // Ends: a lost CAS or a lap ahead means that an evictor moved head, for which a message came in.
    for (;;) {
      Position head = queue_.header->head.load(kRelaxed);
      // sync(queue.cell): acquire; pairs with the release in Push(): header and body of the slot.
      const uint64_t seen = queue_.cell(head).load(kAcquire, "queue.cell");
      const int32_t distance = LapDistance(LapOf(seen), queue_.lap(head));
      if (distance < 0) return {};
      if (distance > 0) {  // head is stale: never "empty". If it does not move, somebody wrote garbage.
        stuck = head == previous ? stuck + 1 : 0;
        previous = head;
        if (stuck > kStuckRounds) return {.status = TakeStatus::kCorrupt, .position = head};
        continue;
      }
      const Ref ref = RefOf(seen);
      hint(ref);
      table.Set(entry, ref);  // before head moves, so that no moment exists in which neither names the slot
      WEIR_CRASH_POINT("queue.take.after_borrow");
      const Position position = head;
      // sync(queue.head): release; pairs with the acquire in Reclaimer::Pass(): who sees head past this position also
      // sees the borrow entry.
      if (queue_.header->head.compare_exchange(head, head + 1, kRelease, "queue.head")) {
        WEIR_CRASH_POINT("queue.take.after_head");
        return {.status = TakeStatus::kTaken, .ref = ref, .position = position};
      }
      table.Clear(entry);  // lost to an evictor: the ref was never ours and was never looked at
    }
  }

  template <class Hint>
  TakeResult TakeOwned(BorrowTable<A>& table, uint32_t entry, Hint hint) {
    // sync(queue.cell): acquire; pairs with the release in Push(): header and body of the slot.
    const uint64_t seen = queue_.cell(private_head_).load(kAcquire, "queue.cell");
    const int32_t distance = LapDistance(LapOf(seen), queue_.lap(private_head_));
    if (distance < 0) return {};
    // Nobody else moves head, so a cell of a later lap cannot be.
    if (distance > 0) return {.status = TakeStatus::kCorrupt, .position = private_head_};
    const Ref ref = RefOf(seen);
    hint(ref);
    table.Set(entry, ref);
    WEIR_CRASH_POINT("queue.take.after_borrow");
    const Position position = private_head_++;
    // sync(queue.head): release; pairs with the acquire in Reclaimer::Pass(): as in TakeShared().
    queue_.header->head.store(private_head_, kRelease, "queue.head");
    WEIR_CRASH_POINT("queue.take.after_head");
    return {.status = TakeStatus::kTaken, .ref = ref, .position = position};
  }

  QueueView<A> queue_;
  Position private_head_ = 0;  // owned head only
  Position looked_ahead_ = 0;  // everything before it
};

}  // namespace weir::queue

#endif  // WEIR_QUEUE_QUEUE_H_
