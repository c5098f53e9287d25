// weir bw: how many bytes are published.
#include <algorithm>
#include <limits>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "tools/weir/commands.h"
#include "tools/weir/meter.h"
#include "tools/weir/units.h"

namespace weir::tool {
namespace {

struct Sizes {
  uint64_t messages = 0;
  uint64_t missed = 0;
  uint64_t bytes = 0;  // of the messages that came
  uint64_t min_bytes = std::numeric_limits<uint64_t>::max();
  uint64_t max_bytes = 0;

  void Add(uint64_t message_bytes) {
    ++messages;
    bytes += message_bytes;
    min_bytes = std::min(min_bytes, message_bytes);
    max_bytes = std::max(max_bytes, message_bytes);
  }
  void Add(const Sizes& other) {
    messages += other.messages;
    missed += other.missed;
    bytes += other.bytes;
    min_bytes = std::min(min_bytes, other.min_bytes);
    max_bytes = std::max(max_bytes, other.max_bytes);
  }
  double mean() const { return messages > 0 ? static_cast<double>(bytes) / static_cast<double>(messages) : 0; }
  // What was missed counts as long as the others are on the average.
  double all_bytes() const { return mean() * static_cast<double>(messages + missed); }
};

class BwMeter : public Meter {
 public:
  void OnMessage(const DynamicSample& sample, uint64_t) override {
    uint64_t bytes = sample.bytes().size();
    if (sample.type().kind == MessageKind::kCapnp) {
      bytes = 0;
      for (const auto segment : sample.segments()) bytes += segment.size();
    }
    now_.Add(bytes);
    now_.missed += sample.info().missed_before;
  }

  std::string ReportText() override {
    const absl::Duration duration = Since();
    const std::string text = Text(now_, duration);
    Roll();
    return text;
  }
  Json ReportJson() override {
    const absl::Duration duration = Since();
    Json json = ToJson(now_, duration);
    Roll();
    return json;
  }
  std::string SummaryText(absl::Duration duration) override {
    return absl::StrCat("\n", Plural(All().messages, "message", "messages"), ", ",
                        Bytes(static_cast<double>(All().bytes)), " in ",
                        DurationNs(absl::ToDoubleNanoseconds(duration)), "\n", Text(All(), duration));
  }
  Json SummaryJson() override { return ToJson(All(), absl::Now() - begin_); }
  uint64_t messages() const override { return before_.messages + now_.messages; }

 private:
  static std::string Text(const Sizes& sizes, absl::Duration duration) {
    const double seconds = absl::ToDoubleSeconds(duration);
    return absl::StrFormat("%11s/s   %9s   size min %s  mean %s  max %s   missed %s",
                           Bytes(sizes.all_bytes() / seconds),
                           RateHz(static_cast<double>(sizes.messages + sizes.missed) / seconds),
                           Bytes(static_cast<double>(sizes.min_bytes)), Bytes(sizes.mean()),
                           Bytes(static_cast<double>(sizes.max_bytes)), Count(sizes.missed));
  }
  static Json ToJson(const Sizes& sizes, absl::Duration duration) {
    Json json = {{"messages", sizes.messages},
                 {"missed", sizes.missed},
                 {"bytes", sizes.bytes},
                 {"bytes_per_second", sizes.all_bytes() / absl::ToDoubleSeconds(duration)}};
    if (sizes.messages > 0) {
      json["size_min_bytes"] = sizes.min_bytes;
      json["size_mean_bytes"] = sizes.mean();
      json["size_max_bytes"] = sizes.max_bytes;
    }
    return json;
  }

  absl::Duration Since() const { return absl::Now() - last_; }
  void Roll() {
    before_.Add(now_);
    now_ = {};
    last_ = absl::Now();
  }
  Sizes All() const {
    Sizes all = before_;
    all.Add(now_);
    return all;
  }

  const absl::Time begin_ = absl::Now();
  absl::Time last_ = begin_;
  Sizes now_;     // since the last report
  Sizes before_;  // all until then
};

}  // namespace

void AddBw(CLI::App& app, Run& run) {
  auto options = std::make_shared<MeterOptions>();
  CLI::App* command = app.add_subcommand("bw", "Measures how many bytes are published");
  AddMeterOptions(*command, *options);
  command->footer(
      "\nMessages that this tool was too slow for count as long as the others are on the average. Nothing of this is\n"
      "copied: it is what publishers write and subscribers read in place. Ctrl-C shows a summary.");
  command->callback([&run, options] {
    run = [options](const Globals& globals) {
      BwMeter meter;
      return RunMeter(globals, "bw", *options, meter);
    };
  });
}

}  // namespace weir::tool
