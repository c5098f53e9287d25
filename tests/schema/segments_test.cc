#include "schema/segments.h"

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "middleware/base/limits.h"

namespace weir::schema {
namespace {

using ::testing::HasSubstr;
using Bytes = std::span<const std::byte>;

alignas(8) constexpr std::array<std::byte, 64> kMemory{};
constexpr Bytes kWords{kMemory};

void ExpectRefused(const std::vector<Bytes>& segments, const char* why) {
  auto words = WordsOf(segments);
  EXPECT_EQ(words.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(words.status().message()), HasSubstr(why));
}

TEST(SegmentsTest, WordsAreTheSameMemory) {
  std::vector<Bytes> segments = {kWords.first(16), kWords.subspan(16, 0), kWords.subspan(24, 8)};
  auto words = WordsOf(segments);
  ASSERT_TRUE(words.ok()) << words.status();
  ASSERT_EQ(words->size(), 3u);
  EXPECT_EQ(static_cast<const void*>((*words)[0].begin()), kMemory.data());
  EXPECT_EQ((*words)[0].size(), 2u);
  EXPECT_EQ((*words)[1].size(), 0u);
  EXPECT_EQ(static_cast<const void*>((*words)[2].begin()), kMemory.data() + 24);
}

TEST(SegmentsTest, RefusesWhatCannotBeAMessage) {
  ExpectRefused({}, "0 segments");
  ExpectRefused(std::vector<Bytes>(kSegmentsMax + 1, kWords), "513 segments");
  ExpectRefused({kWords.first(0)}, "segment 0 is empty");
  ExpectRefused({kWords, kWords.first(12)}, "segment 1 is not whole words");
  ExpectRefused({kWords, kWords.subspan(4, 8)}, "segment 1 is not whole words, or not aligned");
}

TEST(SegmentsTest, RefusesSizesThatNoPoolHasWithoutTouchingThem) {
  size_t most = kPoolBytesLimit;
  ExpectRefused({Bytes(kMemory.data(), most + 8)}, "more than");
  ExpectRefused({Bytes(kMemory.data(), most), kWords.first(8)}, "more than");
}

}  // namespace
}  // namespace weir::schema
