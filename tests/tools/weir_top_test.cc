// weir-test: links=weir_tool_logic runs=weir_tool timeout=120
// weir top: what it computes from two looks, and the real thing on a real terminal, which is tmux's. The picture in
// docs/weir-tool.md is made by ShowsWhatFlowsAndObeysItsKeys: with WEIR_TOP_CAPTURE=FILE it goes there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weir/weir.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <optional>
#include <regex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/child.h"
#include "tests/support/skip.h"
#include "tests/support/test_root.h"
#include "tests/support/wait.h"
#include "tests/tools/tool_process.h"
#include "tools/weir/text_width.h"
#include "tools/weir/top_model.h"

namespace weir {
namespace {

using test::Channel;
using test::Child;
using test::ChildEnd;
using test::RunTool;
using test::ToolRun;
using test::WaitUntilTrue;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using tool::ConcernOf;
using tool::EndpointRows;
using tool::KeepNamed;
using tool::LayOut;
using tool::SortRows;
using tool::TopCell;
using tool::TopColumn;
using tool::TopicRows;
using tool::TopRow;

constexpr uint64_t kSecond = 1'000'000'000;

DomainSnapshot LookAt(uint64_t looked_ns, std::vector<TopicInfo> topics) {
  DomainSnapshot domain;
  domain.path = "/root/lab";
  domain.created_ns = 1;
  domain.looked_ns = looked_ns;
  domain.topics = std::move(topics);
  return domain;
}

TopicInfo Topic(uint64_t id, const std::string& name, uint64_t published = 0, uint64_t bytes = 0) {
  TopicInfo topic;
  topic.id = id;
  topic.name = name;
  topic.total.published.published = published;
  topic.total.published.published_bytes = bytes;
  return topic;
}

template <class Endpoint>
Endpoint EndpointOf(uint64_t topic_id, uint64_t id) {
  Endpoint endpoint;
  endpoint.id = id;
  endpoint.topic_id = topic_id;
  endpoint.node = "node";
  endpoint.pid = 42;
  endpoint.node_alive = true;
  endpoint.state = EndpointState::kLive;
  endpoint.readable = true;
  return endpoint;
}

std::vector<std::string> Names(const std::vector<TopRow>& rows) {
  std::vector<std::string> names;
  for (const TopRow& row : rows) names.push_back(row.name);
  return names;
}

TEST(TopModelTest, RatesAreWhatWasCountedBetweenTheLooksOverTheTimeBetweenThem) {
  TopicInfo before = Topic(7, "imu", 1000, 100'000), after = Topic(7, "imu", 1500, 150'000);
  before.total.published.evicted = 3;
  after.total.published.evicted = 5;
  after.total.published.refused_full = 10;
  after.total.published.refused_timed_out = 20;
  after.total.published.refused_corrupt = 30;
  after.total.received.invalid = 38;
  after.publishers = 1;
  after.subscribers = 2;
  const auto rows = TopicRows(LookAt(10 * kSecond, {before}), LookAt(12 * kSecond, {after}));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].messages_per_s, 250);
  EXPECT_EQ(rows[0].bytes_per_s, 25'000);
  EXPECT_EQ(rows[0].drops_per_s, 50);
  EXPECT_EQ(rows[0].publishers, 1u);
  EXPECT_EQ(rows[0].subscribers, 2u);
  EXPECT_EQ(TopCell(rows[0], TopColumn::kRate), "250 Hz");
  EXPECT_EQ(TopCell(rows[0], TopColumn::kBytes), "24.4 KiB");
}

TEST(TopModelTest, QuantilesAreThoseOfTheIntervalAndNotOfAllTime) {
  TopicInfo before = Topic(7, "imu");
  for (int i = 0; i < 100'000; ++i) before.total.latency.Add(5 * kSecond);
  TopicInfo after = before;
  for (int i = 0; i < 98; ++i) after.total.latency.Add(10'000);
  for (int i = 0; i < 2; ++i) after.total.latency.Add(1'000'000);
  const auto rows = TopicRows(LookAt(kSecond, {before}), LookAt(2 * kSecond, {after}));
  EXPECT_NEAR(*rows[0].p50_ns, 10'000, 590);
  EXPECT_NEAR(*rows[0].p99_ns, 1'000'000, 59'000);
  // Nothing was taken in between.
  const auto still = TopicRows(LookAt(2 * kSecond, {after}), LookAt(3 * kSecond, {after}));
  EXPECT_EQ(still[0].p50_ns, std::nullopt);
  EXPECT_EQ(TopCell(still[0], TopColumn::kP99), "-");
  EXPECT_EQ(TopCell(still[0], TopColumn::kRate), "0");
}

TEST(TopModelTest, WhatIsNewOrGoneOrMadeAnewHasNoRates) {
  const auto rows = TopicRows(LookAt(kSecond, {Topic(1, "gone", 500), Topic(2, "remade", 500)}),
                              LookAt(2 * kSecond, {Topic(3, "remade", 400), Topic(4, "new", 400)}));
  EXPECT_THAT(Names(rows), ElementsAre("remade", "new"));
  for (const TopRow& row : rows) EXPECT_EQ(row.messages_per_s, std::nullopt) << row.name;
  // The very first look has nothing before it.
  EXPECT_EQ(TopicRows({}, LookAt(kSecond, {Topic(1, "a", 5)}))[0].messages_per_s, std::nullopt);
  // A domain of the same name that was made anew counts its ids anew.
  DomainSnapshot other = LookAt(2 * kSecond, {Topic(1, "a", 7)});
  other.created_ns = 2;
  EXPECT_EQ(TopicRows(LookAt(kSecond, {Topic(1, "a", 5)}), other)[0].messages_per_s, std::nullopt);
}

TEST(TopModelTest, ACountThatWentBackIsNoFlowOfTwoToTheSixtyFour) {
  TopicInfo before = Topic(1, "damaged", 500, 500), after = Topic(1, "damaged", 400, 400);
  before.total.latency.Add(1000);
  const auto rows = TopicRows(LookAt(kSecond, {before}), LookAt(2 * kSecond, {after}));
  EXPECT_EQ(rows[0].messages_per_s, 0);
  EXPECT_EQ(rows[0].bytes_per_s, 0);
  EXPECT_EQ(rows[0].p50_ns, std::nullopt);
}

TEST(TopModelTest, QueueAndPoolAreTheFullestOnesOfTheLiving) {
  DomainSnapshot domain = LookAt(kSecond, {Topic(1, "a"), Topic(2, "nobody")});
  for (const auto& [queued, alive] : {std::pair(1, true), std::pair(3, true), std::pair(4, false)}) {
    auto subscriber = EndpointOf<SubscriberInfo>(1, domain.subscribers.size() + 10);
    subscriber.depth = 4;
    subscriber.counts.queued = static_cast<uint64_t>(queued);
    subscriber.node_alive = alive;
    domain.subscribers.push_back(subscriber);
  }
  auto publisher = EndpointOf<PublisherInfo>(1, 20);
  publisher.pool_bytes_max = 1000;
  publisher.counts.pool_bytes_in_use = 1;
  domain.publishers.push_back(publisher);
  publisher.node_alive = false;
  publisher.departed = true;  // cleaned up after, but for its files
  domain.publishers.push_back(publisher);
  const auto rows = TopicRows({}, domain);
  EXPECT_EQ(rows[0].queue, 0.75);
  EXPECT_EQ(rows[0].pool, 0.001);
  EXPECT_EQ(rows[0].dead, 1u);
  EXPECT_EQ(TopCell(rows[0], TopColumn::kQueue), "75%");
  EXPECT_EQ(TopCell(rows[0], TopColumn::kPool), "1%") << "0 is empty";
  EXPECT_EQ(rows[1].queue, std::nullopt);
  EXPECT_EQ(rows[1].pool, std::nullopt);
}

TEST(TopModelTest, EndpointsHaveRowsOfTheirOwn) {
  DomainSnapshot before = LookAt(kSecond, {Topic(1, "a"), Topic(2, "b")}), after;
  before.publishers = {EndpointOf<PublisherInfo>(1, 10), EndpointOf<PublisherInfo>(2, 11)};
  before.subscribers = {EndpointOf<SubscriberInfo>(1, 12)};
  after = before;
  after.looked_ns = 2 * kSecond;
  after.publishers[0].counts.published = 100;
  after.publishers[0].counts.evicted = 4;
  after.subscribers[0].counts.delivered = 90;
  after.subscribers[0].counts.missed = 10;
  after.subscribers[0].latency.Add(10'000);
  after.subscribers[0].state = EndpointState::kClosing;
  const auto rows = EndpointRows(before, after, 1);
  EXPECT_THAT(Names(rows), ElementsAre("-> node (42)", "<- node (42, closing)"));
  EXPECT_EQ(rows[0].messages_per_s, 100);
  EXPECT_EQ(rows[0].drops_per_s, 4);
  EXPECT_EQ(rows[0].p50_ns, std::nullopt);
  EXPECT_EQ(rows[1].messages_per_s, 90);
  EXPECT_EQ(rows[1].drops_per_s, 10);
  EXPECT_NEAR(*rows[1].p50_ns, 10'000, 590);
}

TEST(TopModelTest, SortsNumbersFromTheLargestAndNamesFromAAndWhatIsUnknownLast) {
  std::vector<TopRow> rows = {{.name = "b", .messages_per_s = 1},
                              {.name = "unknown"},
                              {.name = "c", .messages_per_s = 5},
                              {.name = "a", .messages_per_s = 1}};
  SortRows(rows, TopColumn::kRate, false);
  EXPECT_THAT(Names(rows), ElementsAre("c", "a", "b", "unknown"));
  SortRows(rows, TopColumn::kRate, true);
  EXPECT_THAT(Names(rows), ElementsAre("a", "b", "c", "unknown"));
  SortRows(rows, TopColumn::kName, false);
  EXPECT_THAT(Names(rows), ElementsAre("a", "b", "c", "unknown"));
  SortRows(rows, TopColumn::kName, true);
  EXPECT_THAT(Names(rows), ElementsAre("unknown", "c", "b", "a"));
}

TEST(TopModelTest, EveryColumnSortsByWhatItShows) {
  const TopRow large = {.id = 1,
                        .name = "a",
                        .messages_per_s = 2,
                        .bytes_per_s = 2,
                        .p50_ns = 2,
                        .p99_ns = 2,
                        .drops_per_s = 2,
                        .queue = 1,
                        .pool = 1,
                        .publishers = 2,
                        .subscribers = 2,
                        .dead = 2};
  const TopRow small = {.id = 2,
                        .name = "b",
                        .messages_per_s = 1,
                        .bytes_per_s = 1,
                        .p50_ns = 1,
                        .p99_ns = 1,
                        .drops_per_s = 1,
                        .queue = 0.5,
                        .pool = 0.5,
                        .publishers = 1,
                        .subscribers = 1,
                        .dead = 1};
  for (const tool::TopColumnInfo& info : tool::TopColumns()) {
    std::vector<TopRow> rows = {small, large};
    SortRows(rows, info.column, false);
    EXPECT_EQ(rows[0].id, 1u) << info.name;
    EXPECT_NE(TopCell(small, info.column), TopCell(large, info.column)) << info.name;
  }
}

TEST(TopModelTest, FilterKeepsNamesThatContainTheText) {
  std::vector<TopRow> rows = {{.name = "camera/left"}, {.name = "camera/right"}, {.name = "imu"}};
  KeepNamed(rows, "");
  EXPECT_EQ(rows.size(), 3u);
  KeepNamed(rows, "a/r");
  EXPECT_THAT(Names(rows), ElementsAre("camera/right"));
}

TEST(TopModelTest, DropsAndFullQueuesAreConcerns) {
  const TopRow row = {.drops_per_s = 0.5, .queue = 1, .pool = 0.85};
  EXPECT_EQ(ConcernOf(row, TopColumn::kDrops), tool::Concern::kTrouble);
  EXPECT_EQ(ConcernOf(row, TopColumn::kQueue), tool::Concern::kTrouble);
  EXPECT_EQ(ConcernOf(row, TopColumn::kPool), tool::Concern::kWarning);
  EXPECT_EQ(ConcernOf(row, TopColumn::kDead), tool::Concern::kNone);
}

TEST(TopModelTest, ColumnsThatDoNotFitAreDroppedFromTheRight) {
  const auto all = LayOut(200, 30);
  EXPECT_EQ(all.columns.size(), tool::TopColumns().size());
  EXPECT_EQ(all.name_width, 30u);
  EXPECT_EQ(LayOut(80, 30).columns.back(), TopColumn::kPool);
  for (size_t width = 1; width < 130; ++width) {
    const auto layout = LayOut(width, 20);
    ASSERT_FALSE(layout.columns.empty());
    size_t used = layout.name_width;
    for (size_t i = 1; i < layout.columns.size(); ++i) used += 2 + tool::TopColumns()[i].width;
    EXPECT_LE(used, width);
  }
}

TEST(TextWidthTest, CutsBetweenCharacters) {
  EXPECT_EQ(tool::WidthOf("größe"), 5u);
  EXPECT_EQ(tool::CutTo("größe", 5), "größe");
  EXPECT_EQ(tool::CutTo("größe", 4), "grö~");
  EXPECT_EQ(tool::CutTo("größe", 3), "gr~");
  EXPECT_EQ(tool::CutTo("größe", 1), "~");
  EXPECT_EQ(tool::CutTo("größe", 0), "");
}

// --- The program ---

struct Frame {
  static constexpr std::string_view kWeirTypeName = "Frame";
  char pixels[100'000];
};
struct Reading {
  static constexpr std::string_view kWeirTypeName = "Reading";
  char bytes[100];
};

constexpr int kFrameHz = 50, kReadingHz = 400;

// Publishes both until the parent says otherwise. On a schedule that does not slip: what was late is caught up on.
void PublishAtKnownRates(const std::string& root, Channel& parent) {
  auto node = Node::Create({.name = "sensors", .root = root});
  ASSERT_TRUE(node.ok()) << node.status();
  auto frames = node->CreatePublisher<Frame>("camera/front", {.pool_bytes_max = 8 << 20});
  auto readings = node->CreatePublisher<Reading>("imu");
  ASSERT_TRUE(frames.ok() && readings.ok());
  const auto begin = std::chrono::steady_clock::now();
  for (int64_t i = 0; !parent.ReceiveText(std::chrono::milliseconds(0)).has_value(); ++i) {
    ASSERT_TRUE(readings->Publish(*readings->Loan()).ok());
    if (i % (kReadingHz / kFrameHz) == 0) {
      ASSERT_TRUE(frames->Publish(*frames->Loan()).ok());
    }
    std::this_thread::sleep_until(begin + i * std::chrono::microseconds(1'000'000 / kReadingHz));
  }
}

// Takes all frames, and no reading: that queue is full for ever and loses messages.
void TakeFrames(const std::string& root, Channel& parent) {
  auto node = Node::Create({.name = "viewer", .root = root});
  ASSERT_TRUE(node.ok()) << node.status();
  auto frames = node->CreateSubscriber<Frame>("camera/front");
  auto readings = node->CreateSubscriber<Reading>("imu", {.depth = 8});
  ASSERT_TRUE(frames.ok() && readings.ok());
  while (!parent.ReceiveText(std::chrono::milliseconds(0)).has_value()) {
    (void)frames->TakeFor(absl::Milliseconds(50));
  }
}

struct ShellRun {
  int code = -1;
  std::string out;
};
ShellRun Shell(const std::string& command) {
  ShellRun run;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  char bytes[4096];
  for (size_t count; (count = fread(bytes, 1, sizeof(bytes), pipe)) > 0;) run.out.append(bytes, count);
  const int status = pclose(pipe);
  run.code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  return run;
}

// `weir top` on a terminal of its own. When it ends, the shell beneath says how, and whether the terminal is as it was.
class Terminal {
 public:
  Terminal(const std::string& root, const std::string& arguments, int columns, int lines) {
    static int terminals = 0;
    tmux_ = "tmux -u -f /dev/null -L weir-test-" + std::to_string(getpid()) + "-" + std::to_string(++terminals) + " ";
    pid_file_ = testing::TempDir() + "weir_top_test." + std::to_string(getpid()) + "." + std::to_string(terminals);
    // The sleep ends this tmux whatever becomes of the test; the trap lets Ctrl-C end weir top alone.
    std::ofstream(pid_file_ + ".sh") << "(sleep 300; kill -9 $$) &\n"
                                     << "trap : INT\n"
                                     << "before=$(stty -g)\n"
                                     << "sh -c 'echo $$ >" << pid_file_ << "; exec " WEIR_TOOL_PATH " top " << arguments
                                     << "'\n"
                                     << "echo exit code $?\n"
                                     << "[ \"$before\" = \"$(stty -g)\" ] && echo terminal as before\n"
                                     << "exec cat\n";
    const ShellRun run = Shell("LC_ALL=C.UTF-8 WEIR_ROOT='" + root + "' " + tmux_ + "new-session -d -x " +
                               std::to_string(columns) + " -y " + std::to_string(lines) + " sh " + pid_file_ + ".sh");
    EXPECT_EQ(run.code, 0) << run.out;
  }
  ~Terminal() {
    Shell(tmux_ + "kill-server");
    std::remove(pid_file_.c_str());
    std::remove((pid_file_ + ".sh").c_str());
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void Press(const std::string& keys) {
    const ShellRun run = Shell(tmux_ + "send-keys " + keys);
    EXPECT_EQ(run.code, 0) << run.out;
  }
  void Resize(int columns, int lines) {
    const ShellRun run = Shell(tmux_ + "resize-window -x " + std::to_string(columns) + " -y " + std::to_string(lines));
    EXPECT_EQ(run.code, 0) << run.out;
  }
  std::string Look() const { return Shell(tmux_ + "capture-pane -p").out; }
  std::string State(const std::string& format) const {
    return Shell(tmux_ + "display-message -p '" + format + "'").out;
  }
  void Signal(int number) {
    pid_t pid = 0;
    std::ifstream(pid_file_) >> pid;
    ASSERT_GT(pid, 1);
    kill(pid, number);
  }

  // What it shows as soon as that matches; a failure with the last picture if it never does.
  std::string WaitFor(const std::function<bool(const std::string&)>& matches) const {
    std::string picture;
    const bool came = WaitUntilTrue([&] { return matches(picture = Look()); });
    EXPECT_TRUE(came) << "the terminal shows\n" << picture;
    return picture;
  }
  std::string WaitForText(const std::string& text) const {
    return WaitFor([&](const std::string& picture) { return picture.find(text) != std::string::npos; });
  }

  void ExpectEndedWell() const {
    WaitForText("exit code 0\nterminal as before");
    EXPECT_EQ(State("#{alternate_on} #{cursor_flag} #{keypad_flag}"), "0 1 0\n")
        << "alternate screen, visible cursor, keypad mode";
  }

 private:
  std::string tmux_;
  std::string pid_file_;
};

// The number that stands in a row, in [Hz]; nothing if there is no such row or none in it.
std::optional<double> RateOf(const std::string& picture, const std::string& topic) {
  std::smatch match;
  if (!std::regex_search(picture, match, std::regex(topic + R"( +([0-9.]+) Hz)"))) return std::nullopt;
  return std::stod(match[1]);
}

bool IsAbout(std::optional<double> rate, double expected) {
  return rate.has_value() && *rate > 0.8 * expected && *rate < 1.2 * expected;
}

bool IsAbove(const std::string& picture, const std::string& first, const std::string& second) {
  const size_t a = picture.find("\n" + first), b = picture.find("\n" + second);
  return a != std::string::npos && b != std::string::npos && a < b;
}

class WeirTopTest : public testing::Test {
 protected:
  void SetUp() override {
    if (Shell("command -v tmux").code != 0) WEIR_SKIP("tmux is not installed");
  }
  void TearDown() override { EXPECT_TRUE(root_.IsEmpty()); }

  void StartProcesses() {
    publisher_.emplace([this](Channel& parent) { PublishAtKnownRates(root_.path(), parent); });
    subscriber_.emplace([this](Channel& parent) { TakeFrames(root_.path(), parent); });
  }
  void EndProcesses() {
    for (auto* child : {&publisher_, &subscriber_}) {
      (*child)->channel().Send("end");
      EXPECT_EQ((*child)->Wait(), ChildEnd::Exited(0));
    }
  }

  test::TestRoot root_;
  std::optional<Child> publisher_, subscriber_;
};

TEST_F(WeirTopTest, ShowsWhatFlowsAndObeysItsKeys) {
  StartProcesses();
  Terminal terminal(root_.path(), "", 110, 10);
  // A machine that is busy may let an interval pass without a message; one will be as it should.
  const std::string picture = terminal.WaitFor([](const std::string& text) {
    return IsAbout(RateOf(text, "imu"), kReadingHz) && IsAbout(RateOf(text, "camera/front"), kFrameHz) &&
           text.find("100%") != std::string::npos;
  });
  EXPECT_THAT(picture, HasSubstr("2 nodes, 2 topics")) << "who looks is no node";
  EXPECT_THAT(picture,
              testing::ContainsRegex("camera/front +[0-9.]+ Hz +[0-9.]+ MiB +[0-9.]+ [mu]s +[0-9.]+ [mu]s +0 "));
  EXPECT_THAT(picture, testing::ContainsRegex("imu +[0-9.]+ Hz +[0-9.]+ KiB +- +- +[0-9.]+ Hz +100%"));
  if (const char* file = std::getenv("WEIR_TOP_CAPTURE")) std::ofstream(file) << picture;

  const auto wait_for_order = [&](const char* order, const char* first, const char* second) {
    terminal.WaitFor(
        [&](const std::string& text) { return text.find(order) != std::string::npos && IsAbove(text, first, second); });
  };
  terminal.Press("s");
  wait_for_order("by bytes, highest first", "camera/front", "imu");
  terminal.Press("r");
  wait_for_order("by bytes, lowest first", "imu", "camera/front");
  terminal.Press("Left r");
  wait_for_order("by rate, highest first", "imu", "camera/front");

  terminal.Press("/ cam");
  EXPECT_THAT(terminal.WaitForText("filter: cam_"), Not(HasSubstr("\nimu")));
  terminal.Press("Enter");
  EXPECT_THAT(terminal.WaitForText("filter: cam\n"), HasSubstr("\ncamera/front"));
  terminal.Press("Escape");
  terminal.WaitForText("\nimu");

  terminal.Press("/ imu Enter Down Enter");
  const std::string endpoints = terminal.WaitForText("topic imu (Reading)");
  EXPECT_THAT(endpoints, HasSubstr("-> sensors (" + std::to_string(publisher_->pid())));
  EXPECT_THAT(endpoints, HasSubstr("<- viewer (" + std::to_string(subscriber_->pid())));
  terminal.Press("Escape");
  terminal.WaitForText("domain default");

  terminal.Press("+");
  terminal.WaitForText("every 2.00 s");
  terminal.Press("h");
  terminal.WaitForText("reverse the order");
  terminal.Press("h p");
  terminal.WaitForText("paused");

  terminal.Resize(60, 8);
  const std::string narrow = terminal.WaitFor([](const std::string& text) {
    return text.find("P99") != std::string::npos && text.find("POOL") == std::string::npos;
  });
  EXPECT_THAT(narrow, HasSubstr("\nimu"));

  terminal.Press("q");
  terminal.ExpectEndedWell();
  EndProcesses();
}

TEST_F(WeirTopTest, WaitsForADomainAndForTheNextOneOfThatName) {
  Terminal terminal(root_.path(), "-d lab --interval 0.2", 100, 12);
  terminal.WaitForText("waiting for the domain");
  for (int i = 0; i < 2; ++i) {
    auto node = Node::Create({.name = "first", .domain = "lab", .root = root_.path()});
    ASSERT_TRUE(node.ok()) << node.status();
    auto publisher = node->CreatePublisher<Reading>("größe");
    ASSERT_TRUE(publisher.ok());
    terminal.WaitForText("\ngröße");
    publisher = absl::CancelledError();
    node = absl::CancelledError();
    EXPECT_THAT(terminal.WaitForText("waiting for the domain"), Not(HasSubstr("\ngröße")));
  }
  terminal.Press("q");
  terminal.ExpectEndedWell();
}

TEST_F(WeirTopTest, GivesTheTerminalBackWhenASignalEndsIt) {
  for (const int signal_number : {SIGINT, SIGTERM}) {
    Terminal terminal(root_.path(), "", 100, 12);
    terminal.WaitForText("waiting for the domain");
    if (signal_number == SIGINT) {
      terminal.Press("C-c");
    } else {
      terminal.Signal(signal_number);
    }
    terminal.ExpectEndedWell();
  }
}

TEST_F(WeirTopTest, ShowsDeadEndpointsUntilTheyAreCleanedUpAfter) {
  StartProcesses();
  Terminal terminal(root_.path(), "--sort topic --interval 0.2", 110, 10);
  terminal.WaitForText("\nimu");
  subscriber_->Kill();
  EXPECT_EQ(subscriber_->Wait(), ChildEnd::KilledBy(SIGKILL));
  const auto imu = [](const std::string& text, const char* publishers_subscribers_dead) {
    return std::regex_search(text, std::regex("\nimu [^\n]* +" + std::string(publishers_subscribers_dead) + "\n"));
  };
  terminal.WaitFor([&](const std::string& text) { return imu(text, "1 +0 +1"); });
  subscriber_.emplace([this](Channel& parent) { TakeFrames(root_.path(), parent); });
  terminal.WaitFor([&](const std::string& text) { return imu(text, "1 +1 +0"); });
  terminal.Press("q");
  terminal.ExpectEndedWell();
  EndProcesses();
}

TEST_F(WeirTopTest, OnceIsATableWithoutATerminal) {
  StartProcesses();
  ToolRun run;
  ASSERT_TRUE(WaitUntilTrue([&] {
    run = RunTool(root_.path(), {"top", "--once", "--interval", "0.5", "--sort", "bytes"});
    return IsAbout(RateOf(run.out, "imu"), kReadingHz) && IsAbove(run.out, "  camera/front", "  imu");
  })) << run.out
      << run.err;
  EXPECT_EQ(run.code, 0);
  EXPECT_THAT(run.out, testing::StartsWith("  TOPIC "));
  EXPECT_THAT(run.out, HasSubstr("DEAD\n"));
  EXPECT_THAT(RunTool(root_.path(), {"top", "--once", "--interval", "0.2", "--filter", "imu"}).out,
              Not(HasSubstr("camera")));
  EndProcesses();
}

TEST_F(WeirTopTest, SaysWhatIsWrongWithItsCommandLineOrTerminal) {
  const ToolRun pipe = RunTool(root_.path(), {"top"});
  EXPECT_EQ(pipe.code, 1);
  EXPECT_THAT(pipe.err, HasSubstr("--once"));
  EXPECT_EQ(pipe.out, "");
  const ToolRun missing = RunTool(root_.path(), {"top", "--once"});
  EXPECT_EQ(missing.code, 3);
  EXPECT_THAT(missing.err, HasSubstr("no domain \"default\""));
  EXPECT_EQ(RunTool(root_.path(), {"top", "--sort", "beauty"}).code, 2);
  EXPECT_EQ(RunTool(root_.path(), {"top", "--interval", "0.1"}).code, 2);
}

}  // namespace
}  // namespace weir
