// Counts of durations, log-linear: each power of two is cut into 16 equal parts, so that a percentile is right to one
// part in 16 from 16 ns up to 18 minutes. Fixed size and plain, so that it travels inside a message.
#ifndef WEIR_TOOLS_DEMO_PROGRAM_HISTOGRAM_H_
#define WEIR_TOOLS_DEMO_PROGRAM_HISTOGRAM_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace weir::demo {

namespace histogram {

inline constexpr int kPartBits = 4;
inline constexpr uint64_t kParts = uint64_t{1} << kPartBits;
inline constexpr int kBitsMax = 40;
inline constexpr size_t kBuckets = (kBitsMax - kPartBits + 1) * kParts;

constexpr size_t BucketOf(uint64_t ns) {
  const uint64_t value = std::min(ns, (uint64_t{1} << kBitsMax) - 1);
  if (value < kParts) return static_cast<size_t>(value);
  // Leaves kPartBits + 1 bits of the value, the first of them 1.
  const uint64_t shift = static_cast<uint64_t>(std::bit_width(value)) - 1 - kPartBits;
  return static_cast<size_t>((shift << kPartBits) + (value >> shift));
}
constexpr uint64_t UpperEnd(size_t bucket) {
  if (bucket < kParts) return bucket;
  const uint64_t shift = bucket / kParts - 1;
  return ((bucket % kParts + kParts + 1) << shift) - 1;
}
static_assert(BucketOf(0) == 0 && BucketOf(15) == 15 && BucketOf(16) == 16 && BucketOf(31) == 31);
static_assert(BucketOf(32) == 32 && BucketOf(33) == 32 && UpperEnd(32) == 33 && BucketOf(34) == 33);
static_assert(BucketOf(~uint64_t{0}) == kBuckets - 1);

}  // namespace histogram

class Histogram {
 public:
  void Add(uint64_t ns) {
    ++counts_[histogram::BucketOf(ns)];
    ++count_;
    max_ns_ = std::max(max_ns_, ns);
  }

  uint64_t count() const { return count_; }
  uint64_t max_ns() const { return max_ns_; }

  // The upper end of the bucket in which the value lies that `fraction` (0 to 1) of all do not exceed; at most the
  // largest value. 0 if there is none.
  uint64_t Percentile(double fraction) const {
    const double wanted = fraction * static_cast<double>(count_);
    uint64_t seen = 0;
    for (size_t bucket = 0; bucket < histogram::kBuckets; ++bucket) {
      seen += counts_[bucket];
      if (counts_[bucket] != 0 && static_cast<double>(seen) >= wanted)
        return std::min(histogram::UpperEnd(bucket), max_ns_);
    }
    return max_ns_;
  }

 private:
  uint64_t count_ = 0;
  uint64_t max_ns_ = 0;
  std::array<uint32_t, histogram::kBuckets> counts_ = {};
};

}  // namespace weir::demo

#endif  // WEIR_TOOLS_DEMO_PROGRAM_HISTOGRAM_H_
