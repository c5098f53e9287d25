// Weir's histogram of latencies as a classic one of Prometheus: few buckets, each twice as long as the one before.
//
// The upper bounds are 2^7 - 1 = 127 ns, 255 ns, 511 ns, ... up to 2^30 - 1 ns, about 1.07 s. Rounder bounds (1, 2.5,
// 5) would lie within a bucket of Weir's, and what that has counted could not be divided; on a power of two a bucket of
// Weir's ends, latencies are whole nanoseconds, and "at most 127 ns" is exact.
#ifndef WEIR_GATEWAYS_PROMETHEUS_LATENCY_BUCKETS_H_
#define WEIR_GATEWAYS_PROMETHEUS_LATENCY_BUCKETS_H_

#include <prometheus/client_metric.h>
#include <weir/latency_histogram.h>

#include <cstddef>
#include <cstdint>

namespace weir::gateway {

inline constexpr size_t kLatencyBounds = 24;

// [ns], inclusive, as Prometheus' `le` is. bound < kLatencyBounds.
constexpr uint64_t LatencyBoundNs(size_t bound) {
  return (uint64_t{128} << bound) - 1;
}

// In seconds. What is longer than the last bound is in the count only, which is the bucket +Inf.
prometheus::ClientMetric::Histogram ClassicHistogram(const LatencyHistogram& latency);

}  // namespace weir::gateway

#endif  // WEIR_GATEWAYS_PROMETHEUS_LATENCY_BUCKETS_H_
