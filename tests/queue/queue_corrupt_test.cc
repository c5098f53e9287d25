// Another process's words are input. Whatever stands in head, tail and cells: every call returns, and none touches
// memory beyond the ring. What can be told from a queue's words is reported as corrupt.
#include <cstdint>
#include <limits>
#include <random>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "middleware/queue/queue.h"
#include "tests/queue/test_queue.h"
#include "tests/support/random.h"

namespace weir::queue {
namespace {

using Queue = TestQueue<SystemAtomics>;

class CorruptQueueTest : public testing::TestWithParam<Form> {
 protected:
  static constexpr uint32_t kDepth = 5;

  void PushSome(uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) ASSERT_TRUE(producer_.Push(Message(i + 1), false).accepted);
  }
  void SetHead(Position head) { queue_.header().head.store(head, kRelaxed); }
  void SetTail(Position tail) { queue_.header().tail.store(tail, kRelaxed); }
  void SetLap(Position position, uint32_t lap) {
    queue_.producers_view().cell(position).store(CellWord(lap, Message(1)), kRelaxed);
  }
  TakeStatus Take() { return queue_.consumer().Take(queue_.table(), 0).status; }
  bool EntryIsFree() { return queue_.table().IsFree(0); }
  uint32_t cells() const { return queue_.cell_count(); }

  // As a peer sees the queue that connects now.
  Producer<SystemAtomics> NewProducer() const { return queue_.NewProducer(); }

  Position start_ = StartPosition(Start::kBelowLapWrap, kDepth);
  Queue queue_{GetParam(), kDepth, start_};
  Producer<SystemAtomics> producer_ = queue_.NewProducer();
};

std::string NameOfForm(const testing::TestParamInfo<Form>& info) {
  return NameOf(info.param);
}

INSTANTIATE_TEST_SUITE_P(AllForms, CorruptQueueTest, testing::ValuesIn(kForms), NameOfForm);

class CorruptSharedTailTest : public CorruptQueueTest {};
class CorruptExclusiveProducerTest : public CorruptQueueTest {};
INSTANTIATE_TEST_SUITE_P(Forms, CorruptSharedTailTest,
                         testing::Values(Form{false, WhenFull::kOverwriteOldest}, Form{false, WhenFull::kDropNewest}),
                         NameOfForm);
INSTANTIATE_TEST_SUITE_P(Forms, CorruptExclusiveProducerTest,
                         testing::Values(Form{true, WhenFull::kOverwriteOldest}, Form{true, WhenFull::kDropNewest}),
                         NameOfForm);

TEST_P(CorruptQueueTest, ACellOfALaterLapUnderHeadIsCorruptAndHoldsNothing) {
  PushSome(2);
  SetLap(start_, queue_.producers_view().lap(start_) + 1);
  EXPECT_EQ(Take(), TakeStatus::kCorrupt);
  EXPECT_TRUE(EntryIsFree());
  EXPECT_TRUE(queue_.consumer().HasMessage()) << "who sleeps on a corrupt queue would never hear of it";
}

TEST_P(CorruptQueueTest, ACellOfAnEarlierLapUnderHeadIsEmpty) {
  PushSome(2);
  SetLap(start_, queue_.producers_view().lap(start_) - 5);
  EXPECT_EQ(Take(), TakeStatus::kEmpty);
  EXPECT_TRUE(EntryIsFree());
}

TEST_P(CorruptQueueTest, ACellThatHoldsNoRefIsTakenAsOneForTheCallerToRefuse) {
  PushSome(1);
  queue_.producers_view().cell(start_).store(CellWord(queue_.producers_view().lap(start_), Ref()), kRelaxed);
  const TakeResult result = queue_.consumer().Take(queue_.table(), 0);
  EXPECT_EQ(result.status, TakeStatus::kTaken);
  EXPECT_FALSE(result.ref);
  EXPECT_EQ(Take(), TakeStatus::kEmpty);
}

TEST_P(CorruptQueueTest, TheWalkToTheEndStopsAfterALap) {
  for (uint64_t i = 0; i < cells(); ++i) SetLap(start_ + i, queue_.producers_view().lap(start_ + i));
  EXPECT_EQ(FindEnd(queue_.consumers_view()), start_ + cells());
  EXPECT_EQ(CountQueued(queue_.consumers_view()), kDepth) << "never more than the queue can hold";
}

TEST_P(CorruptSharedTailTest, ATailThatWentBackALapIsCorrupt) {
  PushSome(3);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(queue_.Take().status, TakeStatus::kTaken);
  PushSome(2);
  SetTail(start_ - cells());
  // Below the wrap of the ring the cells are of a later lap than the tail wants.
  for (uint64_t i = 0; i < cells(); ++i) SetLap(start_ + i, queue_.producers_view().lap(start_ + i));
  for (const bool evict : {false, true}) {
    if (evict && !GetParam().evicts()) continue;
    const PushResult result = NewProducer().Push(Message(9), evict);
    EXPECT_FALSE(result.accepted);
    EXPECT_TRUE(result.corrupt);
  }
}

TEST_P(CorruptSharedTailTest, ATailThatIsFarAheadRefusesAndEndsEvictions) {
  PushSome(2);
  SetTail(start_ + (uint64_t{1} << 40));
  EXPECT_FALSE(producer_.Push(Message(9), false).accepted);
  if (!GetParam().evicts()) return;
  const PushResult result = producer_.Push(Message(9), true);
  EXPECT_FALSE(result.accepted);
  EXPECT_TRUE(result.corrupt);
}

TEST_P(CorruptExclusiveProducerTest, AHeadThatWentBackIsCorrupt) {
  PushSome(kDepth);
  for (const Position head : {start_ - 1, start_ - cells(), start_ - (uint64_t{1} << 38), Position{0}}) {
    SetHead(head);
    for (const bool evict : {false, true}) {
      if (evict && !GetParam().evicts()) continue;
      const PushResult result = producer_.Push(Message(9), evict);
      EXPECT_FALSE(result.accepted);
      EXPECT_TRUE(result.corrupt);
      EXPECT_EQ(result.evicted, 0u);
    }
  }
}

TEST_P(CorruptExclusiveProducerTest, AHeadBeyondTheLastMessageIsCorrupt) {
  PushSome(kDepth);
  for (const Position head : {start_ + kDepth + 1, start_ + cells(), start_ + (uint64_t{1} << 40)}) {
    SetHead(head);
    const PushResult result = producer_.Push(Message(9), false);
    EXPECT_FALSE(result.accepted);
    EXPECT_TRUE(result.corrupt);
  }
}

// Whatever the words are. Some of them are near right, because those get furthest.
TEST_P(CorruptQueueTest, GarbageEndsEveryCall) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  constexpr int kTrials = 100;
#else
  constexpr int kTrials = 1000;
#endif
  std::mt19937_64 random = test::SeededRandom("queue_corrupt.garbage");
  const auto word_near = [&](uint64_t right) {
    switch (random() % 8) {
      case 0:
        return random();
      case 1:
        return uint64_t{0};
      case 2:
        return ~uint64_t{0};
      case 3:
        return right + (uint64_t{1} << random() % 64);
      case 4:
        return right - (uint64_t{1} << random() % 64);
      default:
        return right + random() % 9 - 4;
    }
  };
  for (int trial = 0; trial < kTrials; ++trial) {
    SCOPED_TRACE(testing::Message() << "trial " << trial);
    Queue queue(GetParam(), kDepth, start_);
    Producer old = queue.NewProducer();
    for (uint64_t i = random() % (kDepth + 1); i > 0; --i) old.Push(Message(1), false);
    if (random() % 4 != 0) queue.header().head.store(word_near(queue.header().head.load(kRelaxed)), kRelaxed);
    if (random() % 4 != 0) queue.header().tail.store(word_near(queue.header().tail.load(kRelaxed)), kRelaxed);
    for (uint64_t i = random() % 80; i > 0; --i) {
      auto& cell = queue.producers_view().cell(random());
      cell.store(word_near(cell.load(kRelaxed) >> 32) << 32 | (random() & 0xffffffff), kRelaxed);
    }
    Consumer late(queue.consumers_view());
    Producer successor = queue.NewProducer();
    for (Producer<SystemAtomics>* producer : {&old, &successor}) {
      for (const bool evict : {false, true}) {
        if (evict && !GetParam().evicts()) continue;
        const PushResult result = producer->Push(Message(2), evict);
        EXPECT_FALSE(result.accepted && result.corrupt);
      }
      producer->IsFull();
    }
    EXPECT_LE(CountQueued(queue.consumers_view()), kDepth);
    for (Consumer<SystemAtomics>* consumer : {&queue.consumer(), &late}) {
      consumer->HasMessage();
      const TakeResult result = consumer->Take(queue.table(), 0);
      if (result.status == TakeStatus::kTaken) queue.table().Clear(0);
      EXPECT_TRUE(queue.table().IsFree(0));
    }
  }
}

}  // namespace
}  // namespace weir::queue
