#include "middleware/os/mapping.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

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

namespace weir::os {
namespace {

absl::StatusOr<std::byte*> MapRange(int fd, uint64_t bytes, Access access) {
  const int protection = access == Access::kRead ? PROT_READ : PROT_READ | PROT_WRITE;
  // No MAP_NORESERVE: a shared mapping of a file reserves nothing, however long; the file's pages are counted as its.
  void* data = ::mmap(nullptr, bytes, protection, MAP_SHARED, fd, 0);
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
  const uint64_t into_page = offset % static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
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

void Mapping::Reset() {
  std::byte* data = std::exchange(data_, nullptr);
  const uint64_t bytes = std::exchange(bytes_, 0);
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
