// What counting costs: a counter, a latency, the clock. One thread, everything in its own cache.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <memory>
#include <random>

#include "middleware/metrics/counters_layout.h"
#include "middleware/metrics/histogram.h"
#include "middleware/os/clock.h"

namespace weir {
namespace {

// The counters of one publish to one queue and its loan.
void CountersOfAPublish(benchmark::State& state) {
  auto counters = std::make_unique<metrics::PublisherCounters>();
  for (auto _ : state) {
    counters->loans.Add(1);
    counters->pushed.Add(1);
    counters->published.Add(1);
    counters->published_bytes.Add(64);
    counters->pool_bytes_in_use.Set(128);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(CountersOfAPublish);

void CountersOfATake(benchmark::State& state) {
  auto counters = std::make_unique<metrics::SubscriberCounters>();
  for (auto _ : state) {
    counters->taken.Add(1);
    counters->delivered.Add(1);
    counters->taken_bytes.Add(64);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(CountersOfATake);

// Latencies as they come: most of them alike, some much longer.
void RecordALatency(benchmark::State& state) {
  auto histogram = std::make_unique<metrics::Histogram>();
  std::mt19937 random(1);
  std::lognormal_distribution<double> distribution(6, 1);
  std::array<uint64_t, 1024> latencies;
  for (uint64_t& latency : latencies) latency = static_cast<uint64_t>(distribution(random));
  size_t next = 0;
  for (auto _ : state) {
    histogram->Record(latencies[next++ % latencies.size()]);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(RecordALatency);

void ReadTheClock(benchmark::State& state) {
  os::TickClock clock;
  for (auto _ : state) benchmark::DoNotOptimize(clock.Now());
}
BENCHMARK(ReadTheClock);

void ReadTheClockAfterLoads(benchmark::State& state) {
  os::TickClock clock;
  for (auto _ : state) benchmark::DoNotOptimize(clock.NowAfterLoads());
}
BENCHMARK(ReadTheClockAfterLoads);

}  // namespace
}  // namespace weir
