// weir top: a live view of a domain's topics.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "tools/weir/commands.h"
#include "tools/weir/domain.h"
#include "tools/weir/output.h"
#include "tools/weir/stop.h"
#include "tools/weir/table.h"
#include "tools/weir/top_model.h"
#include "tools/weir/top_view.h"
#include "tools/weir/units.h"

namespace weir::tool {
namespace {

constexpr double kShortestIntervalS = 0.2;
constexpr double kLongestIntervalS = 10;

// How soon a domain that is not there is looked for again.
constexpr absl::Duration kLookForDomain = absl::Milliseconds(500);

constexpr char kFooter[] =
    "q quit  s or arrows sort  r reverse  / filter  Enter endpoints  p pause  + - interval  h help";

const std::vector<std::string>& HelpLines() {
  static const std::vector<std::string> lines = {
      "s, right, left    sort by the next or previous column",
      "r                 reverse the order",
      "/                 filter: rows whose name contains the text. Enter keeps it, Esc clears it",
      "up, down          select a topic (also PgUp, PgDn, Home, End)",
      "Enter             the endpoints of the selected topic; Esc goes back",
      "p                 pause",
      "+ -               a longer or a shorter interval",
      "h                 this; any key ends it",
      "q, Ctrl-C         quit",
      "",
      "RATE, BYTES/S     messages published, and their bodies, per second of the last interval",
      "P50, P99          latency, from publish to take, of what was taken in the last interval",
      "DROPS             per second, once for each subscriber that lost a message",
      "QUEUE, POOL       the fullest queue, the fullest pool",
      "PUBS, SUBS        endpoints of living processes",
      "DEAD              endpoints of dead ones that nobody cleaned up after: see weir doctor",
  };
  return lines;
}

struct Options {
  double interval_s = 1;
  std::string sort = "rate";
  bool reverse = false;
  std::string filter;
  bool once = false;
};

const TopColumnInfo& Info(TopColumn column) {
  return TopColumns()[static_cast<size_t>(column)];
}

TopColumn ColumnNamed(const std::string& name) {
  for (const TopColumnInfo& info : TopColumns()) {
    if (info.name == name) return info.column;
  }
  return TopColumn::kRate;  // the parser accepts no other
}

// Two looks at a domain, which may end and begin again meanwhile.
class Looks {
 public:
  explicit Looks(const Globals& globals) : globals_(globals) {}

  // NotFound: there is no such domain now.
  absl::Status Look() {
    if (!inspector_.has_value()) {
      auto inspector = OpenDomain(globals_);
      if (!inspector.ok()) return Forget(inspector.status());
      inspector_.emplace(*std::move(inspector));
    }
    auto domain = inspector_->Look();
    if (!domain.ok()) return Forget(domain.status());
    earlier_ = std::exchange(later_, *std::move(domain));
    return absl::OkStatus();
  }

  const DomainSnapshot& earlier() const { return earlier_; }
  const DomainSnapshot& later() const { return later_; }

 private:
  absl::Status Forget(const absl::Status& why) {
    inspector_.reset();
    earlier_ = later_ = {};
    return why;
  }

  const Globals& globals_;
  std::optional<Inspector> inspector_;
  DomainSnapshot earlier_, later_;
};

// What the user chose, and what a key changes of it.
class Session {
 public:
  Session(const Globals& globals, const Options& options)
      : globals_(globals),
        looks_(globals),
        interval_s_(options.interval_s),
        sorted_by_(ColumnNamed(options.sort)),
        reversed_(options.reverse),
        filter_(options.filter) {}

  // Until the user quits, or something is wrong that waiting does not mend.
  absl::StatusOr<ExitCode> Run(TopView& view) {
    absl::Time next_look = absl::Now();
    while (!StopAsked() && !quit_) {
      const absl::Time now = absl::Now();
      if (!paused_ && now >= next_look) {
        const absl::Status status = looks_.Look();
        if (!status.ok() && !absl::IsNotFound(status)) return status;
        missing_ = status.ok() ? "" : absl::StrCat("waiting for the domain: ", std::string(status.message()));
        looked_ = now;
        changed_ = true;
      }
      if (std::exchange(changed_, false)) view.Draw(Picture());
      // Anew each time: the interval may have become another.
      next_look = looked_ + (missing_.empty() ? interval() : std::min(interval(), kLookForDomain));
      OnKey(view.ReadKey(paused_ ? absl::InfiniteDuration() : next_look - absl::Now()), view.rows_shown());
    }
    return kOk;
  }

 private:
  absl::Duration interval() const { return absl::Seconds(interval_s_); }

  TopPicture Picture() {
    const DomainSnapshot& domain = looks_.later();
    TopPicture picture = {.heading = Heading(), .notice = Notice(), .sorted_by = sorted_by_, .footer = kFooter};
    if (helping_) {
      picture.lines = HelpLines();
      return picture;
    }
    const auto opened = std::find_if(domain.topics.begin(), domain.topics.end(),
                                     [&](const TopicInfo& topic) { return topic.id == opened_; });
    if (opened_ != 0 && opened != domain.topics.end()) {
      picture.rows_are = "ENDPOINT";
      picture.heading = absl::StrCat("topic ", opened->name, " (", opened->type_name, ")  ", Order());
      picture.rows = EndpointRows(looks_.earlier(), domain, opened_);
    } else {
      opened_ = 0;
      picture.rows = TopicRows(looks_.earlier(), domain);
      KeepNamed(picture.rows, filter_);
    }
    SortRows(picture.rows, sorted_by_, reversed_);
    rows_.clear();
    for (const TopRow& row : picture.rows) rows_.push_back(row.id);
    picture.selected = selected_;
    return picture;
  }

  std::string Order() const {
    const bool names = sorted_by_ == TopColumn::kName;
    return absl::StrCat("by ", Info(sorted_by_).name, ", ",
                        names ? (reversed_ ? "z first" : "a first") : (reversed_ ? "lowest first" : "highest first"),
                        "  every ", DurationNs(interval_s_ * 1e9));
  }

  std::string Heading() const {
    const DomainSnapshot& domain = looks_.later();
    return absl::StrCat("domain ", globals_.domain, "  ", Plural(domain.nodes.size(), "node", "nodes"), ", ",
                        Plural(domain.topics.size(), "topic", "topics"), "  ", Order());
  }

  std::string Notice() const {
    if (typing_) return absl::StrCat("filter: ", filter_, "_");
    std::string notice = missing_;
    const auto add = [&](const std::string& text) { absl::StrAppend(&notice, notice.empty() ? "" : "  ", text); };
    if (paused_) add("paused");
    if (!filter_.empty() && opened_ == 0) add(absl::StrCat("filter: ", filter_));
    for (const std::string& note : looks_.later().notes) add(absl::StrCat("note: ", note));
    return notice;
  }

  void OnKey(const TopKeyPress& press, size_t page) {
    if (press.key == TopKey::kNone) return;
    changed_ = true;
    if (press.key == TopKey::kResized) return;
    if (press.key == TopKey::kClosed) {
      quit_ = true;
    } else if (helping_) {
      helping_ = false;
    } else if (typing_) {
      Type(press);
    } else {
      Command(press, page);
    }
  }

  void Type(const TopKeyPress& press) {
    switch (press.key) {
      case TopKey::kCharacter:
        filter_ += press.character;
        break;
      case TopKey::kBackspace:
        // The last character: its first byte and those that continue it.
        while (!filter_.empty() && (static_cast<unsigned char>(filter_.back()) & 0xC0) == 0x80) filter_.pop_back();
        if (!filter_.empty()) filter_.pop_back();
        break;
      case TopKey::kEscape:
        filter_.clear();
        typing_ = false;
        break;
      case TopKey::kEnter:
        typing_ = false;
        break;
      default:
        break;
    }
  }

  void Command(const TopKeyPress& press, size_t page) {
    const auto rows = static_cast<ptrdiff_t>(page);
    switch (press.key) {
      case TopKey::kRight:
        return SortByNeighbour(1);
      case TopKey::kLeft:
        return SortByNeighbour(-1);
      case TopKey::kUp:
        return Select(-1);
      case TopKey::kDown:
        return Select(1);
      case TopKey::kPageUp:
        return Select(-rows);
      case TopKey::kPageDown:
        return Select(rows);
      case TopKey::kHome:
        return Select(-static_cast<ptrdiff_t>(rows_.size()));
      case TopKey::kEnd:
        return Select(static_cast<ptrdiff_t>(rows_.size()));
      case TopKey::kEnter:
        if (opened_ == 0) opened_ = std::exchange(selected_, 0);
        return;
      case TopKey::kEscape:
        if (opened_ != 0) {
          selected_ = std::exchange(opened_, 0);
        } else {
          filter_.clear();
        }
        return;
      case TopKey::kCharacter:
        return Command(press.character);
      default:
        return;
    }
  }

  void Command(char key) {
    switch (key) {
      case 'q':
        quit_ = true;
        break;
      case 's':
        SortByNeighbour(1);
        break;
      case 'r':
        reversed_ = !reversed_;
        break;
      case '/':
        typing_ = opened_ == 0;
        break;
      case 'p':
        paused_ = !paused_;
        break;
      case '+':
      case '=':  // on the same key, on many keyboards
        interval_s_ = std::min(kLongestIntervalS, 2 * interval_s_);
        break;
      case '-':
        interval_s_ = std::max(kShortestIntervalS, interval_s_ / 2);
        break;
      case 'h':
      case '?':
        helping_ = true;
        break;
      default:
        break;
    }
  }

  void SortByNeighbour(int step) {
    const auto count = static_cast<int>(TopColumns().size());
    sorted_by_ = static_cast<TopColumn>((static_cast<int>(sorted_by_) + step + count) % count);
  }

  // Moves the selection by so many rows; from nothing selected onto the first or the last one.
  void Select(ptrdiff_t step) {
    if (rows_.empty()) return;
    const auto last = static_cast<ptrdiff_t>(rows_.size()) - 1;
    const auto found = std::find(rows_.begin(), rows_.end(), selected_);
    const ptrdiff_t at = found == rows_.end() ? (step > 0 ? -1 : last + 1) : found - rows_.begin();
    selected_ = rows_[static_cast<size_t>(std::clamp<ptrdiff_t>(at + step, 0, last))];
  }

  const Globals& globals_;
  Looks looks_;
  absl::Time looked_ = absl::InfinitePast();
  std::string missing_;  // why there is no domain to show
  double interval_s_;
  TopColumn sorted_by_;
  bool reversed_;
  std::string filter_;
  std::vector<uint64_t> rows_;  // as drawn
  uint64_t selected_ = 0;       // id of a row; 0: none
  uint64_t opened_ = 0;         // id of the topic whose endpoints are shown; 0: the topics are
  bool typing_ = false;         // the filter
  bool helping_ = false;
  bool paused_ = false;
  bool quit_ = false;
  bool changed_ = false;  // and not drawn yet
};

Style StyleOf(Concern concern) {
  switch (concern) {
    case Concern::kNone:
      return Style::kPlain;
    case Concern::kWarning:
      return Style::kYellow;
    case Concern::kTrouble:
      return Style::kRed;
  }
  return Style::kPlain;
}

absl::StatusOr<ExitCode> PrintOnce(const Globals& globals, const Options& options) {
  Looks looks(globals);
  if (const absl::Status status = looks.Look(); !status.ok()) return status;
  if (!SleepUnlessStopped(absl::Seconds(options.interval_s))) return absl::CancelledError();
  if (const absl::Status status = looks.Look(); !status.ok()) return status;
  std::vector<TopRow> rows = TopicRows(looks.earlier(), looks.later());
  KeepNamed(rows, options.filter);
  SortRows(rows, ColumnNamed(options.sort), options.reverse);
  std::vector<Table::Column> columns;
  for (const TopColumnInfo& info : TopColumns()) {
    columns.push_back({info.title, info.column == TopColumn::kName ? Align::kLeft : Align::kRight});
  }
  Table table(std::move(columns));
  for (const TopRow& row : rows) {
    std::vector<Table::Cell> cells;
    for (const TopColumnInfo& info : TopColumns()) {
      const Style style = info.column == TopColumn::kName ? Style::kBold : StyleOf(ConcernOf(row, info.column));
      cells.push_back({TopCell(row, info.column), style});
    }
    table.Add(std::move(cells));
  }
  table.Print();
  for (const std::string& note : looks.later().notes) Out().Line(Styled("note: " + Printable(note), Style::kYellow));
  return kOk;
}

absl::StatusOr<ExitCode> RunTop(const Globals& globals, const Options& options) {
  if (options.once) return PrintOnce(globals, options);
  auto view = TopView::Create();
  if (!view.ok()) return view.status();
  return Session(globals, options).Run(**view);
}

}  // namespace

void AddTop(CLI::App& app, Run& run) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("top", "Shows live what flows through the topics, and where it piles up");
  std::vector<std::string> columns;
  for (const TopColumnInfo& info : TopColumns()) columns.emplace_back(info.name);
  command->add_option("--interval", options->interval_s, "From one look to the next, 0.2 to 10 (default: 1)")
      ->type_name("SECONDS")
      ->check(CLI::Range(kShortestIntervalS, kLongestIntervalS).description(""));
  command->add_option("--sort", options->sort, absl::StrCat(absl::StrJoin(columns, ", "), " (default: rate)"))
      ->type_name("COLUMN")
      ->check(CLI::IsMember(columns).description(""));
  command->add_flag("--reverse", options->reverse, "The lowest first; names from z to a");
  command->add_option("--filter", options->filter, "Topics whose name contains this")->type_name("TEXT");
  command->add_flag("--once", options->once, "After one interval a table as text, on no terminal either");
  std::string keys = "\nKeys and columns:\n";
  for (const std::string& line : HelpLines()) absl::StrAppend(&keys, line.empty() ? "" : "  ", line, "\n");
  keys.pop_back();
  command->footer(keys);
  command->callback([&run, options] { run = [options](const Globals& globals) { return RunTop(globals, *options); }; });
}

}  // namespace weir::tool
