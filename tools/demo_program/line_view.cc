#include "tools/demo_program/line_view.h"

#include <cstdio>

#include "absl/strings/str_format.h"
#include "tools/demo_program/clock.h"
#include "tools/demo_program/machine_text.h"
#include "tools/demo_program/text.h"

namespace weir::demo {
namespace {

constexpr double kPeriodS = 1;

void PrintStream(double elapsed_s, const SubscriberRow& row, Stream stream) {
  const StreamReport& got = row.report->streams[stream];
  absl::PrintF("%6.1f s  %-13s  %-6s %6.1f/s %6.2f MB/s   %7s %7s   %6s %7d %4d\n", elapsed_s, kStreamNames[stream],
               RoleName(row.report->role), row.messages[stream].per_s(), row.bytes[stream].per_s() * 1e-6,
               DurationText(got.latency.Percentile(0.5)), DurationText(got.latency.Percentile(0.99)),
               Grouped(got.counts.missed), got.counts.from_history, got.held);
}

}  // namespace

void LineView::Event(const std::string& text) {
  absl::PrintF("%s\n", text);
  std::fflush(stdout);
}

void LineView::Show(const Scoreboard& scoreboard) {
  if (scoreboard.elapsed_s < next_s_) return;
  next_s_ += kPeriodS;
  if (!has_heading_) {
    absl::PrintF("%8s  %-13s  %-6s %8s %11s   %7s %7s   %6s %7s %4s\n", "", "topic", "to", "rate", "", "p50", "p99",
                 "missed", "history", "held");
    has_heading_ = true;
  }
  if (scoreboard.status) {
    absl::PrintF("%6.1f s  %s\n", scoreboard.elapsed_s, MachineText(scoreboard.status->reader()));
  }
  for (const Stream stream : {kStatus, kImage}) {
    for (const SubscriberRow& row : scoreboard.subscribers) {
      if (row.state == ProcessState::kRunning && row.report) PrintStream(scoreboard.elapsed_s, row, stream);
    }
  }
  std::fflush(stdout);
}

}  // namespace weir::demo
