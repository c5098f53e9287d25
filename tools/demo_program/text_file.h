// A small file of /proc or /sys that is read again and again: opened once, no allocation once the buffer has grown.
#ifndef WEIR_TOOLS_DEMO_PROGRAM_TEXT_FILE_H_
#define WEIR_TOOLS_DEMO_PROGRAM_TEXT_FILE_H_

#include <string>
#include <string_view>

namespace weir::demo {

class TextFile {
 public:
  explicit TextFile(const std::string& path);
  TextFile(TextFile&& other) noexcept;
  TextFile& operator=(TextFile&&) = delete;
  ~TextFile();

  bool exists() const { return fd_ >= 0; }
  // What it says now, valid until the next Read; empty if it cannot be read (a sensor may refuse now and then).
  std::string_view Read();

 private:
  int fd_;
  std::string buffer_;
};

}  // namespace weir::demo

#endif  // WEIR_TOOLS_DEMO_PROGRAM_TEXT_FILE_H_
