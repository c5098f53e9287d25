#include "middleware/os/mapping.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "middleware/base/strings.h"
#include "middleware/os/status.h"

#if WEIR_SHARE_MAPPINGS
#include "middleware/os/shared_range.h"
#endif

#ifndef MADV_POPULATE_READ  // Linux 5.14, glibc 2.35
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE  // Linux 6.1, glibc 2.37
#define MADV_COLLAPSE 25
#endif

namespace weir::os {
namespace {

constexpr uint64_t RoundUp(uint64_t value, uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

uint64_t PageBytes() {
  return static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

// mmap at a multiple of a huge page. The kernel does that by itself only for filesystems mounted with huge=; here a
// range is reserved that is longer by one such page, the file mapped into its middle, and the ends given back.
void* MapAligned(int fd, uint64_t bytes, int protection) {
  const uint64_t needed = RoundUp(bytes, PageBytes());
  const uint64_t reserved = needed + kHugePageBytes;
  void* range = ::mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED) return MAP_FAILED;
  auto* const begin = static_cast<std::byte*>(range);
  const auto address = reinterpret_cast<uint64_t>(begin);
  const uint64_t before = RoundUp(address, kHugePageBytes) - address;
  void* data = ::mmap(begin + before, bytes, protection, MAP_SHARED | MAP_FIXED, fd, 0);
  if (data == MAP_FAILED) {
    const int error = errno;
    ::munmap(range, reserved);
    errno = error;
    return MAP_FAILED;
  }
  if (before != 0) ::munmap(begin, before);
  ::munmap(begin + before + needed, reserved - before - needed);
  return data;
}

absl::StatusOr<std::byte*> MapRange(int fd, uint64_t bytes, Access access) {
  const int protection = access == Access::kRead ? PROT_READ : PROT_READ | PROT_WRITE;
  void* data = bytes >= kHugePageBytes ? MapAligned(fd, bytes, protection) : MAP_FAILED;
  // No MAP_NORESERVE: a shared mapping of a file reserves nothing, however long; the file's pages are counted as its.
  if (data == MAP_FAILED) data = ::mmap(nullptr, bytes, protection, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return ErrnoStatus(errno, AsStd(absl::StrCat("cannot map ", bytes, " bytes of a file")));
  int advice = ::madvise(data, bytes, MADV_DONTDUMP);
  if (advice == 0 && access == Access::kReadWrite) advice = ::madvise(data, bytes, MADV_DONTFORK);
  if (advice != 0) {
    absl::Status status = ErrnoStatus(errno, "cannot keep a mapping out of core dumps and forked children");
    ::munmap(data, bytes);
    return status;
  }
  return static_cast<std::byte*>(data);
}

}  // namespace

absl::StatusOr<Mapping> Mapping::Map(int fd, uint64_t bytes, Access access, PastEnd past_end) {
  if (bytes == 0) return absl::InvalidArgumentError("cannot map 0 bytes");
  absl::StatusOr<ForkGuard> owner = ForkGuard::Current();
  if (!owner.ok()) return owner.status();
  if (past_end == PastEnd::kRefuse) {
    absl::StatusOr<uint64_t> file_bytes = FileBytes(fd);
    if (!file_bytes.ok()) return file_bytes.status();
    if (*file_bytes < bytes) {
      return absl::FailedPreconditionError(
          absl::StrCat("a file has ", *file_bytes, " bytes where ", bytes, " are to be mapped"));
    }
  }
#if WEIR_SHARE_MAPPINGS
  absl::StatusOr<std::byte*> data = internal::AcquireSharedRange(fd, bytes, access, *owner, MapRange);
#else
  absl::StatusOr<std::byte*> data = MapRange(fd, bytes, access);
#endif
  if (!data.ok()) return data.status();
  Mapping mapping;
  mapping.data_ = *data;
  mapping.bytes_ = bytes;
  mapping.access_ = access;
  mapping.owner_ = *owner;
  return mapping;
}

absl::Status Mapping::Populate(uint64_t offset, uint64_t bytes) const {
  if (absl::Status status = owner_.Check(); !status.ok()) return status;
  if (offset > bytes_ || bytes > bytes_ - offset) {
    return absl::OutOfRangeError(
        absl::StrCat("bytes ", offset, " to ", offset + bytes, " of a mapping that has ", bytes_));
  }
  // madvise wants the start of a page; the length it rounds up itself.
  const uint64_t into_page = offset % PageBytes();
  const int advice = access_ == Access::kRead ? MADV_POPULATE_READ : MADV_POPULATE_WRITE;
  while (::madvise(data_ + (offset - into_page), bytes + into_page, advice) != 0) {
    if (errno == EINTR) continue;
    if (errno == EINVAL) return absl::OkStatus();  // an older kernel
    if (errno == EFAULT) {
      return absl::OutOfRangeError(
          absl::StrCat("bytes ", offset, " to ", offset + bytes, " are not all within the mapped file"));
    }
    return ErrnoStatus(errno, AsStd(absl::StrCat("cannot populate ", bytes, " bytes of a mapping")));
  }
  return absl::OkStatus();
}

absl::Status Mapping::LockFirst(uint64_t bytes) {
  if (bytes <= locked_bytes_) return owner_.Check();
  absl::Status status = LockRange(locked_bytes_, bytes - locked_bytes_);
  if (status.ok()) locked_bytes_ = bytes;
  return status;
}

absl::Status Mapping::LockRange(uint64_t offset, uint64_t bytes) const {
  if (absl::Status status = owner_.Check(); !status.ok()) return status;
  if (offset > bytes_ || bytes > bytes_ - offset) {
    return absl::OutOfRangeError(
        absl::StrCat("bytes ", offset, " to ", offset + bytes, " of a mapping that has ", bytes_));
  }
  const uint64_t from = offset / PageBytes() * PageBytes();
  const uint64_t length = offset - from + bytes;
  if (::mlock(data_ + from, length) == 0) return absl::OkStatus();
  const int error = errno;
  ::munlock(data_ + from, length);  // where a page could not be had, the range is marked as locked all the same
  const std::string what = absl::StrCat("cannot lock ", bytes, " bytes in memory");
  rlimit limit{};
  if ((error == ENOMEM || error == EPERM) && ::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
      limit.rlim_cur != RLIM_INFINITY) {
    return absl::FailedPreconditionError(
        absl::StrCat(what, ": RLIMIT_MEMLOCK is ", limit.rlim_cur,
                     " bytes for all that this process locks; raise it (ulimit -l, LimitMEMLOCK=) or give the process "
                     "CAP_IPC_LOCK"));
  }
  return ErrnoStatus(error, what);
}

HugeResult Mapping::Collapse(uint64_t offset, uint64_t bytes) const {
  if (!owner_.InOwner() || offset > bytes_ || bytes > bytes_ - offset) return {0, HugeAnswer::kForbidden};
  const uint64_t begin = RoundUp(offset, kHugePageBytes);
  const uint64_t end = (offset + bytes) / kHugePageBytes * kHugePageBytes;
  if (begin >= end) return {};
  if (::madvise(data_, 0, MADV_COLLAPSE) != 0) return {0, HugeAnswer::kUnknown};
  // Touched first, without which data is lost: a tmpfs mounted with huge=always or within_size gives huge pages to
  // fallocate and clears each at its first fault. Collapsing such a page maps it without that fault (seen with Linux
  // 6.18); the first fault in another mapping then clears what was written to it meanwhile.
  if (!Populate(begin, end - begin).ok()) return {0, HugeAnswer::kNoMemory};
  // Each call costs a message to all cores, so all at once first. It tries every page, whatever became of the others.
  if (::madvise(data_ + begin, end - begin, MADV_COLLAPSE) == 0) return {end - begin, HugeAnswer::kGranted};
  HugeResult result;
  switch (errno) {
    case ENOMEM:
      result.answer = HugeAnswer::kNoMemory;
      break;
    case EINVAL:
      result.answer = HugeAnswer::kForbidden;
      break;
    default:  // EAGAIN, EBUSY
      result.answer = HugeAnswer::kBusy;
  }
  if (result.answer == HugeAnswer::kForbidden) return result;
  for (uint64_t at = begin; at < end; at += kHugePageBytes) {
    if (::madvise(data_ + at, kHugePageBytes, MADV_COLLAPSE) == 0) result.bytes += kHugePageBytes;
  }
  if (result.bytes == end - begin) result.answer = HugeAnswer::kGranted;
  return result;
}

void Mapping::Reset() {
  std::byte* data = std::exchange(data_, nullptr);
  const uint64_t bytes = std::exchange(bytes_, 0);
  locked_bytes_ = 0;
  // In a child the range is not there, or is something else by now.
  if (data == nullptr || !owner_.InOwner()) return;
#if WEIR_SHARE_MAPPINGS
  internal::ReleaseSharedRange(data);
#else
  ::munmap(data, bytes);
#endif
  static_cast<void>(bytes);
}

}  // namespace weir::os
