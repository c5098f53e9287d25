// The gaps between messages, in numbers that can be added up: so a rolling window is the sum of its parts, however many
// messages it has.
#ifndef WEIR_TOOLS_WEIR_GAPS_H_
#define WEIR_TOOLS_WEIR_GAPS_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace weir::tool {

struct Gaps {
  uint64_t messages = 0;
  uint64_t missed = 0;
  uint64_t count = 0;     // of the gaps between messages of which none was missed in between
  double sum_ns = 0;      // of these, and the next three
  double square_sum = 0;  // [ns^2]
  double min_ns = std::numeric_limits<double>::infinity();
  double max_ns = 0;
  double span_ns = 0;      // of all gaps
  uint64_t intervals = 0;  // that these are, counting the missed messages

  void Add(double gap_ns, uint64_t missed_before) {
    span_ns += gap_ns;
    intervals += 1 + missed_before;
    if (missed_before > 0) return;
    ++count;
    sum_ns += gap_ns;
    square_sum += gap_ns * gap_ns;
    min_ns = std::min(min_ns, gap_ns);
    max_ns = std::max(max_ns, gap_ns);
  }

  void Add(const Gaps& other) {
    messages += other.messages;
    missed += other.missed;
    count += other.count;
    sum_ns += other.sum_ns;
    square_sum += other.square_sum;
    min_ns = std::min(min_ns, other.min_ns);
    max_ns = std::max(max_ns, other.max_ns);
    span_ns += other.span_ns;
    intervals += other.intervals;
  }

  // Messages per second, with those that were missed; 0 if there is no gap to tell it from.
  double rate_hz() const { return span_ns > 0 ? static_cast<double>(intervals) * 1e9 / span_ns : 0; }
  double mean_ns() const { return count > 0 ? sum_ns / static_cast<double>(count) : 0; }
  double stddev_ns() const {
    if (count == 0) return 0;
    return std::sqrt(std::max(0.0, square_sum / static_cast<double>(count) - mean_ns() * mean_ns()));
  }
};

}  // namespace weir::tool

#endif  // WEIR_TOOLS_WEIR_GAPS_H_
