// The clock of the measurements: the processor's time-stamp counter where the kernel itself takes its time from it
// (then it has one rate and is the same on all cores), else CLOCK_MONOTONIC.
#ifndef WEIR_BENCH_TWO_PROCESS_TICKS_H_
#define WEIR_BENCH_TWO_PROCESS_TICKS_H_

#include <time.h>

#include <cstdint>

namespace weir::bench {

inline uint64_t MonotonicNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

class Ticks {
 public:
  // Measures the counter's rate, for 20 ms. Make one and hand it on (also over a fork).
  Ticks();

  bool is_counter() const { return is_counter_; }
  double ns_per_tick() const { return ns_per_tick_; }

  uint64_t Now() const {
#if defined(__x86_64__)
    if (is_counter_) return __builtin_ia32_rdtsc();
#endif
    return MonotonicNs();
  }
  double Ns(uint64_t ticks) const {
    return static_cast<double>(ticks) * ns_per_tick_;
  }
  uint64_t FromNs(uint64_t ns) const {
    return static_cast<uint64_t>(static_cast<double>(ns) / ns_per_tick_);
  }

 private:
  bool is_counter_ = false;
  double ns_per_tick_ = 1;
};

}  // namespace weir::bench

#endif  // WEIR_BENCH_TWO_PROCESS_TICKS_H_
