// How long messages took from Publish to Take, as counts per bucket: a plain copy, made at one moment.
//
// Log-linear: every power of two is cut into eight buckets of equal length, from 10 ns to 100 s. So a bucket is at most
// an eighth of its lower bound long, and what stands for it (Quantile) is off by 1/17 at most, 5.9 %. What is shorter
// than kLowestNs counts in the first bucket, what is longer than kHighestNs in the last.
//
// What is measured: from the clock's reading in Publish, before the first push, to a reading in the Take that returns
// the message, so waiting in the queue is part of it. Both readings are CLOCK_MONOTONIC, each off by at most 1 us (15
// ns in the median; middleware/os/clock.h says why). Between two processes that can make a latency negative: it counts
// in the first bucket and adds nothing to the sum. Messages that came from a history are left out, for their age is no
// latency, and so are those that carry no stamp (PublisherOptions::metrics, stamp_every).
//
// A value like any other: copies are independent. Threads: as an int. Blocks and allocates: never.
#ifndef WEIR_LATENCY_HISTOGRAM_H_
#define WEIR_LATENCY_HISTOGRAM_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "weir/internal/export.h"

namespace weir {

struct WEIR_EXPORT LatencyHistogram {
  static constexpr size_t kBucketCount = 266;
  static constexpr uint64_t kLowestNs = 10;
  static constexpr uint64_t kHighestNs = 100'000'000'000;

  std::array<uint64_t, kBucketCount> buckets = {};  // messages
  uint64_t sum_ns = 0;                              // of all latencies, not rounded to buckets

  // The bucket in which a latency counts, and the shortest and the longest latency [ns] that it is for, both included.
  // (The first and the last bucket also have what lies beyond.) bucket < kBucketCount.
  static size_t BucketOf(uint64_t latency_ns);
  static uint64_t Shortest(size_t bucket);
  static uint64_t Longest(size_t bucket);

  // All messages counted.
  uint64_t count() const;
  // sum_ns / count(); 0 if nothing was counted. Not rounded to buckets. [ns]
  double Mean() const;
  // The latency that a share `q` of the messages did not exceed: 0.5 is the median, 1 the longest. Wrong by 5.9 % at
  // most, between kLowestNs and kHighestNs. q is taken as 0 if below, as 1 if above; 0 if nothing was counted. [ns]
  double Quantile(double q) const;

  // For whoever counts latencies of its own.
  void Add(uint64_t latency_ns) {
    ++buckets[BucketOf(latency_ns)];
    sum_ns += latency_ns;
  }

  // Joins what several subscribers counted.
  LatencyHistogram& operator+=(const LatencyHistogram& other);
  // What was counted since `earlier`, an older copy of the same histogram.
  LatencyHistogram& operator-=(const LatencyHistogram& earlier);
  friend LatencyHistogram operator+(LatencyHistogram a, const LatencyHistogram& b) { return a += b; }
  friend LatencyHistogram operator-(LatencyHistogram a, const LatencyHistogram& b) { return a -= b; }
  friend bool operator==(const LatencyHistogram&, const LatencyHistogram&) = default;
};

}  // namespace weir

#endif  // WEIR_LATENCY_HISTOGRAM_H_
