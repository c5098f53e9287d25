// weir-test: links=weir_metrics_gateway
#include "gateways/prometheus/latency_buckets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "tests/support/random.h"

namespace weir::gateway {
namespace {

double BoundSeconds(size_t bound) {
  return static_cast<double>(LatencyBoundNs(bound)) / 1e9;
}

TEST(LatencyBucketsTest, EveryBoundIsTheEndOfOneOfWeirsBuckets) {
  for (size_t bound = 0; bound < kLatencyBounds; ++bound) {
    const uint64_t ns = LatencyBoundNs(bound);
    EXPECT_EQ(LatencyHistogram::Longest(LatencyHistogram::BucketOf(ns)), ns);
    EXPECT_NE(LatencyHistogram::BucketOf(ns), LatencyHistogram::BucketOf(ns + 1));
  }
}

TEST(LatencyBucketsTest, CountsExactlyTheLatenciesUpToEachBound) {
  std::mt19937_64 random = test::SeededRandom("latencies");
  std::uniform_real_distribution<double> exponent(0, 36);
  std::vector<uint64_t> latencies = {0, 1, 126, 127, 128, 255, 256, LatencyBoundNs(23), LatencyBoundNs(23) + 1};
  for (int i = 0; i < 10'000; ++i) latencies.push_back(static_cast<uint64_t>(std::exp2(exponent(random))));
  LatencyHistogram fine;
  uint64_t sum_ns = 0;
  for (const uint64_t ns : latencies) {
    fine.Add(ns);
    sum_ns += ns;
  }
  const auto classic = ClassicHistogram(fine);
  EXPECT_EQ(classic.sample_count, latencies.size());
  EXPECT_DOUBLE_EQ(classic.sample_sum, static_cast<double>(sum_ns) / 1e9);
  ASSERT_EQ(classic.bucket.size(), kLatencyBounds);
  for (size_t bound = 0; bound < kLatencyBounds; ++bound) {
    const auto below =
        std::count_if(latencies.begin(), latencies.end(), [bound](uint64_t ns) { return ns <= LatencyBoundNs(bound); });
    EXPECT_EQ(classic.bucket[bound].cumulative_count, static_cast<uint64_t>(below)) << LatencyBoundNs(bound);
    EXPECT_EQ(classic.bucket[bound].upper_bound, BoundSeconds(bound));
  }
}

TEST(LatencyBucketsTest, ReachFromLessThanAHandoffToMoreThanASecond) {
  EXPECT_EQ(LatencyBoundNs(0), 127u);
  EXPECT_EQ(LatencyBoundNs(kLatencyBounds - 1), 1'073'741'823u);
}

TEST(LatencyBucketsTest, OfNothingAreAllEmpty) {
  const auto classic = ClassicHistogram({});
  EXPECT_EQ(classic.sample_count, 0u);
  EXPECT_EQ(classic.bucket.back().cumulative_count, 0u);
}

}  // namespace
}  // namespace weir::gateway
