#include "middleware/os/status.h"

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "middleware/base/strings.h"

namespace weir::os {
namespace {

absl::StatusCode CodeOf(int error) {
  switch (error) {
    case ENOSPC:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case EDQUOT:
    case EFBIG:  // RLIMIT_FSIZE
    case ENOLCK:
      return absl::StatusCode::kResourceExhausted;
    case EACCES:
    case EPERM:
      return absl::StatusCode::kPermissionDenied;
    case ENOENT:
      return absl::StatusCode::kNotFound;
    case EEXIST:
      return absl::StatusCode::kAlreadyExists;
    case EINVAL:
    case ENAMETOOLONG:
    case EOVERFLOW:
      return absl::StatusCode::kInvalidArgument;
    case ELOOP:
    case ENOTDIR:
    case EISDIR:
    case ENOTEMPTY:
    case EROFS:
    case ENXIO:       // a socket or a FIFO where a file should be
    case EOPNOTSUPP:  // a filesystem without fallocate or O_TMPFILE
    case ENOSYS:
    case EBADF:  // somebody closed a descriptor of ours
      return absl::StatusCode::kFailedPrecondition;
    default:
      return absl::StatusCode::kInternal;
  }
}

// What to do, where the kernel's own words do not say it.
const char* HintFor(int error) {
  switch (error) {
    case ENOSPC:
      return ". The file system is full: df -h and df -i show it; remove what nobody needs, or give it more";
    case EMFILE:
      return ". This process has as many descriptors as it may: ulimit -n raises the limit";
    case ENOMEM:
      return ". No memory, or more mappings than sysctl vm.max_map_count allows";
    case EBADF:
      return ". Did something close descriptors that it had not opened?";
    default:
      return "";
  }
}

}  // namespace

absl::Status ErrnoStatus(int error, std::string_view what) {
  char buffer[128];
  // The GNU one, which returns the text and uses the buffer only for numbers that it does not know. strerror() is not
  // safe with threads.
  const char* text = strerror_r(error, buffer, sizeof(buffer));
  return absl::Status(CodeOf(error), absl::StrCat(AsAbsl(what), ": ", text, " (errno ", error, ")", HintFor(error)));
}

}  // namespace weir::os
