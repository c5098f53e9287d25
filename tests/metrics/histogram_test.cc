// The buckets of latencies: without a gap, each as narrow as was promised.
#include "middleware/metrics/histogram.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "tests/support/random.h"

namespace weir::metrics {
namespace {

TEST(HistogramTest, BucketsFollowOneAnotherWithoutAGap) {
  for (size_t bucket = 0; bucket < kLatencyBuckets; ++bucket) {
    const uint64_t first = LatencyBucketFirst(bucket), last = LatencyBucketLast(bucket);
    ASSERT_LE(first, last);
    ASSERT_EQ(LatencyBucket(first), bucket);
    if (last <= kLatencyHighestNs) {
      ASSERT_EQ(LatencyBucket(last), bucket);
    }
    if (bucket > 0) {
      ASSERT_EQ(first, LatencyBucketLast(bucket - 1) + 1);
    }
  }
}

TEST(HistogramTest, WhatStandsForABucketIsOffByASeventeenthAtMost) {
  for (size_t bucket = 0; bucket < kLatencyBuckets; ++bucket) {
    const auto first = static_cast<double>(LatencyBucketFirst(bucket));
    const auto last = static_cast<double>(LatencyBucketLast(bucket));
    const double middle = 2 * first * last / (first + last);
    ASSERT_LE((middle - first) / first, 1.0 / 17) << bucket;
    ASSERT_LE((last - middle) / last, 1.0 / 17) << bucket;
  }
}

TEST(HistogramTest, EveryLatencyLiesInItsBucket) {
  auto random = test::SeededRandom("latencies");
  for (int i = 0; i < 1'000'000; ++i) {
    const uint64_t ns = random() >> (random() % 64);
    const size_t bucket = LatencyBucket(ns);
    ASSERT_LT(bucket, kLatencyBuckets);
    if (ns < kLatencyLowestNs) {
      ASSERT_EQ(bucket, 0u) << ns;
    } else if (ns >= kLatencyHighestNs) {
      ASSERT_EQ(bucket, kLatencyBuckets - 1) << ns;
    } else {
      ASSERT_LE(LatencyBucketFirst(bucket), ns);
      ASSERT_GE(LatencyBucketLast(bucket), ns);
    }
  }
}

TEST(HistogramTest, ASumOfCountersHasSumsAndMaximaAndNoLevels) {
  PublisherCounters a{}, b{}, sum{};
  a.published.Set(3), b.published.Set(4);
  a.message_bytes_max.Set(500), b.message_bytes_max.Set(80);
  a.pool_bytes_in_use.Set(1), b.pool_bytes_in_use.Set(2);
  StoreSum(a, b, sum);
  EXPECT_EQ(sum.published.value(), 7u);
  EXPECT_EQ(sum.message_bytes_max.value(), 500u);
  EXPECT_EQ(sum.pool_bytes_in_use.value(), 0u);
  SubscriberCounters c{}, d{}, total{};
  c.torn.Set(1), d.torn.Set(2);
  c.queued_max.Set(6), d.queued_max.Set(9);
  StoreSum(c, d, total);
  EXPECT_EQ(total.torn.value(), 3u);
  EXPECT_EQ(total.queued_max.value(), 9u);
}

}  // namespace
}  // namespace weir::metrics
