#include "tools/demo_program/text_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace weir::demo {
namespace {

constexpr size_t kFirstBytes = 4096;

}  // namespace

TextFile::TextFile(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}

TextFile::TextFile(TextFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}

TextFile::~TextFile() {
  if (fd_ >= 0) close(fd_);
}

std::string_view TextFile::Read() {
  if (fd_ < 0) return {};
  if (buffer_.empty()) buffer_.resize(kFirstBytes);
  // Ends with the file: /proc gives less than was asked for also in the middle.
  for (size_t length = 0;;) {
    const ssize_t got = pread(fd_, buffer_.data() + length, buffer_.size() - length, static_cast<off_t>(length));
    if (got < 0) return {};
    if (got == 0) return std::string_view(buffer_).substr(0, length);
    length += static_cast<size_t>(got);
    if (length == buffer_.size()) buffer_.resize(2 * buffer_.size());
  }
}

}  // namespace weir::demo
