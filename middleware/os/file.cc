#include "middleware/os/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "middleware/base/strings.h"
#include "middleware/os/file_rights.h"
#include "middleware/os/name.h"
#include "middleware/os/status.h"

namespace weir::os {
namespace {

// tmpfs, in older kernels at least, gives up a whole fallocate call, and what it had allocated, at any signal. A
// process with a profiling timer would never get a large file in one call; in steps it does. A first step takes about
// 15 ms.
constexpr uint64_t kAllocateBytesMax = 64u << 20;
constexpr uint64_t kAllocateBytesMin = 64u << 10;

// fallocate(2) itself and not posix_fallocate(3): where the filesystem cannot allocate, glibc's emulation writes a zero
// into each block, races with other writers of the file and takes seconds. Here that is an error that says so.
// Moves `from` as far as it gets; returns an errno, or 0.
int Allocate(int fd, uint64_t& from, uint64_t to) {
  uint64_t step = kAllocateBytesMax;
  while (from < to) {
    const uint64_t bytes = std::min(step, to - from);
    if (::fallocate(fd, 0, static_cast<off_t>(from), static_cast<off_t>(bytes)) == 0) {
      from += bytes;
    } else if (errno == EINTR) {
      step = std::max(std::min(step, bytes) / 2, kAllocateBytesMin);
    } else {
      return errno;
    }
  }
  return 0;
}

absl::Status AllocateStatus(int error, std::string_view file, uint64_t bytes) {
  if (error == EOPNOTSUPP || error == ENODEV) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the filesystem of ", AsAbsl(file), " cannot allocate space (fallocate); use a tmpfs such as /dev/shm"));
  }
  return ErrnoStatus(error, AsStd(absl::StrCat("no room for ", bytes, " bytes in ", AsAbsl(file))));
}

// What a new file needs after its open, whichever way it was made.
absl::Status Prepare(int fd, std::string_view file, mode_t mode, uint64_t bytes) {
  if (::fchmod(fd, mode) != 0) {
    return ErrnoStatus(errno, AsStd(absl::StrCat("cannot set the mode of ", AsAbsl(file))));
  }
  uint64_t allocated = 0;
  if (const int error = Allocate(fd, allocated, bytes); error != 0) return AllocateStatus(error, file, bytes);
  return absl::OkStatus();
}

std::string Quoted(std::string_view name) {
  return absl::StrCat("'", AsAbsl(name), "'");
}

// /proc/thread-self, not /proc/self: the latter's descriptors are gone once the main thread has ended.
std::string ProcName(int fd) {
  return absl::StrCat("/proc/thread-self/fd/", fd);
}

constexpr mode_t kWorld = S_IRWXO;

}  // namespace

namespace internal {

absl::Status CheckRights(int dir_fd, int fd, std::string_view name, mode_t type) {
  struct stat file;
  struct stat dir;
  if (::fstat(fd, &file) != 0 || ::fstat(dir_fd, &dir) != 0) {
    return ErrnoStatus(errno, AsStd(absl::StrCat("cannot look at ", Quoted(name))));
  }
  if ((file.st_mode & S_IFMT) != type) {
    return absl::FailedPreconditionError(
        absl::StrCat(Quoted(name), type == S_IFREG ? " is not a regular file" : " is not a FIFO"));
  }
  if ((file.st_mode & kWorld) != 0) {
    return absl::PermissionDeniedError(absl::StrFormat("%s is open to the world (mode %04o) and not to be trusted",
                                                       Quoted(name), file.st_mode & 07777u));
  }
  const bool of_group = (dir.st_mode & S_ISGID) != 0 && file.st_gid == dir.st_gid;
  // The directory's owner can replace any file in it anyhow.
  if (file.st_uid != ::geteuid() && file.st_uid != dir.st_uid && !of_group) {
    return absl::PermissionDeniedError(absl::StrCat(Quoted(name), " belongs to uid ", file.st_uid));
  }
  return absl::OkStatus();
}

}  // namespace internal

absl::StatusOr<FileDescriptor> CreateFile(int dir_fd, std::string_view name, mode_t mode, uint64_t bytes) {
  absl::StatusOr<std::string> plain = internal::PlainName(name);
  if (!plain.ok()) return plain.status();
  FileDescriptor file(
      ::openat(dir_fd, plain->c_str(), O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, mode_t{0600}));
  if (!file.valid()) return ErrnoStatus(errno, AsStd(absl::StrCat("cannot create ", Quoted(name))));
  if (absl::Status status = Prepare(file.get(), Quoted(name), mode, bytes); !status.ok()) {
    ::unlinkat(dir_fd, plain->c_str(), 0);
    return status;
  }
  return file;
}

absl::StatusOr<FileDescriptor> CreateUnnamedFile(int dir_fd, mode_t mode, uint64_t bytes) {
  FileDescriptor file(::openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode_t{0600}));
  if (!file.valid()) return ErrnoStatus(errno, "cannot create a file without a name");
  if (absl::Status status = Prepare(file.get(), "a new file", mode, bytes); !status.ok()) return status;
  return file;
}

absl::Status LinkFile(int fd, int dir_fd, std::string_view name) {
  absl::StatusOr<std::string> plain = internal::PlainName(name);
  if (!plain.ok()) return plain.status();
  const std::string bare = ProcName(fd);
  if (::linkat(AT_FDCWD, bare.c_str(), dir_fd, plain->c_str(), AT_SYMLINK_FOLLOW) == 0) return absl::OkStatus();
  const int error = errno;
  if (error == ENOENT && ::access(bare.c_str(), F_OK) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot give the file ", Quoted(name), " its name: /proc is not mounted"));
  }
  return ErrnoStatus(error, AsStd(absl::StrCat("cannot give a file the name ", Quoted(name))));
}

absl::StatusOr<FileDescriptor> CreateFileWith(int dir_fd, std::string_view name, mode_t mode,
                                              std::span<const std::byte> content) {
  absl::StatusOr<FileDescriptor> file = CreateUnnamedFile(dir_fd, mode, content.size());
  if (!file.ok()) return file.status();
  for (size_t done = 0; done < content.size();) {
    const std::span<const std::byte> rest = content.subspan(done);
    const ssize_t written = ::pwrite(file->get(), rest.data(), rest.size(), static_cast<off_t>(done));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, AsStd(absl::StrCat("cannot write ", Quoted(name))));
    done += static_cast<size_t>(written);
  }
  if (absl::Status status = LinkFile(file->get(), dir_fd, name); !status.ok()) return status;
  return file;
}

absl::StatusOr<FileDescriptor> OpenFile(int dir_fd, std::string_view name, Access access) {
  absl::StatusOr<std::string> plain = internal::PlainName(name);
  if (!plain.ok()) return plain.status();
  // O_NONBLOCK means nothing to a regular file, but keeps a FIFO under that name from holding us for ever.
  const int flags = (access == Access::kRead ? O_RDONLY : O_RDWR) | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  FileDescriptor file(::openat(dir_fd, plain->c_str(), flags));
  if (!file.valid()) {
    const int error = errno;
    if (error == ELOOP) return absl::FailedPreconditionError(absl::StrCat(Quoted(name), " is a symbolic link"));
    return ErrnoStatus(error, AsStd(absl::StrCat("cannot open ", Quoted(name))));
  }
  if (absl::Status status = internal::CheckRights(dir_fd, file.get(), name, S_IFREG); !status.ok()) return status;
  return file;
}

absl::StatusOr<uint64_t> FileBytes(int fd) {
  struct stat file;
  if (::fstat(fd, &file) != 0) return ErrnoStatus(errno, "cannot ask for a file's size");
  return static_cast<uint64_t>(file.st_size);
}

absl::Status GrowFile(int fd, uint64_t from, uint64_t to) {
  uint64_t reached = from;
  const int error = Allocate(fd, reached, to);
  if (error == 0) return absl::OkStatus();
  // The steps that succeeded go again. No ref leads there yet, so no reader can be behind `from`.
  if (reached != from && ::ftruncate(fd, static_cast<off_t>(from)) != 0) {
    return ErrnoStatus(errno, AsStd(absl::StrCat("cannot shrink a file back to ", from, " bytes")));
  }
  return AllocateStatus(error, AsStd(absl::StrCat("a file of ", from, " bytes that grows to ", to)), to - from);
}

absl::StatusOr<std::string> ReadFile(int fd, uint64_t bytes_max) {
  absl::StatusOr<uint64_t> bytes = FileBytes(fd);
  if (!bytes.ok()) return bytes.status();
  if (*bytes > bytes_max) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a file has ", *bytes, " bytes where at most ", bytes_max, " are accepted"));
  }
  std::string content(*bytes, '\0');
  size_t done = 0;
  while (done < content.size()) {
    const ssize_t read = ::pread(fd, content.data() + done, content.size() - done, static_cast<off_t>(done));
    if (read < 0 && errno == EINTR) continue;
    if (read < 0) return ErrnoStatus(errno, "cannot read a file");
    if (read == 0) break;  // somebody shortened it meanwhile
    done += static_cast<size_t>(read);
  }
  content.resize(done);
  return content;
}

absl::Status RemoveFile(int dir_fd, std::string_view name) {
  absl::StatusOr<std::string> plain = internal::PlainName(name);
  if (!plain.ok()) return plain.status();
  if (::unlinkat(dir_fd, plain->c_str(), 0) == 0 || errno == ENOENT) return absl::OkStatus();
  return ErrnoStatus(errno, AsStd(absl::StrCat("cannot remove ", Quoted(name))));
}

absl::StatusOr<bool> SameFile(int fd, int dir_fd, std::string_view name) {
  absl::StatusOr<std::string> plain = internal::PlainName(name);
  if (!plain.ok()) return plain.status();
  struct stat open;
  struct stat named;
  if (::fstat(fd, &open) != 0) return ErrnoStatus(errno, "cannot look at an open file");
  if (::fstatat(dir_fd, plain->c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return false;
    return ErrnoStatus(errno, AsStd(absl::StrCat("cannot look at ", Quoted(name))));
  }
  return open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

absl::StatusOr<bool> SameFile(int fd, int other_fd) {
  struct stat one;
  struct stat other;
  if (::fstat(fd, &one) != 0 || ::fstat(other_fd, &other) != 0) {
    return ErrnoStatus(errno, "cannot look at an open file");
  }
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

}  // namespace weir::os
