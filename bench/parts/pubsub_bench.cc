// Loan, publish and take through the public API: one thread, no other core.
#include <benchmark/benchmark.h>
#include <weir/capnp.h>
#include <weir/messages/image.capnp.h>
#include <weir/messages/imu.capnp.h>
#include <weir/messages/quote.capnp.h>
#include <weir/weir.h>

#include <memory>
#include <optional>
#include <vector>

#include "bench/parts/bench_node.h"

namespace weir {
namespace {

struct Tick {
  uint64_t words[8];  // 64 bytes
};

template <class T>
struct Pair {
  explicit Pair(int subscriber_count, const PublisherOptions& publishing = {},
                const SubscriberOptions& subscribing = {})
      : node(MakeBenchNode()), publisher(*node.CreatePublisher<T>("topic", publishing)) {
    for (int i = 0; i < subscriber_count; ++i) subscribers.push_back(*node.CreateSubscriber<T>("topic", subscribing));
  }
  Node node;
  Publisher<T> publisher;
  std::vector<Subscriber<T>> subscribers;
};

void LoanThenDrop(benchmark::State& state) {
  Pair<Tick> pair(0);
  for (auto _ : state) benchmark::DoNotOptimize(pair.publisher.Loan());
}
BENCHMARK(LoanThenDrop);

// Argument: subscribers, whose queues are emptied outside of the time. Stamps on.
void LoanThenPublish(benchmark::State& state) {
  Pair<Tick> pair(static_cast<int>(state.range(0)), {}, {.depth = 1024});
  int since = 0;
  for (auto _ : state) {
    auto loan = pair.publisher.Loan();
    loan->value().words[0] = 1;
    benchmark::DoNotOptimize(pair.publisher.Publish(*std::move(loan)));
    if (++since == 1000) {
      state.PauseTiming();
      for (auto& subscriber : pair.subscribers) {
        while (subscriber.Take()) {
        }
      }
      since = 0;
      state.ResumeTiming();
    }
  }
}
BENCHMARK(LoanThenPublish)->ArgName("subscribers")->Arg(0)->Arg(1)->Arg(3);

// A whole message: loan, publish, take, drop. Arguments: exclusive topic without eviction; metrics: 0 off, 1 stamps
// that nobody reads, 2 stamps and latencies, 3 the same of each 64th message.
void WholeMessage(benchmark::State& state) {
  const TopicOptions topic = {.exclusive = state.range(0) != 0};
  const auto when_full = state.range(0) != 0 ? WhenFull::kDropNewest : WhenFull::kOverwriteOldest;
  const auto metrics = state.range(1);
  Pair<Tick> pair(
      1,
      {.topic = topic, .metrics = metrics != 0 ? Metrics::kOn : Metrics::kOff, .stamp_every = metrics == 3 ? 64u : 1u},
      {.topic = topic, .when_full = when_full, .metrics = metrics >= 2 ? Metrics::kOn : Metrics::kOff});
  for (auto _ : state) {
    auto loan = pair.publisher.Loan();
    loan->value().words[0] = 1;
    benchmark::DoNotOptimize(pair.publisher.Publish(*std::move(loan)));
    auto taken = pair.subscribers[0].Take();
    benchmark::DoNotOptimize(taken->value().words[0]);
  }
}
BENCHMARK(WholeMessage)->ArgNames({"exclusive", "metrics"})->ArgsProduct({{0, 1}, {0, 1, 2, 3}});

// A Cap'n Proto Quote: built in the slot, published, taken, read.
void CapnpQuote(benchmark::State& state) {
  Pair<msg::Quote> pair(1);
  for (auto _ : state) {
    auto loan = pair.publisher.Loan();
    msg::Quote::Builder quote = loan->builder();
    quote.setSymbol("EURUSD");
    quote.setBidPrice(1'085'000'000);
    quote.setAskPrice(1'085'100'000);
    benchmark::DoNotOptimize(pair.publisher.Publish(*std::move(loan)));
    auto taken = pair.subscribers[0].Take();
    benchmark::DoNotOptimize(taken->reader().getAskPrice());
  }
}
BENCHMARK(CapnpQuote);

// An Imu: 14 numbers in the struct itself and one text.
void CapnpImu(benchmark::State& state) {
  Pair<msg::Imu> pair(1);
  for (auto _ : state) {
    auto loan = pair.publisher.Loan();
    msg::Imu::Builder imu = loan->builder();
    imu.initHeader().setFrameId("imu");
    imu.getAngularVelocity().setZ(0.1);
    imu.getLinearAcceleration().setZ(9.81);
    benchmark::DoNotOptimize(pair.publisher.Publish(*std::move(loan)));
    auto taken = pair.subscribers[0].Take();
    benchmark::DoNotOptimize(taken->reader().getLinearAcceleration().getZ());
  }
}
BENCHMARK(CapnpImu);

// An Image with a blob whose pixels nobody touches: what the library itself costs. Argument: bytes.
void CapnpBlob(benchmark::State& state) {
  Pair<msg::Image> pair(1);
  for (auto _ : state) {
    auto loan = pair.publisher.Loan();
    auto blob = loan->AddBlob(static_cast<size_t>(state.range(0)));
    loan->builder().adoptData(loan->Adopt(*blob));
    benchmark::DoNotOptimize(pair.publisher.Publish(*std::move(loan)));
    auto taken = pair.subscribers[0].Take();
    benchmark::DoNotOptimize(taken->reader().getData().size());
  }
}
BENCHMARK(CapnpBlob)->ArgName("bytes")->Arg(4096)->Arg(1 << 20);

}  // namespace
}  // namespace weir
