#include "middleware/os/file_descriptor.h"

#include <unistd.h>

namespace weir::os {

void FileDescriptor::reset(int fd) {
  // Not repeated after EINTR: on Linux the descriptor is closed all the same, and its number may be another thread's by
  // now.
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

}  // namespace weir::os
