#include "discovery/registry_lock.h"

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "discovery/liveness.h"
#include "middleware/base/crash_point.h"
#include "middleware/base/text.h"
#include "middleware/os/clock.h"
#include "middleware/os/process.h"

namespace weir::discovery {
namespace {

std::string NameOfHolder(uint32_t pid) {
  if (pid == 0) return "another process";
  const auto signed_pid = static_cast<int32_t>(pid);
  const std::string name = os::ProcessName(signed_pid);
  return absl::StrCat("process ", signed_pid, name.empty() ? "" : absl::StrCat(" (", Quoted(name), ")"));
}

}  // namespace

uint64_t DeadlineAfter(absl::Duration timeout) {
  constexpr absl::Duration kCentury = absl::Hours(24 * 365 * 100);
  const absl::Duration bounded = std::clamp(timeout, absl::ZeroDuration(), kCentury);
  return os::MonotonicNow() + static_cast<uint64_t>(absl::ToInt64Nanoseconds(bounded));
}

absl::Status RegistryLock::LockBefore(uint64_t deadline_ns) {
  {
    // steady_clock is CLOCK_MONOTONIC, and so is MonotonicNow().
    const std::chrono::steady_clock::time_point deadline{std::chrono::nanoseconds(deadline_ns)};
    std::unique_lock hold(mutex_);
    if (!no_longer_busy_.wait_until(hold, deadline, [this] { return !busy_; })) {
      return absl::UnavailableError(absl::StrCat("another thread of this process is changing ", object_, "; waited ",
                                                 absl::FormatDuration(timeout_)));
    }
    busy_ = true;
  }
  const absl::StatusOr<bool> locked = descriptor_.LockUntil(kChangeLockByte, deadline_ns);
  if (locked.ok() && *locked) {
    // relaxed: a hint for messages.
    header_.lock_holder_pid.store(static_cast<uint32_t>(os::Pid()), queue::kRelaxed);
    WEIR_CRASH_POINT("registry.lock.held");
    return absl::OkStatus();
  }
  const uint32_t holder = header_.lock_holder_pid.load(queue::kRelaxed);
  EndBusy();
  if (!locked.ok()) {
    return absl::Status(locked.status().code(), absl::StrCat("cannot lock ", object_, ": ", locked.status().message()));
  }
  return absl::UnavailableError(absl::StrCat(NameOfHolder(holder), " is changing ", object_,
                                             " and did not finish within ", absl::FormatDuration(timeout_)));
}

void RegistryLock::Unlock() {
  WEIR_CRASH_POINT("registry.lock.before_unlock");
  header_.lock_holder_pid.store(0, queue::kRelaxed);
  // It can only fail where there is nothing to give back.
  descriptor_.Unlock(kChangeLockByte).IgnoreError();
  EndBusy();
}

void RegistryLock::EndBusy() {
  const std::lock_guard hold(mutex_);
  busy_ = false;
  no_longer_busy_.notify_one();
}

}  // namespace weir::discovery
