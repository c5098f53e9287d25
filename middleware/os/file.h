// Shared files: made, opened, grown, named. Every function takes the descriptor of a directory and a name in it, never
// a path: the directory was checked once (middleware/os/directory.h), and a name without '/' cannot lead out of it.
//
// Threads: all functions may be called from any thread. Blocking: as the filesystem does; fallocate of a large file on
// tmpfs takes about 0.2 ms per MiB. Allocation: names and error texts. Lifetime: descriptors are O_CLOEXEC.
//
// The size of a file is its committed size. A file is allocated whole when it is made, and a pool grows by allocating
// further bytes, because the alternative, a sparse file, fails at the wrong place: tmpfs allocates a page at first
// touch (also when a reader touches it), and when there is none left the toucher gets SIGBUS.
//
// Modes are set by fchmod, not left to the process's umask: the umask is the user's, not ours, cannot be read without
// changing it, and is shared by all threads.
#ifndef WEIR_OS_FILE_H_
#define WEIR_OS_FILE_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "middleware/os/file_descriptor.h"

namespace weir::os {

enum class Access : uint8_t { kRead, kReadWrite };

// The modes of the files of a domain: a private one (0700) or one of a group (2770).
struct FileModes {
  mode_t shared_write = 0600;  // registry, queues: every member writes. 0660 in a group domain
  mode_t owner_write = 0600;   // pools, tables, schemas: only their maker writes. 0640 in a group domain
};

// Makes `name` with `bytes` zero bytes, all of them allocated, open for reading and writing. The file can be seen under
// its name before the caller has filled it; its name must not be told to anybody until then.
// AlreadyExists if there is one; ResourceExhausted, with the file and the bytes in the text, if it does not fit (it is
// gone again then); NotFound if the directory was removed.
absl::StatusOr<FileDescriptor> CreateFile(int dir_fd, std::string_view name, mode_t mode, uint64_t bytes);

// Makes a file that has no name yet and belongs in that directory; LinkFile() names it once it is filled. Whoever sees
// the name sees the whole content; a maker that dies in between leaves nothing. (O_TMPFILE; the older way, a temporary
// name, leaves a file that nobody can tell from one still being built.)
absl::StatusOr<FileDescriptor> CreateUnnamedFile(int dir_fd, mode_t mode, uint64_t bytes);

// AlreadyExists if somebody else was first: open theirs, drop this one. Needs /proc (linkat of a bare descriptor is a
// privilege); FailedPrecondition without it.
absl::Status LinkFile(int fd, int dir_fd, std::string_view name);

// Both of the above for a file with a known content. Readable through the returned descriptor at once.
absl::StatusOr<FileDescriptor> CreateFileWith(int dir_fd, std::string_view name, mode_t mode,
                                              std::span<const std::byte> content);

// Opens an existing file. It must be a regular file (a symbolic link is FailedPrecondition, and so is a FIFO, which
// does not block us), belong to us, to the directory's owner or, in a group domain, to the directory's group, and give
// the world no access (PermissionDenied otherwise).
absl::StatusOr<FileDescriptor> OpenFile(int dir_fd, std::string_view name, Access access);

// The size, which is the committed size. Costs one system call (0.4 us).
absl::StatusOr<uint64_t> FileBytes(int fd);

// Allocates the bytes [from, to) and makes `to` the size. `from` is the present size; only one thread of one process
// grows a file. All or nothing: on ResourceExhausted the size is `from` again.
absl::Status GrowFile(int fd, uint64_t from, uint64_t to);

// Reads the whole file; ResourceExhausted if it has more than bytes_max. The content may be anything: it is input.
absl::StatusOr<std::string> ReadFile(int fd, uint64_t bytes_max);

// Takes the name away; whoever has the file open or mapped keeps it. That there is no such name is not an error.
absl::Status RemoveFile(int dir_fd, std::string_view name);

// Whether `name` still leads to what `fd` is open on (a file, or a directory). False if the name is gone or is another
// file's now: somebody replaced it, which says nothing about who is alive.
absl::StatusOr<bool> SameFile(int fd, int dir_fd, std::string_view name);
absl::StatusOr<bool> SameFile(int fd, int other_fd);

}  // namespace weir::os

#endif  // WEIR_OS_FILE_H_
