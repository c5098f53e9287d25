// Publishing and taking allocate nothing once everything has its size: operator new is counted.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "gtest/gtest.h"
#include "middleware/queue/history.h"
#include "middleware/queue/queue.h"
#include "middleware/queue/reclaim.h"
#include "tests/queue/test_queue.h"

namespace {
thread_local uint64_t t_allocations = 0;
}  // namespace

// The other forms of operator new come here in the end, except the aligned one, which std::vector uses for no type of
// these headers. Not inlined, because g++ then warns of a free() of what came from operator new.
[[gnu::noinline]] void* operator new(size_t bytes) {
  ++t_allocations;
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}

namespace weir::queue {
namespace {

uint64_t Allocations() {
  return t_allocations;
}

class AllocationTest : public testing::TestWithParam<Form> {};

INSTANTIATE_TEST_SUITE_P(AllForms, AllocationTest, testing::ValuesIn(kForms),
                         [](const auto& test) { return NameOf(test.param); });

TEST(AllocationCounterTest, AnAllocationIsCounted) {
  const uint64_t before = Allocations();
  const auto something = std::make_unique<int>(1);
  EXPECT_EQ(Allocations(), before + 1);
}

// The steady state of a publisher: as many slots as it may need, everything in use, passes of small batches.
TEST_P(AllocationTest, NothingIsAllocatedInManyRoundsOfTheWholePool) {
  constexpr uint32_t kDepth = 100;
  constexpr uint32_t kBorrowed = 16;
  constexpr uint32_t kHistory = 4;
  constexpr uint32_t kSlots = kDepth + kBorrowed + 1 + 2 * kHistory + 1 + 8;
  using Atomics = SystemAtomics;
  TestQueue<Atomics> queue(GetParam(), kDepth, 0);
  Producer<Atomics> producer = queue.NewProducer();
  std::vector<BorrowTable<Atomics>::Entry> entries(kBorrowed);
  BorrowTable<Atomics> table(entries.data(), kBorrowed);
  std::vector<HistoryWriter<Atomics>::Entry> history_entries(kHistory);
  HistoryWriter<Atomics> history(history_entries.data(), kHistory);
  std::vector<SlotId> history_slots(kHistory, ~SlotId{0});

  Reclaimer<Atomics> reclaimer(3, true);
  Reclaimer<Atomics>::Connection connection;
  connection.queue = queue.producers_view();
  connection.pushed.Reserve(kSlots);
  std::vector<Reclaimer<Atomics>::Connection*> connections = {&connection};
  std::vector<BorrowTable<Atomics>> tables = {table};
  reclaimer.ReserveForTables(kBorrowed);
  std::vector<SlotId> free;
  for (uint32_t i = 0; i < kSlots; ++i) free.push_back(reclaimer.AddSlot(Ref(3, i + 1)));
  Reclaimer<Atomics>::Generation generation;

  uint64_t published = 0;
  uint64_t reclaimed = 0;
  uint32_t oldest = 0;  // of the borrow entries, which are used in turn
  const uint64_t before = Allocations();
  for (uint64_t sequence = 1; sequence <= 50 * kSlots; ++sequence) {
    if (free.size() < 2) {
      reclaimer.Pass(generation, 0, connections, tables, 8, [&](SlotId slot) {
        free.push_back(slot);
        ++reclaimed;
      });
    }
    if (!free.empty()) {
      const SlotId slot = free.back();
      free.pop_back();
      reclaimer.Hold(slot);
      history.Add(sequence, reclaimer.ref(slot));
      history.Fence();
      reclaimer.Hold(slot);
      SlotId& place = history_slots[sequence % kHistory];
      if (place != ~SlotId{0}) reclaimer.Unhold(place);
      place = slot;
      const PushResult result = producer.Push(reclaimer.ref(slot), GetParam().evicts());
      if (result.accepted) reclaimer.OnPushed(connection, result.position, slot);
      reclaimer.Unhold(slot);
      ++published;
    }
    // All entries in use; a take frees the oldest first.
    if (sequence % 3 != 0) continue;
    table.Clear(oldest);
    const uint32_t entry = table.FindFree(0, kBorrowed, oldest);
    queue.consumer().Take(table, entry);
    oldest = (oldest + 1) % kBorrowed;
  }
  EXPECT_EQ(Allocations(), before);
  EXPECT_GT(published, 10 * kSlots);
  EXPECT_GT(reclaimed, 9 * kSlots);
}

TEST(ReclaimAllocationTest, APassAllocatesNothingWhateverItFinds) {
  using Atomics = SystemAtomics;
  constexpr uint32_t kSlots = 3000;
  std::vector<BorrowTable<Atomics>::Entry> entries(kSlots);
  BorrowTable<Atomics> table(entries.data(), kSlots);
  std::vector<BorrowTable<Atomics>> tables = {table, table};
  std::vector<Reclaimer<Atomics>::Connection*> connections;
  Reclaimer<Atomics> reclaimer(3, false);
  reclaimer.ReserveForTables(2 * kSlots);
  Reclaimer<Atomics>::Generation generation;
  for (uint32_t i = 0; i < kSlots; ++i) {
    const SlotId slot = reclaimer.AddSlot(Ref(3, i + 1));
    reclaimer.Hold(slot);
    table.Set(i, reclaimer.ref(slot));
  }
  uint64_t freed = 0;
  const uint64_t before = Allocations();
  for (SlotId slot = 0; slot < kSlots; ++slot) reclaimer.Unhold(slot);
  const auto pass = [&] { reclaimer.Pass(generation, 0, connections, tables, kSlots, [&](SlotId) { ++freed; }); };
  pass();
  EXPECT_EQ(freed, 0u);
  for (uint32_t i = 0; i < kSlots; i += 2) table.Clear(i);
  pass();
  EXPECT_EQ(freed, kSlots / 2);
  for (uint32_t i = 1; i < kSlots; i += 2) table.Clear(i);
  pass();
  EXPECT_EQ(freed, kSlots);
  EXPECT_EQ(Allocations(), before);
}

}  // namespace
}  // namespace weir::queue
