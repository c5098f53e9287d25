// weir-test: runs=weir_tool
// weir hz, bw and latency: what they say of a stream whose numbers are known.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <weir/inspect.h>
#include <weir/weir.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/test_root.h"
#include "tests/tools/tool_process.h"

namespace weir {
namespace {

using test::RunTool;
using test::ToolProcess;
using test::ToolRun;
using testing::HasSubstr;
using Json = nlohmann::json;

struct Block {
  static constexpr std::string_view kWeirTypeName = "Block";
  char bytes[1000];
};

std::vector<Json> JsonLines(const std::string& out) {
  std::vector<Json> lines;
  for (size_t at = 0; at < out.size();) {
    const size_t end = out.find('\n', at);
    lines.push_back(Json::parse(out.substr(at, end - at)));
    at = end + 1;
  }
  return lines;
}

class WeirMeterTest : public testing::Test {
 protected:
  WeirMeterTest() {
    auto node = Node::Create({.name = "test", .root = root_.path()});
    EXPECT_TRUE(node.ok()) << node.status();
    if (node.ok()) node_.emplace(*std::move(node));
  }
  void TearDown() override {
    node_.reset();
    EXPECT_TRUE(root_.IsEmpty());
  }

  // Publishes some 500 messages a second to the tool, as long as it is there, and after `interrupt_after` of them
  // presses Ctrl-C. How many it sent.
  uint64_t PublishTo(ToolProcess& tool, Publisher<Block>& publisher, uint64_t interrupt_after = 0) {
    EXPECT_TRUE(publisher.WaitForSubscribers(1, absl::Seconds(30)).ok());
    uint64_t published = 0;
    while (publisher.counts().queues > 0) {
      EXPECT_TRUE(publisher.Publish(*publisher.Loan()).ok());
      if (++published == interrupt_after) tool.Signal(SIGINT);
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    EXPECT_EQ(publisher.counts().loans_refused, 0u);
    return published;
  }

  test::TestRoot root_;
  std::optional<Node> node_;
};

TEST_F(WeirMeterTest, HzCountsMessagesAndMeasuresTheirGaps) {
  auto publisher = node_->CreatePublisher<Block>("blocks");
  ASSERT_TRUE(publisher.ok());
  ToolProcess hz(root_.path(), {"hz", "blocks", "--for", "0.7", "--every", "0.2", "--json"});
  const uint64_t published = PublishTo(hz, *publisher);
  const ToolRun run = hz.Finish();
  EXPECT_EQ(run.code, 0) << run.err;
  const std::vector<Json> lines = JsonLines(run.out);
  ASSERT_GE(lines.size(), 2u);
  const Json& summary = lines.back();
  EXPECT_EQ(summary["summary"], true);
  EXPECT_GT(summary["messages"], 10);
  EXPECT_LE(summary["messages"], published);
  EXPECT_EQ(summary["missed"], 0);
  EXPECT_GE(summary["gap_min_ns"], 1'900'000) << "it sleeps for 2 ms in between";
  EXPECT_LE(summary["rate_hz"], 1e9 / 1'900'000);
  EXPECT_LE(summary["gap_min_ns"], summary["gap_mean_ns"]);
  EXPECT_LE(summary["gap_mean_ns"], summary["gap_max_ns"]);
  EXPECT_FALSE(lines.front().contains("summary"));
}

TEST_F(WeirMeterTest, HzCountsWhatItMissedWhileItWasStopped) {
  auto publisher = node_->CreatePublisher<Block>("blocks", {.pool_bytes_max = 4 << 20});
  ASSERT_TRUE(publisher.ok());
  ToolProcess hz(root_.path(), {"hz", "blocks", "--every", "0.1", "--json"});
  ASSERT_TRUE(publisher->WaitForSubscribers(1, absl::Seconds(30)).ok());
  const auto send = [&](int count) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(publisher->Publish(*publisher->Loan()).ok());
  };
  const auto until_seen = [&](uint64_t count) {  // messages, with the missed ones
    uint64_t seen = 0;
    while (seen < count) {
      const auto line = hz.ReadLine();
      ASSERT_TRUE(line.has_value());
      const Json json = Json::parse(*line);
      seen = json["messages"].get<uint64_t>() + json["missed"].get<uint64_t>();
    }
  };
  send(10);
  until_seen(10);
  hz.Signal(SIGSTOP);
  send(20'000);
  hz.Signal(SIGCONT);
  until_seen(15'000);
  hz.Signal(SIGINT);
  const ToolRun run = hz.Finish();
  EXPECT_EQ(run.code, 0) << run.err;
  const Json summary = JsonLines(run.out).back();
  EXPECT_GT(summary["missed"], 10'000);
  EXPECT_EQ(summary["missed"].get<uint64_t>() + summary["messages"].get<uint64_t>(), 20'010u);
  EXPECT_EQ(publisher->counts().loans_refused, 0u);
}

TEST_F(WeirMeterTest, BwMultipliesSizesWithMessages) {
  auto publisher = node_->CreatePublisher<Block>("blocks");
  ASSERT_TRUE(publisher.ok());
  ToolProcess bw(root_.path(), {"bw", "blocks", "--for", "0.5", "--json"});
  PublishTo(bw, *publisher);
  const ToolRun run = bw.Finish();
  EXPECT_EQ(run.code, 0) << run.err;
  const Json summary = JsonLines(run.out).back();
  EXPECT_EQ(summary["bytes"], 1000 * summary["messages"].get<uint64_t>());
  EXPECT_EQ(summary["size_min_bytes"], 1000);
  EXPECT_EQ(summary["size_max_bytes"], 1000);
  EXPECT_GT(summary["bytes_per_second"], 0);
}

TEST_F(WeirMeterTest, LatencyHasPercentilesInOrderAndSaysWhatItMeasures) {
  auto publisher = node_->CreatePublisher<Block>("blocks");
  ASSERT_TRUE(publisher.ok());
  ToolProcess latency(root_.path(), {"latency", "blocks", "--json", "--for", "0.5"});
  PublishTo(latency, *publisher);
  const Json summary = JsonLines(latency.Finish().out).back();
  EXPECT_GT(summary["p50_ns"], 0);
  EXPECT_LE(summary["p50_ns"], summary["p90_ns"]);
  EXPECT_LE(summary["p90_ns"], summary["p99_ns"]);
  EXPECT_LE(summary["p99_ns"], summary["p99.9_ns"]);
  EXPECT_LE(summary["p99.9_ns"], summary["max_ns"]);
  EXPECT_EQ(summary["measured"], summary["messages"]);
  EXPECT_THAT(summary["measures"].get<std::string>(), HasSubstr("this tool's own subscriber"));
}

TEST_F(WeirMeterTest, LatencySaysSoWhenThePublisherDoesNotStamp) {
  auto publisher = node_->CreatePublisher<Block>("blocks", {.metrics = Metrics::kOff});
  ASSERT_TRUE(publisher.ok());
  ToolProcess latency(root_.path(), {"latency", "blocks", "--for", "0.3"});
  PublishTo(latency, *publisher);
  EXPECT_THAT(latency.Finish().out, HasSubstr("does not stamp"));
}

TEST_F(WeirMeterTest, LatencyOfAllIsWhatEachSubscriberMeasuredAndSubscribesToNothing) {
  auto publisher = node_->CreatePublisher<Block>("blocks");
  auto slow = node_->CreateSubscriber<Block>("blocks");
  auto idle = node_->CreateSubscriber<Block>("blocks");
  ASSERT_TRUE(publisher.ok() && slow.ok() && idle.ok());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(publisher->Publish(*publisher->Loan()).ok());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_TRUE(slow->Take());
  }
  const ToolRun run = RunTool(root_.path(), {"latency", "blocks", "--all", "--json"});
  EXPECT_EQ(run.code, 0) << run.err;
  const std::vector<Json> lines = JsonLines(run.out);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["measured"], 3);
  EXPECT_GT(lines[0]["p50_ns"], 18'000'000) << "they waited in the queue for 20 ms";
  EXPECT_LE(lines[0]["p50_ns"], lines[0]["max_ns"]);
  EXPECT_EQ(lines[1]["measured"], 0);
  EXPECT_FALSE(lines[1].contains("p50_ns"));
  EXPECT_THAT(RunTool(root_.path(), {"latency", "blocks", "--all"}).out, testing::StartsWith("  NODE "));
  // Nobody takes anything meanwhile.
  EXPECT_EQ(RunTool(root_.path(), {"latency", "blocks", "--all", "--for", "0.1"}).code, 4);
  EXPECT_EQ(RunTool(root_.path(), {"latency", "blocks", "--all", "--spin"}).code, 2);
  const auto domain = Inspector::Open({.root = root_.path()})->Look();
  ASSERT_TRUE(domain.ok());
  EXPECT_EQ(domain->topics.at(0).total.subscribers, 2u) << "of all that ever were";
}

TEST_F(WeirMeterTest, CtrlCShowsASummary) {
  auto publisher = node_->CreatePublisher<Block>("blocks");
  ASSERT_TRUE(publisher.ok());
  for (const char* command : {"hz", "bw", "latency"}) {
    SCOPED_TRACE(command);
    ToolProcess tool(root_.path(), {command, "blocks"});
    PublishTo(tool, *publisher, 50);
    const ToolRun run = tool.Finish();
    EXPECT_EQ(run.code, 0) << run.err;
    EXPECT_THAT(run.out, testing::ContainsRegex("[0-9]+ messages"));
    EXPECT_THAT(run.out, testing::ContainsRegex(" in [0-9.]+ (ms|s)"));
  }
}

TEST_F(WeirMeterTest, NoMessageInTheTimeGivenIsExitCode4) {
  auto publisher = node_->CreatePublisher<Block>("blocks", {.history = 1});
  ASSERT_TRUE(publisher.ok() && publisher->Publish(*publisher->Loan()).ok());  // history does not count
  for (const char* command : {"hz", "bw", "latency"}) {
    const ToolRun run = RunTool(root_.path(), {command, "blocks", "--for", "0.1"});
    EXPECT_EQ(run.code, 4) << command;
    EXPECT_EQ(run.out, "no messages\n") << command;
  }
}

}  // namespace
}  // namespace weir
