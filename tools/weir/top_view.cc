#include "tools/weir/top_view.h"

#define NCURSES_NOMACROS  // no erase(), timeout() and the like as macros
#include <curses.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdlib>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tools/weir/output.h"
#include "tools/weir/stop.h"
#include "tools/weir/text_width.h"

namespace weir::tool {
namespace {

constexpr int kHeadingLine = 0, kNoticeLine = 1, kTitleLine = 2, kFirstRowLine = 3;

// A stop signal that comes between a look at StopAsked() and the sleep is noticed after at most so long.
constexpr absl::Duration kSlice = absl::Milliseconds(50);

// How long the rest of a key's escape sequence may take; a lone Esc waits for it.
constexpr int kEscapeMs = 25;

enum Pair : short { kWarningPair = 1, kTroublePair };

attr_t AttributesOf(Concern concern, bool colors) {
  switch (concern) {
    case Concern::kNone:
      return A_NORMAL;
    case Concern::kWarning:
      return colors ? static_cast<attr_t>(COLOR_PAIR(kWarningPair)) : A_BOLD;
    case Concern::kTrouble:
      return A_BOLD | (colors ? static_cast<attr_t>(COLOR_PAIR(kTroublePair)) : A_NORMAL);
  }
  return A_NORMAL;
}

TopKey KeyOf(int code) {
  switch (code) {
    case KEY_UP:
      return TopKey::kUp;
    case KEY_DOWN:
      return TopKey::kDown;
    case KEY_LEFT:
      return TopKey::kLeft;
    case KEY_RIGHT:
      return TopKey::kRight;
    case KEY_PPAGE:
      return TopKey::kPageUp;
    case KEY_NPAGE:
      return TopKey::kPageDown;
    case KEY_HOME:
      return TopKey::kHome;
    case KEY_END:
      return TopKey::kEnd;
    case '\r':
    case '\n':
    case KEY_ENTER:
      return TopKey::kEnter;
    case '\x1b':
      return TopKey::kEscape;
    case '\b':
    case '\x7f':
    case KEY_BACKSPACE:
      return TopKey::kBackspace;
    case KEY_RESIZE:
      return TopKey::kResized;
    default:
      return code >= ' ' && code <= 0xFF ? TopKey::kCharacter : TopKey::kNone;
  }
}

}  // namespace

struct TopView::Screen {
  SCREEN* terminal = nullptr;
  bool colors = false;
  size_t first_row = 0;  // that is shown; follows the selected one

  void Put(int line, int column, std::string_view text, attr_t attributes = A_NORMAL) const {
    if (line < 0 || line >= LINES || column >= COLS) return;
    const std::string cut = CutTo(text, static_cast<size_t>(COLS - column));
    attrset(static_cast<int>(attributes));
    mvaddnstr(line, column, cut.data(), static_cast<int>(cut.size()));
    attrset(A_NORMAL);
  }

  // One line of the table: each column's text, the first one to the left, numbers to the right.
  template <class TextOf, class AttributesOf>
  void PutRow(int line, const TopLayout& layout, attr_t all, const TextOf& text_of,
              const AttributesOf& attributes_of) const {
    Put(line, 0, std::string(static_cast<size_t>(std::max(COLS, 0)), ' '), all);
    int at = 0;
    for (const TopColumnInfo& info : TopColumns().first(layout.columns.size())) {
      const bool is_name = info.column == TopColumn::kName;
      const size_t width = is_name ? layout.name_width : info.width;
      const std::string text = CutTo(text_of(info), width);
      const size_t pad = is_name ? 0 : width - WidthOf(text);
      Put(line, at + static_cast<int>(pad), text, all | attributes_of(info));
      at += static_cast<int>(width) + 2;
    }
  }

  void PutTable(const TopPicture& picture, size_t shown) {
    size_t name_width = 0;
    for (const TopRow& row : picture.rows) name_width = std::max(name_width, WidthOf(Printable(row.name)));
    const TopLayout layout = LayOut(static_cast<size_t>(std::max(COLS, 1)), name_width);
    PutRow(
        kTitleLine, layout, A_REVERSE,
        [&](const TopColumnInfo& info) {
          return info.column == TopColumn::kName ? picture.rows_are : std::string(info.title);
        },
        [&](const TopColumnInfo& info) { return info.column == picture.sorted_by ? A_BOLD | A_UNDERLINE : A_NORMAL; });

    const auto selected = std::find_if(picture.rows.begin(), picture.rows.end(),
                                       [&](const TopRow& row) { return row.id == picture.selected; });
    if (selected != picture.rows.end()) {
      const auto index = static_cast<size_t>(selected - picture.rows.begin());
      first_row = std::clamp(first_row, index + 1 - std::min(index + 1, shown), index);
    }
    first_row = std::min(first_row, picture.rows.size() - std::min(picture.rows.size(), shown));
    for (size_t i = 0; i < shown && first_row + i < picture.rows.size(); ++i) {
      const TopRow& row = picture.rows[first_row + i];
      PutRow(
          kFirstRowLine + static_cast<int>(i), layout, row.id == picture.selected ? A_REVERSE : A_NORMAL,
          [&](const TopColumnInfo& info) { return Printable(TopCell(row, info.column)); },
          [&](const TopColumnInfo& info) { return AttributesOf(ConcernOf(row, info.column), colors); });
    }
  }
};

absl::StatusOr<std::unique_ptr<TopView>> TopView::Create() {
  if (isatty(STDOUT_FILENO) != 1 || isatty(STDIN_FILENO) != 1) {
    return absl::FailedPreconditionError(
        "top needs a terminal to draw on and to read keys from; "
        "--once prints a table instead");
  }
  std::setlocale(LC_CTYPE, "");  // for names in UTF-8
  auto screen = std::make_unique<Screen>();
  screen->terminal = newterm(nullptr, stdout, stdin);  // initscr() would end the process
  if (screen->terminal == nullptr) {
    const char* type = std::getenv("TERM");
    return absl::FailedPreconditionError(absl::StrCat("ncurses cannot draw on a terminal of the type \"",
                                                      type == nullptr ? "" : type,
                                                      "\" ($TERM); --once prints a "
                                                      "table instead"));
  }
  cbreak();
  noecho();
  nonl();
  keypad(stdscr, true);
  nodelay(stdscr, true);
  set_escdelay(kEscapeMs);
  curs_set(0);
  screen->colors = Out().colors() && has_colors() && start_color() == OK;
  if (screen->colors) {
    use_default_colors();
    init_pair(kWarningPair, COLOR_YELLOW, -1);
    init_pair(kTroublePair, COLOR_RED, -1);
  }
  return std::unique_ptr<TopView>(new TopView(std::move(screen)));
}

TopView::TopView(std::unique_ptr<Screen> screen) : screen_(std::move(screen)) {}

TopView::~TopView() {
  endwin();
  delscreen(screen_->terminal);
}

size_t TopView::rows_shown() const {
  return static_cast<size_t>(std::max(1, LINES - kFirstRowLine - 1));
}

void TopView::Draw(const TopPicture& picture) {
  erase();
  screen_->Put(kHeadingLine, 0, Printable(picture.heading), A_BOLD);
  screen_->Put(kNoticeLine, 0, Printable(picture.notice),
               screen_->colors ? static_cast<attr_t>(COLOR_PAIR(kWarningPair)) : A_NORMAL);
  if (picture.lines.empty()) {
    screen_->PutTable(picture, rows_shown());
  } else {
    int line = kTitleLine;
    for (const std::string& text : picture.lines) screen_->Put(line++, 0, text);
  }
  if (LINES > kFirstRowLine + 1) screen_->Put(LINES - 1, 0, picture.footer, A_DIM);
  refresh();
}

TopKeyPress TopView::ReadKey(absl::Duration limit) {
  // Not a getch() with a timeout, which goes on sleeping when a signal came.
  int code = getch();
  if (code == ERR) {
    pollfd input = {STDIN_FILENO, POLLIN, 0};
    const timespec slice = absl::ToTimespec(std::clamp(limit, absl::ZeroDuration(), kSlice));
    ppoll(&input, 1, &slice, nullptr);
    if ((input.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) return {.key = TopKey::kClosed};
    code = getch();
    if (code == ERR) return {};
  }
  const TopKey key = KeyOf(code);
  return {.key = key, .character = key == TopKey::kCharacter ? static_cast<char>(code) : '\0'};
}

}  // namespace weir::tool
