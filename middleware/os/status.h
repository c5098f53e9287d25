// Where errno ends. Every function of this folder that can fail returns an absl::Status made here; the code says what
// the caller should do next, the text names the object, and nobody above this folder includes <cerrno>.
//
//   ResourceExhausted   free something: memory, file descriptors, locks, a quota
//   PermissionDenied    the object is somebody else's
//   NotFound            there is no such name (or the directory itself was removed: join again)
//   AlreadyExists       somebody else was first: open theirs
//   InvalidArgument     the name or size can never work
//   FailedPrecondition  fix the configuration: not a directory, a symbolic link, a filesystem without fallocate
//   Internal            anything else; a bug of ours or of the machine
//
// EINTR never gets here: a call that may be interrupted is repeated where that is right.
#ifndef WEIR_OS_STATUS_H_
#define WEIR_OS_STATUS_H_

#include <string_view>

#include "absl/status/status.h"

namespace weir::os {

// "<what>: <text of the error> (errno <error>)". Any thread; allocates. `error` is a value of errno, not 0.
absl::Status ErrnoStatus(int error, std::string_view what);

}  // namespace weir::os

#endif  // WEIR_OS_STATUS_H_
