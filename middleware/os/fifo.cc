#include "middleware/os/fifo.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "middleware/base/strings.h"
#include "middleware/os/file_rights.h"
#include "middleware/os/name.h"
#include "middleware/os/status.h"

namespace weir::os {
namespace {

constexpr int kFlags = O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY;

}  // namespace

absl::StatusOr<FileDescriptor> CreateFifo(int dir_fd, std::string_view name, mode_t mode) {
  absl::StatusOr<std::string> plain = internal::PlainName(name);
  if (!plain.ok()) return plain.status();
  if (::mkfifoat(dir_fd, plain->c_str(), mode_t{0600}) != 0) {
    return ErrnoStatus(errno, AsStd(absl::StrCat("cannot create the FIFO '", AsAbsl(name), "'")));
  }
  FileDescriptor fifo(::openat(dir_fd, plain->c_str(), kFlags));
  if (!fifo.valid() || ::fchmod(fifo.get(), mode) != 0) {
    const int error = errno;
    ::unlinkat(dir_fd, plain->c_str(), 0);
    return ErrnoStatus(error, AsStd(absl::StrCat("cannot open the FIFO '", AsAbsl(name), "'")));
  }
  return fifo;
}

absl::StatusOr<FileDescriptor> OpenFifo(int dir_fd, std::string_view name) {
  absl::StatusOr<std::string> plain = internal::PlainName(name);
  if (!plain.ok()) return plain.status();
  FileDescriptor fifo(::openat(dir_fd, plain->c_str(), kFlags));
  if (!fifo.valid()) return ErrnoStatus(errno, AsStd(absl::StrCat("cannot open '", AsAbsl(name), "'")));
  if (absl::Status status = internal::CheckRights(dir_fd, fifo.get(), name, S_IFIFO); !status.ok()) return status;
  return fifo;
}

void SignalFifo(int fd) {
  const char byte = 0;
  // Fails with EAGAIN if it is full, which will do; with nothing else, because we are a reader of it ourselves.
  while (::write(fd, &byte, 1) < 0 && errno == EINTR) {
  }
}

bool DrainFifo(int fd) {
  char bytes[256];
  bool any = false;
  // Ends: when it is empty, or another reader of it, which there should not be, was faster. Whoever writes does so once
  // per arming.
  for (;;) {
    const ssize_t read = ::read(fd, bytes, sizeof(bytes));
    if (read < 0 && errno == EINTR) continue;
    if (read <= 0) return any;
    any = true;
    if (static_cast<size_t>(read) < sizeof(bytes)) return any;
  }
}

}  // namespace weir::os
