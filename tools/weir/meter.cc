#include "tools/weir/meter.h"

#include <time.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tools/weir/domain.h"
#include "tools/weir/output.h"
#include "tools/weir/stop.h"

namespace weir::tool {
namespace {

// So many may wait while a report is written or this process gets no CPU time; what is more is missed, and counted.
constexpr uint32_t kDepth = 8192;

uint64_t MonotonicNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

void AddMeterOptions(CLI::App& command, MeterOptions& options) {
  command.add_option("TOPIC", options.topic)->required();
  command
      .add_option("--for", options.for_s, "End after so long; exit code 4 if no message came (default: until Ctrl-C)")
      ->type_name("SECONDS")
      ->check(CLI::Range(1e-3, 1e9).description(""));
  command.add_option("--every", options.every_s, "Report so often (default: 1)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.05, 3600.0).description(""));
  command.add_flag("--spin", options.spin, "Look for messages without sleeping; takes a core");
  command.add_flag("--json", options.json, "Each report as a line of JSON; the last has \"summary\": true");
}

absl::StatusOr<ExitCode> RunMeter(const Globals& globals, const char* command, const MeterOptions& options,
                                  Meter& meter) {
  const auto domain = LookAtDomain(globals);
  if (!domain.ok()) return domain.status();
  const auto topic = FindTopic(*domain, options.topic);
  if (!topic.ok()) return topic.status();
  auto node = JoinDomain(globals, command);
  if (!node.ok()) return node.status();
  auto subscriber = DynamicSubscriber::Create(*node, options.topic, CautiousSubscriber(*domain, *topic, kDepth));
  if (!subscriber.ok()) return subscriber.status();
  const InterruptOnStop interrupt(*subscriber);

  const absl::Time begin = absl::Now();
  const absl::Time end = options.for_s > 0 ? begin + absl::Seconds(options.for_s) : absl::InfiniteFuture();
  const absl::Duration every = absl::Seconds(options.every_s);
  const WaitStrategy waiting = options.spin ? WaitStrategy::Spin() : WaitStrategy();
  uint64_t reported = 0;  // messages
  for (absl::Time report = begin + every; !StopAsked() && Out().open() && absl::Now() < end; report += every) {
    const absl::Time until = std::min(report, end);
    // The deadline is also looked at between messages, of which there may be always one more.
    for (uint64_t count = 0; !StopAsked() && (count % 64 != 0 || absl::Now() < until); ++count) {
      auto sample = subscriber->Take();
      if (!sample) sample = subscriber->TakeUntil(until, waiting);
      if (sample.why() == Outcome::kTimedOut || sample.why() == Outcome::kInterrupted) break;
      if (!sample || sample->info().from_history) continue;
      meter.OnMessage(*sample, MonotonicNs());
    }
    if (StopAsked() || absl::Now() < report) break;
    if (options.json) {
      PrintJson(meter.ReportJson(), false);
    } else if (meter.messages() == reported) {
      Out().Line(Styled("no new messages", Style::kDim));
    } else {
      Out().Line(meter.ReportText());
    }
    reported = meter.messages();
    Out().Flush();
  }
  const absl::Duration duration = absl::Now() - begin;
  if (options.json) {
    Json json = {{"summary", true}, {"seconds", absl::ToDoubleSeconds(duration)}};
    json.update(meter.SummaryJson());
    PrintJson(json, false);
  } else if (meter.messages() > 0) {
    Out().Line(meter.SummaryText(duration));
  } else {
    Out().Line("no messages");
  }
  Out().Flush();
  return meter.messages() == 0 && !StopAsked() && Out().open() ? kTimedOut : kOk;
}

}  // namespace weir::tool
