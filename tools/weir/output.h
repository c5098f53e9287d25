// Standard output: buffered, and quiet when nobody reads it any more.
#ifndef WEIR_TOOLS_WEIR_OUTPUT_H_
#define WEIR_TOOLS_WEIR_OUTPUT_H_

#include <string>
#include <string_view>

namespace weir::tool {

class Output {
 public:
  explicit Output(int fd);

  // Keeps the text until there is enough for a write, or Flush().
  void Write(std::string_view text);
  void Line(std::string_view text) {
    Write(text);
    Write("\n");
  }
  void Flush();

  // False once writing failed, as it does when the other end of a pipe is closed (`weir echo imu | head -1`): a command
  // that goes on and on ends then, without a word.
  bool open() const { return open_; }

  bool is_terminal() const { return is_terminal_; }
  bool colors() const { return colors_; }
  int columns() const;  // of the terminal, or 80

 private:
  const int fd_;
  const bool is_terminal_;
  const bool colors_;
  bool open_ = true;
  std::string buffer_;
};

// Of this process.
Output& Out();

enum class Style { kPlain, kBold, kDim, kRed, kGreen, kYellow };

// The text in that style, if standard output shows colours.
std::string Styled(std::string_view text, Style style);

// What comes from other processes and goes to a terminal: control characters become "\x1b".
std::string Printable(std::string_view text);

}  // namespace weir::tool

#endif  // WEIR_TOOLS_WEIR_OUTPUT_H_
