// Which of its slots may a publisher use again? That is derived, never counted in shared memory: a slot is free when
// every queue it was pushed to has moved past it (or is dead), the history has dropped it, and no borrow table names
// it.
//
// The books are the publisher's own: per connected queue a FIFO of (position, slot), per slot a number of things that
// still hold it. A pass costs what it frees, plus one look at each borrow table.
//
// A pass, in this order (another order loses messages):
//   1  FENCE, if there is a history: an entry that was replaced is gone for every reader that did not borrow it before
//   2  load the topic's generation; if queues or tables joined or left, free nothing: connect first
//   3  for each queue load head, *then* look at the borrow tables of all live subscribers of the topic
//   4  load the generation again; if it changed, the pass is thrown away
// Tables before heads would miss a slot that moved from queue to table in between. Without step 4 a subscriber that
// joined during the pass, and borrowed from the history, would be unknown to it.
//
// That a queue has passed a slot stays true, so slots that did are kept aside ("passed") between passes; only "no table
// names it" is found out anew.
//
// Thread-safety: none, it belongs to its publisher. Allocates only when it grows with the pool or a connection.
#ifndef WEIR_QUEUE_RECLAIM_H_
#define WEIR_QUEUE_RECLAIM_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "middleware/base/words.h"
#include "middleware/queue/atomics.h"
#include "middleware/queue/borrow_table.h"
#include "middleware/queue/queue_layout.h"

namespace weir::queue {

// A slot's number in its publisher's private books.
using SlotId = uint32_t;

// A growing ring buffer: pushes at one end, pops at the other, and allocates only to grow. (std::deque allocates and
// frees blocks in steady state, which publishing must not.)
template <class T>
class GrowingRing {
 public:
  bool empty() const { return head_ == tail_; }
  size_t size() const { return tail_ - head_; }
  T& front() { return items_[head_ & (capacity_ - 1)]; }
  void pop() { ++head_; }
  void push(const T& item) {
    if (tail_ - head_ == capacity_) Grow();
    items_[tail_++ & (capacity_ - 1)] = item;
  }
  void Reserve(size_t count) {
    while (capacity_ < count) Grow();
  }

 private:
  void Grow() {
    const size_t larger_capacity = capacity_ == 0 ? 64 : capacity_ * 2;
    auto larger = std::make_unique<T[]>(larger_capacity);
    const size_t count = size();
    for (size_t i = 0; i < count; ++i) larger[i] = items_[(head_ + i) & (capacity_ - 1)];
    items_ = std::move(larger);
    capacity_ = larger_capacity;
    head_ = 0;
    tail_ = count;
  }

  std::unique_ptr<T[]> items_;
  size_t capacity_ = 0;  // 0 or a power of two
  size_t head_ = 0;
  size_t tail_ = 0;
};

enum class PassResult : uint8_t {
  kDone,
  kMembershipChanged,  // nothing was freed; connect to what is new, then try again
};

template <class A>
class Reclaimer {
 public:
  using Generation = typename A::template Atomic<uint64_t>;

  // A connected queue: its header, and the messages that were pushed there and not yet passed.
  struct Connection {
    QueueView<A> queue;
    Incarnation incarnation = 0;
    Position seen_head = 0;
    // Half of the position is enough: what is in the FIFO lies close together. Small, because publishing walks through
    // the whole ring again and again.
    struct Pushed {
      uint32_t position;
      SlotId slot;
    };
    GrowingRing<Pushed> pushed;
  };

  explicit Reclaimer(PublisherIndex publisher, bool has_history) : publisher_(publisher), has_history_(has_history) {}

  // Slots -----------------------------------------------------------------------------------------------------------

  SlotId AddSlot(Ref ref) {
    slots_.push_back({.ref = ref, .holds = 0});
    if (passed_.capacity() < slots_.size()) {  // never allocate inside a pass
      const size_t capacity = std::max<size_t>(64, slots_.size() * 2);
      passed_.reserve(capacity);
      kept_.reserve(capacity);
    }
    return static_cast<SlotId>(slots_.size() - 1);
  }
  Ref ref(SlotId slot) const { return slots_[slot].ref; }
  size_t slot_count() const { return slots_.size(); }

  // A hold keeps the slot from being looked at: one for a loan, one while the history names it, one for each queue.
  void Hold(SlotId slot) { ++slots_[slot].holds; }
  void Unhold(SlotId slot) {
    if (--slots_[slot].holds == 0) passed_.push_back(slot);
  }
  // For a loan that was never visible to anybody: the slot is free at once.
  void UnholdUnseen(SlotId slot) { --slots_[slot].holds; }

  // Connections -----------------------------------------------------------------------------------------------------

  void OnPushed(Connection& connection, Position position, SlotId slot) {
    ++slots_[slot].holds;
    connection.pushed.push({static_cast<uint32_t>(position), slot});
  }

  // The queue is closed or dead: whatever it still holds, it holds no more.
  void Disconnect(Connection& connection) {
    while (!connection.pushed.empty()) {
      Unhold(connection.pushed.front().slot);
      connection.pushed.pop();
    }
  }

  // Room for what a pass collects from the tables, so that it does not allocate.
  void ReserveForTables(size_t entries) { named_.reserve(entries); }

  // Slots that all queues have passed but that were still borrowed, or not yet looked at.
  size_t passed_count() const { return passed_.size(); }

  // A pass --------------------------------------------------------------------------------------------------------

  // `connections`: iterable of Connection*; `tables`: iterable of BorrowTable<A>, of all live subscribers of the topic
  // as of generation `known`. Calls freed(SlotId) for each slot that may be used again, `at_most` times.
  template <class Connections, class Tables, class Freed>
  PassResult Pass(const Generation& generation, uint64_t known, Connections& connections, Tables& tables,
                  size_t at_most, Freed freed) {
    if (has_history_) {
      // sync(history.join): seq_cst; pairs with the fence in BorrowFromHistory(). Prevents the tables from being read
      // before the replaced history entries are visible.
      A::Fence(kSeqCst, "history.join");
    }
    // sync(topic.generation): acquire; pairs with the release that raises it: the tables and queues of that generation.
    if (generation.load(kAcquire, "topic.generation") != known) return PassResult::kMembershipChanged;

    for (Connection* connection : connections) PopPassed(*connection);
    if (passed_.empty()) return PassResult::kDone;

    named_.clear();
    for (auto& table : tables) {
      table.ForEach([this](Ref ref) {
        if (ref.publisher() == publisher_) named_.push_back(ref.word());
      });
    }
    std::sort(named_.begin(), named_.end());

    // sync(topic.generation): acquire; pairs with the release that raises it. A borrow entry that this pass did not see
    // belongs to a table that was stored before the generation was raised. Not reordered before the loads of the
    // tables, because those are acquire loads.
    if (generation.load(kAcquire, "topic.generation") != known) return PassResult::kMembershipChanged;

    // From the back: the slot that was passed last is the warmest. What is still borrowed goes back on top, so a pass
    // looks at no more than at_most slots and those that are borrowed.
    kept_.clear();
    for (size_t freed_count = 0; freed_count < at_most && !passed_.empty();) {
      const SlotId slot = passed_.back();
      passed_.pop_back();
      if (!named_.empty() && std::binary_search(named_.begin(), named_.end(), slots_[slot].ref.word())) {
        kept_.push_back(slot);
      } else {
        ++freed_count;
        freed(slot);
      }
    }
    passed_.insert(passed_.end(), kept_.begin(), kept_.end());
    return PassResult::kDone;
  }

 private:
  struct Slot {
    Ref ref;
    uint32_t holds = 0;
  };

  void PopPassed(Connection& connection) {
    // sync(queue.head): acquire; pairs with the release in Consumer::Take(): the borrow entry that was stored before
    // head moved, and through the release sequence also that of every earlier take.
    const Position head = connection.queue.header->head.load(kAcquire, "queue.head");
    // A head that went back is not a queue's head; believing it would only keep slots, not free them.
    if (static_cast<int64_t>(head - connection.seen_head) < 0) return;
    connection.seen_head = head;
    while (!connection.pushed.empty() &&
           static_cast<int32_t>(connection.pushed.front().position - static_cast<uint32_t>(head)) < 0) {
      Unhold(connection.pushed.front().slot);
      connection.pushed.pop();
    }
  }

  PublisherIndex publisher_;
  bool has_history_;
  std::vector<Slot> slots_;
  std::vector<SlotId> passed_;
  std::vector<SlotId> kept_;  // scratch of a pass
  std::vector<uint32_t> named_;
};

}  // namespace weir::queue

#endif  // WEIR_QUEUE_RECLAIM_H_
