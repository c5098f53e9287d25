#include "tools/demo_program/terminal_view.h"

#include <curses.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "absl/strings/str_format.h"
#include "tools/demo_program/load_picture.h"
#include "tools/demo_program/machine_text.h"
#include "tools/demo_program/text.h"

namespace weir::demo {
namespace {

constexpr size_t kEventsShown = 9;

// Colours of the picture, as ncurses pairs.
constexpr short kGreen = 1, kYellow = 2, kRed = 3;

short PairOf(unsigned red, unsigned green, unsigned blue) {
  constexpr unsigned kBright = 100;
  if (blue > kBright || (red < kBright && green < kBright)) return 0;  // background, lines, the number
  if (red < kBright) return kGreen;
  return green < kBright ? kRed : kYellow;
}

std::string StreamText(const SubscriberRow& row, Role role, Stream stream) {
  if (!row.report) return absl::StrFormat("  %-8s %s", RoleName(role), StateName(row.state));
  const StreamReport& got = row.report->streams[stream];
  return absl::StrFormat("  %-8s %6.1f %6.2f  %7s %7s %7s %6s %7d %5d  %s", RoleName(role),
                         row.messages[stream].per_s(), row.bytes[stream].per_s() * 1e-6,
                         DurationText(got.latency.Percentile(0.5)), DurationText(got.latency.Percentile(0.99)),
                         DurationText(got.latency.max_ns()), Grouped(got.counts.missed), got.counts.from_history,
                         got.held, StateName(row.state));
}

std::string PublisherText(const PublisherRow& row, Stream stream) {
  std::string text = kStreamNames[stream];
  if (!row.report) return text;
  const PublisherCounts& counts = row.report->streams[stream];
  return absl::StrFormat("%-13s published %s at %.1f/s, pool %s, %s (one is this table's)", text,
                         Grouped(counts.published), row.messages[stream].per_s(),
                         BytesText(static_cast<double>(counts.pool_bytes_committed)),
                         Plural(counts.queues, "queue", "queues"));
}

}  // namespace

std::unique_ptr<TerminalView> TerminalView::Open() {
  const char* type = std::getenv("TERM");
  if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO) || type == nullptr || *type == '\0' ||
      std::string_view(type) == "dumb") {
    return nullptr;
  }
  std::setlocale(LC_CTYPE, "");
  screen* terminal = newterm(nullptr, stdout, stdin);  // unlike initscr, does not end the program if it fails
  if (terminal == nullptr) return nullptr;
  return std::unique_ptr<TerminalView>(new TerminalView(terminal));
}

TerminalView::TerminalView(screen* terminal) : terminal_(terminal) {
  cbreak();
  noecho();
  nodelay(stdscr, TRUE);
  keypad(stdscr, TRUE);
  curs_set(0);
  if (has_colors()) {
    start_color();
    use_default_colors();
    init_pair(kGreen, COLOR_GREEN, COLOR_GREEN);
    init_pair(kYellow, COLOR_YELLOW, COLOR_YELLOW);
    init_pair(kRed, COLOR_RED, COLOR_RED);
  }
}

TerminalView::~TerminalView() {
  endwin();
  delscreen(terminal_);
}

void TerminalView::Event(const std::string& text) {
  events_.push_back(text);
}

void TerminalView::Show(const Scoreboard& scoreboard) {
  erase();
  y_ = 0;
  ShowTable(scoreboard);
  Line("");
  for (size_t i = events_.size() - std::min(events_.size(), kEventsShown); i < events_.size(); ++i) Line(events_[i]);
  if (scoreboard.image) ShowPicture(*scoreboard.image);
  refresh();
}

bool TerminalView::WantsToQuit() {
  for (int key; (key = getch()) != ERR;) {
    if (key == 'q' || key == 'Q') return true;
  }
  return false;
}

void TerminalView::ShowTable(const Scoreboard& scoreboard) {
  Line(absl::StrFormat("Weir demo   %.1f of %.0f s   %s   q quits", scoreboard.elapsed_s, scoreboard.seconds,
                       scoreboard.domain_path),
       A_BOLD);
  Line(scoreboard.status ? MachineText(scoreboard.status->reader()) : "");
  Line("");
  Line(absl::StrFormat("  %-8s %6s %6s  %7s %7s %7s %6s %7s %5s         ", "", "msg/s", "MB/s", "p50", "p99", "max",
                       "missed", "history", "held"),
       A_UNDERLINE);
  for (const Stream stream : {kStatus, kImage}) {
    Line(PublisherText(scoreboard.publisher, stream), A_BOLD);
    for (const Role role : {Role::kSteady, Role::kLate}) {
      const SubscriberRow& row = scoreboard.of(role);
      Line(StreamText(row, role, stream), row.state == ProcessState::kKilled ? A_DIM : 0);
    }
  }
}

// Pixel for pixel would not fit: one pixel stands for those of a character cell.
void TerminalView::ShowPicture(const weir::Sample<msg::Image>& sample) {
  constexpr int kRowsMin = 6, kRowsMax = 16;
  const auto image = sample.reader();
  const auto data = image.getData();
  const int top = y_ + 2, rows = std::min(LINES - top, kRowsMax), columns = COLS - 2;
  if (rows < kRowsMin || columns <= 0 || !has_colors() || data.size() != kPictureBytes) return;
  mvaddstr(top - 1, 0, "The newest image: load of each core over the last 17 s");
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      const size_t y = (2 * static_cast<size_t>(row) + 1) * kPictureHeight / (2 * static_cast<size_t>(rows));
      const size_t x = (2 * static_cast<size_t>(column) + 1) * kPictureWidth / (2 * static_cast<size_t>(columns));
      const capnp::byte* pixel = data.begin() + (y * kPictureWidth + x) * kPixelBytes;
      const short pair = PairOf(pixel[0], pixel[1], pixel[2]);
      if (pair == 0) continue;
      attron(COLOR_PAIR(pair));
      mvaddch(top + row, 1 + column, ' ');
      attroff(COLOR_PAIR(pair));
    }
  }
}

void TerminalView::Line(const std::string& text, int attributes) {
  attron(attributes);
  mvaddnstr(y_++, 0, text.c_str(), COLS);  // all of it is ASCII
  attroff(attributes);
}

}  // namespace weir::demo
