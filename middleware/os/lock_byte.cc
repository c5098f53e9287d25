#include "middleware/os/lock_byte.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "middleware/base/strings.h"
#include "middleware/os/clock.h"
#include "middleware/os/file.h"
#include "middleware/os/fork_handler.h"
#include "middleware/os/process.h"
#include "middleware/os/status.h"

namespace weir::os {
namespace {

constexpr uint64_t kPollNsMin = 20'000;
constexpr uint64_t kPollNsMax = 1'000'000;

// `bytes` of 0 is everything from `offset` on. l_pid must be 0 for the F_OFD_ commands, or they are EINVAL.
struct flock Range(short type, uint64_t offset, uint64_t bytes) {
  struct flock range = {};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(offset);
  range.l_len = static_cast<off_t>(bytes);
  return range;
}

absl::Status LockStatus(int error, std::string_view what, uint64_t offset) {
  return ErrnoStatus(error, AsStd(absl::StrCat("cannot ", AsAbsl(what), " lock byte ", offset)));
}

}  // namespace

absl::StatusOr<bool> Probe(int fd, uint64_t offset) {
  struct flock range = Range(F_WRLCK, offset, 1);
  if (::fcntl(fd, F_OFD_GETLK, &range) != 0) return LockStatus(errno, "probe", offset);
  return range.l_type != F_UNLCK;
}

struct LockDescriptor::State {
  internal::ClosedInChild listed;
  ForkGuard owner;
};

LockDescriptor::LockDescriptor() = default;
LockDescriptor::LockDescriptor(std::unique_ptr<State> state) : state_(std::move(state)) {}
LockDescriptor::LockDescriptor(LockDescriptor&&) noexcept = default;

LockDescriptor& LockDescriptor::operator=(LockDescriptor&& other) noexcept {
  if (this != &other) {
    Close();
    state_ = std::move(other.state_);
  }
  return *this;
}

LockDescriptor::~LockDescriptor() {
  Close();
}

absl::StatusOr<LockDescriptor> LockDescriptor::Open(int dir_fd, std::string_view name, int same_as_fd) {
  absl::StatusOr<ForkGuard> owner = ForkGuard::Current();
  if (!owner.ok()) return owner.status();
  auto state = std::make_unique<State>();
  state->owner = *owner;
  {
    // Held from before the descriptor exists until it is listed: see fork_handler.h.
    std::lock_guard lock(internal::ForkMutex());
    absl::StatusOr<FileDescriptor> file = OpenFile(dir_fd, name, Access::kReadWrite);
    if (!file.ok()) return file.status();
    state->listed.fd = file->release();
    internal::ListLocked(state->listed);
  }
  LockDescriptor descriptor(std::move(state));
  if (same_as_fd != -1) {
    absl::StatusOr<bool> same = SameFile(descriptor.get(), same_as_fd);
    if (!same.ok()) return same.status();
    if (!*same) {
      return absl::FailedPreconditionError(absl::StrCat("'", AsAbsl(name), "' was replaced by another file"));
    }
  }
  return descriptor;
}

int LockDescriptor::get() const {
  return state_ == nullptr ? -1 : state_->listed.fd;
}

absl::Status LockDescriptor::Check() const {
  if (state_ == nullptr) return absl::FailedPreconditionError("the lock descriptor is empty");
  return state_->owner.Check();
}

absl::StatusOr<bool> LockDescriptor::TryLock(uint64_t offset) {
  if (absl::Status status = Check(); !status.ok()) return status;
  struct flock range = Range(F_WRLCK, offset, 1);
  if (::fcntl(get(), F_OFD_SETLK, &range) == 0) return true;
  if (errno == EAGAIN || errno == EACCES) return false;
  return LockStatus(errno, "take", offset);
}

absl::StatusOr<bool> LockDescriptor::LockUntil(uint64_t offset, uint64_t deadline_ns) {
  for (uint64_t pause_ns = kPollNsMin;; pause_ns = std::min(pause_ns * 2, kPollNsMax)) {
    absl::StatusOr<bool> locked = TryLock(offset);
    if (!locked.ok() || *locked) return locked;
    const uint64_t now_ns = MonotonicNow();
    if (now_ns >= deadline_ns) return false;
    SleepUntil(std::min(now_ns + pause_ns, deadline_ns));
  }
}

absl::Status LockDescriptor::Unlock(uint64_t offset) {
  if (absl::Status status = Check(); !status.ok()) return status;
  struct flock range = Range(F_UNLCK, offset, 1);
  if (::fcntl(get(), F_OFD_SETLK, &range) != 0) return LockStatus(errno, "give back", offset);
  return absl::OkStatus();
}

void LockDescriptor::Close() {
  if (state_ == nullptr) return;
  const std::unique_ptr<State> state = std::move(state_);
  std::lock_guard lock(internal::ForkMutex());
  internal::UnlistLocked(state->listed);
  if (state->listed.fd < 0) return;  // closed by the fork handler; the number may be somebody else's
  if (state->owner.InOwner()) {
    struct flock all = Range(F_UNLCK, 0, 0);
    ::fcntl(state->listed.fd, F_OFD_SETLK, &all);  // if it fails, the close does it
  }
  ::close(state->listed.fd);
}

}  // namespace weir::os
