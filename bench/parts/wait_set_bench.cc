// What waiting costs: with a set of many subscribers of which one has a message, which should cost what is ready and
// not what is watched; and in a coroutine.
#include <benchmark/benchmark.h>
#include <weir/coroutine.h>
#include <weir/weir.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "bench/parts/bench_node.h"

namespace weir {
namespace {

void PublishOne(Publisher<uint64_t>& publisher) {
  auto loan = publisher.Loan();
  loan->value() = 1;
  benchmark::DoNotOptimize(publisher.Publish(*std::move(loan)));
}

// One subscriber of each of many topics, and a publisher of the first.
struct Many {
  explicit Many(int64_t count) : node(MakeBenchNode()), publisher(*node.CreatePublisher<uint64_t>("topic 0")) {
    for (int64_t i = 0; i < count; ++i) {
      subscribers.push_back(*node.CreateSubscriber<uint64_t>("topic " + std::to_string(i)));
    }
  }
  Node node;
  Publisher<uint64_t> publisher;
  std::vector<Subscriber<uint64_t>> subscribers;
};

// Publishes to one, waits, takes until there is none. Argument: subscribers in the set.
void WaitThenTake(benchmark::State& state) {
  Many many(state.range(0));
  WaitSet set = *WaitSet::Create();
  for (size_t i = 0; i < many.subscribers.size(); ++i) {
    if (!set.Add(i, many.subscribers[i]).ok()) std::abort();
  }
  for (auto _ : state) {
    PublishOne(many.publisher);
    benchmark::DoNotOptimize(set.WaitFor(absl::Seconds(1))->size());
    while (many.subscribers[0].Take()) {
    }
  }
}
BENCHMARK(WaitThenTake)->ArgName("subscribers")->Arg(1)->Arg(16)->Arg(256);

// The same by asking each in turn, which needs no set and no descriptor, and cannot sleep.
void AskEachInTurn(benchmark::State& state) {
  Many many(state.range(0));
  for (auto _ : state) {
    PublishOne(many.publisher);
    for (auto& subscriber : many.subscribers) {
      while (subscriber.Take()) {
      }
    }
  }
}
BENCHMARK(AskEachInTurn)->ArgName("subscribers")->Arg(1)->Arg(16)->Arg(256);

Task<> Return(Subscriber<uint64_t>& in, Publisher<uint64_t>& out) {
  while (auto taken = co_await in.Next()) PublishOne(out);
}

Task<> Play(Publisher<uint64_t>& out, Subscriber<uint64_t>& in, Loop& loop, benchmark::State& state) {
  for (auto _ : state) {
    PublishOne(out);
    benchmark::DoNotOptimize(co_await in.Next());
  }
  loop.Stop();
}

// Two coroutines of one loop that wait for each other's message: two messages and two suspensions per round.
void CoroutinesPlayPingPong(benchmark::State& state) {
  Node node = MakeBenchNode();
  auto ping = *node.CreatePublisher<uint64_t>("ping");
  auto pong = *node.CreatePublisher<uint64_t>("pong");
  auto pings = *node.CreateSubscriber<uint64_t>("ping");
  auto pongs = *node.CreateSubscriber<uint64_t>("pong");
  Loop loop = *Loop::Create();
  loop.Spawn(Return(pings, pong));
  loop.Spawn(Play(ping, pongs, loop, state));
  if (!loop.Run().ok()) std::abort();
}
BENCHMARK(CoroutinesPlayPingPong);

}  // namespace
}  // namespace weir
