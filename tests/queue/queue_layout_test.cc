#include "middleware/queue/queue_layout.h"

#include <cstdint>
#include <limits>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "tests/queue/test_queue.h"

namespace weir::queue {
namespace {

TEST(QueueLayoutTest, TheRingIsThePowerOfTwoThatHoldsTheDepthButNeverBelowTheSmallest) {
  EXPECT_EQ(CellCount(1), kQueueCellsMin);
  EXPECT_EQ(CellCount(kQueueCellsMin), kQueueCellsMin);
  EXPECT_EQ(CellCount(kQueueCellsMin + 1), 2 * kQueueCellsMin);
  EXPECT_EQ(CellCount(1000), 1024u);
  EXPECT_EQ(CellCount(kQueueDepthMax - 1), kQueueDepthMax);
  EXPECT_EQ(CellCount(kQueueDepthMax), kQueueDepthMax);
}

TEST(QueueLayoutTest, ACellsWordComesApartAsItWasPutTogether) {
  for (const uint32_t lap : {0u, 1u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
    for (const Ref ref : {Ref(), Ref(0, 1), Ref(255, 0xffffff), Ref(128, 0x800000)}) {
      EXPECT_EQ(LapOf(CellWord(lap, ref)), lap);
      EXPECT_EQ(RefOf(CellWord(lap, ref)), ref);
    }
  }
}

TEST(QueueLayoutTest, LapsAreComparedAcrossTheirWrap) {
  constexpr uint32_t kLast = std::numeric_limits<uint32_t>::max();
  EXPECT_EQ(LapDistance(5, 5), 0);
  EXPECT_EQ(LapDistance(0, kLast), 1);
  EXPECT_EQ(LapDistance(kLast, 0), -1);
  EXPECT_EQ(LapDistance(0x80000000u, 0x7fffffffu), 1);
}

TEST(QueueLayoutTest, TheFormFollowsFromTheTopicAndThePolicy) {
  for (const bool exclusive : {false, true}) {
    EXPECT_FALSE(FormOf(exclusive, WhenFull::kOverwriteOldest).owned_head) << "producers evict";
    EXPECT_TRUE(FormOf(exclusive, WhenFull::kDropNewest).owned_head);
    EXPECT_TRUE(FormOf(exclusive, WhenFull::kBlock).owned_head);
    EXPECT_EQ(FormOf(exclusive, WhenFull::kBlock).exclusive_producer, exclusive);
  }
}

TEST(QueueLayoutTest, ZeroedMemoryIsAnEmptyQueueThatStartsAtZero) {
  for (const uint32_t depth : kDepths) {
    std::vector<SystemAtomics::Atomic<uint64_t>> cells(CellCount(depth));
    SystemQueueHeader header;
    const auto view = MakeQueueView<SystemAtomics>(&header, cells.data(), depth, WhenFull::kDropNewest, false);
    InitializeQueue(view, 0);
    for (const auto& cell : cells) ASSERT_EQ(cell.load(kRelaxed), 0u);
    EXPECT_EQ(header.head.load(kRelaxed), 0u);
    EXPECT_EQ(header.tail.load(kRelaxed), 0u);
  }
}

TEST(QueueLayoutTest, EveryPositionOfALapHasACellOfItsOwn) {
  for (const uint32_t depth : kDepths) {
    for (const Start start : kStarts) {
      TestQueue<SystemAtomics> queue({false, WhenFull::kDropNewest}, depth, StartPosition(start, depth));
      const auto view = queue.producers_view();
      const Position first = StartPosition(start, depth);
      std::set<const void*> cells;
      for (uint64_t i = 0; i < queue.cell_count(); ++i) {
        cells.insert(&view.cell(first + i));
        // Before its first use a cell is one lap behind, wherever the queue starts.
        ASSERT_EQ(LapDistance(LapOf(view.cell(first + i).load(kRelaxed)), view.lap(first + i)), -1);
      }
      EXPECT_EQ(cells.size(), queue.cell_count());
      EXPECT_EQ(&view.cell(first), &view.cell(first + queue.cell_count()));
      EXPECT_EQ(view.lap(first) + 1, view.lap(first + queue.cell_count()));
    }
  }
}

TEST(QueueLayoutTest, TheStartsOfTheTestsCrossWhatTheyAreNamedAfter) {
  for (const uint32_t depth : kDepths) {
    TestQueue<SystemAtomics> queue({false, WhenFull::kDropNewest}, depth, 0);
    const auto view = queue.producers_view();
    const uint64_t lap = queue.cell_count();
    EXPECT_EQ(view.lap(StartPosition(Start::kBelowLapWrap, depth)), 0xffffffffu);
    EXPECT_EQ(view.lap(StartPosition(Start::kBelowLapWrap, depth) + lap), 0u);
    EXPECT_EQ(view.lap(StartPosition(Start::kBelowLapSign, depth)), 0x7fffffffu);
    EXPECT_EQ(view.lap(StartPosition(Start::kBelowLapSign, depth) + lap), 0x80000000u);
    EXPECT_GT(static_cast<int64_t>(StartPosition(Start::kBelowPositionSign, depth)), 0);
    EXPECT_LT(static_cast<int64_t>(StartPosition(Start::kBelowPositionSign, depth) + 3), 0);
  }
}

}  // namespace
}  // namespace weir::queue
