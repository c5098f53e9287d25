#include "middleware/os/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <type_traits>

namespace weir::os {
namespace {

static_assert(sizeof(std::atomic<uint32_t>) == 4 && std::atomic<uint32_t>::is_always_lock_free,
              "the kernel looks at the word itself");
static_assert(sizeof(timespec::tv_sec) == 8, "SYS_futex takes this timespec only where time_t has 64 bits");

}  // namespace

FutexResult FutexWait(const std::atomic<uint32_t>* word, uint32_t expected, uint64_t deadline_ns) {
  timespec deadline;
  deadline.tv_sec = static_cast<time_t>(deadline_ns / 1'000'000'000u);
  deadline.tv_nsec = static_cast<long>(deadline_ns % 1'000'000'000u);
  const timespec* timeout = deadline_ns == kNoDeadline ? nullptr : &deadline;
  // Without FUTEX_CLOCK_REALTIME the absolute timeout is on CLOCK_MONOTONIC.
  if (::syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected, timeout, nullptr, FUTEX_BITSET_MATCH_ANY) == 0) {
    return FutexResult::kWoken;
  }
  switch (errno) {
    case EAGAIN:
      return FutexResult::kChanged;
    case ETIMEDOUT:
      return FutexResult::kTimedOut;
    case EINTR:
      return FutexResult::kInterrupted;
    default:
      return FutexResult::kFailed;
  }
}

int FutexWake(const std::atomic<uint32_t>* word, int count) {
  const long woken = ::syscall(SYS_futex, word, FUTEX_WAKE, count, nullptr, nullptr, 0);
  return woken > 0 ? static_cast<int>(woken) : 0;  // nobody sleeps on a word that cannot be waited on
}

}  // namespace weir::os
