// Small facts about processes and threads, and giving up the processor. Any thread; allocation where a string returns.
#ifndef WEIR_OS_PROCESS_H_
#define WEIR_OS_PROCESS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace weir::os {

// System calls, about 0.1 us each: ask once and keep the answer (but not across a fork). A pid is for people to read.
// It means nothing in another pid namespace and can be used again; who is alive is told by lock bytes.
int32_t Pid();
int32_t ThreadId();

// The name of a process ("lidar"), for messages. Empty if there is no such process in our pid namespace.
std::string ProcessName(int32_t pid);

// 64 random bits from the kernel, so that no two processes draw the same. Blocks only while the machine boots.
uint64_t RandomBits();

// One turn of a busy loop: tells the core that we only wait (about 10 ns).
inline void CpuRelax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

// Sleeps, whatever signals arrive meanwhile.
void SleepFor(uint64_t ns);
void SleepUntil(uint64_t deadline_ns);  // on MonotonicNow()'s clock

// Keeps the calling thread on one core; for benchmarks.
absl::Status PinToCpu(int cpu);

}  // namespace weir::os

#endif  // WEIR_OS_PROCESS_H_
