// weir-test: links=weir_demo_parts
#include "tools/demo_program/histogram.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace weir::demo {
namespace {

TEST(HistogramTest, SaysZeroWhileItIsEmpty) {
  const Histogram histogram;
  EXPECT_EQ(histogram.Percentile(0.5), 0u);
  EXPECT_EQ(histogram.max_ns(), 0u);
}

TEST(HistogramTest, PercentilesAreRightToOnePartInSixteen) {
  Histogram histogram;
  for (uint64_t ns = 1; ns <= 100'000; ++ns) histogram.Add(ns);
  for (const double fraction : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    const double wanted = fraction * 100'000;
    const double got = static_cast<double>(histogram.Percentile(fraction));
    EXPECT_GE(got, wanted - 1) << fraction;
    EXPECT_LE(got, wanted * 17 / 16) << fraction;
  }
  EXPECT_EQ(histogram.Percentile(1), 100'000u);
}

TEST(HistogramTest, OneLargeValueIsTheMaximumAndNotTheMedian) {
  Histogram histogram;
  for (int i = 0; i < 99; ++i) histogram.Add(1000);
  histogram.Add(uint64_t{1} << 50);  // beyond the last bucket
  EXPECT_LE(histogram.Percentile(0.5), 1000u * 17 / 16);
  EXPECT_LE(histogram.Percentile(0.99), 1000u * 17 / 16);
  EXPECT_EQ(histogram.max_ns(), uint64_t{1} << 50);
  EXPECT_EQ(histogram.count(), 100u);
}

}  // namespace
}  // namespace weir::demo
