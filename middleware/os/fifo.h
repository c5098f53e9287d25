// A FIFO in a domain's directory, through which processes wake somebody who sleeps in poll() or epoll: one byte makes
// it readable. Everybody, also who only writes, opens it for reading and writing: so it never reports a hang-up,
// opening never blocks, and writing never raises SIGPIPE, whoever is dead.
//
// Threads: as an int. Nothing here blocks or allocates, but for the names in errors.
#ifndef WEIR_OS_FIFO_H_
#define WEIR_OS_FIFO_H_

#include <sys/types.h>

#include <string_view>

#include "absl/status/statusor.h"
#include "middleware/os/file_descriptor.h"

namespace weir::os {

// AlreadyExists if there is something of that name; otherwise errors as of CreateFile().
absl::StatusOr<FileDescriptor> CreateFifo(int dir_fd, std::string_view name, mode_t mode);

// It must be a FIFO, with the rights that OpenFile() asks for. NotFound: its maker is gone.
absl::StatusOr<FileDescriptor> OpenFifo(int dir_fd, std::string_view name);

// Makes it readable. One that is full is readable already.
void SignalFifo(int fd);

// Makes it unreadable. True if it was readable.
bool DrainFifo(int fd);

}  // namespace weir::os

#endif  // WEIR_OS_FIFO_H_
