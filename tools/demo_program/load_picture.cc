#include "tools/demo_program/load_picture.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

namespace weir::demo {
namespace {

using Pixel = std::array<uint8_t, kPixelBytes>;
using Row = std::array<Pixel, kPictureWidth>;
static_assert(sizeof(Row) == kPictureWidth * kPixelBytes);

constexpr Pixel kBackground = {16, 20, 28, 255};
constexpr Pixel kLine = {60, 70, 90, 255};
constexpr Pixel kBlack = {0, 0, 0, 255};
constexpr Pixel kWhite = {255, 255, 255, 255};

// From green at the foot of a panel over yellow to red.
Pixel ColourAt(double level) {
  const auto channel = [](double value) { return static_cast<uint8_t>(std::clamp(value, 0.0, 1.0) * 220); };
  return {channel(2 * level), channel(2 - 2 * level), 40, 255};
}

constexpr uint32_t kBits = 64;
constexpr uint32_t kPixelsPerBit = kPictureWidth / kBits;

Row NumberRow(uint64_t number) {
  Row row;
  for (uint32_t x = 0; x < kPictureWidth; ++x) row[x] = (number >> (x / kPixelsPerBit)) & 1 ? kWhite : kBlack;
  return row;
}

std::optional<uint64_t> ReadNumberRow(std::span<const std::byte> bytes) {
  Row row;
  std::memcpy(row.data(), bytes.data(), sizeof(row));
  uint64_t number = 0;
  for (uint32_t bit = 0; bit < kBits; ++bit) {
    if (row[bit * kPixelsPerBit] == kWhite) number |= uint64_t{1} << bit;
  }
  return row == NumberRow(number) ? std::optional(number) : std::nullopt;
}

}  // namespace

void LoadPicture::Add(const std::vector<CoreLoad>& cores) {
  const size_t group = std::max<size_t>(1, (cores.size() + kPanelsMax - 1) / kPanelsMax);
  panels_ = std::max<size_t>(1, (cores.size() + group - 1) / group);
  std::vector<float> column(panels_, 0.0f);
  for (size_t i = 0; i < cores.size(); ++i) {
    const size_t members = std::min(group, cores.size() - i / group * group);
    column[i / group] += static_cast<float>(cores[i].load / static_cast<double>(members));
  }
  columns_.push_back(std::move(column));
  if (columns_.size() > kPictureWidth) columns_.pop_front();
}

void LoadPicture::Draw(uint64_t number, std::span<std::byte> pixels) const {
  assert(pixels.size() == kPictureBytes);
  const size_t panel_height = kPictureHeight / panels_;
  const size_t first_x = kPictureWidth - columns_.size();
  Row row;
  for (size_t y = 0; y < kPictureHeight; ++y) {
    const size_t panel = std::min(y / panel_height, panels_ - 1);
    const size_t y_in_panel = y - panel * panel_height;
    // How much load it takes to reach this row.
    const double level = 1 - static_cast<double>(y_in_panel) / static_cast<double>(panel_height);
    row.fill(y_in_panel == 0 ? kLine : kBackground);
    const Pixel colour = ColourAt(level);
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (panel < columns_[i].size() && columns_[i][panel] >= level) row[first_x + i] = colour;
    }
    if (y == 0 || y == kPictureHeight - 1) row = NumberRow(number);
    std::memcpy(pixels.data() + y * sizeof(Row), row.data(), sizeof(Row));
  }
}

std::optional<uint64_t> PictureNumber(std::span<const std::byte> pixels) {
  if (pixels.size() != kPictureBytes) return std::nullopt;
  const auto first = ReadNumberRow(pixels.first(sizeof(Row)));
  const auto last = ReadNumberRow(pixels.last(sizeof(Row)));
  return first == last ? first : std::nullopt;
}

}  // namespace weir::demo
