// weir-test: runs=weir_tool
// weir ls, info, graph, completion, and what all commands have in common, as a user sees them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <weir/capnp.h>
#include <weir/messages/imu.capnp.h>
#include <weir/weir.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "tests/support/child.h"
#include "tests/support/test_root.h"
#include "tests/tools/tool_process.h"

namespace weir {
namespace {

using test::Child;
using test::Masked;
using test::RunTool;
using test::ToolRun;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;
using Json = nlohmann::json;

struct Tick {
  static constexpr std::string_view kWeirTypeName = "Tick";
  char symbol[8];
  int64_t price;
};
WEIR_STRUCT(Tick, symbol, price);

class WeirLookTest : public testing::Test {
 protected:
  Node MakeNode(const std::string& name, const std::string& domain = "default") {
    auto node = Node::Create({.name = name, .domain = domain, .root = root_.path()});
    EXPECT_TRUE(node.ok()) << node.status();
    return *std::move(node);
  }
  ToolRun Weir(const std::vector<std::string>& arguments) { return RunTool(root_.path(), arguments); }

  test::TestRoot root_;
};

TEST_F(WeirLookTest, LsShowsNodesTopicsAndEndpoints) {
  Node node = MakeNode("trader");
  auto publisher = node.CreatePublisher<Tick>("ticks");
  auto subscriber = node.CreateSubscriber<Tick>("ticks");
  ASSERT_TRUE(publisher.ok() && subscriber.ok());
  auto loan = publisher->Loan();
  ASSERT_TRUE(publisher->Publish(*std::move(loan)).ok());
  const ToolRun run = Weir({"ls"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(Masked(run.out, root_.path()),
            "domain default in ROOT/default: 1 node, 1 topic, 1 publisher, 1 subscriber\n"
            "\n"
            " NODE PID STATE SINCE PUBLISHES SUBSCRIBES\n"
            " trader PID alive TIME ticks ticks\n"
            "\n"
            " TOPIC TYPE PUBLISHERS SUBSCRIBERS MESSAGES MEAN SIZE\n"
            " ticks Tick 1 1 1 16 B\n"
            "\n"
            " TOPIC ENDPOINT NODE PID STATE HAS\n"
            " ticks publisher trader PID alive published 1, pool SIZE\n"
            " ticks subscriber trader PID alive queued 1 of 16, holds 0\n");
  EXPECT_EQ(Weir({"ls", "--names"}).out, "ticks\n");
  EXPECT_EQ(Weir({"ls", "nodes", "--names"}).out, "trader\n");
  EXPECT_EQ(Weir({"ls", "domains", "--names"}).out, "default\n");
  EXPECT_EQ(Masked(Weir({"ls", "topics"}).out, root_.path()),
            " TOPIC TYPE PUBLISHERS SUBSCRIBERS MESSAGES MEAN SIZE\n"
            " ticks Tick 1 1 1 16 B\n");
  const Json json = Json::parse(Weir({"ls", "--json"}).out);
  EXPECT_EQ(json["domain"], "default");
  EXPECT_EQ(json["nodes"][0]["pid"], getpid());
  EXPECT_EQ(json["topics"][0]["type"], "Tick");
  EXPECT_EQ(json["publishers"][0]["published"], 1);
  EXPECT_EQ(json["subscribers"][0]["queued"], 1);
}

TEST_F(WeirLookTest, InfoShowsTheSchemaAndWhoHoldsWhichSample) {
  Node node = MakeNode("trader");
  auto publisher = node.CreatePublisher<Tick>("ticks", {.history = 3});
  auto subscriber = node.CreateSubscriber<Tick>("ticks");
  ASSERT_TRUE(publisher.ok() && subscriber.ok());
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(publisher->Publish(*publisher->Loan()).ok());
  auto held = subscriber->Take();
  const ToolRun run = Weir({"info", "ticks"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(Masked(run.out, root_.path()),
            "topic ticks\n"
            "type Tick (struct, 16 bytes)\n"
            "options shared, at most 16 publishers and 64 subscribers\n"
            "\npublishers\n"
            " # NODE PID STATE PUBLISHED POOL OF AT MOST HISTORY LOSSES\n"
            " 0 trader PID alive 2 SIZE 1.0 GiB (0%) 2/3\n"
            "\nsubscribers\n"
            " # NODE PID STATE TAKEN QUEUED HOLDS WHEN FULL LOSSES\n"
            " 0 trader PID alive 1 1/16 1/16 overwrite oldest\n"
            "\nheld samples (at most so long: since they were published)\n"
            " HOLDER PID PUBLISHER MESSAGE SIZE FOR AT MOST\n"
            " trader PID #0 1 16 B TIME\n"
            "\nschema\n"
            " struct Tick { // 16 bytes, aligned to 8\n"
            " char[8] symbol; // byte 0, 8 long\n"
            " int64 price; // byte 8, 8 long\n"
            " }\n");
  const Json json = Json::parse(Weir({"info", "ticks", "--json"}).out);
  EXPECT_EQ(json["endpoints"][1]["held"][0]["sequence"], 1);
  EXPECT_GT(json["endpoints"][1]["held"][0]["held_ns_at_most"], 0);
}

TEST_F(WeirLookTest, InfoWritesACapnpSchemaAsOneWouldWriteIt) {
  Node node = MakeNode("robot");
  auto publisher = node.CreatePublisher<msg::Imu>("imu");
  ASSERT_TRUE(publisher.ok());
  const ToolRun run = Weir({"info", "imu"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("  struct Imu @0x"));
  EXPECT_THAT(run.out, HasSubstr("    header @0 :Header;\n"));
  EXPECT_THAT(run.out, HasSubstr("    temperatureCelsius @12 :Float32 = nan;\n"));
  EXPECT_THAT(run.out, HasSubstr("  struct Header @0x"));
  EXPECT_THAT(run.out, HasSubstr("subscribers\n  none\n"));
}

TEST_F(WeirLookTest, TheDeadAreShownAsDead) {
  Child dead([this](test::Channel& parent) {
    Node node = MakeNode("gone");
    auto publisher = node.CreatePublisher<Tick>("ticks");
    parent.Send("ready");
    parent.ReceiveText();
  });
  ASSERT_EQ(dead.channel().ReceiveText(), "ready");
  dead.Stop();
  EXPECT_THAT(Weir({"ls", "nodes"}).out, HasSubstr("stopped"));
  dead.Kill();
  dead.Wait();
  EXPECT_THAT(Weir({"ls", "nodes"}).out, HasSubstr("dead"));
  EXPECT_THAT(Weir({"ls", "domains"}).out, HasSubstr("1 node is dead"));
  const std::string graph = Weir({"graph"}).out;
  EXPECT_THAT(graph, StartsWith("digraph \"default\" {\n"));
  EXPECT_THAT(graph, HasSubstr(", dead)\", style=dashed];"));
  EXPECT_THAT(graph, HasSubstr("label=\"ticks\\nTick\", style=dashed];"));
  EXPECT_THAT(graph, HasSubstr(" [style=dashed];"));
}

TEST_F(WeirLookTest, GraphGoesFromPublishersOverTopicsToSubscribers) {
  Node node = MakeNode("a \"quoted\\ name");
  auto publisher = node.CreatePublisher<Tick>("ticks");
  auto subscriber = node.CreateSubscriber<Tick>("ticks");
  const ToolRun run = Weir({"graph"});
  EXPECT_EQ(run.code, 0) << run.err;
  const Json json = Json::parse(Weir({"ls", "--json"}).out);
  const std::string node_id = "node_" + json["nodes"][0]["id"].get<std::string>();
  const std::string topic_id = "topic_" + json["topics"][0]["id"].get<std::string>();
  EXPECT_EQ(run.out, "digraph \"default\" {\n  rankdir=LR;\n  " + node_id +
                         " [shape=box, label=\"a \\\"quoted\\\\ name (" + std::to_string(getpid()) + ")\"];\n  " +
                         topic_id + " [shape=ellipse, label=\"ticks\\nTick\"];\n  " + node_id + " -> " + topic_id +
                         ";\n  " + topic_id + " -> " + node_id + ";\n}\n");
}

TEST_F(WeirLookTest, WhatIsNotThereIsNamedWithWhatIs) {
  ToolRun run = Weir({"ls"});
  EXPECT_EQ(run.code, 3);
  EXPECT_EQ(run.err, "weir: no domain \"default\" under " + root_.path() + "; there is none at all: nobody runs\n");
  EXPECT_EQ(run.out, "");
  run = Weir({"ls", "domains"});
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(run.out, "no domains under " + root_.path() + ": nobody runs\n");

  Node node = MakeNode("trader", "lab");
  auto publisher = node.CreatePublisher<Tick>("scan/front");
  run = Weir({"info", "scan/front"});
  EXPECT_EQ(run.code, 3);
  EXPECT_EQ(run.err, "weir: no domain \"default\" under " + root_.path() + "; domains there: lab\n");
  run = Weir({"info", "front", "-d", "lab"});
  EXPECT_EQ(run.code, 3);
  EXPECT_EQ(run.err, "weir: no topic \"front\" in domain \"lab\"; did you mean scan/front?\n");
  run = Weir({"-d", "lab", "echo", "imu"});
  EXPECT_EQ(run.code, 3);
  EXPECT_EQ(run.err, "weir: no topic \"imu\" in domain \"lab\"; topics there: scan/front\n");
  EXPECT_EQ(Weir({"hz", "imu", "-d", "lab"}).code, 3);
  run = RunTool("/nowhere", {"--root", root_.path(), "-d", "lab", "ls", "--names"});
  EXPECT_EQ(run.out, "scan/front\n");
}

TEST_F(WeirLookTest, AWrongCommandLineIsExitCode2AndHelpIs0) {
  EXPECT_EQ(Weir({}).code, 2);
  EXPECT_EQ(Weir({"eco"}).code, 2);
  EXPECT_EQ(Weir({"echo"}).code, 2);
  EXPECT_EQ(Weir({"echo", "t", "--rate", "fast"}).code, 2);
  EXPECT_EQ(Weir({"ls", "people"}).code, 2);
  EXPECT_EQ(Weir({"completion", "fish"}).code, 2);
  const ToolRun help = Weir({"--help"});
  EXPECT_EQ(help.code, 0);
  for (const char* code : {"  0    ", "  1    ", "  2    ", "  3    ", "  4    ", "  130  "}) {
    EXPECT_THAT(help.out, HasSubstr(code));
  }
  EXPECT_EQ(Weir({"echo", "--help"}).code, 0);
  EXPECT_THAT(Weir({"--version"}).out, StartsWith("weir "));
}

TEST_F(WeirLookTest, BashCompletesCommandsTopicsAndOptions) {
  Node node = MakeNode("trader");
  auto first = node.CreatePublisher<Tick>("ticks/a");
  auto second = node.CreatePublisher<Tick>("ticks/b");
  const auto complete = [&](const std::string& words, int at) {
    const std::string script = "set -e; export WEIR_ROOT='" + root_.path() +
                               "'; source <('" WEIR_TOOL_PATH "' completion bash); COMP_WORDS=('" WEIR_TOOL_PATH "' " +
                               words + "); COMP_CWORD=" + std::to_string(at) + "; _weir; echo ${COMPREPLY[*]}";
    FILE* shell = popen(("bash <<'END'\n" + script + "\nEND\n").c_str(), "r");
    std::string out(4096, '\0');
    out.resize(fread(out.data(), 1, out.size(), shell));
    EXPECT_EQ(pclose(shell), 0);
    return out;
  };
  EXPECT_EQ(complete("ec", 1), "echo\n");
  EXPECT_EQ(complete("echo ti", 2), "ticks/a ticks/b\n");
  EXPECT_EQ(complete("-d default hz ticks/b", 4), "ticks/b\n");
  EXPECT_EQ(complete("echo --fi", 2), "--field\n");
}

}  // namespace
}  // namespace weir
