// A histogram of latencies in shared memory, one page of its own. One writer (the endpoint), relaxed stores, readable
// by everybody at any time.
//
// Log-linear: eight buckets of equal length per power of two. With S = 8, a latency v of [2^k, 2^(k+1)), k >= 3, has
//
//   index(v) = S * (k - 3) + (v >> (k - 3))        so 8..15 for [8, 16), 16..23 for [16, 32), ...
//
// and everything below 8 its own index. The buckets kept are those from index(10 ns) to index(100 s). A bucket [a, c],
// both ends included, is at most a / 8 long, so 2ac / (a + c), from which both ends are equally far in proportion, is
// off by (c - a) / (c + a) < 1 / 17.
#ifndef WEIR_METRICS_HISTOGRAM_H_
#define WEIR_METRICS_HISTOGRAM_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "middleware/base/limits.h"
#include "middleware/metrics/counters_layout.h"

namespace weir::metrics {

inline constexpr uint64_t kLatencyLowestNs = 10;
inline constexpr uint64_t kLatencyHighestNs = 100'000'000'000;

namespace internal {

inline constexpr uint32_t kSubBits = 3;
inline constexpr uint64_t kSubBuckets = uint64_t{1} << kSubBits;

constexpr size_t IndexOf(uint64_t ns) {
  if (ns < kSubBuckets) return ns;
  const auto shift = static_cast<uint32_t>(std::bit_width(ns)) - 1 - kSubBits;
  return kSubBuckets * shift + (ns >> shift);
}

constexpr uint64_t FirstOf(size_t index) {
  if (index < 2 * kSubBuckets) return index;
  const uint64_t shift = index / kSubBuckets - 1;
  return (kSubBuckets + index % kSubBuckets) << shift;
}

inline constexpr size_t kFirstIndex = IndexOf(kLatencyLowestNs);

}  // namespace internal

inline constexpr size_t kLatencyBuckets = internal::IndexOf(kLatencyHighestNs) - internal::kFirstIndex + 1;

// What is shorter or longer than all buckets belongs to the first or the last.
constexpr size_t LatencyBucket(uint64_t ns) {
  return internal::IndexOf(std::clamp(ns, kLatencyLowestNs, kLatencyHighestNs)) - internal::kFirstIndex;
}

// The shortest and the longest latency of a bucket, both included.
constexpr uint64_t LatencyBucketFirst(size_t bucket) {
  return internal::FirstOf(bucket + internal::kFirstIndex);
}
constexpr uint64_t LatencyBucketLast(size_t bucket) {
  return internal::FirstOf(bucket + internal::kFirstIndex + 1) - 1;
}

// In the subscriber's table file, behind its counters.
struct Histogram {
  Counter sum_ns;  // of all latencies counted; the count is the sum over the buckets
  Counter buckets[kLatencyBuckets];

  // A latency that came out negative (two clocks' readings) is given as 0.
  void Record(uint64_t ns) {
    buckets[LatencyBucket(ns)].Add(1);
    sum_ns.Add(ns);
  }
};
static_assert(sizeof(Histogram) <= kPageBytes);

// to = a + b.
inline void StoreSum(const Histogram& a, const Histogram& b, Histogram& to) {
  to.sum_ns.Set(a.sum_ns.value() + b.sum_ns.value());
  for (size_t i = 0; i < kLatencyBuckets; ++i) to.buckets[i].Set(a.buckets[i].value() + b.buckets[i].value());
}

static_assert(kLatencyBuckets == 266);
static_assert(LatencyBucketFirst(0) == kLatencyLowestNs && LatencyBucketLast(0) == kLatencyLowestNs);
static_assert(LatencyBucketLast(kLatencyBuckets - 1) >= kLatencyHighestNs);

}  // namespace weir::metrics

#endif  // WEIR_METRICS_HISTOGRAM_H_
