// weir-test: links=weir_demo_parts
#include "tools/demo_program/text.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace weir::demo {
namespace {

TEST(TextTest, LongNumbersAreGrouped) {
  EXPECT_EQ(Grouped(0), "0");
  EXPECT_EQ(Grouped(999), "999");
  EXPECT_EQ(Grouped(1000), "1,000");
  EXPECT_EQ(Grouped(1234567), "1,234,567");
}

TEST(TextTest, DurationsFitTheirColumn) {
  EXPECT_EQ(DurationText(850), "850 ns");
  EXPECT_EQ(DurationText(1250), "1.2 us");
  EXPECT_EQ(DurationText(21'400), "21 us");
  EXPECT_EQ(DurationText(1'200'000), "1.2 ms");
  EXPECT_EQ(DurationText(999'600'000), "1.00 s");
  for (uint64_t ns = 1; ns < 999'000'000'000; ns += ns / 7 + 1) EXPECT_LE(DurationText(ns).size(), 8u) << ns;
  for (uint64_t ns = 1; ns < 99'000'000'000; ns += ns / 1000 + 1) EXPECT_LE(DurationText(ns).size(), 7u) << ns;
}

TEST(TextTest, BytesHaveTheUnitThatKeepsThemShort) {
  EXPECT_EQ(BytesText(0), "0 B");
  EXPECT_EQ(BytesText(1023), "1023 B");
  EXPECT_EQ(BytesText(1536), "1.5 KiB");
  EXPECT_EQ(BytesText(double{1 << 20}), "1.0 MiB");
}

TEST(TextTest, OneIsNotMany) {
  EXPECT_EQ(Plural(1, "file", "files"), "1 file");
  EXPECT_EQ(Plural(0, "file", "files"), "0 files");
  EXPECT_EQ(Plural(2000, "file", "files"), "2,000 files");
}

}  // namespace
}  // namespace weir::demo
