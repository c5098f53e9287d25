// weir-test: runs=weir_tool
// weir doctor: each thing that can be wrong and be made wrong here is found, and what can be cleaned up is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <weir/inspect.h>
#include <weir/weir.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/child.h"
#include "tests/support/test_root.h"
#include "tests/support/wait.h"
#include "tests/tools/tool_process.h"

namespace weir {
namespace {

using test::Child;
using test::RunTool;
using test::ToolRun;
using test::WaitUntilTrue;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::json;

struct Tick {
  uint64_t number;
};

class WeirDoctorTest : public testing::Test {
 protected:
  Node MakeNode(const std::string& name) {
    auto node = Node::Create({.name = name, .domain = "lab", .root = root_.path()});
    EXPECT_TRUE(node.ok()) << node.status();
    return *std::move(node);
  }
  // The names of the findings about the domain. (What this machine is like is not the test's business.)
  std::vector<std::string> Checks(std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.begin(), {"doctor", "--json"});
    const ToolRun run = RunTool(root_.path(), arguments);
    std::vector<std::string> checks;
    const Json json = Json::parse(run.out);
    for (const Json& finding : json["findings"]) {
      if (finding["domain"] == "lab") checks.push_back(finding["check"]);
      EXPECT_NE(finding["why"], "");
      EXPECT_NE(finding["remedy"], "");
    }
    EXPECT_EQ(run.code, json["findings"].empty() ? 0 : 1);
    return checks;
  }
  // A process with a node, a publisher and whatever `body` makes; dead when this returns.
  void LeaveDead() {
    Child dead([this](test::Channel& parent) {
      Node node = MakeNode("gone");
      auto publisher = node.CreatePublisher<Tick>("ticks");
      auto subscriber = node.CreateSubscriber<Tick>("ticks");
      parent.Send("ready");
      parent.ReceiveText();
    });
    ASSERT_EQ(dead.channel().ReceiveText(), "ready");
    dead.Kill();
    dead.Wait();
  }

  test::TestRoot root_;
};

TEST_F(WeirDoctorTest, AHealthyDomainHasNoFindings) {
  Node node = MakeNode("trader");
  auto publisher = node.CreatePublisher<Tick>("ticks");
  auto subscriber = node.CreateSubscriber<Tick>("ticks");
  ASSERT_TRUE(publisher.ok() && publisher->Publish(*publisher->Loan()).ok());
  EXPECT_THAT(Checks(), testing::IsEmpty());
  EXPECT_EQ(RunTool(root_.path(), {"doctor", "-d", "lob"}).code, 3);
}

TEST_F(WeirDoctorTest, FindsTheDeadAndFixCleansUpAndLeavesTheLivingAlone) {
  Node node = MakeNode("trader");
  auto publisher = node.CreatePublisher<Tick>("ticks");
  auto subscriber = node.CreateSubscriber<Tick>("ticks");
  ASSERT_TRUE(publisher.ok() && subscriber.ok());
  auto loan = publisher->Loan();
  loan->value().number = 42;
  ASSERT_TRUE(publisher->Publish(*std::move(loan)).ok());
  auto held = subscriber->Take();
  ASSERT_TRUE(held);
  LeaveDead();
  EXPECT_THAT(Checks(), Contains("dead_node"));
  const ToolRun text = RunTool(root_.path(), {"doctor", "-d", "lab"});
  EXPECT_EQ(text.code, 1);
  EXPECT_THAT(text.out, HasSubstr("node \"gone\" (pid "));
  EXPECT_THAT(text.out, HasSubstr("weir doctor --fix"));

  EXPECT_THAT(Checks({"--fix"}), testing::IsEmpty());
  EXPECT_EQ(held->value().number, 42u);
  EXPECT_EQ(subscriber->counts().torn, 0u);
  ASSERT_TRUE(publisher->Publish(*publisher->Loan()).ok());
  EXPECT_TRUE(subscriber->Take());
}

TEST_F(WeirDoctorTest, FixRemovesADomainInWhichNobodyLives) {
  LeaveDead();
  EXPECT_THAT(Checks({"--fix"}), testing::IsEmpty());
  EXPECT_TRUE(root_.IsEmpty());
}

TEST_F(WeirDoctorTest, FindsStoppedProcessesAndZombies) {
  Child child([this](test::Channel& parent) {
    Node node = MakeNode("sleepy");
    parent.Send("ready");
    parent.ReceiveText();
  });
  ASSERT_EQ(child.channel().ReceiveText(), "ready");
  child.Stop();
  EXPECT_THAT(Checks(), Contains("stopped"));
  child.Continue();
  child.Kill();
  // Nobody has waited for it yet.
  EXPECT_TRUE(WaitUntilTrue([&] { return testing::Value(Checks(), Contains("zombie")); }));
  child.Wait();
  EXPECT_THAT(Checks(), Not(Contains("zombie")));
}

TEST_F(WeirDoctorTest, FindsSamplesThatAreHeldForLong) {
  Node node = MakeNode("trader");
  auto publisher = node.CreatePublisher<Tick>("ticks");
  auto subscriber = node.CreateSubscriber<Tick>("ticks");
  ASSERT_TRUE(publisher.ok() && subscriber.ok() && publisher->Publish(*publisher->Loan()).ok());
  auto held = subscriber->Take();
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_THAT(Checks({"--held-for", "0.02"}), Contains("held_long"));
  EXPECT_THAT(Checks({"--held-for", "1000"}), Not(Contains("held_long")));
}

TEST_F(WeirDoctorTest, FindsRefusedLoansAndPoolsNearTheirMaximum) {
  Node node = MakeNode("trader");
  auto publisher = node.CreatePublisher<Tick>("ticks", {.pool_bytes_max = 64 << 10});
  auto subscriber = node.CreateSubscriber<Tick>("ticks", {.depth = 60'000});
  ASSERT_TRUE(publisher.ok() && subscriber.ok());
  for (;;) {
    auto loan = publisher->Loan();
    if (!loan.ok()) break;
    ASSERT_TRUE(publisher->Publish(*std::move(loan)).ok());
  }
  EXPECT_THAT(Checks(), testing::IsSupersetOf({"loans_refused", "pool_full"}));
}

TEST_F(WeirDoctorTest, FindsPublishersThatWait) {
  Node node = MakeNode("trader");
  auto publisher = node.CreatePublisher<Tick>("ticks", {.max_block = absl::Minutes(5)});
  auto subscriber = node.CreateSubscriber<Tick>("ticks", {.depth = 1, .when_full = WhenFull::kBlock});
  ASSERT_TRUE(publisher.ok() && subscriber.ok());
  std::thread waiting([&] {
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(publisher->Publish(*publisher->Loan()).ok());
  });
  EXPECT_TRUE(WaitUntilTrue([&] { return testing::Value(Checks(), Contains("blocked")); }));
  subscriber->Take();
  waiting.join();
}

TEST_F(WeirDoctorTest, FindsFilesThatBelongToNobody) {
  Node node = MakeNode("trader");
  std::ofstream(root_.path() + "/lab/pool.00000000000000ff") << std::string(4096, 'x');
  EXPECT_THAT(Checks(), Contains("leftover_files"));
  std::filesystem::remove(root_.path() + "/lab/pool.00000000000000ff");
  EXPECT_THAT(Checks(), testing::IsEmpty());
}

TEST_F(WeirDoctorTest, FindsTopicsThatAreNearlyFull) {
  Node node = MakeNode("trader");
  std::vector<Subscriber<Tick>> subscribers;
  for (int i = 0; i < 8; ++i) {
    auto subscriber = node.CreateSubscriber<Tick>("ticks", {.topic = {.max_subscribers = 10}});
    ASSERT_TRUE(subscriber.ok());
    subscribers.push_back(*std::move(subscriber));
  }
  EXPECT_THAT(Checks(), Contains("topic_full"));
}

TEST_F(WeirDoctorTest, FindsDomainsOfAnotherLayoutAndWrongRights) {
  Node node = MakeNode("trader");
  const std::string registry = root_.path() + "/lab/registry";
  std::filesystem::permissions(root_.path() + "/lab", std::filesystem::perms::others_write,
                               std::filesystem::perm_options::add);
  EXPECT_THAT(RunTool(root_.path(), {"doctor"}).out, HasSubstr("lab"));
  EXPECT_EQ(RunTool(root_.path(), {"doctor"}).code, 1);
  EXPECT_THAT(Checks(), Contains("rights"));
  std::filesystem::permissions(root_.path() + "/lab", std::filesystem::perms::others_write,
                               std::filesystem::perm_options::remove);
  {
    std::fstream file(registry, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(8);
    const int layout = file.get();
    file.seekp(8);
    file.put(static_cast<char>(layout + 1)).flush();
    EXPECT_THAT(Checks(), Contains("domain"));
    file.seekp(8);
    file.put(static_cast<char>(layout)).flush();
  }
  EXPECT_THAT(Checks(), testing::IsEmpty());
}

}  // namespace
}  // namespace weir
