#include "weir/latency_histogram.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "middleware/metrics/histogram.h"

namespace weir {

static_assert(LatencyHistogram::kBucketCount == metrics::kLatencyBuckets);
static_assert(LatencyHistogram::kLowestNs == metrics::kLatencyLowestNs);
static_assert(LatencyHistogram::kHighestNs == metrics::kLatencyHighestNs);

size_t LatencyHistogram::BucketOf(uint64_t latency_ns) {
  return metrics::LatencyBucket(latency_ns);
}

uint64_t LatencyHistogram::Shortest(size_t bucket) {
  return metrics::LatencyBucketFirst(bucket);
}

uint64_t LatencyHistogram::Longest(size_t bucket) {
  return metrics::LatencyBucketLast(bucket);
}

uint64_t LatencyHistogram::count() const {
  uint64_t count = 0;
  for (const uint64_t messages : buckets) count += messages;
  return count;
}

double LatencyHistogram::Mean() const {
  const uint64_t messages = count();
  return messages == 0 ? 0 : static_cast<double>(sum_ns) / static_cast<double>(messages);
}

double LatencyHistogram::Quantile(double q) const {
  const uint64_t messages = count();
  if (messages == 0) return 0;
  // The rank of the message that is asked for, from 1. A q that is no number is taken as 0: min and max let it fall.
  const double share = std::min(std::max(0.0, q), 1.0);
  const auto rank =
      std::clamp<uint64_t>(static_cast<uint64_t>(std::ceil(share * static_cast<double>(messages))), 1, messages);
  uint64_t seen = 0;
  size_t bucket = 0;
  while (bucket + 1 < kBucketCount && (seen += buckets[bucket]) < rank) ++bucket;
  // In proportion equally far from both ends: see middleware/metrics/histogram.h.
  const auto shortest = static_cast<double>(Shortest(bucket));
  const auto longest = static_cast<double>(Longest(bucket));
  return 2 * shortest * longest / (shortest + longest);
}

LatencyHistogram& LatencyHistogram::operator+=(const LatencyHistogram& other) {
  for (size_t i = 0; i < kBucketCount; ++i) buckets[i] += other.buckets[i];
  sum_ns += other.sum_ns;
  return *this;
}

LatencyHistogram& LatencyHistogram::operator-=(const LatencyHistogram& earlier) {
  for (size_t i = 0; i < kBucketCount; ++i) buckets[i] -= earlier.buckets[i];
  sum_ns -= earlier.sum_ns;
  return *this;
}

}  // namespace weir
