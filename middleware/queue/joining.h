// What a joiner takes from a history, and how that is put together with what comes through its queue: each message
// once, in order, and what is missing is counted.
//
// The entries are read from the newest backwards, and no further than the first that is gone or missing: a publisher
// that goes on meanwhile replaces the oldest. What the joiner gets then ends where its queue begins: the entry of the
// next message was still an older one when the joiner looked at it, after its fence, so that message was, or will be,
// pushed to it. (In the ring's order, a joiner that is held up between two entries gets an old message and then a gap.)
#ifndef WEIR_QUEUE_JOINING_H_
#define WEIR_QUEUE_JOINING_H_

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "middleware/base/words.h"
#include "middleware/queue/atomics.h"
#include "middleware/queue/borrow_table.h"
#include "middleware/queue/history.h"

namespace weir::queue {

// Entries by their number, the newest first.
template <class A>
using HistoryOrder = std::vector<std::pair<uint32_t, const typename HistoryWriter<A>::Entry*>>;

// Borrows from a history. `find_free()` gives a borrow entry or table.entry_count(); `still_there()` is asked about the
// publisher as in BorrowFromHistory(); `keep(ref, borrow, number)` checks a borrowed message, whose number must end in
// `number`, and keeps it. If it returns false, the entry is cleared and nothing older is read. `order`: room to work
// in.
template <class A, class Entries, class FindFree, class StillThere, class Keep>
void BorrowNewestFirst(const Entries& entries, BorrowTable<A>& table, HistoryOrder<A>& order, FindFree find_free,
                       StillThere still_there, Keep keep) {
  order.clear();
  for (const auto& entry : entries) {
    // relaxed: only a hint about the order; BorrowFromHistory() looks for itself.
    if (const uint64_t word = entry.load(kRelaxed); word != 0) order.emplace_back(HistorySequenceOf(word), &entry);
  }
  std::sort(order.begin(), order.end(),
            [](const auto& a, const auto& b) { return static_cast<int32_t>(a.first - b.first) > 0; });
  for (size_t i = 0; i < order.size(); ++i) {
    const uint32_t number = order[i].first;
    if (i > 0 && order[i - 1].first != number + 1) return;
    const uint32_t borrow = find_free();
    if (borrow == table.entry_count()) return;
    const Ref ref = BorrowFromHistory<A>(*order[i].second, table, borrow, still_there);
    if (!ref) return;
    if (!keep(ref, borrow, number)) {  // replaced since we looked for the order, or damaged
      table.Clear(borrow);
      return;
    }
  }
}

// How far a subscriber is with one publisher's messages. `first` is first_sequence of that publisher in the queue's
// header: from this number on its messages come, or came, through the queue; 0 if none has been pushed yet.
struct Progress {
  Sequence last = 0;          // delivered
  Sequence last_history = 0;  // of these, from the history

  // A message of the history: false if it is left to the queue. Only there is the order of those behind `first` kept.
  static bool WantsFromHistory(Sequence sequence, Sequence first) { return first == 0 || sequence < first; }
  // A message of the queue: false if the history has brought it already. By its exact number, never "everything up to
  // the highest seen": the queue may hold older messages that the history had lost.
  bool WantsFromQueue(Sequence sequence) const { return sequence != last_history; }

  // Both return how many messages before this one are missing.
  uint64_t DeliverFromHistory(Sequence sequence) {
    const uint64_t missed = last != 0 && sequence > last + 1 ? sequence - last - 1 : 0;
    last = sequence;
    last_history = sequence;
    return missed;
  }
  template <class First>
  uint64_t DeliverFromQueue(Sequence sequence, First first) {
    const Sequence expected = last == 0 ? first() : last + 1;
    last = sequence;
    return expected != 0 && sequence > expected ? sequence - expected : 0;
  }
};

}  // namespace weir::queue

#endif  // WEIR_QUEUE_JOINING_H_
