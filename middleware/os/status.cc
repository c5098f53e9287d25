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
      return absl::StatusCode::kFailedPrecondition;
    default:
      return absl::StatusCode::kInternal;
  }
}

}  // namespace

absl::Status ErrnoStatus(int error, std::string_view what) {
  char buffer[128];
  // The GNU one, which returns the text and uses the buffer only for numbers that it does not know. strerror() is not
  // safe with threads.
  const char* text = strerror_r(error, buffer, sizeof(buffer));
  return absl::Status(CodeOf(error), absl::StrCat(AsAbsl(what), ": ", text, " (errno ", error, ")"));
}

}  // namespace weir::os
