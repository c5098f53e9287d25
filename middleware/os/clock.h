// The time, in nanoseconds on CLOCK_MONOTONIC: one clock for all processes of a machine that does not jump. (Processes
// in different time namespaces see different offsets; their stamps cannot be compared.)
//
// Two ways to read it:
//
// MonotonicNow() asks the kernel's vDSO: always right, no system call on usual machines, 23 ns. For deadlines and for
// everything that is not done per message.
//
// TickClock is for the stamp in every message. It reads the processor's time-stamp counter and scales it, 10 ns, which
// matters where a message costs 30 ns. It is right because it trusts the counter for an instant only: every 2^20 ticks
// (0.3 to 1 ms) it reads the kernel's clock again, sets itself by it, and looks how well it had foretold it; every 16
// such windows it measures the counter's rate anew. So no calibration can go stale, and the clock follows the kernel's
// through NTP's adjustments, suspends, and the move of a virtual machine. It uses the counter only where the kernel
// itself takes its time from it ("tsc" in sysfs: constant rate, the same on all cores); elsewhere it is MonotonicNow().
//
//   |Now() - CLOCK_MONOTONIC| <= kTickClockErrorNs, made of (for the slowest counter that is used, 1 tick = 1 ns)
//     the counter and the kernel's clock are read one after the other, with at most 512 ticks between:    0.26 us
//     the rate comes from two such pairs, 16 windows or more apart, and is used for one window:           0.03 us
//     the kernel changes its own rate in between, by at most 500 ppm (the limit of NTP's frequency):      0.52 us
//   What it is: 15 ns in the median, 0.1 us at times. If the kernel's rate jumps by more (chrony slews by up to 8 %
//   when a clock is far off), the rest of one window is wrong by that much; then the kernel is asked each time until
//   the rate is known again. Two processes can disagree by twice the error: an age can come out negative; count it as
//   0.
#ifndef WEIR_OS_CLOCK_H_
#define WEIR_OS_CLOCK_H_

#include <time.h>

#include <cstdint>

namespace weir::os {

// Any thread.
inline uint64_t MonotonicNow() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);  // cannot fail: the clock exists, the pointer is good
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

inline constexpr uint64_t kTickClockErrorNs = 1000;

// A clock for one thread at a time: each endpoint has its own, so that it needs no atomics and is no global state.
// Never goes backwards. Allocation: none. Blocking: none.
class TickClock {
 public:
  // Whether the kernel takes CLOCK_MONOTONIC from the counter that Now() would read. Reads a file of sysfs (10 us).
  static bool CounterIsKernelClock();

  explicit TickClock(bool use_counter = CounterIsKernelClock()) : use_counter_(use_counter) {}

  // The counter may be read up to a cache miss before the instructions in front of this call have finished: early by
  // 0.1 us at times. Harmless for the stamp of a message, which it makes older, never younger.
  uint64_t Now() { return At(use_counter_ ? ReadTicks() : 0); }

  // Not before everything in front of it has been loaded; 10 ns more. For the age of a message that was just taken:
  // read too early, it would come out too small.
  uint64_t NowAfterLoads() { return At(use_counter_ ? ReadTicksAfterLoads() : 0); }

  bool uses_counter() const { return use_counter_; }

 private:
  static constexpr uint64_t kWindowTicks = uint64_t{1} << 20;

  static uint64_t ReadTicks() {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return 0;
#endif
  }

  static uint64_t ReadTicksAfterLoads() {
#if defined(__x86_64__)
    __builtin_ia32_lfence();
    return __builtin_ia32_rdtsc();
#else
    return 0;
#endif
  }

  uint64_t At(uint64_t ticks) {
    // Unsigned: a counter that went back (a suspend may reset it) looks like one far ahead, and that is anchored anew.
    const uint64_t elapsed = ticks - anchor_ticks_;
    if (elapsed < window_ticks_) [[likely]] {
      // Fits: elapsed < 2^20, and ns_per_tick_ <= 2^32, which is 1 ns.
      return NotBefore(anchor_ns_ + ((elapsed * ns_per_tick_) >> 32));
    }
    return NotBefore(ReadKernelClock());
  }

  uint64_t NotBefore(uint64_t now_ns) {
    // Anchoring anew may set the clock back by its error.
    if (now_ns > last_ns_) last_ns_ = now_ns;
    return last_ns_;
  }

  // Reads the kernel's clock and, if the counter is used, anchors that to it.
  uint64_t ReadKernelClock();
  void Anchor(uint64_t ticks, uint64_t now_ns);

  uint64_t anchor_ticks_ = 0;  // the newest pair of counter and kernel clock: where At() counts from
  uint64_t anchor_ns_ = 0;     // 0: there is none yet
  uint64_t ns_per_tick_ = 0;   // in 2^-32 ns; 0: not known yet
  uint64_t window_ticks_ = 0;  // kWindowTicks while anchor and rate are good; 0 makes At() ask the kernel
  uint64_t last_ns_ = 0;
  uint64_t rate_ticks_ = 0;  // the pair from which the next rate is measured
  uint64_t rate_ns_ = 0;
  bool rate_trusted_ = false;  // it foretold the kernel's clock
  bool use_counter_;
};

}  // namespace weir::os

#endif  // WEIR_OS_CLOCK_H_
