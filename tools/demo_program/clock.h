// The clock that Weir stamps messages with.
#ifndef WEIR_TOOLS_DEMO_PROGRAM_CLOCK_H_
#define WEIR_TOOLS_DEMO_PROGRAM_CLOCK_H_

#include <time.h>

#include <cstdint>

namespace weir::demo {

inline constexpr uint64_t kNsPerS = 1'000'000'000;
inline constexpr uint64_t kNsPerMs = 1'000'000;

inline uint64_t ReadClockNs(clockid_t clock) {
  timespec time = {};
  clock_gettime(clock, &time);
  return static_cast<uint64_t>(time.tv_sec) * kNsPerS + static_cast<uint64_t>(time.tv_nsec);
}
inline uint64_t NowNs() {
  return ReadClockNs(CLOCK_MONOTONIC);
}

}  // namespace weir::demo

#endif  // WEIR_TOOLS_DEMO_PROGRAM_CLOCK_H_
