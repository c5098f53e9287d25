#include "middleware/queue/reclaim.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "middleware/queue/history.h"
#include "tests/queue/stepped_atomics.h"
#include "tests/queue/test_queue.h"
#include "tests/queue/world.h"

namespace weir::queue {
namespace {

using Atomics = SteppedAtomics;
using Table = BorrowTable<Atomics>;

constexpr PublisherIndex kPublisher = 7;

// A publisher with its slots, connected to one queue or more, and one borrow table that stands for all.
class ReclaimTest : public testing::Test {
 protected:
  struct Queue {
    TestQueue<Atomics> queue;
    Producer<Atomics> producer;
    Reclaimer<Atomics>::Connection connection;

    Queue(Form form, uint32_t depth, Position start) : queue(form, depth, start), producer(queue.NewProducer()) {
      connection.queue = queue.producers_view();
      connection.seen_head = start;
    }
    Position head() const { return queue.header().head.load(kRelaxed); }
  };

  Queue& Connect(Form form = kForms[0], uint32_t depth = 100, Position start = 0) {
    queues_.push_back(std::make_unique<Queue>(form, depth, start));
    connections_.push_back(&queues_.back()->connection);
    return *queues_.back();
  }

  // The same, with no other queue any more and nothing left of them.
  Queue& ConnectOnlyTo(Form form = kForms[0], uint32_t depth = 100, Position start = 0) {
    for (Reclaimer<Atomics>::Connection* connection : connections_) reclaimer_.Disconnect(*connection);
    connections_.clear();
    queues_.clear();
    Pass();
    return Connect(form, depth, start);
  }

  SlotId AddSlot() { return reclaimer_.AddSlot(Ref(kPublisher, static_cast<uint32_t>(reclaimer_.slot_count()) + 1)); }
  std::vector<SlotId> AddSlots(size_t count) {
    std::vector<SlotId> slots;
    for (size_t i = 0; i < count; ++i) slots.push_back(AddSlot());
    return slots;
  }

  void Push(Queue& queue, SlotId slot) {
    const PushResult result = queue.producer.Push(reclaimer_.ref(slot), queue.queue.form().evicts());
    ASSERT_TRUE(result.accepted);
    reclaimer_.OnPushed(queue.connection, result.position, slot);
  }

  // The slots that a pass frees, in its order.
  std::vector<SlotId> Pass(size_t at_most = 1000) {
    std::vector<SlotId> freed;
    last_result_ = reclaimer_.Pass(generation_, known_, connections_, tables_, at_most,
                                   [&](SlotId slot) { freed.push_back(slot); });
    return freed;
  }
  std::vector<SlotId> SortedPass(size_t at_most = 1000) {
    std::vector<SlotId> freed = Pass(at_most);
    std::sort(freed.begin(), freed.end());
    return freed;
  }

  const std::vector<SlotId> kNothing;

  std::vector<Table::Entry> entries_ = std::vector<Table::Entry>(64);
  Table table_{entries_.data(), 64};
  std::vector<Table> tables_{table_};
  std::vector<std::unique_ptr<Queue>> queues_;
  std::vector<Reclaimer<Atomics>::Connection*> connections_;
  Reclaimer<Atomics>::Generation generation_;
  uint64_t known_ = 0;
  Reclaimer<Atomics> reclaimer_{kPublisher, true};
  PassResult last_result_ = PassResult::kDone;
};

TEST_F(ReclaimTest, ASlotIsFreeOnlyWhenItIsPassedAndNotBorrowedAndNotInHistoryAndNotLoaned) {
  for (int situation = 0; situation < 16; ++situation) {
    const bool passed = (situation & 1) != 0;
    const bool borrowed = (situation & 2) != 0;
    const bool in_history = (situation & 4) != 0;
    const bool loaned = (situation & 8) != 0;
    SCOPED_TRACE(testing::Message() << "passed " << passed << ", borrowed " << borrowed << ", in history " << in_history
                                    << ", loaned " << loaned);
    Queue& queue = ConnectOnlyTo();
    const SlotId slot = AddSlot();
    reclaimer_.Hold(slot);                  // the loan
    if (in_history) reclaimer_.Hold(slot);  // as of publishing
    Push(queue, slot);
    if (!loaned) reclaimer_.Unhold(slot);
    if (borrowed) table_.Set(3, reclaimer_.ref(slot));
    if (passed) queue.queue.Take();

    const bool free = passed && !borrowed && !in_history && !loaned;
    EXPECT_EQ(Pass(), free ? std::vector<SlotId>{slot} : kNothing);
    EXPECT_EQ(last_result_, PassResult::kDone);
    EXPECT_EQ(Pass(), kNothing) << "it is freed once";

    // And when the last of it is over, it is free.
    if (!passed) queue.queue.Take();
    EXPECT_EQ(queue.head(), 1u);
    if (loaned) reclaimer_.Unhold(slot);
    if (in_history) reclaimer_.Unhold(slot);
    table_.Clear(3);
    EXPECT_EQ(Pass(), free ? kNothing : std::vector<SlotId>{slot});
    EXPECT_EQ(reclaimer_.passed_count(), 0u);
  }
}

TEST_F(ReclaimTest, AMessageToSeveralQueuesIsFreeWhenTheSlowestHasPassedIt) {
  Queue& fast = Connect();
  Queue& slow = Connect(kForms[3]);
  Queue& other = Connect();
  const SlotId slot = AddSlot();
  reclaimer_.Hold(slot);
  for (Queue* queue : {&fast, &slow, &other}) Push(*queue, slot);
  reclaimer_.Unhold(slot);
  EXPECT_EQ(Pass(), kNothing);
  for (Queue* queue : {&fast, &other}) {
    ASSERT_EQ(queue->queue.Take().status, TakeStatus::kTaken);
    EXPECT_EQ(Pass(), kNothing);
  }
  ASSERT_EQ(slow.queue.Take().status, TakeStatus::kTaken);
  EXPECT_EQ(Pass(), std::vector<SlotId>{slot});
}

TEST_F(ReclaimTest, AMessageThatNoQueueAcceptedIsFreeAtOnce) {
  const SlotId slot = AddSlot();
  reclaimer_.Hold(slot);
  reclaimer_.Unhold(slot);
  EXPECT_EQ(Pass(), std::vector<SlotId>{slot});
}

TEST_F(ReclaimTest, ALoanThatNobodySawIsNotForAPass) {
  const SlotId slot = AddSlot();
  reclaimer_.Hold(slot);
  reclaimer_.UnholdUnseen(slot);
  EXPECT_EQ(reclaimer_.passed_count(), 0u);
  EXPECT_EQ(Pass(), kNothing);
}

TEST_F(ReclaimTest, AnEvictedMessageIsFree) {
  Queue& queue = Connect(kForms[0], 2);
  const std::vector<SlotId> slots = AddSlots(5);
  for (const SlotId slot : slots) Push(queue, slot);
  EXPECT_EQ(SortedPass(), (std::vector<SlotId>{slots[0], slots[1], slots[2]}));
}

TEST_F(ReclaimTest, RefsOfOtherPublishersKeepNothing) {
  Queue& queue = Connect();
  const SlotId slot = AddSlot();
  Push(queue, slot);
  ASSERT_EQ(queue.queue.Take().status, TakeStatus::kTaken);
  table_.Set(0, Ref(kPublisher + 1, reclaimer_.ref(slot).offset_granules()));
  table_.Set(1, Ref(kPublisher, reclaimer_.ref(slot).offset_granules() + 1));
  EXPECT_EQ(Pass(), std::vector<SlotId>{slot});
}

TEST_F(ReclaimTest, EveryTableCounts) {
  std::vector<Table::Entry> entries(3);
  tables_.emplace_back(entries.data(), 3);
  Queue& queue = Connect();
  const SlotId slot = AddSlot();
  Push(queue, slot);
  ASSERT_EQ(queue.queue.Take().status, TakeStatus::kTaken);
  tables_[0].Set(63, reclaimer_.ref(slot));
  tables_[1].Set(2, reclaimer_.ref(slot));
  EXPECT_EQ(Pass(), kNothing);
  tables_[0].Clear(63);
  EXPECT_EQ(Pass(), kNothing);
  tables_[1].Clear(2);
  EXPECT_EQ(Pass(), std::vector<SlotId>{slot});
}

TEST_F(ReclaimTest, APassFreesNoMoreThanItIsAskedToAndTheRestLater) {
  Queue& queue = Connect();
  const std::vector<SlotId> slots = AddSlots(10);
  for (const SlotId slot : slots) Push(queue, slot);
  for (int i = 0; i < 10; ++i) ASSERT_EQ(queue.queue.Take().status, TakeStatus::kTaken);
  table_.Set(0, reclaimer_.ref(slots[9]));  // borrowed ones do not count, wherever they are looked at
  table_.Set(1, reclaimer_.ref(slots[0]));
  EXPECT_EQ(Pass(0), kNothing);
  std::vector<SlotId> freed;
  for (const size_t count : {3u, 3u, 2u, 0u}) {
    const std::vector<SlotId> batch = Pass(3);
    EXPECT_EQ(batch.size(), count);
    freed.insert(freed.end(), batch.begin(), batch.end());
  }
  std::sort(freed.begin(), freed.end());
  EXPECT_EQ(freed, std::vector<SlotId>(slots.begin() + 1, slots.end() - 1));
  EXPECT_EQ(reclaimer_.passed_count(), 2u);
  table_.Clear(0);
  table_.Clear(1);
  EXPECT_EQ(SortedPass(3), (std::vector<SlotId>{slots[0], slots[9]}));
}

TEST_F(ReclaimTest, WhatADisconnectedQueueHeldIsFreeUnlessATableNamesIt) {
  Queue& gone = Connect();
  Queue& other = Connect();
  const std::vector<SlotId> slots = AddSlots(3);
  Push(gone, slots[0]);
  Push(gone, slots[1]);
  Push(gone, slots[2]);
  Push(other, slots[2]);
  table_.Set(0, reclaimer_.ref(slots[1]));  // the queue closed, its subscriber still holds a sample
  reclaimer_.Disconnect(gone.connection);
  connections_.erase(connections_.begin());
  EXPECT_EQ(Pass(), std::vector<SlotId>{slots[0]});
  table_.Clear(0);
  EXPECT_EQ(Pass(), std::vector<SlotId>{slots[1]});
  ASSERT_EQ(other.queue.Take().status, TakeStatus::kTaken);
  EXPECT_EQ(Pass(), std::vector<SlotId>{slots[2]});
}

TEST_F(ReclaimTest, AHeadThatWentBackIsNotBelieved) {
  Queue& queue = Connect();
  const std::vector<SlotId> slots = AddSlots(4);
  for (const SlotId slot : slots) Push(queue, slot);
  auto& head = queue.queue.header().head;
  head.store(2, kRelaxed);
  EXPECT_EQ(SortedPass(), (std::vector<SlotId>{slots[0], slots[1]}));
  for (const Position garbage : {Position{1}, Position{0}, ~Position{0}}) {
    head.store(garbage, kRelaxed);
    EXPECT_EQ(Pass(), kNothing) << garbage;
  }
  head.store(3, kRelaxed);
  EXPECT_EQ(Pass(), std::vector<SlotId>{slots[2]});
}

TEST_F(ReclaimTest, PositionsMayLieAnywhere) {
  for (const Form form : kForms) {
    for (const Start start : kStarts) {
      Queue& queue = ConnectOnlyTo(form, 3, StartPosition(start, 3));
      for (int i = 0; i < 10; ++i) {
        const std::vector<SlotId> slots = AddSlots(2);
        for (const SlotId slot : slots) Push(queue, slot);
        ASSERT_EQ(queue.queue.Take().status, TakeStatus::kTaken);
        EXPECT_EQ(Pass(), std::vector<SlotId>{slots[0]});
        ASSERT_EQ(queue.queue.Take().status, TakeStatus::kTaken);
        EXPECT_EQ(Pass(), std::vector<SlotId>{slots[1]});
      }
    }
  }
}

// Membership ----------------------------------------------------------------------------------------------------------

TEST_F(ReclaimTest, APassThatKnowsAnOldGenerationFreesNothing) {
  Queue& queue = Connect();
  const SlotId slot = AddSlot();
  Push(queue, slot);
  ASSERT_EQ(queue.queue.Take().status, TakeStatus::kTaken);
  generation_.store(1, kRelease);
  EXPECT_EQ(Pass(), kNothing);
  EXPECT_EQ(last_result_, PassResult::kMembershipChanged);
  known_ = 1;
  EXPECT_EQ(Pass(), std::vector<SlotId>{slot});
  EXPECT_EQ(last_result_, PassResult::kDone);
  generation_.store(2, kRelease);
  EXPECT_EQ(Pass(), kNothing);
  EXPECT_EQ(last_result_, PassResult::kMembershipChanged) << "said also if there was nothing to free";
}

TEST_F(ReclaimTest, APassDuringWhichTheGenerationChangesFreesNothing) {
  bool intruded = true;
  size_t thrown_away = 0;
  for (size_t at = 0; intruded && !HasFailure(); ++at) {
    SCOPED_TRACE(testing::Message() << "step " << at);
    Queue& queue = ConnectOnlyTo();
    const SlotId slot = AddSlot();
    Push(queue, slot);
    ASSERT_EQ(queue.queue.Take().status, TakeStatus::kTaken);
    std::vector<SlotId> freed;
    intruded = RunWithIntruder(
        at, [&] { freed = Pass(); }, [&] { generation_.store(known_ + 1, kRelease); });
    if (intruded) {
      EXPECT_EQ(freed, kNothing);
      EXPECT_EQ(last_result_, PassResult::kMembershipChanged);
      ++thrown_away;
      ++known_;
      freed = Pass();
    }
    EXPECT_EQ(freed, std::vector<SlotId>{slot});
  }
  EXPECT_GT(thrown_away, table_.entry_count());
}

// What the second look at the generation is for: somebody whose table the pass does not know takes from a queue that
// it does know, as the member of a group does.
TEST_F(ReclaimTest, WhatSomebodyTookWhoJoinedDuringThePassIsNotFreed) {
  std::vector<Table::Entry> entries(1);
  Table unknown(entries.data(), 1);
  bool intruded = true;
  for (size_t at = 0; intruded && !HasFailure(); ++at) {
    SCOPED_TRACE(testing::Message() << "step " << at);
    Queue& queue = ConnectOnlyTo();
    const SlotId slot = AddSlot();
    Push(queue, slot);
    Consumer<Atomics> joiner(queue.queue.consumers_view());
    std::vector<SlotId> freed;
    intruded = RunWithIntruder(
        at, [&] { freed = Pass(); },
        [&] {
          generation_.store(known_ + 1, kRelease);  // the table is listed; only then its first entry
          EXPECT_EQ(joiner.Take(unknown, 0).status, TakeStatus::kTaken);
        });
    EXPECT_EQ(freed, kNothing);
    if (!intruded) break;
    ++known_;
    tables_.push_back(unknown);
    EXPECT_EQ(Pass(), kNothing);
    unknown.Clear(0);
    EXPECT_EQ(Pass(), std::vector<SlotId>{slot});
    tables_.pop_back();
  }
}

// The order of a pass -------------------------------------------------------------------------------------------------

// Heads before tables: a message that is taken in the middle of a pass moves from the queue to the table.
TEST_F(ReclaimTest, AMessageThatIsTakenDuringThePassIsNotFreed) {
  for (const Form form : kForms) {
    bool intruded = true;
    for (size_t at = 0; intruded && !HasFailure(); ++at) {
      SCOPED_TRACE(testing::Message() << NameOf(form) << ", step " << at);
      Queue& queue = ConnectOnlyTo(form);
      const std::vector<SlotId> slots = AddSlots(3);
      for (const SlotId slot : slots) Push(queue, slot);
      ASSERT_EQ(queue.queue.Take().status, TakeStatus::kTaken);  // so that the pass has something to free
      std::vector<SlotId> freed;
      intruded = RunWithIntruder(
          at, [&] { freed = Pass(); },
          [&] { ASSERT_EQ(queue.queue.consumer().Take(table_, 5).ref, reclaimer_.ref(slots[1])); });
      EXPECT_EQ(freed, std::vector<SlotId>{slots[0]});
      if (!intruded) break;
      table_.Clear(5);
      EXPECT_EQ(Pass(), std::vector<SlotId>{slots[1]});
    }
  }
}

// Rule 4, seen from the other side: whatever the pass sees in the middle of a take, it is named.
TEST_F(ReclaimTest, APassInTheMiddleOfATakeDoesNotFreeWhatIsTaken) {
  for (const Form form : kForms) {
    bool intruded = true;
    for (size_t at = 0; intruded && !HasFailure(); ++at) {
      SCOPED_TRACE(testing::Message() << NameOf(form) << ", step " << at);
      Queue& queue = ConnectOnlyTo(form);
      const SlotId slot = AddSlot();
      Push(queue, slot);
      std::vector<SlotId> freed;
      TakeResult result;
      intruded = RunWithIntruder(
          at, [&] { result = queue.queue.consumer().Take(table_, 5); }, [&] { freed = Pass(); });
      ASSERT_EQ(result.status, TakeStatus::kTaken);
      EXPECT_EQ(freed, kNothing);
      EXPECT_EQ(Pass(), kNothing);
      table_.Clear(5);
      EXPECT_EQ(Pass(), std::vector<SlotId>{slot});
    }
  }
}

// A take that loses to an evictor may name a slot that is free already. It must not keep it.
TEST_F(ReclaimTest, WhatATakeLostToAnEvictorIsFreedSoon) {
  for (const Form form : {kForms[0], kForms[2]}) {
    bool intruded = true;
    for (size_t at = 0; intruded && !HasFailure(); ++at) {
      SCOPED_TRACE(testing::Message() << NameOf(form) << ", step " << at);
      Queue& queue = ConnectOnlyTo(form, 2);
      const std::vector<SlotId> slots = AddSlots(4);
      Push(queue, slots[0]);
      Push(queue, slots[1]);
      std::vector<SlotId> freed;
      TakeResult result;
      intruded = RunWithIntruder(
          at, [&] { result = queue.queue.consumer().Take(table_, 5); },
          [&] {
            Push(queue, slots[2]);
            Push(queue, slots[3]);
            freed = Pass();
          });
      ASSERT_EQ(result.status, TakeStatus::kTaken);
      for (const SlotId slot : freed) EXPECT_NE(reclaimer_.ref(slot), result.ref);
      for (const SlotId slot : Pass()) {
        EXPECT_NE(reclaimer_.ref(slot), result.ref);
        freed.push_back(slot);
      }
      table_.Clear(5);
      while (queue.queue.Take().status == TakeStatus::kTaken) {
      }
      for (const SlotId slot : Pass()) freed.push_back(slot);
      std::sort(freed.begin(), freed.end());
      EXPECT_EQ(freed, intruded ? slots : (std::vector<SlotId>{slots[0], slots[1]}));
    }
  }
}

// As many slots as the worst case needs, and never one more: with every queue full and every subscriber holding all it
// may, publishing goes on for ever.
TEST(ReclaimWorldTest, AWorstCasePoolIsAlwaysEnough) {
  for (const Form form : kForms) {
    for (const uint32_t history : {0u, 1u, 4u}) {
      SCOPED_TRACE(testing::Message() << NameOf(form) << ", history " << history);
      constexpr uint32_t kSubscribers = 3;
      constexpr uint32_t kDepth = 5;
      constexpr uint32_t kBorrowed = 2;
      const uint32_t slots = kSubscribers * kDepth + kSubscribers * (kBorrowed + 1 + history) + history + 1 + 4;
      World<SystemAtomics> world(
          {.form = form, .depth = kDepth, .slots = slots, .history = history, .borrowed = kBorrowed});
      WorldPublisher<SystemAtomics>& publisher = world.AddPublisher();
      for (uint32_t i = 0; i < 2 * history; ++i) ASSERT_TRUE(publisher.Publish());
      std::vector<std::shared_ptr<WorldSubscriber<SystemAtomics>>> subscribers;
      for (uint32_t i = 0; i < kSubscribers; ++i) {
        subscribers.push_back(world.NewSubscriber());
        subscribers.back()->Join();
        EXPECT_EQ(subscribers.back()->held(), history);
      }
      for (uint32_t round = 0; round < 20 * slots; ++round) {
        ASSERT_TRUE(publisher.Publish()) << "round " << round;
        // They take one now and then, so that they hold old ones of all ages.
        auto& subscriber = subscribers[round % kSubscribers];
        if (round % 7 == 0 && subscriber->held() > history) subscriber->Release(history);
        if (round % 5 == 0) subscriber->Take();
        subscriber->CheckHeld();
      }
      world.CheckSlots(publisher);
    }
  }
}

TEST(GrowingRingTest, WhatGoesInFirstComesOutFirstAlsoWhereItGrewWhileGoingRound) {
  GrowingRing<int> ring;
  EXPECT_TRUE(ring.empty());
  int in = 0;
  int out = 0;
  for (const int level : {1, 10, 64, 65, 3, 200, 1000, 0}) {
    for (int i = 0; i < 77; ++i) {
      while (in - out < level + i % 3) ring.push(in++);
      while (in - out > level) {
        ASSERT_EQ(ring.front(), out);
        ring.pop();
        ++out;
      }
      ASSERT_EQ(ring.size(), static_cast<size_t>(level));
    }
  }
  EXPECT_TRUE(ring.empty());
}

}  // namespace
}  // namespace weir::queue
