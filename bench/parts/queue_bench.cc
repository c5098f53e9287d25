// The queue, the borrow table and reclaiming over plain memory: one thread, everything in its own cache.
#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "middleware/queue/queue.h"
#include "middleware/queue/reclaim.h"

namespace weir::queue {
namespace {

using A = SystemAtomics;

// One queue and one borrow table, as their files would lay them out.
struct World {
  World(uint32_t depth, WhenFull when_full, bool exclusive)
      : header(std::make_unique<QueueHeader<A>>()),
        cells(CellCount(depth)),
        entries(16),
        queue(MakeQueueView<A>(header.get(), cells.data(), depth, when_full, exclusive)),
        table(entries.data(), static_cast<uint32_t>(entries.size())) {
    InitializeQueue(queue);
    producer = Producer<A>(queue);
    consumer = Consumer<A>(queue);
  }

  std::unique_ptr<QueueHeader<A>> header;
  std::vector<A::Atomic<uint64_t>> cells;
  std::vector<BorrowTable<A>::Entry> entries;
  QueueView<A> queue;
  BorrowTable<A> table;
  Producer<A> producer;
  Consumer<A> consumer;
};

// Arguments: exclusive producer, owned head.
World MakeWorld(const benchmark::State& state, uint32_t depth) {
  return World(depth, state.range(1) != 0 ? WhenFull::kDropNewest : WhenFull::kOverwriteOldest, state.range(0) != 0);
}

void PushThenTake(benchmark::State& state) {
  World world = MakeWorld(state, 1024);
  for (auto _ : state) {
    benchmark::DoNotOptimize(world.producer.Push(Ref(7), /*evict=*/false));
    benchmark::DoNotOptimize(world.consumer.Take(world.table, 0));
    world.table.Clear(0);
  }
}
BENCHMARK(PushThenTake)->ArgNames({"exclusive", "owned_head"})->ArgsProduct({{0, 1}, {0, 1}});

void PushEvicting(benchmark::State& state) {
  World world(64, WhenFull::kOverwriteOldest, state.range(0) != 0);
  for (auto _ : state) benchmark::DoNotOptimize(world.producer.Push(Ref(7), /*evict=*/true));
}
BENCHMARK(PushEvicting)->ArgName("exclusive")->Arg(0)->Arg(1);

void TakeFromEmpty(benchmark::State& state) {
  World world = MakeWorld(state, 64);
  for (auto _ : state) benchmark::DoNotOptimize(world.consumer.Take(world.table, 0));
}
BENCHMARK(TakeFromEmpty)->ArgNames({"exclusive", "owned_head"})->ArgsProduct({{1}, {0, 1}});

// Publishes a batch, takes it, and runs one pass that frees it; per message. Argument: the batch.
void ReclaimPass(benchmark::State& state) {
  const auto batch = static_cast<uint32_t>(state.range(0));
  World world(1024, WhenFull::kDropNewest, true);
  Reclaimer<A> reclaimer(0, /*has_history=*/false);
  Reclaimer<A>::Connection connection;
  connection.queue = world.queue;
  std::vector<Reclaimer<A>::Connection*> connections = {&connection};
  std::vector<BorrowTable<A>> tables = {world.table};
  A::Atomic<uint64_t> generation;
  generation.store(1, kRelaxed);
  std::vector<SlotId> free;
  for (uint32_t i = 0; i < batch; ++i) free.push_back(reclaimer.AddSlot(Ref(0, 100 + i)));
  reclaimer.ReserveForTables(64);
  for (auto _ : state) {
    while (!free.empty()) {
      const SlotId slot = free.back();
      free.pop_back();
      const PushResult pushed = world.producer.Push(reclaimer.ref(slot), /*evict=*/false);
      reclaimer.OnPushed(connection, pushed.position, slot);
      world.consumer.Take(world.table, 0);
      world.table.Clear(0);
    }
    reclaimer.Pass(generation, 1, connections, tables, 256, [&](SlotId slot) { free.push_back(slot); });
  }
  state.SetItemsProcessed(state.iterations() * batch);
}
BENCHMARK(ReclaimPass)->ArgName("batch")->Arg(1)->Arg(16)->Arg(64);

}  // namespace
}  // namespace weir::queue
