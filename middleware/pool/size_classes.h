// How long slots are. A pool of plain structs has one class, exactly fitting. A pool of messages whose size varies has
// four classes per doubling, so that at most a quarter of a slot is wasted (and a little more for the very small).
//
// The length of a class is never a multiple of 4 KiB: headers at such strides would all fall into the same set of the
// cache. (But for pools of more than 32 GiB, whose granule is 4 KiB.)
#ifndef WEIR_POOL_SIZE_CLASSES_H_
#define WEIR_POOL_SIZE_CLASSES_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "middleware/base/limits.h"
#include "middleware/pool/pool_layout.h"

namespace weir::pool {

// Bytes from one slot of a class to the next, for a body of `body_bytes`, in granules of `granule` bytes.
constexpr uint64_t SlotStride(uint64_t body_bytes, uint64_t granule) {
  const uint64_t bytes = kSlotHeaderBytes + std::max<uint64_t>(body_bytes, 1);
  uint64_t stride = (bytes + granule - 1) / granule * granule;
  if (stride % kPageBytes == 0 && granule < kPageBytes) stride += granule;
  return stride;
}

class SizeClasses {
 public:
  // `fixed_body_bytes`: the one length of all bodies, or 0 if they vary.
  SizeClasses(uint64_t fixed_body_bytes, uint64_t granule, uint64_t bytes_max) {
    if (fixed_body_bytes != 0) {
      strides_.push_back(SlotStride(fixed_body_bytes, granule));
      only_capacity_ = capacity(0);
      return;
    }
    constexpr uint64_t kSmallest = 128;
    for (uint64_t base = kSmallest; base < bytes_max; base *= 2) {
      for (uint64_t quarter = 4; quarter < 8; ++quarter) {
        const uint64_t stride = SlotStride(base * quarter / 4 - kSlotHeaderBytes, granule);
        if (stride > bytes_max) return;
        if (strides_.empty() || stride > strides_.back()) strides_.push_back(stride);
      }
    }
  }

  uint32_t count() const { return static_cast<uint32_t>(strides_.size()); }
  uint64_t stride(uint32_t size_class) const { return strides_[size_class]; }
  uint64_t capacity(uint32_t size_class) const { return strides_[size_class] - kSlotHeaderBytes; }

  // The smallest class whose slots hold a body of `body_bytes`; count() if there is none.
  uint32_t ClassFor(uint64_t body_bytes) const {
    if (only_capacity_ != 0) return body_bytes <= only_capacity_ ? 0 : 1;
    const auto it = std::lower_bound(strides_.begin(), strides_.end(), body_bytes,
                                     [](uint64_t stride, uint64_t bytes) { return stride - kSlotHeaderBytes < bytes; });
    return static_cast<uint32_t>(it - strides_.begin());
  }

 private:
  std::vector<uint64_t> strides_;  // ascending
  uint64_t only_capacity_ = 0;     // of the one class there is, or 0
};

}  // namespace weir::pool

#endif  // WEIR_POOL_SIZE_CLASSES_H_
