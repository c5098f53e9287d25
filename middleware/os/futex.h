// Sleeping on a 32-bit word of shared memory, and waking who sleeps there. What keeps a wake-up from being missed is
// not here but in middleware/queue/waking.h.
//
// - Shared futexes, never FUTEX_PRIVATE_FLAG: a private one is keyed on (process, address), so a waker in another
//   process, where the same file lies elsewhere, would wake nobody. The shared key is (inode, offset). For the same
//   reason C++20's atomic::wait cannot be used: libstdc++ waits privately, and on a word of its own.
// - Deadlines are absolute, on CLOCK_MONOTONIC (FUTEX_WAIT_BITSET; plain FUTEX_WAIT takes a relative time). A caller
//   that loops after a signal or a stray wake-up neither computes a remainder nor sleeps longer in sum.
// - Signals are reported, not hidden: the caller looks at its own conditions and sleeps again.
//
// Threads: any, any process. Blocking: FutexWait only. Allocation: none. The word must stay mapped during the call;
// a read-only mapping will do for waiting.
#ifndef WEIR_OS_FUTEX_H_
#define WEIR_OS_FUTEX_H_

#include <atomic>
#include <cstdint>

namespace weir::os {

enum class FutexResult : uint8_t {
  kWoken,        // by a wake, or by nothing at all: look again
  kChanged,      // the word was not `expected`: did not sleep
  kTimedOut,     // the deadline passed (also if it had passed before)
  kInterrupted,  // a signal handler ran
  kFailed,  // the word cannot be waited on: its file was truncated, or a filter forbids the call. Do not loop on it
};

inline constexpr uint64_t kNoDeadline = UINT64_MAX;

// Sleeps while *word == expected, until a wake or until MonotonicNow() >= deadline_ns.
FutexResult FutexWait(const std::atomic<uint32_t>* word, uint32_t expected, uint64_t deadline_ns);

// Wakes up to `count` sleepers, in any process; returns how many it woke.
int FutexWake(const std::atomic<uint32_t>* word, int count);

inline constexpr int kWakeAll = 0x7fffffff;

}  // namespace weir::os

#endif  // WEIR_OS_FUTEX_H_
