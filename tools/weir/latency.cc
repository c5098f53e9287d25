// weir latency: how old messages are when this very tool takes them, or (--all) when the topic's subscribers do.
#include <weir/latency_histogram.h>

#include <algorithm>
#include <bit>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/weir/commands.h"
#include "tools/weir/domain.h"
#include "tools/weir/meter.h"
#include "tools/weir/output.h"
#include "tools/weir/stop.h"
#include "tools/weir/table.h"
#include "tools/weir/units.h"

namespace weir::tool {
namespace {

constexpr std::pair<double, const char*> kPercentiles[] = {{0.5, "p50"}, {0.9, "p90"}, {0.99, "p99"}, {0.999, "p99.9"}};

// With the longest, which a bucket knows only nearly.
struct Latencies {
  LatencyHistogram histogram;
  uint64_t max_ns = 0;

  void Add(uint64_t ns) {
    histogram.Add(ns);
    max_ns = std::max(max_ns, ns);
  }
  double Quantile(double fraction) const { return std::min(histogram.Quantile(fraction), static_cast<double>(max_ns)); }
};

class LatencyMeter : public Meter {
 public:
  void OnMessage(const DynamicSample& sample, uint64_t taken_ns) override {
    ++messages_;
    missed_ += sample.info().missed_before;
    const uint64_t published_ns = sample.info().published_ns;
    if (published_ns == 0) return;
    const uint64_t ns = std::max(taken_ns, published_ns) - published_ns;
    now_.Add(ns);
    all_.Add(ns);
    ++bars_[static_cast<int>(std::bit_width(ns))];
  }

  std::string ReportText() override {
    const std::string text = Text(now_);
    now_ = {};
    return text;
  }
  Json ReportJson() override {
    Json json = ToJson(now_);
    now_ = {};
    return json;
  }
  std::string SummaryText(absl::Duration duration) override {
    return absl::StrCat("\n", Plural(messages_, "message", "messages"), " in ",
                        DurationNs(absl::ToDoubleNanoseconds(duration)), ", missed ", Count(missed_), "\n", Bars(),
                        Text(all_),
                        "\nfrom a publish to the take of this tool's own subscriber; other subscribers have theirs");
  }
  Json SummaryJson() override {
    Json json = ToJson(all_);
    json["messages"] = messages_;
    json["missed"] = missed_;
    json["measures"] = "publish to take of this tool's own subscriber";
    return json;
  }
  uint64_t messages() const override { return messages_; }

 private:
  static std::string Text(const Latencies& latencies) {
    if (latencies.histogram.count() == 0) return "the publisher does not stamp its messages (Metrics::kOff)";
    std::string text;
    for (const auto& [fraction, name] : kPercentiles) {
      absl::StrAppendFormat(&text, "%s %8s   ", name, DurationNs(latencies.Quantile(fraction)));
    }
    absl::StrAppendFormat(&text, "max %8s", DurationNs(static_cast<double>(latencies.max_ns)));
    return text;
  }
  static Json ToJson(const Latencies& latencies) {
    Json json = {{"measured", latencies.histogram.count()}};
    if (latencies.histogram.count() == 0) return json;
    for (const auto& [fraction, name] : kPercentiles) {
      json[absl::StrCat(name, "_ns")] = static_cast<uint64_t>(latencies.Quantile(fraction));
    }
    json["max_ns"] = latencies.max_ns;
    return json;
  }

  // A bar for each doubling, from the first that has a message to the last.
  std::string Bars() const {
    if (bars_.empty()) return "";
    uint64_t most = 0;
    for (const auto& [bits, count] : bars_) most = std::max(most, count);
    const auto room = static_cast<double>(std::clamp(Out().columns() - 40, 10, 60));
    std::string text;
    for (int bits = bars_.begin()->first; bits <= bars_.rbegin()->first; ++bits) {
      const auto found = bars_.find(bits);
      const uint64_t count = found == bars_.end() ? 0 : found->second;
      const auto length = static_cast<size_t>(room * static_cast<double>(count) / static_cast<double>(most) + 0.5);
      std::string bar(std::max<size_t>(length, count > 0 ? 1 : 0), '#');
      absl::StrAppendFormat(&text, "  < %8s  %12s%s\n", DurationNs(static_cast<double>(uint64_t{1} << bits)),
                            Count(count), bar.empty() ? "" : "  " + Styled(bar, Style::kGreen));
    }
    return text;
  }

  uint64_t messages_ = 0;
  uint64_t missed_ = 0;
  Latencies now_, all_;
  std::map<int, uint64_t> bars_;  // by the number of bits of the nanoseconds
};

// What the topic's own subscribers measured, as it lies with them: since they began, or within --for.
absl::StatusOr<ExitCode> RunAll(const Globals& globals, const MeterOptions& options) {
  const auto domain = LookAtDomain(globals);
  if (!domain.ok()) return domain.status();
  const auto topic = FindTopic(*domain, options.topic);
  if (!topic.ok()) return topic.status();
  auto later = domain;
  if (options.for_s > 0) {
    SleepUnlessStopped(absl::Seconds(options.for_s));  // Ctrl-C shows what there is until then
    later = LookAtDomain(globals);
    if (!later.ok()) return later.status();
  }

  std::vector<Table::Column> columns = {{"NODE"}, {"PID", Align::kRight}, {"MEASURED", Align::kRight}};
  for (const auto& [fraction, name] : kPercentiles) columns.push_back({name, Align::kRight});
  columns.push_back({"max", Align::kRight});
  Table table(std::move(columns));
  uint64_t measured = 0;
  for (const SubscriberInfo& subscriber : later->subscribers) {
    if (subscriber.topic_id != topic->id) continue;
    LatencyHistogram latency = subscriber.latency;
    if (options.for_s > 0) {
      const auto before = std::find_if(domain->subscribers.begin(), domain->subscribers.end(),
                                       [&](const SubscriberInfo& info) { return info.id == subscriber.id; });
      if (before != domain->subscribers.end() && subscriber.readable) latency -= before->latency;
    }
    const uint64_t count = latency.count();
    measured += count;
    Json json = {{"node", subscriber.node}, {"pid", subscriber.pid}, {"measured", count}};
    std::vector<Table::Cell> cells = {
        {subscriber.node, Style::kBold}, {std::to_string(subscriber.pid)}, {Count(count)}};
    const auto add = [&](const char* name, double fraction) {
      const double ns = latency.Quantile(fraction);
      cells.push_back({count > 0 ? DurationNs(ns) : "-"});
      if (count > 0) json[absl::StrCat(name, "_ns")] = ns;
    };
    for (const auto& [fraction, name] : kPercentiles) add(name, fraction);
    add("max", 1);
    table.Add(std::move(cells));
    if (options.json) PrintJson(json, false);
  }
  if (!options.json) {
    if (table.empty()) {
      Out().Line("nobody subscribes");
    } else {
      table.Print();
    }
  }
  return options.for_s > 0 && measured == 0 && !StopAsked() ? kTimedOut : kOk;
}

}  // namespace

void AddLatency(CLI::App& app, Run& run) {
  auto options = std::make_shared<MeterOptions>();
  CLI::App* command = app.add_subcommand("latency", "Measures how old messages are when this tool takes them");
  AddMeterOptions(*command, *options);
  auto all = std::make_shared<bool>(false);
  command
      ->add_flag("--all", *all,
                 "What the topic's subscribers measured themselves, since they began or within --for, off by 5.9 % at "
                 "most; subscribes to nothing")
      ->excludes("--every")
      ->excludes("--spin");
  command->footer(
      "\nFrom the publisher's stamp to the take of this tool's own subscriber, which says how fast the way is, not "
      "how\n"
      "long other subscribers leave their messages waiting; that is --all. Being woken from sleep is part of it, but\n"
      "with --spin. Ctrl-C shows a summary.");
  command->callback([&run, options, all] {
    run = [options, all](const Globals& globals) {
      if (*all) return RunAll(globals, *options);
      LatencyMeter meter;
      return RunMeter(globals, "latency", *options, meter);
    };
  });
}

}  // namespace weir::tool
