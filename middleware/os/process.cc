#include "middleware/os/process.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "middleware/base/strings.h"
#include "middleware/os/clock.h"
#include "middleware/os/file_descriptor.h"
#include "middleware/os/status.h"

namespace weir::os {

int32_t Pid() {
  return ::getpid();
}

int32_t ThreadId() {
  return static_cast<int32_t>(::syscall(SYS_gettid));
}

std::string ProcessName(int32_t pid) {
  const FileDescriptor file(::open(absl::StrCat("/proc/", pid, "/comm").c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return {};
  char text[64];  // the kernel's limit is 16
  ssize_t bytes = ::read(file.get(), text, sizeof(text));
  if (bytes <= 0) return {};
  if (text[bytes - 1] == '\n') --bytes;
  return std::string(text, static_cast<size_t>(bytes));
}

uint64_t RandomBits() {
  uint64_t bits = 0;
  // Up to 256 bytes come whole once the pool is initialised; before that it blocks, and may be interrupted.
  while (::getrandom(&bits, sizeof(bits), 0) != static_cast<ssize_t>(sizeof(bits))) {
    if (errno == EINTR) continue;
    // No such call (Linux before 3.17, or a filter): what two callers on one machine do not have in common.
    return MonotonicNow() * 0x9e3779b97f4a7c15u ^ static_cast<uint64_t>(ThreadId()) << 40;
  }
  return bits;
}

void SleepUntil(uint64_t deadline_ns) {
  timespec deadline;
  deadline.tv_sec = static_cast<time_t>(deadline_ns / 1'000'000'000u);
  deadline.tv_nsec = static_cast<long>(deadline_ns % 1'000'000'000u);
  // Absolute, so that a signal costs a repetition and no time. The result is the error itself, not -1.
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, nullptr) == EINTR) {
  }
}

void SleepFor(uint64_t ns) {
  SleepUntil(MonotonicNow() + ns);
}

absl::Status PinToCpu(int cpu) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  if (cpu < 0 || cpu >= CPU_SETSIZE) return absl::InvalidArgumentError(absl::StrCat("there is no core ", cpu));
  CPU_SET(cpu, &cpus);
  if (::sched_setaffinity(0, sizeof(cpus), &cpus) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, AsStd(absl::StrCat("cannot move to core ", cpu)));
}

}  // namespace weir::os
