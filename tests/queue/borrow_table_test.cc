#include "middleware/queue/borrow_table.h"

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace weir::queue {
namespace {

using Table = BorrowTable<SystemAtomics>;

class BorrowTableTest : public testing::Test {
 protected:
  std::vector<Ref> Named() const {
    std::vector<Ref> named;
    table_.ForEach([&](Ref ref) { named.push_back(ref); });
    return named;
  }

  std::vector<Table::Entry> entries_ = std::vector<Table::Entry>(8);
  Table table_{entries_.data(), 8};
};

TEST_F(BorrowTableTest, ANewTableNamesNothing) {
  EXPECT_EQ(table_.entry_count(), 8u);
  EXPECT_TRUE(Named().empty());
  for (uint32_t i = 0; i < 8; ++i) EXPECT_TRUE(table_.IsFree(i));
}

TEST_F(BorrowTableTest, EachEntryIsNamedUntilItIsCleared) {
  table_.Set(2, Ref(1, 7));
  table_.Set(7, Ref(255, 0xffffff));
  table_.Set(0, Ref(0, 1));
  EXPECT_EQ(Named(), (std::vector<Ref>{Ref(0, 1), Ref(1, 7), Ref(255, 0xffffff)}));
  table_.Clear(2);
  EXPECT_TRUE(table_.IsFree(2));
  EXPECT_EQ(Named(), (std::vector<Ref>{Ref(0, 1), Ref(255, 0xffffff)}));
}

TEST_F(BorrowTableTest, TheSameSlotMayBeHeldTwice) {
  table_.Set(1, Ref(0, 5));
  table_.Set(3, Ref(0, 5));
  table_.Clear(1);
  EXPECT_EQ(Named(), std::vector<Ref>{Ref(0, 5)});
}

TEST_F(BorrowTableTest, TheSearchBeginsAtTheHintAndGoesRound) {
  EXPECT_EQ(table_.FindFree(0, 8, 5), 5u);
  for (uint32_t i = 5; i < 8; ++i) table_.Set(i, Ref(0, 1));
  EXPECT_EQ(table_.FindFree(0, 8, 5), 0u);
  table_.Set(0, Ref(0, 1));
  EXPECT_EQ(table_.FindFree(0, 8, 5), 1u);
  EXPECT_EQ(table_.FindFree(0, 8, 0), 1u);
}

TEST_F(BorrowTableTest, AHintOutsideTheRangeMeansItsBeginning) {
  EXPECT_EQ(table_.FindFree(3, 6, 0), 3u);
  EXPECT_EQ(table_.FindFree(3, 6, 6), 3u);
  EXPECT_EQ(table_.FindFree(3, 6, 0xffffffff), 3u);
}

TEST_F(BorrowTableTest, TheSearchStaysInItsRange) {
  for (uint32_t i = 3; i < 6; ++i) table_.Set(i, Ref(0, i));
  for (uint32_t hint = 0; hint < 9; ++hint) EXPECT_EQ(table_.FindFree(3, 6, hint), 6u) << "all taken, hint " << hint;
  table_.Clear(3);
  for (uint32_t hint = 0; hint < 9; ++hint) EXPECT_EQ(table_.FindFree(3, 6, hint), 3u) << "hint " << hint;
}

TEST_F(BorrowTableTest, AnEmptyRangeHasNoFreeEntry) {
  EXPECT_EQ(table_.FindFree(4, 4, 4), 4u);
  EXPECT_EQ(Table().FindFree(0, 0, 0), 0u);
  EXPECT_EQ(Table().entry_count(), 0u);
}

// What was done with a sample on another thread is over before its entry is used again. `read` is ordinary memory:
// ThreadSanitizer says whether the order holds.
TEST_F(BorrowTableTest, AnEntryThatAnotherThreadClearedComesWithWhatThatThreadDid) {
  constexpr uint64_t kRounds = 20000;
  uint64_t read = 0;
  std::atomic<bool> stop{false};
  std::thread dropper([&] {
    uint64_t mine = 0;
    while (!stop.load(std::memory_order_relaxed)) {
      // acquire, as whatever hands a sample from thread to thread would be
      if (entries_[0].load(kAcquire) == 0) {
        std::this_thread::yield();
        continue;
      }
      read = ++mine;
      table_.Clear(0);
    }
  });
  for (uint64_t i = 0; i < kRounds; ++i) {
    while (table_.FindFree(0, 1, 0) != 0) std::this_thread::yield();
    EXPECT_EQ(read, i);
    if (i + 1 < kRounds) table_.Set(0, Ref(0, 1));
  }
  stop.store(true, std::memory_order_relaxed);
  dropper.join();
}

TEST(BorrowTableLayoutTest, TheFileHoldsItsEntriesBehindTheCountersAndTheHistogram) {
  EXPECT_EQ(TableFileBytes(0), 3 * kPageBytes);
  EXPECT_EQ(TableFileBytes(1), 3 * kPageBytes + 4);
  EXPECT_EQ(TableFileBytes(kBorrowEntriesMax), 3 * kPageBytes + uint64_t{4} * kBorrowEntriesMax);
}

}  // namespace
}  // namespace weir::queue
