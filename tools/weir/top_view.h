// The terminal of weir top, by ncurses: draws a picture and reads keys. What is drawn and what a key means is top.cc's.
#ifndef WEIR_TOOLS_WEIR_TOP_VIEW_H_
#define WEIR_TOOLS_WEIR_TOP_VIEW_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/weir/top_model.h"

namespace weir::tool {

struct TopPicture {
  std::string heading;             // the first line
  std::string notice = {};         // below it
  std::string rows_are = "TOPIC";  // the title of their names
  std::vector<TopRow> rows = {};
  TopColumn sorted_by = TopColumn::kRate;
  uint64_t selected = 0;                // id of a row
  std::vector<std::string> lines = {};  // instead of the rows, if there are some
  std::string footer = {};              // the last line
};

enum class TopKey {
  kNone,       // none came in time, or a signal did
  kCharacter,  // of a text or a command
  kUp,
  kDown,
  kLeft,
  kRight,
  kPageUp,
  kPageDown,
  kHome,
  kEnd,
  kEnter,
  kEscape,
  kBackspace,
  kResized,  // the picture must be drawn anew
  kClosed,   // there is no terminal any more
};

struct TopKeyPress {
  TopKey key = TopKey::kNone;
  char character = 0;  // a byte of UTF-8
};

// One at a time, used by one thread. While it lives, nothing else may write to the terminal; it gives it back as it
// was.
class TopView {
 public:
  // FailedPrecondition: input or output is no terminal, or none that ncurses knows.
  static absl::StatusOr<std::unique_ptr<TopView>> Create();
  ~TopView();
  TopView(const TopView&) = delete;
  TopView& operator=(const TopView&) = delete;

  void Draw(const TopPicture& picture);
  // The next key. Returns earlier than after `limit` when a signal comes.
  TopKeyPress ReadKey(absl::Duration limit);
  // How many rows fit below each other.
  size_t rows_shown() const;

 private:
  struct Screen;
  explicit TopView(std::unique_ptr<Screen> screen);
  std::unique_ptr<Screen> screen_;
};

}  // namespace weir::tool

#endif  // WEIR_TOOLS_WEIR_TOP_VIEW_H_
