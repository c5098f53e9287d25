#include "middleware/os/fork_guard.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <new>

#include "middleware/os/fork_handler.h"
#include "middleware/os/status.h"

namespace weir::os {
namespace {

// The page of this process, or one that a fork has wiped: then it is time for a new one.
constinit std::atomic<std::atomic<uint32_t>*> current{nullptr};

absl::StatusOr<std::atomic<uint32_t>*> MapFlag(size_t bytes) {
  void* page = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return ErrnoStatus(errno, "cannot map the page of the fork guard");
  if (::madvise(page, bytes, MADV_WIPEONFORK) != 0) {
    const int error = errno;
    ::munmap(page, bytes);
    if (error == EINVAL) {
      return absl::FailedPreconditionError("the kernel has no MADV_WIPEONFORK (Linux 4.14 or later is needed)");
    }
    return ErrnoStatus(error, "cannot have the page of the fork guard wiped on fork");
  }
  return new (page) std::atomic<uint32_t>(1);
}

}  // namespace

absl::StatusOr<ForkGuard> ForkGuard::Current() {
  // No mutex: a child of fork() would inherit it locked if another thread was in here.
  // sync(fork.flag): acquire; pairs with the release below. Makes the 1 behind the pointer visible.
  std::atomic<uint32_t>* known = current.load(std::memory_order_acquire);
  if (known != nullptr && known->load(std::memory_order_relaxed) != 0) return ForkGuard(known);

  if (absl::Status status = internal::ForkHandlersInstalled(); !status.ok()) return status;
  const size_t bytes = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  absl::StatusOr<std::atomic<uint32_t>*> flag = MapFlag(bytes);
  if (!flag.ok()) return flag.status();
  // sync(fork.flag): acq_rel; release pairs with the acquire above, acquire with another thread's release here.
  if (current.compare_exchange_strong(known, *flag, std::memory_order_acq_rel, std::memory_order_acquire)) {
    return ForkGuard(*flag);  // the wiped page stays: guards in inherited objects read it
  }
  ::munmap(*flag, bytes);
  return ForkGuard(known);
}

absl::Status ForkGuard::Check() const {
  if (InOwner()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      flag_ == nullptr ? "the object is empty"
                       : "this process was forked off the one that made the object; make a new one, or exec");
}

}  // namespace weir::os
