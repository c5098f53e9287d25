// weir pub: publishes JSON.
#include <algorithm>
#include <fstream>
#include <iostream>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tools/weir/commands.h"
#include "tools/weir/domain.h"
#include "tools/weir/message_types.h"
#include "tools/weir/output.h"
#include "tools/weir/stop.h"
#include "tools/weir/units.h"
#include "weir/dynamic.h"

namespace weir::tool {
namespace {

struct Options {
  std::string topic;
  std::string type;
  std::vector<std::string> import_folders;
  std::optional<std::string> json;
  std::string file;
  uint64_t count = 0;  // 0: not said
  double rate_hz = 0;  // 0: not said
  uint32_t history = 0;
  uint32_t wait_for = 0;  // subscribers
  double timeout_s = 0;
};

// Where the messages come from: one text again and again, or a stream's lines.
class Texts {
 public:
  static absl::StatusOr<Texts> Open(const Options& options) {
    Texts texts;
    if (options.json.has_value()) {
      texts.text_ = *options.json;
      // Once, if nothing else was said; a rate without a count has no end.
      texts.left_ = options.count > 0 ? options.count : options.rate_hz > 0 ? kNoEnd : 1;
      return texts;
    }
    texts.left_ = options.count > 0 ? options.count : kNoEnd;
    if (!options.file.empty() && options.file != "-") {
      texts.file_ = std::make_unique<std::ifstream>(options.file);
      if (!*texts.file_) return absl::NotFoundError(absl::StrCat("cannot read ", Printable(options.file)));
      texts.lines_ = texts.file_.get();
    } else {
      texts.lines_ = &std::cin;
    }
    return texts;
  }

  // False at the end. Empty lines are passed over.
  bool Next() {
    if (left_ == 0) return false;
    --left_;
    if (lines_ == nullptr) return true;
    do {
      ++line_;
      if (!std::getline(*lines_, text_)) return false;
    } while (text_.find_first_not_of(" \t\r") == std::string::npos);
    return true;
  }
  const std::string& text() const { return text_; }
  std::string place() const { return lines_ == nullptr ? "" : absl::StrCat("line ", line_, ": "); }

 private:
  static constexpr uint64_t kNoEnd = std::numeric_limits<uint64_t>::max();

  std::string text_;
  uint64_t left_ = 0;
  uint64_t line_ = 0;
  std::unique_ptr<std::ifstream> file_;
  std::istream* lines_ = nullptr;
};

absl::StatusOr<DynamicPublisher> CreatePublisher(Node& node, const Options& options,
                                                 const std::optional<MessageType>& type) {
  const PublisherOptions publisher_options = {.history = options.history};
  if (type.has_value()) return DynamicPublisher::CreateWithType(node, options.topic, *type, publisher_options);
  return DynamicPublisher::Create(node, options.topic, publisher_options);
}

absl::Status WaitForSubscribers(DynamicPublisher& publisher, const Options& options) {
  constexpr absl::Duration kSlice = absl::Milliseconds(50);
  const absl::Time deadline =
      options.timeout_s > 0 ? absl::Now() + absl::Seconds(options.timeout_s) : absl::InfiniteFuture();
  while (!StopAsked()) {
    const absl::Duration left = deadline - absl::Now();
    const absl::Status status =
        publisher.WaitForSubscribers(options.wait_for, std::clamp(left, absl::ZeroDuration(), kSlice));
    if (!absl::IsDeadlineExceeded(status) || left <= kSlice) return status;
  }
  return absl::CancelledError();
}

absl::StatusOr<ExitCode> RunPub(const Globals& globals, const Options& options) {
  std::optional<MessageType> type;
  if (!options.type.empty()) {
    auto found = TypeByName(options.type, options.import_folders);
    if (!found.ok()) return found.status();
    type = *std::move(found);
  } else {
    const auto domain = LookAtDomain(globals);
    const absl::Status status = domain.ok() ? FindTopic(*domain, options.topic).status() : domain.status();
    if (absl::IsNotFound(status)) {
      return absl::NotFoundError(absl::StrCat(std::string(status.message()), " (--type makes a new topic)"));
    }
    if (!status.ok()) return status;
  }
  auto texts = Texts::Open(options);
  if (!texts.ok()) return texts.status();
  auto node = JoinDomain(globals, "pub");
  if (!node.ok()) return node.status();
  auto publisher = CreatePublisher(*node, options, type);
  if (!publisher.ok()) return publisher.status();
  if (options.wait_for > 0) {
    if (absl::Status status = WaitForSubscribers(*publisher, options); !status.ok()) return status;
  }

  const absl::Duration period = options.rate_hz > 0 ? absl::Seconds(1 / options.rate_hz) : absl::ZeroDuration();
  uint64_t messages = 0, accepted = 0, dropped = 0;
  absl::Time next = absl::Now();
  bool done = false;
  while (!StopAsked()) {
    if (!texts->Next()) {
      done = !StopAsked();
      break;
    }
    if (period > absl::ZeroDuration()) {
      if (!SleepUnlessStopped(next - absl::Now())) break;
      next = std::max(next + period, absl::Now() - period);  // what is late is made up for, but not all of a long pause
    }
    const auto published = publisher->PublishJson(texts->text());
    if (!published.ok()) {
      return absl::Status(published.status().code(),
                          absl::StrCat(texts->place(), std::string(published.status().message())));
    }
    ++messages;
    accepted += published->accepted;
    dropped += published->dropped;
  }
  Out().Line(absl::StrCat("published ", Plural(messages, "message", "messages"), "; ",
                          Plural(publisher->counts().queues, "subscriber", "subscribers"),
                          dropped > 0 ? absl::StrCat("; ", Count(dropped), " refused by full queues") : ""));
  Out().Flush();
  if (messages > 0 && accepted == 0 && options.history == 0) {
    std::cerr << "weir: nobody has it: there was no subscriber, and no history is kept (--wait, --history)\n";
  }
  if (!done) return options.json.has_value() && options.count == 0 && messages > 0 ? kOk : kInterrupted;
  if (options.history > 0) {
    std::cerr << "weir: kept for those who come later, until Ctrl-C\n";
    SleepUnlessStopped(absl::InfiniteDuration());
  }
  return kOk;
}

}  // namespace

void AddPub(CLI::App& app, Run& run) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("pub", "Publishes messages that are written as JSON");
  command->add_option("TOPIC", options->topic)->required();
  command
      ->add_option(
          "-t,--type", options->type,
          "Imu or weir.msg.Imu (one of Weir's types), FILE.capnp:Type, or bytes; without it the topic must exist")
      ->type_name("TYPE");
  command
      ->add_option("-I,--import-path", options->import_folders,
                   "Where FILE.capnp finds imports that begin with a slash")
      ->type_name("DIR")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  CLI::Option* json =
      command->add_option("-j,--json", options->json, "The message, as weir echo prints it")->type_name("JSON");
  command->add_option("--file", options->file, "One message per line; without --json and --file from standard input")
      ->type_name("FILE")
      ->excludes(json);
  command->add_option("-n,--count", options->count, "So many messages (default: one with --json, else all lines)")
      ->type_name("N")
      ->check(CLI::Range(uint64_t{1}, std::numeric_limits<uint64_t>::max()).description(""));
  command->add_option("--rate", options->rate_hz, "So many per second; with --json and no --count until Ctrl-C")
      ->type_name("HZ")
      ->check(CLI::Range(1e-4, 1e6).description(""));
  command
      ->add_option("--history", options->history,
                   "Keep the last N for subscribers that come later, and stay until Ctrl-C")
      ->type_name("N")
      ->check(CLI::Range(1u, 1024u).description(""));
  command->add_option("--wait", options->wait_for, "Begin when there are N subscribers (default: 1)")
      ->type_name("N")
      ->expected(0, 1)
      ->default_str("1")
      ->check(CLI::Range(1u, 256u).description(""));
  command->add_option("--timeout", options->timeout_s, "Wait for subscribers at most so long, then exit code 4")
      ->type_name("SECONDS")
      ->check(CLI::Range(1e-3, 1e9).description(""));
  command->footer("\nFields that are not named keep their defaults; of plain structs they are zero.");
  command->callback([&run, options] { run = [options](const Globals& globals) { return RunPub(globals, *options); }; });
}

}  // namespace weir::tool
