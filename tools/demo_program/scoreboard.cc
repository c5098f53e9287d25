#include "tools/demo_program/scoreboard.h"

#include "tools/demo_program/clock.h"

namespace weir::demo {

void RateMeter::Add(uint64_t at_ns, uint64_t total) {
  points_.push_back({at_ns, total});
  while (points_.size() > 2 && at_ns - points_[1].at_ns >= kNsPerS) points_.pop_front();
}

double RateMeter::per_s() const {
  if (points_.size() < 2) return 0;
  const double seconds = static_cast<double>(points_.back().at_ns - points_.front().at_ns) * 1e-9;
  return seconds <= 0 ? 0 : static_cast<double>(points_.back().total - points_.front().total) / seconds;
}

const char* StateName(ProcessState state) {
  switch (state) {
    case ProcessState::kNotStarted:
      return "not started";
    case ProcessState::kRunning:
      return "running";
    case ProcessState::kKilled:
      return "killed";
    case ProcessState::kEnded:
      return "ended";
  }
  return "?";
}

void ProcessRow::End(ProcessState how) {
  state = how;
  for (RateMeter& meter : messages) meter.Reset();
  for (RateMeter& meter : bytes) meter.Reset();
}

void Scoreboard::Add(const SubscriberReport& report) {
  if (report.role != Role::kSteady && report.role != Role::kLate) return;
  SubscriberRow& row = of(report.role);
  row.report = report;
  for (size_t stream = 0; stream < kStreams; ++stream) {
    const SubscriberCounts& counts = report.streams[stream].counts;
    // The first report with messages has the whole history at once, which is no rate.
    if (counts.delivered == 0 || row.state == ProcessState::kKilled) continue;
    row.messages[stream].Add(report.at_ns, counts.delivered);
    row.bytes[stream].Add(report.at_ns, counts.taken_bytes);
  }
}

void Scoreboard::Add(const PublisherReport& report) {
  publisher.report = report;
  for (size_t stream = 0; stream < kStreams; ++stream) {
    publisher.messages[stream].Add(report.at_ns, report.streams[stream].published);
    publisher.bytes[stream].Add(report.at_ns, report.streams[stream].published_bytes);
  }
}

}  // namespace weir::demo
