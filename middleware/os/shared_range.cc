#include "middleware/os/mapping.h"

#if WEIR_SHARE_MAPPINGS

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <mutex>
#include <vector>

#include "absl/strings/str_cat.h"
#include "middleware/os/fork_handler.h"
#include "middleware/os/shared_range.h"
#include "middleware/os/status.h"

namespace weir::os::internal {
namespace {

struct Range {
  dev_t device;
  ino_t inode;  // not used again while we have it mapped
  std::byte* data;
  uint64_t bytes;
  bool writable;
  ForkGuard owner;  // a child that maps the file itself does not have this range
  uint32_t uses;
};

// Guarded by ForkMutex(), so that no child inherits a mutex of another thread. Never destroyed: objects with static
// lifetime may hold mappings.
std::vector<Range>& Ranges() {
  static std::vector<Range>* ranges = new std::vector<Range>;
  return *ranges;
}

}  // namespace

absl::StatusOr<std::byte*> AcquireSharedRange(int fd, uint64_t bytes, Access access, ForkGuard owner, MapFunction map) {
  struct stat file;
  if (::fstat(fd, &file) != 0) return ErrnoStatus(errno, "cannot look at a file to be mapped");
  std::lock_guard lock(ForkMutex());
  for (Range& range : Ranges()) {
    if (range.device == file.st_dev && range.inode == file.st_ino && range.owner.InOwner() && range.bytes >= bytes &&
        (range.writable || access == Access::kRead)) {
      ++range.uses;
      return range.data;
    }
  }
  bool writable = access == Access::kReadWrite;
  FileDescriptor reopened;
  if (!writable) {
    reopened.reset(::open(absl::StrCat("/proc/thread-self/fd/", fd).c_str(), O_RDWR | O_CLOEXEC));
    writable = reopened.valid();
  }
  absl::StatusOr<std::byte*> data =
      map(reopened.valid() ? reopened.get() : fd, bytes, writable ? Access::kReadWrite : Access::kRead);
  if (!data.ok()) return data.status();
  Ranges().push_back({file.st_dev, file.st_ino, *data, bytes, writable, owner, 1});
  return data;
}

void ReleaseSharedRange(std::byte* data) {
  std::lock_guard lock(ForkMutex());
  std::vector<Range>& ranges = Ranges();
  for (size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].data != data || !ranges[i].owner.InOwner() || --ranges[i].uses != 0) continue;
    ::munmap(data, ranges[i].bytes);
    ranges[i] = ranges.back();
    ranges.pop_back();
    return;
  }
}

}  // namespace weir::os::internal

#endif  // WEIR_SHARE_MAPPINGS
