#include "gateways/prometheus/latency_buckets.h"

namespace weir::gateway {

prometheus::ClientMetric::Histogram ClassicHistogram(const LatencyHistogram& latency) {
  prometheus::ClientMetric::Histogram classic;
  classic.sample_sum = static_cast<double>(latency.sum_ns) / 1e9;
  classic.bucket.reserve(kLatencyBounds);
  uint64_t count = 0;
  size_t fine = 0;
  for (size_t bound = 0; bound < kLatencyBounds; ++bound) {
    const uint64_t bound_ns = LatencyBoundNs(bound);
    while (LatencyHistogram::Longest(fine) <= bound_ns) count += latency.buckets[fine++];
    prometheus::ClientMetric::Bucket bucket;
    bucket.cumulative_count = count;
    bucket.upper_bound = static_cast<double>(bound_ns) / 1e9;
    classic.bucket.push_back(bucket);
  }
  while (fine < LatencyHistogram::kBucketCount) count += latency.buckets[fine++];
  classic.sample_count = count;
  return classic;
}

}  // namespace weir::gateway
