// History: the last messages of a publisher, for subscribers that join later. It is pulled, not pushed: a ring in the
// publisher's own file that only the publisher writes, so that the latched value of an idle or stopped publisher
// reaches a late subscriber without the publisher doing anything.
//
// The order that makes it whole (each FENCE is seq_cst):
//   publisher: entry; FENCE; load generation (connect to new queues); push
//   joiner:    register; raise generation; FENCE; read entries
// Either the joiner sees the entry, or the publisher sees the joiner and pushes; possibly both. Messages that come both
// ways are told apart by first_sequence in the queue's header and, for the one that may be in flight, by its number.
//
// Keeping a message while reading it is Dekker's pattern again:
//   joiner:    hint = entry; borrow(hint); FENCE; entry again (and: is the publisher still the one?)
//   publisher: entry = newer;              FENCE; read borrow tables; reuse
// If the entry did not change, the publisher's pass will see the borrow. If it did, the message that replaced it was
// published after the joiner had registered and comes, or came, through the queue.
#ifndef WEIR_QUEUE_HISTORY_H_
#define WEIR_QUEUE_HISTORY_H_

#include <cstdint>

#include "middleware/base/crash_point.h"
#include "middleware/base/words.h"
#include "middleware/queue/atomics.h"
#include "middleware/queue/borrow_table.h"

namespace weir::queue {

// One entry: (low half of the sequence:32 | ref:32). The sequence makes "unchanged" mean "the same message", also when
// the same slot came round again. Writer: the publisher. 0: nothing yet. A death leaves a whole entry, old or new.
constexpr uint64_t HistoryWord(Sequence sequence, Ref ref) {
  return sequence << 32 | ref.word();
}
constexpr uint32_t HistorySequenceOf(uint64_t word) {
  return static_cast<uint32_t>(word >> 32);
}

template <class A>
class HistoryWriter {
 public:
  using Entry = typename A::template Atomic<uint64_t>;

  HistoryWriter() = default;
  HistoryWriter(Entry* entries, uint32_t entry_count) : entries_(entries), entry_count_(entry_count) {}

  uint32_t entry_count() const { return entry_count_; }

  // Puts message `sequence` in place of the oldest. Must be followed by a call of Fence() before the generation is
  // loaded.
  void Add(Sequence sequence, Ref ref) {
    // sync(history.entry): release; pairs with the acquire in BorrowFromHistory(): header and body of the slot.
    entries_[sequence % entry_count_].store(HistoryWord(sequence, ref), kRelease, "history.entry");
    WEIR_CRASH_POINT("history.after_entry");
  }

  static void Fence() {
    // sync(history.join): seq_cst; pairs with the fence in BorrowFromHistory() and the one after a joiner raised the
    // generation. Prevents the load of the generation from being done before the entry is visible.
    A::Fence(kSeqCst, "history.join");
  }

 private:
  Entry* entries_ = nullptr;
  uint32_t entry_count_ = 0;
};

// The joiner's fence between raising the generation and reading the entries.
template <class A>
void FenceAfterJoining() {
  // sync(history.join): seq_cst; pairs with HistoryWriter::Fence(). Prevents the entries from being read before the
  // raised generation is visible.
  A::Fence(kSeqCst, "history.join");
}

// Borrows what `entry` of a history names, in entry `borrow` of `table`. Returns the ref, or a zero one if the history
// has nothing there or has moved on (then the borrow entry is free again). `still_there()` is asked after the fence
// whether the publisher is still alive and the same.
template <class A, class StillThere>
Ref BorrowFromHistory(const typename A::template Atomic<uint64_t>& entry, BorrowTable<A>& table, uint32_t borrow,
                      StillThere still_there) {
  const uint64_t hint = entry.load(kRelaxed);  // relaxed: only a hint, nothing is dereferenced by it
  const Ref ref(static_cast<uint32_t>(hint));
  if (!ref) return Ref();
  table.Set(borrow, ref);
  WEIR_CRASH_POINT("history.after_borrow");
  // sync(history.join): seq_cst; pairs with the fence at the start of Reclaimer::Pass(). Prevents the second look from
  // being done before the borrow is visible.
  A::Fence(kSeqCst, "history.join");
  // sync(history.entry): acquire; pairs with the release in HistoryWriter::Add().
  if (entry.load(kAcquire, "history.entry") == hint && still_there()) return ref;
  table.Clear(borrow);
  return Ref();
}

}  // namespace weir::queue

#endif  // WEIR_QUEUE_HISTORY_H_
