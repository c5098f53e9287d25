#include "tools/demo_program/summary.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <string_view>

#include "absl/strings/str_format.h"
#include "tools/demo_program/text.h"
#include "tools/demo_program/topics.h"

namespace weir::demo {
namespace {

void PrintStream(const Record& record, Stream stream) {
  absl::PrintF("%s\n", kStreamNames[stream]);
  if (record.publisher) {
    const PublisherCounts& counts = record.publisher->streams[stream];
    absl::PrintF("  %-9s %9s %10s\n", "published", Grouped(counts.published),
                 BytesText(static_cast<double>(counts.published_bytes)));
  }
  for (const auto& report : {record.steady, record.late}) {
    if (!report) continue;
    const StreamReport& got = report->streams[stream];
    absl::PrintF("  %-9s %9s %10s %9d %7s   %7s %7s %7s\n", RoleName(report->role), Grouped(got.counts.delivered),
                 BytesText(static_cast<double>(got.counts.taken_bytes)), got.counts.from_history,
                 Grouped(got.counts.missed), DurationText(got.latency.Percentile(0.5)),
                 DurationText(got.latency.Percentile(0.99)), DurationText(got.latency.max_ns()));
  }
}

// On a terminal, breaks lines between words, and indents what follows. In a file a sentence is a line.
void PrintWrapped(std::string_view text, size_t indent) {
  winsize window = {};
  size_t room = ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 ? window.ws_col : 0;
  for (bool first = true; room > indent && text.size() > room; first = false) {
    const size_t blank = text.rfind(' ', room);
    if (blank == std::string_view::npos || blank <= indent) break;
    absl::PrintF("%s\n%*s", text.substr(0, blank), static_cast<int>(indent), "");
    text.remove_prefix(blank + 1);
    if (first) room -= indent;
  }
  absl::PrintF("%s\n", text);
}

}  // namespace

void PrintSummary(const Record& record, const std::vector<Finding>& findings, bool with_events) {
  if (with_events) {
    for (const std::string& event : record.events) PrintWrapped(event, 12);
  }
  if (record.stopped_by != 0) {
    absl::PrintF("\nStopped by SIG%s after %.1f s.\n", sigabbrev_np(record.stopped_by), record.elapsed_s);
  } else if (record.quit) {
    absl::PrintF("\nStopped after %.1f s.\n", record.elapsed_s);
  }
  absl::PrintF("\n  %-9s %9s %10s %9s %7s   %7s %7s %7s\n", "", "messages", "bytes", "history", "missed", "p50", "p99",
               "max");
  PrintStream(record, kStatus);
  PrintStream(record, kImage);
  absl::PrintF("(p50, p99, max: from Publish to Take, without messages from history)\n\n");
  for (const Finding& finding : findings) {
    PrintWrapped(absl::StrFormat("  %-6s  %s", finding.ok ? "ok" : "FAILED", finding.sentence), 10);
  }
  std::fflush(stdout);
  for (const Finding& finding : findings) {
    if (!finding.ok) absl::FPrintF(stderr, "weir_demo: %s\n", finding.sentence);
  }
}

}  // namespace weir::demo
