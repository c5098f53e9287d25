// weir hz: how often messages are published, and how regularly.
#include <deque>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/weir/commands.h"
#include "tools/weir/gaps.h"
#include "tools/weir/meter.h"
#include "tools/weir/units.h"

namespace weir::tool {
namespace {

struct Options : MeterOptions {
  uint32_t window = 10;  // reports
};

class HzMeter : public Meter {
 public:
  explicit HzMeter(const Options& options) : options_(options) {}

  void OnMessage(const DynamicSample& sample, uint64_t taken_ns) override {
    // The publisher's stamp, if there is one: when we get to see it says more about us.
    const SampleInfo& info = sample.info();
    const bool stamped = info.published_ns != 0;
    unstamped_ = unstamped_ || !stamped;
    const auto at_ns = static_cast<double>(stamped ? info.published_ns : taken_ns);
    ++now_.messages;
    now_.missed += info.missed_before;
    // Of several publishers, whose messages we take in some order, the stamps may go back a little.
    if (last_ns_ > 0) now_.Add(std::max(0.0, at_ns - last_ns_), info.missed_before);
    last_ns_ = at_ns;
  }

  std::string ReportText() override {
    const Gaps window = Roll();
    return Text(window);
  }
  Json ReportJson() override { return ToJson(Roll()); }
  std::string SummaryText(absl::Duration duration) override {
    const Gaps all = All();
    return absl::StrCat("\n", Plural(all.messages, "message", "messages"), " in ",
                        DurationNs(absl::ToDoubleNanoseconds(duration)),
                        unstamped_ ? " (not stamped: as they arrived)" : "", "\n", Text(all));
  }
  Json SummaryJson() override { return ToJson(All()); }
  uint64_t messages() const override { return before_.messages + now_.messages; }

 private:
  static std::string Text(const Gaps& gaps) {
    if (gaps.count == 0 && gaps.intervals == 0) return "one message: no gap yet";
    std::string text = absl::StrFormat("%9s", RateHz(gaps.rate_hz()));
    if (gaps.count > 0) {
      absl::StrAppendFormat(&text, "   gap min %8s  mean %8s  max %8s  stddev %8s", DurationNs(gaps.min_ns),
                            DurationNs(gaps.mean_ns()), DurationNs(gaps.max_ns), DurationNs(gaps.stddev_ns()));
    }
    return absl::StrCat(text, "   missed ", Count(gaps.missed));
  }
  static Json ToJson(const Gaps& gaps) {
    Json json = {{"messages", gaps.messages}, {"missed", gaps.missed}, {"rate_hz", gaps.rate_hz()}};
    if (gaps.count > 0) {
      json["gap_min_ns"] = gaps.min_ns;
      json["gap_mean_ns"] = gaps.mean_ns();
      json["gap_max_ns"] = gaps.max_ns;
      json["gap_stddev_ns"] = gaps.stddev_ns();
    }
    return json;
  }

  // Ends a part of the window; the window's sum.
  Gaps Roll() {
    before_.Add(now_);
    parts_.push_back(now_);
    now_ = {};
    if (parts_.size() > options_.window) parts_.pop_front();
    Gaps window;
    for (const Gaps& part : parts_) window.Add(part);
    return window;
  }
  Gaps All() const {
    Gaps all = before_;
    all.Add(now_);
    return all;
  }

  const Options& options_;
  double last_ns_ = 0;
  bool unstamped_ = false;
  Gaps now_;     // since the last report
  Gaps before_;  // all until then
  std::deque<Gaps> parts_;
};

}  // namespace

void AddHz(CLI::App& app, Run& run) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("hz", "Measures how often messages are published");
  AddMeterOptions(*command, *options);
  command->add_option("--window", options->window, "A report is about the last N of them (default: 10)")
      ->type_name("N")
      ->check(CLI::Range(1u, 100'000u).description(""));
  command->footer(
      "\nThe rate counts messages that this tool was too slow for; they are also shown as missed. Gaps are between "
      "the\n"
      "times of publication. Ctrl-C shows a summary.");
  command->callback([&run, options] {
    run = [options](const Globals& globals) {
      HzMeter meter(*options);
      return RunMeter(globals, "hz", *options, meter);
    };
  });
}

}  // namespace weir::tool
