// weir echo: a topic's messages as JSON lines.
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tools/weir/commands.h"
#include "tools/weir/domain.h"
#include "tools/weir/domain_json.h"
#include "tools/weir/output.h"
#include "tools/weir/stop.h"
#include "weir/dynamic.h"

namespace weir::tool {
namespace {

struct Options {
  std::string topic;
  std::vector<std::string> fields;
  uint64_t count = 0;  // 0: no end
  double rate_hz = 0;  // 0: all
  double timeout_s = 0;
  bool raw = false;
  bool pretty = false;
  bool wait = false;
};

// So many wait at most while a line is being written. A message that takes longer than that many others to be printed
// is why some are missed.
constexpr uint32_t kDepth = 4096;

void AppendHex(std::string& out, std::span<const std::byte> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (const std::byte byte : bytes) {
    out += kDigits[static_cast<uint8_t>(byte) >> 4];
    out += kDigits[static_cast<uint8_t>(byte) & 15];
  }
}

// One message as a line.
class Printer {
 public:
  Printer(const Options& options, const MessageType& type)
      : options_(options), has_fields_(type.kind == MessageKind::kCapnp || !type.schema.empty()) {}

  absl::StatusOr<std::string> Print(const DynamicSample& sample) const {
    if (options_.raw) return Raw(sample);
    if (!options_.fields.empty()) return Fields(sample);
    if (has_fields_) return sample.ToJson(options_.pretty);
    std::string text = absl::StrCat("{\"type\":", Json(sample.type().name).dump(-1, ' ', false, kReplace),
                                    ",\"size\":", sample.bytes().size(), ",\"hex\":\"");
    AppendHex(text, sample.bytes());
    return text + "\"}";
  }

 private:
  static constexpr auto kReplace = Json::error_handler_t::replace;

  static std::string Raw(const DynamicSample& sample) {
    std::string text;
    for (const auto segment : sample.segments()) {
      if (!text.empty()) text += ' ';
      AppendHex(text, segment);
    }
    return text;
  }

  // A single field is its value alone; several are an object whose keys are the paths.
  absl::StatusOr<std::string> Fields(const DynamicSample& sample) const {
    std::string text;
    for (const std::string& path : options_.fields) {
      auto value = sample.GetJson(path);
      // Another member of a union is set: that is a message like others.
      if (absl::IsFailedPrecondition(value.status()) && has_fields_) value = "null";
      if (!value.ok()) return value.status();
      if (options_.fields.size() == 1) return value;
      absl::StrAppend(&text, text.empty() ? "{" : ",", Json(path).dump(-1, ' ', false, kReplace), ":", *value);
    }
    return text + "}";
  }

  const Options& options_;
  const bool has_fields_;
};

absl::StatusOr<ExitCode> RunEcho(const Globals& globals, const Options& options) {
  const absl::Duration timeout = options.timeout_s > 0 ? absl::Seconds(options.timeout_s) : absl::InfiniteDuration();
  auto domain = WaitForTopicIn(globals, options.topic, options.wait ? timeout : absl::ZeroDuration());
  if (!domain.ok()) return domain.status();
  const auto topic = FindTopic(*domain, options.topic);
  if (!topic.ok()) return topic.status();
  auto node = JoinDomain(globals, "echo");
  if (!node.ok()) return node.status();
  // With a rate, only the newest message matters at each time.
  auto subscriber = DynamicSubscriber::Create(*node, options.topic,
                                              CautiousSubscriber(*domain, *topic, options.rate_hz > 0 ? 1 : kDepth));
  if (!subscriber.ok()) return subscriber.status();
  const InterruptOnStop interrupt(*subscriber);
  const Printer printer(options, subscriber->type());
  const absl::Duration pause = options.rate_hz > 0 ? absl::Seconds(1 / options.rate_hz) : absl::ZeroDuration();

  uint64_t printed = 0;
  absl::Time next = absl::InfinitePast();
  while (!StopAsked() && Out().open()) {
    if (pause > absl::ZeroDuration() && !SleepUnlessStopped(next - absl::Now())) break;
    absl::StatusOr<std::string> line = std::string();
    {
      auto sample = subscriber->Take();
      if (!sample && sample.why() == Outcome::kEmpty) {
        Out().Flush();  // a reader sees what there is before we sleep
        if (!Out().open()) break;
        sample = subscriber->TakeFor(timeout);
      }
      if (sample.why() == Outcome::kTimedOut) {
        return absl::DeadlineExceededError(
            absl::StrCat("no message on topic \"", Printable(options.topic), "\" for ", absl::FormatDuration(timeout)));
      }
      if (!sample && sample.why() == Outcome::kInvalid) {
        std::cerr << "weir: a message was skipped: " << subscriber->last_error().message() << "\n";
        continue;
      }
      if (!sample) continue;  // asked to stop
      line = printer.Print(*sample);
    }  // the sample is given back before anything is written: whoever reads us may be slow
    if (absl::IsDataLoss(line.status())) {
      std::cerr << "weir: a message was skipped: " << line.status().message() << "\n";
      continue;
    }
    if (!line.ok()) return line.status();
    Out().Line(*line);
    if (++printed == options.count) return kOk;
    next = absl::Now() + pause;
  }
  if (!Out().open()) return kOk;
  return options.count == 0 ? kOk : kInterrupted;
}

}  // namespace

void AddEcho(CLI::App& app, Run& run) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("echo", "Prints a topic's messages as JSON, one per line");
  command->add_option("TOPIC", options->topic)->required();
  command
      ->add_option("-f,--field", options->fields,
                   "Only this field, such as header.stampNs or joints[2].name; may be repeated, then each line is "
                   "an object of paths and values. null: another member of its union is set")
      ->type_name("PATH")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_option("-n,--count", options->count, "End after so many messages")
      ->type_name("N")
      ->check(CLI::Range(uint64_t{1}, std::numeric_limits<uint64_t>::max()).description(""));
  command->add_option("--rate", options->rate_hz, "At most so many per second, each time the newest")
      ->type_name("HZ")
      ->check(CLI::Range(1e-4, 1e6).description(""));
  command->add_option("--timeout", options->timeout_s, "End with exit code 4 when no message comes for so long")
      ->type_name("SECONDS")
      ->check(CLI::Range(1e-3, 1e9).description(""));
  command->add_flag("--wait", options->wait, "Wait for the topic if it does not exist yet, at most --timeout");
  CLI::Option* raw = command->add_flag("--raw", options->raw, "The bytes in hex, with a space between segments");
  command->add_flag("--pretty", options->pretty, "Over several lines, for people")->excludes(raw);
  command->footer(
      "\nCosts the publishers no more than another subscriber: what it is too slow for is overwritten, and it holds "
      "one\n"
      "message at a time, for as long as it takes to make text of it. Begins with what the publishers keep as "
      "history.\n"
      "Plain structs that are not described and bytes are shown in hex. Ctrl-C ends it.");
  command->callback(
      [&run, options] { run = [options](const Globals& globals) { return RunEcho(globals, *options); }; });
}

}  // namespace weir::tool
