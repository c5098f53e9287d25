#include "tools/demo_program/scenario.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "tools/demo_program/clock.h"
#include "tools/demo_program/stop_signals.h"
#include "tools/demo_program/text.h"
#include "tools/demo_program/topics.h"

namespace weir::demo {
namespace {

// When things happen, as shares of the whole time.
constexpr double kLateStarts = 0.3, kLateDies = 0.6, kCleanup = 0.75;

constexpr uint64_t kPatienceNs = 10 * kNsPerS;
constexpr uint64_t kLastPatienceNs = kNsPerS;
constexpr absl::Duration kMoment = absl::Milliseconds(50);

absl::Status Stopped() {
  return absl::CancelledError("stopped");
}

}  // namespace

struct Scenario::Endpoints {
  static absl::StatusOr<std::unique_ptr<Endpoints>> Create(const std::string& domain) {
    auto node = weir::Node::Create({.name = "demo table", .domain = domain});
    if (!node.ok()) return node.status();
    auto subscriber_reports = node->CreateSubscriber<SubscriberReport>(kSubscriberReports, {.depth = 64});
    if (!subscriber_reports.ok()) return subscriber_reports.status();
    auto publisher_reports = node->CreateSubscriber<PublisherReport>(kPublisherReports, {.depth = 64});
    if (!publisher_reports.ok()) return publisher_reports.status();
    // The newest message is all that the table shows.
    const SubscriberOptions newest = {.depth = 1, .max_borrowed = 2};
    auto status = node->CreateSubscriber<msg::SystemStatus>(kStreamNames[kStatus], newest);
    if (!status.ok()) return status.status();
    auto image = node->CreateSubscriber<msg::Image>(kStreamNames[kImage], newest);
    if (!image.ok()) return image.status();
    return std::unique_ptr<Endpoints>(new Endpoints{*std::move(node), *std::move(subscriber_reports),
                                                    *std::move(publisher_reports), *std::move(status),
                                                    *std::move(image)});
  }

  weir::Node node;
  weir::Subscriber<SubscriberReport> subscriber_reports;
  weir::Subscriber<PublisherReport> publisher_reports;
  weir::Subscriber<msg::SystemStatus> status;
  weir::Subscriber<msg::Image> image;
};

Scenario::Scenario(double seconds, View& view)
    : seconds_(seconds), view_(view), domain_("demo-" + std::to_string(getpid())), folder_(domain_) {
  scoreboard_.domain_path = record_.domain_path = folder_.path();
  scoreboard_.seconds = seconds;
}

Scenario::~Scenario() = default;

Record Scenario::Play() {
  absl::Status status = Act();
  if (absl::IsCancelled(status)) status = StopAll();  // stopped early: end in the same good order
  if (!status.ok() && !absl::IsCancelled(status)) record_.failure = status;
  record_.elapsed_s = elapsed_s();
  EndAll();
  record_.domain_gone = !folder_.Exists();
  if (!record_.domain_gone) record_.left_behind = folder_.Files();
  return std::move(record_);
}

absl::Status Scenario::Act() {
  if (absl::Status status = StartFirst(); !status.ok()) return status;
  if (absl::Status status = PlayUntil(kLateStarts * seconds_); !status.ok()) return status;
  if (absl::Status status = StartLate(); !status.ok()) return status;
  if (absl::Status status = PlayUntil(kLateDies * seconds_); !status.ok()) return status;
  if (absl::Status status = KillLate(); !status.ok()) return status;
  if (absl::Status status = PlayUntil(kCleanup * seconds_); !status.ok()) return status;
  if (absl::Status status = LookForFilesOfTheDead(); !status.ok()) return status;
  if (absl::Status status = PlayUntil(seconds_); !status.ok()) return status;
  return StopAll();
}

absl::Status Scenario::StartFirst() {
  auto endpoints = Endpoints::Create(domain_);
  if (!endpoints.ok()) return endpoints.status();
  endpoints_ = *std::move(endpoints);

  // The subscriber first, so that it can be asked for every single message.
  if (absl::Status status = Start(steady_, "steady subscriber", {"subscribe", "--role", "steady"}); !status.ok()) {
    return status;
  }
  absl::Status status =
      Await("the steady subscriber joined", [&] { return scoreboard_.of(Role::kSteady).report.has_value(); });
  if (!status.ok()) return status;

  if (status = Start(publisher_, "publisher", {"publish"}); !status.ok()) return status;
  status = Await("messages came", [&] {
    const SubscriberReport& report = *scoreboard_.of(Role::kSteady).report;
    return scoreboard_.publisher.report && report.streams[kStatus].counts.delivered > 0 &&
           report.streams[kImage].counts.delivered > 0;
  });
  if (!status.ok()) return status;
  begin_ns_ = NowNs();
  Event(absl::StrFormat("publisher (pid %d) samples /proc; steady (pid %d) takes everything", publisher_->pid(),
                        steady_->pid()));
  return absl::OkStatus();
}

absl::Status Scenario::StartLate() {
  files_before_late_ = folder_.Files();
  absl::Status status = Start(late_, "late subscriber", {"subscribe", "--role", "late"});
  if (!status.ok()) return status;
  const auto& report = scoreboard_.of(Role::kLate).report;
  status = Await("the late subscriber got messages", [&] {
    return report && report->streams[kStatus].counts.delivered > 0 && report->streams[kImage].counts.delivered > 0;
  });
  if (!status.ok()) return status;
  late_joined_ = true;
  const auto& streams = report->streams;
  Event(absl::StrFormat("late (pid %d) joined; history gave it %d status messages (up to %s old) and %s (%s)",
                        late_->pid(), streams[kStatus].counts.from_history,
                        DurationText(streams[kStatus].history_oldest_age_ns),
                        Plural(streams[kImage].counts.from_history, "image", "images"),
                        DurationText(streams[kImage].history_oldest_age_ns)));
  return absl::OkStatus();
}

absl::Status Scenario::KillLate() {
  const auto& late = scoreboard_.of(Role::kLate).report;
  absl::Status status = Await("the late subscriber held samples",
                              [&] { return late->streams[kStatus].held > 0 && late->streams[kImage].held > 0; });
  if (!status.ok()) return status;

  KillRecord kill{.pid = late_->pid()};
  for (size_t stream = 0; stream < kStreams; ++stream) {
    kill.held[stream] = late->streams[stream].held;
    kill.steady_before[stream] = scoreboard_.of(Role::kSteady).report->streams[stream].counts.delivered;
  }
  // What came since it was started is what it made: nobody else makes anything in between.
  for (const std::string& file : folder_.Files()) {
    if (!files_before_late_.contains(file)) kill.files.insert(file);
  }
  record_.kill = std::move(kill);
  scoreboard_.of(Role::kLate).End(ProcessState::kKilled);
  killed_ns_ = NowNs();
  late_->Signal(SIGKILL);

  status = Await("the late subscriber was dead", [&] { return late_->Ended().has_value(); });
  if (!status.ok()) return status;
  const int end = *late_->Ended();
  record_.kill->by_sigkill = WIFSIGNALED(end) && WTERMSIG(end) == SIGKILL;
  Event(absl::StrFormat("late %s while it held %d status messages and %s", late_->DescribeEnd(),
                        record_.kill->held[kStatus], Plural(record_.kill->held[kImage], "image", "images")));
  return absl::OkStatus();
}

absl::Status Scenario::LookForFilesOfTheDead() {
  const auto left = [&] {
    std::set<std::string> files;
    for (const std::string& file : folder_.Files()) {
      if (record_.kill->files.contains(file)) files.insert(file);
    }
    return files;
  };
  const size_t before = left().size();
  // Whoever joins cleans up after the dead.
  auto next = endpoints_->node.CreateSubscriber<msg::Image>(kStreamNames[kImage], {.depth = 1});
  if (!next.ok()) return next.status();
  record_.kill->files_after_cleanup = left();
  Event(absl::StrFormat("the dead one's files: %d until the next subscriber joined, now %d", before,
                        record_.kill->files_after_cleanup->size()));
  return absl::OkStatus();
}

absl::Status Scenario::StopAll() {
  measuring_ = false;
  // The publisher first: the subscriber then still takes what is in its queue.
  for (auto* child : {&publisher_, &late_, &steady_}) {
    if (absl::Status status = StopChild(*child, kPatienceNs); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Scenario::StopChild(std::unique_ptr<ChildProcess>& child, uint64_t patience_ns) {
  if (!child || child->Ended()) return absl::OkStatus();
  child->Signal(SIGTERM);
  const uint64_t deadline_ns = NowNs() + patience_ns;
  while (!child->Ended()) {
    if (NowNs() > deadline_ns) {
      return absl::DeadlineExceededError(absl::StrFormat("the %s did not end when asked to", child->name()));
    }
    TakeReports();
  }
  TakeReports();                                                // the last one
  if (record_.kill && child == late_) return absl::OkStatus();  // we killed it
  if (const int end = *child->Ended(); end != 0) {
    return absl::InternalError(absl::StrFormat("the %s %s", child->name(), child->DescribeEnd()));
  }
  return absl::OkStatus();
}

void Scenario::EndAll() {
  for (auto* child : {&publisher_, &late_, &steady_}) {
    (void)StopChild(*child, kLastPatienceNs);  // who is still there now does not matter any more
    child->reset();
  }
  record_.publisher = scoreboard_.publisher.report;
  record_.steady = scoreboard_.of(Role::kSteady).report;
  if (late_joined_) record_.late = scoreboard_.of(Role::kLate).report;
  scoreboard_.status.reset();
  scoreboard_.image.reset();
  endpoints_.reset();
}

absl::Status Scenario::Start(std::unique_ptr<ChildProcess>& child, const std::string& name,
                             std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--domain", domain_, "--parent", std::to_string(getpid())});
  auto started = ChildProcess::Start(name, std::move(arguments));
  if (!started.ok()) return started.status();
  child = std::make_unique<ChildProcess>(*std::move(started));
  return absl::OkStatus();
}

absl::Status Scenario::Await(const std::string& what, const std::function<bool()>& condition) {
  const uint64_t deadline_ns = NowNs() + kPatienceNs;
  while (!condition()) {
    if (NowNs() > deadline_ns) {
      return absl::DeadlineExceededError(absl::StrFormat("waited 10 s in vain until %s", what));
    }
    if (absl::Status status = Tick(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Scenario::PlayUntil(double elapsed) {
  while (elapsed_s() < elapsed) {
    if (absl::Status status = Tick(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Scenario::Tick() {
  TakeReports();
  if (absl::Status status = CheckChildren(); !status.ok()) return status;
  scoreboard_.elapsed_s = elapsed_s();
  view_.Show(scoreboard_);
  record_.stopped_by = WaitForStopSignal(0);
  record_.quit = view_.WantsToQuit();
  return record_.early() ? Stopped() : absl::OkStatus();
}

void Scenario::TakeReports() {
  if (!endpoints_) return;
  for (auto taken = endpoints_->subscriber_reports.TakeFor(kMoment); taken;
       taken = endpoints_->subscriber_reports.Take()) {
    const SubscriberReport& report = taken->value();
    scoreboard_.Add(report);
    if (record_.kill && measuring_ && report.role == Role::kSteady && report.at_ns > killed_ns_) {
      for (size_t stream = 0; stream < kStreams; ++stream) {
        uint64_t& longest_ns = record_.kill->steady_gap_ns[stream];
        longest_ns = std::max(longest_ns, report.streams[stream].gap_ns);
      }
    }
  }
  while (auto taken = endpoints_->publisher_reports.Take()) scoreboard_.Add(taken->value());
  if (auto taken = endpoints_->status.Take()) scoreboard_.status = *std::move(taken);
  if (auto taken = endpoints_->image.Take()) scoreboard_.image = *std::move(taken);
}

absl::Status Scenario::CheckChildren() {
  const std::initializer_list<std::pair<ChildProcess*, ProcessRow*>> all = {
      {publisher_.get(), &scoreboard_.publisher},
      {steady_.get(), &scoreboard_.of(Role::kSteady)},
      {late_.get(), &scoreboard_.of(Role::kLate)}};
  for (const auto& [child, row] : all) {
    if (child == nullptr || row->state == ProcessState::kKilled) continue;
    row->state = ProcessState::kRunning;
    if (!child->Ended()) continue;
    row->End(ProcessState::kEnded);
    return absl::InternalError(absl::StrFormat("the %s, which was to go on, %s", child->name(), child->DescribeEnd()));
  }
  return absl::OkStatus();
}

void Scenario::Event(const std::string& text) {
  record_.events.push_back(absl::StrFormat("%6.1f s  * %s", elapsed_s(), text));
  view_.Event(record_.events.back());
}

double Scenario::elapsed_s() const {
  return begin_ns_ == 0 ? 0 : static_cast<double>(NowNs() - begin_ns_) * 1e-9;
}

}  // namespace weir::demo
