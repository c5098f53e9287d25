// Each core's load over the last seconds, drawn as a picture of 1 MiB.
#ifndef WEIR_TOOLS_DEMO_PROGRAM_LOAD_PICTURE_H_
#define WEIR_TOOLS_DEMO_PROGRAM_LOAD_PICTURE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>

#include "tools/demo_program/proc_sampler.h"

namespace weir::demo {

inline constexpr uint32_t kPictureWidth = 512;   // pixels, one per picture taken: 17 s at 30 Hz
inline constexpr uint32_t kPictureHeight = 512;  // pixels
inline constexpr uint32_t kPixelBytes = 4;       // rgba8
inline constexpr size_t kPictureBytes = size_t{kPictureWidth} * kPictureHeight * kPixelBytes;
static_assert(kPictureBytes == size_t{1} << 20);

// Panels one below the other, one per core (if there are many: one per group of cores), newest at the right.
class LoadPicture {
 public:
  static constexpr size_t kPanelsMax = 16;

  // The next column.
  void Add(const std::vector<CoreLoad>& cores);
  // Writes every byte of `pixels`, which are kPictureBytes: what was there before does not matter. The number stands in
  // the first and in the last row, for readers to see that they have all of one picture.
  void Draw(uint64_t number, std::span<std::byte> pixels) const;

 private:
  size_t panels_ = 1;
  std::deque<std::vector<float>> columns_;  // load of each panel, 0 to 1; oldest first
};

// The number that Draw got, or nothing if the two rows do not say the same.
std::optional<uint64_t> PictureNumber(std::span<const std::byte> pixels);

}  // namespace weir::demo

#endif  // WEIR_TOOLS_DEMO_PROGRAM_LOAD_PICTURE_H_
