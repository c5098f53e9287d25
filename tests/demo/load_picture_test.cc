// weir-test: links=weir_demo_parts
#include "tools/demo_program/load_picture.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "gtest/gtest.h"

namespace weir::demo {
namespace {

std::vector<CoreLoad> Loads(const std::vector<double>& loads) {
  std::vector<CoreLoad> cores;
  for (const double load : loads) cores.push_back({.core = static_cast<uint32_t>(cores.size()), .load = load});
  return cores;
}

std::vector<std::byte> Draw(const LoadPicture& picture, uint64_t number, std::byte before = std::byte{0xAA}) {
  std::vector<std::byte> pixels(kPictureBytes, before);
  picture.Draw(number, pixels);
  return pixels;
}

// Whether a pixel belongs to the area under the curve.
bool IsLoad(const std::vector<std::byte>& pixels, size_t x, size_t y) {
  const size_t at = (y * kPictureWidth + x) * kPixelBytes;
  return pixels[at] > std::byte{100} || pixels[at + 1] > std::byte{100};
}

TEST(LoadPictureTest, EveryByteIsWritten) {
  LoadPicture picture;
  EXPECT_EQ(Draw(picture, 1, std::byte{0}), Draw(picture, 1, std::byte{0xFF}));
  for (int i = 0; i < 600; ++i) picture.Add(Loads({0.2, 0.9, 0.4}));
  EXPECT_EQ(Draw(picture, 1, std::byte{0}), Draw(picture, 1, std::byte{0xFF}));
}

TEST(LoadPictureTest, TheNewestLoadIsAtTheRightAndEachCoreHasItsPanel) {
  LoadPicture picture;
  for (uint32_t i = 0; i < kPictureWidth; ++i) picture.Add(Loads({0, 0}));
  picture.Add(Loads({1.0, 0.25}));
  const auto pixels = Draw(picture, 1);
  const size_t newest = kPictureWidth - 1, panel = kPictureHeight / 2;
  EXPECT_TRUE(IsLoad(pixels, newest, panel - 1));  // foot of the first panel
  EXPECT_TRUE(IsLoad(pixels, newest, panel / 4));
  EXPECT_TRUE(IsLoad(pixels, newest, 2 * panel - 10));
  EXPECT_FALSE(IsLoad(pixels, newest, panel + panel / 2));
  EXPECT_FALSE(IsLoad(pixels, newest - 1, panel - 1));
}

TEST(LoadPictureTest, ManyCoresShareThePanels) {
  LoadPicture picture;
  picture.Add(Loads(std::vector<double>(100, 0.5)));
  const auto pixels = Draw(picture, 1);
  EXPECT_TRUE(IsLoad(pixels, kPictureWidth - 1, kPictureHeight / 15 - 1));
}

TEST(LoadPictureTest, NoCoresAndAChangingNumberOfThemAreFine) {
  LoadPicture picture;
  picture.Add({});
  picture.Add(Loads({1, 1, 1, 1}));
  picture.Add(Loads({1}));
  EXPECT_EQ(PictureNumber(Draw(picture, 5)), 5u);
}

TEST(LoadPictureTest, TheNumberComesBack) {
  const LoadPicture picture;
  for (const uint64_t number : {uint64_t{0}, uint64_t{1}, uint64_t{12345}, ~uint64_t{0}}) {
    EXPECT_EQ(PictureNumber(Draw(picture, number)), number);
  }
}

TEST(LoadPictureTest, HalvesOfTwoPicturesHaveNoNumber) {
  const LoadPicture picture;
  std::vector<std::byte> torn = Draw(picture, 7);
  const std::vector<std::byte> next = Draw(picture, 8);
  std::copy(next.begin(), next.begin() + kPictureBytes / 2, torn.begin());
  EXPECT_EQ(PictureNumber(torn), std::nullopt);
  EXPECT_EQ(PictureNumber(std::vector<std::byte>(kPictureBytes, std::byte{0x55})), std::nullopt);
  EXPECT_EQ(PictureNumber({}), std::nullopt);
}

}  // namespace
}  // namespace weir::demo
