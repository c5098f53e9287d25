// Whether this process is the one that made an object, or a child forked off it.
//
// A forked child has copies of all objects but none of the rights: its writable mappings are gone, its lock descriptors
// are closed, and the parent goes on writing to the same shared memory. So everything that touches shared memory asks
// its guard first. Comparing process ids would cost a system call each time, and a pid can be used again.
//
// The flag lives in a page of its own with MADV_WIPEONFORK: it reads 1 in the process that made it and 0 in every
// child, whichever way the child came to be (fork, _Fork, clone without CLONE_VM).
//
// A guard is a value of one pointer; copy it. Threads: any. Blocking, allocation: Current() may map one page, once in a
// process; InOwner() is one load, for the hot path. Lifetime: the page is never unmapped, so a guard never dangles.
// A child that starts afresh with new objects gets a page of its own; the guards it inherited keep saying no.
#ifndef WEIR_OS_FORK_GUARD_H_
#define WEIR_OS_FORK_GUARD_H_

#include <atomic>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace weir::os {

class ForkGuard {
 public:
  // Nobody's: InOwner() is false.
  ForkGuard() = default;

  // The guard of this process. FailedPrecondition on a kernel without MADV_WIPEONFORK (before 4.14),
  // ResourceExhausted without memory.
  static absl::StatusOr<ForkGuard> Current();

  // True in the process (any thread of it) in which Current() returned this guard.
  bool InOwner() const {
    // relaxed: nothing is published by the flag. It was 1 before any guard pointed to it, and the kernel changes it
    // only in a child, before that child runs.
    return flag_ != nullptr && flag_->load(std::memory_order_relaxed) != 0;
  }

  // OK, or the FailedPrecondition that every call returns in a child.
  absl::Status Check() const;

 private:
  explicit ForkGuard(const std::atomic<uint32_t>* flag) : flag_(flag) {}

  const std::atomic<uint32_t>* flag_ = nullptr;
};

}  // namespace weir::os

#endif  // WEIR_OS_FORK_GUARD_H_
