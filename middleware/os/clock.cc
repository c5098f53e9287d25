#include "middleware/os/clock.h"

#include <fcntl.h>
#include <unistd.h>

#include <string_view>

#include "middleware/os/file_descriptor.h"

namespace weir::os {
namespace {

// A rate is measured over so many ticks. Over more the machine might have slept in between: in a suspend the counter
// runs on or is set to 0, while CLOCK_MONOTONIC stands still.
constexpr uint64_t kRateTicksMin = uint64_t{1} << 24;
constexpr uint64_t kRateTicksMax = uint64_t{1} << 26;

// More ticks than this between the counter's two readings around the kernel's, and we were interrupted in between.
constexpr uint64_t kPairTicksMax = 512;

// A rate that foretells the kernel's clock worse than this is wrong, and not just used while the kernel changed its
// own: the counter was set in between, as the host of a virtual machine may do.
constexpr uint64_t ForecastErrorMax(uint64_t elapsed_ticks) {
  return kTickClockErrorNs + elapsed_ticks / 1024;
}

// Three tries get a pair unless the machine is very busy; if they do not, the next call tries again.
constexpr int kPairTries = 3;

}  // namespace

bool TickClock::CounterIsKernelClock() {
#if defined(__x86_64__)
  const FileDescriptor file(
      ::open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return false;
  char text[16];
  const ssize_t bytes = ::read(file.get(), text, sizeof(text));
  return bytes > 0 && std::string_view(text, static_cast<size_t>(bytes)) == "tsc\n";
#else
  return false;
#endif
}

uint64_t TickClock::ReadKernelClock() {
  if (!use_counter_) return MonotonicNow();

  uint64_t now_ns = 0;
  uint64_t before = 0;
  uint64_t between = ~uint64_t{0};
  for (int i = 0; i < kPairTries && between > kPairTicksMax; ++i) {
    before = ReadTicksAfterLoads();
    now_ns = MonotonicNow();
    between = ReadTicksAfterLoads() - before;
  }
  window_ticks_ = 0;
  // Without a good pair the time is right, but nothing to count from. The old anchor is out of date already.
  if (between <= kPairTicksMax) Anchor(before + between / 2, now_ns);
  return now_ns;
}

void TickClock::Anchor(uint64_t ticks, uint64_t now_ns) {
  const uint64_t elapsed_ticks = ticks - anchor_ticks_;
  if (anchor_ns_ != 0 && elapsed_ticks < kWindowTicks) return;  // wait until there is something to compare

  if (anchor_ns_ == 0) {
    rate_ticks_ = ticks;
    rate_ns_ = now_ns;
  } else if (ns_per_tick_ != 0 && elapsed_ticks <= kRateTicksMax) {
    // Fits: 2^26 ticks, and 2^32 is one ns per tick.
    const uint64_t foretold_ns = anchor_ns_ + ((elapsed_ticks * ns_per_tick_) >> 32);
    const uint64_t error_ns = foretold_ns > now_ns ? foretold_ns - now_ns : now_ns - foretold_ns;
    rate_trusted_ = error_ns <= ForecastErrorMax(elapsed_ticks);
    if (!rate_trusted_) {
      ns_per_tick_ = 0;
      rate_ticks_ = ticks;
      rate_ns_ = now_ns;
    }
  }
  anchor_ticks_ = ticks;
  anchor_ns_ = now_ns;

  const uint64_t rate_ticks = ticks - rate_ticks_;
  if (rate_ticks >= kRateTicksMin) {
    const uint64_t rate_ns = now_ns - rate_ns_;
    rate_ticks_ = ticks;
    rate_ns_ = now_ns;
    if (rate_ticks <= kRateTicksMax) {
      if (rate_ns > rate_ticks) {
        // Slower than 1 GHz, for which the stated error does not hold; or somebody set the counter.
        use_counter_ = false;
        return;
      }
      ns_per_tick_ = (rate_ns << 32) / rate_ticks;  // fits: rate_ns <= rate_ticks <= 2^26
    }
  }
  if (rate_trusted_) window_ticks_ = kWindowTicks;
}

}  // namespace weir::os
