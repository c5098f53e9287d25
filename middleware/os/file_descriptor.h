// A file descriptor that closes itself. Move-only. Not for a descriptor that holds a lock: that is LockDescriptor
// (middleware/os/lock_byte.h), because a forked child must get rid of it.
//
// Threads: as an int. Blocks and allocates: never. Errors: none; what close() has to say about tmpfs is nothing.
#ifndef WEIR_OS_FILE_DESCRIPTOR_H_
#define WEIR_OS_FILE_DESCRIPTOR_H_

#include <utility>

namespace weir::os {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() { reset(); }

  int get() const { return fd_; }  // -1 if empty
  bool valid() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1);  // closes what it held

 private:
  int fd_ = -1;
};

}  // namespace weir::os

#endif  // WEIR_OS_FILE_DESCRIPTOR_H_
