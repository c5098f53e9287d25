// weir-test: runs=weir_tool,weir_demo
// weir echo and weir pub: messages out of and into topics, as text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <weir/capnp.h>
#include <weir/inspect.h>
#include <weir/messages/imu.capnp.h>
#include <weir/weir.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/test_root.h"
#include "tests/support/wait.h"
#include "tests/tools/tool_process.h"

namespace weir {
namespace {

using test::RunTool;
using test::ToolProcess;
using test::ToolRun;
using test::WaitUntilTrue;
using testing::HasSubstr;
using Json = nlohmann::json;

struct Tick {
  static constexpr std::string_view kWeirTypeName = "Tick";
  char symbol[8];
  int64_t price;
};
WEIR_STRUCT(Tick, symbol, price);

struct Undescribed {
  static constexpr std::string_view kWeirTypeName = "Undescribed";
  uint32_t number;
};

class WeirEchoTest : public testing::Test {
 protected:
  WeirEchoTest() {
    auto node = Node::Create({.name = "test", .root = root_.path()});
    EXPECT_TRUE(node.ok()) << node.status();
    if (node.ok()) node_.emplace(*std::move(node));
  }
  void TearDown() override {
    node_.reset();
    EXPECT_TRUE(root_.IsEmpty());
  }

  ToolRun Weir(const std::vector<std::string>& arguments, std::string_view input = "") {
    return RunTool(root_.path(), arguments, input);
  }

  template <class T>
  void Publish(Publisher<T>& publisher, const T& value) {
    auto loan = publisher.Loan();
    ASSERT_TRUE(loan.ok()) << loan.status();
    loan->value() = value;
    ASSERT_TRUE(publisher.Publish(*std::move(loan)).ok());
  }
  template <class T>
  bool HasSubscriber(Publisher<T>& publisher, uint32_t count = 1) {
    return publisher.WaitForSubscribers(count, absl::Seconds(30)).ok();
  }

  test::TestRoot root_;
  std::optional<Node> node_;
};

TEST_F(WeirEchoTest, PrintsDescribedStructsFieldByField) {
  auto publisher = node_->CreatePublisher<Tick>("ticks", {.history = 2});
  ASSERT_TRUE(publisher.ok());
  Publish(*publisher, {.symbol = "EURUSD", .price = -12});
  Publish(*publisher, {.symbol = "a\"b", .price = 7});
  ToolRun run = Weir({"echo", "ticks", "-n", "2"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out, "{\"symbol\":\"EURUSD\",\"price\":\"-12\"}\n{\"symbol\":\"a\\\"b\",\"price\":\"7\"}\n");
  EXPECT_EQ(Weir({"echo", "ticks", "-n", "1", "--field", "symbol"}).out, "\"EURUSD\"\n");
  EXPECT_EQ(Weir({"echo", "ticks", "-n", "1", "-f", "symbol[0]", "-f", "price"}).out,
            "{\"symbol[0]\":\"E\",\"price\":\"-12\"}\n");
  EXPECT_EQ(Weir({"echo", "ticks", "-n", "1", "--raw"}).out, "4555525553440000f4ffffffffffffff\n");
  EXPECT_EQ(Weir({"echo", "ticks", "-n", "1", "--pretty"}).out, "{\"symbol\": \"EURUSD\", \"price\": \"-12\"}\n");
  run = Weir({"echo", "ticks", "-n", "1", "-f", "prize"});
  EXPECT_EQ(run.code, 3);
  EXPECT_THAT(run.err, HasSubstr("Tick has no field \"prize\""));
}

TEST_F(WeirEchoTest, PrintsBytesAndUndescribedStructsInHexWithTypeAndSize) {
  auto bytes = node_->CreatePublisher<Bytes>("bytes", {.history = 1});
  auto structs = node_->CreatePublisher<Undescribed>("structs", {.history = 1});
  ASSERT_TRUE(bytes.ok() && structs.ok());
  auto loan = bytes->Loan(3);
  ASSERT_TRUE(loan.ok());
  std::memcpy(loan->bytes().data(), "\x01\x02\xff", 3);
  ASSERT_TRUE(loan->Resize(3));
  ASSERT_TRUE(bytes->Publish(*std::move(loan)).ok());
  Publish(*structs, {.number = 0x01020304});
  const std::string line = Weir({"echo", "bytes", "-n", "1"}).out;
  EXPECT_EQ(line, "{\"type\":\"weir::Bytes\",\"size\":3,\"hex\":\"0102ff\"}\n");
  EXPECT_EQ(Weir({"echo", "structs", "-n", "1"}).out, "{\"type\":\"Undescribed\",\"size\":4,\"hex\":\"04030201\"}\n");

  auto subscriber = node_->CreateSubscriber<Bytes>("bytes");
  ASSERT_TRUE(subscriber.ok());
  while (subscriber->Take()) {
  }
  EXPECT_EQ(Weir({"pub", "bytes"}, line).code, 0) << "what echo prints, pub accepts";
  auto again = subscriber->Take();
  ASSERT_TRUE(again);
  EXPECT_EQ(std::memcmp(again->bytes().data(), "\x01\x02\xff", 3), 0);
}

TEST_F(WeirEchoTest, PrintsTheDemosSystemStatus) {
  // The demo's domain is one of its own, demo-<pid>.
  const pid_t demo = fork();
  if (demo == 0) {
    setenv("WEIR_ROOT", root_.path().c_str(), 1);
    if (freopen("/dev/null", "w", stdout) == nullptr) _exit(126);
    execl(WEIR_DEMO_PATH, WEIR_DEMO_PATH, "--once", nullptr);
    _exit(127);
  }
  std::string domain;
  EXPECT_TRUE(WaitUntilTrue([&] {
    const auto domains = ListDomains(root_.path());
    if (!domains.ok()) return false;
    for (const std::string& name : *domains) {
      if (name != "default") domain = name;
    }
    return !domain.empty();
  }));
  const ToolRun run = Weir({"-d", domain, "echo", "system_status", "--wait", "--timeout", "30", "-n", "3"});
  EXPECT_EQ(run.code, 0) << run.err;
  const Json status = Json::parse(run.out.substr(0, run.out.find('\n')));
  EXPECT_TRUE(status["header"]["stampNs"].is_string());
  EXPECT_FALSE(status["hostname"].get<std::string>().empty());
  EXPECT_GE(status["cores"].size(), 1u);
  int end = -1;
  waitpid(demo, &end, 0);
  EXPECT_TRUE(WIFEXITED(end)) << end;
}

TEST_F(WeirEchoTest, EndsQuietlyWhenNobodyReadsIt) {
  auto publisher = node_->CreatePublisher<Tick>("ticks");
  ToolProcess echo(root_.path(), {"echo", "ticks"});
  ASSERT_TRUE(publisher.ok() && HasSubscriber(*publisher));
  Publish(*publisher, {.symbol = "A", .price = 1});
  EXPECT_EQ(echo.ReadLine(), "{\"symbol\":\"A\",\"price\":\"1\"}");
  echo.CloseOutput();
  Publish(*publisher, {.symbol = "B", .price = 2});
  const ToolRun run = echo.Finish();
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(run.err, "");
}

TEST_F(WeirEchoTest, CtrlCIsItsEndUnlessACountWasAskedFor) {
  auto publisher = node_->CreatePublisher<Tick>("ticks");
  ASSERT_TRUE(publisher.ok());
  ToolProcess all(root_.path(), {"echo", "ticks"});
  ASSERT_TRUE(HasSubscriber(*publisher));
  all.Signal(SIGINT);
  EXPECT_EQ(all.Finish().code, 0);
  ToolProcess five(root_.path(), {"echo", "ticks", "-n", "5"});
  ASSERT_TRUE(WaitUntilTrue([&] {
    auto loan = publisher->Loan();
    return publisher->Publish(*std::move(loan))->accepted == 1;
  }));
  ASSERT_TRUE(five.ReadLine().has_value());
  five.Signal(SIGTERM);
  EXPECT_EQ(five.Finish().code, 130);
  ToolProcess waiting(root_.path(), {"echo", "later", "--wait"});
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  waiting.Signal(SIGINT);
  EXPECT_THAT(waiting.Finish().code, testing::AnyOf(130, 1000 + SIGINT)) << "the latter if it was just starting";
}

TEST_F(WeirEchoTest, ATimeoutIsExitCode4) {
  auto publisher = node_->CreatePublisher<Tick>("ticks");
  const auto begin = std::chrono::steady_clock::now();
  ToolRun run = Weir({"echo", "ticks", "--timeout", "0.2"});
  EXPECT_EQ(run.code, 4);
  EXPECT_EQ(run.err, "weir: no message on topic \"ticks\" for 200ms\n");
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(200));
  run = Weir({"echo", "later", "--wait", "--timeout", "0.2"});
  EXPECT_EQ(run.code, 4) << run.err;
}

TEST_F(WeirEchoTest, ARateShowsTheNewestMessageEachTime) {
  auto publisher = node_->CreatePublisher<Tick>("ticks");
  ASSERT_TRUE(publisher.ok());
  ToolProcess echo(root_.path(), {"echo", "ticks", "--rate", "20", "-n", "4", "-f", "price"});
  ASSERT_TRUE(HasSubscriber(*publisher));
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::string> lines;
  for (int64_t price = 1; publisher->counts().queues > 0; ++price) {
    Publish(*publisher, {.symbol = "A", .price = price});
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(150));
  const ToolRun run = echo.Finish();
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(std::count(run.out.begin(), run.out.end(), '\n'), 4);
  EXPECT_THAT(run.out, testing::Not(HasSubstr("\"2\"\n\"3\"")));
}

TEST_F(WeirEchoTest, AStoppedEchoIsOverwrittenAndRefusesNobodyALoan) {
  // The smallest pool there is: whoever kept more than its share would make a loan fail.
  auto publisher = node_->CreatePublisher<Tick>("ticks", {.pool_bytes_max = 64 << 10});
  auto subscriber = node_->CreateSubscriber<Tick>("ticks");
  ASSERT_TRUE(publisher.ok() && subscriber.ok());
  Publish(*publisher, {.symbol = "A", .price = 0});
  ToolProcess echo(root_.path(), {"echo", "ticks"});
  ASSERT_TRUE(HasSubscriber(*publisher, 2));
  Publish(*publisher, {.symbol = "A", .price = 0});
  ASSERT_TRUE(echo.ReadLine().has_value());
  echo.Signal(SIGSTOP);
  const uint64_t evicted_before = publisher->counts().evicted;
  for (int64_t price = 1; price <= 20'000; ++price) {
    Publish(*publisher, {.symbol = "A", .price = price});
    subscriber->Take();
  }
  EXPECT_EQ(publisher->counts().loans_refused, 0u);
  EXPECT_EQ(publisher->counts().refused_full + publisher->counts().refused_timed_out, 0u);
  EXPECT_EQ(publisher->counts().blocked_ns, 0u);
  EXPECT_GT(publisher->counts().evicted, evicted_before + 10'000);
  echo.Signal(SIGCONT);
  echo.Signal(SIGINT);
  EXPECT_EQ(echo.Finish().code, 0);
}

TEST_F(WeirEchoTest, PubSendsJsonOfATypeInTheRegistry) {
  auto subscriber = node_->CreateSubscriber<Tick>("ticks");
  ASSERT_TRUE(subscriber.ok());
  ToolRun run = Weir({"pub", "ticks", "--json", R"({"symbol": "GBPUSD", "price": 3})"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out, "published 1 message; 1 subscriber\n");
  auto sample = subscriber->Take();
  ASSERT_TRUE(sample);
  EXPECT_STREQ(sample->value().symbol, "GBPUSD");
  run = Weir({"pub", "ticks", "-n", "3"}, "{\"price\": 1}\n\n{\"price\": 2}\n{\"price\": 3}\n{\"price\": 4}\n");
  EXPECT_EQ(run.out, "published 3 messages; 1 subscriber\n");
  for (int64_t price = 1; price <= 3; ++price) {
    auto next = subscriber->Take();
    ASSERT_TRUE(next);
    EXPECT_EQ(next->value().price, price);
  }
  run = Weir({"pub", "ticks"}, "{\"price\": 1}\n{\"prize\": 2}\n");
  EXPECT_EQ(run.code, 1);
  EXPECT_EQ(run.err, "weir: line 2: JSON, prize: Tick has no such field\n");
  run = Weir({"pub", "tocks", "-j", "{}"});
  EXPECT_EQ(run.code, 3);
  EXPECT_EQ(run.err,
            "weir: no topic \"tocks\" in domain \"default\"; did you mean ticks? (--type makes a new topic)\n");
  run = Weir({"pub", "nobody", "-t", "Imu", "-j", "{}"});
  EXPECT_EQ(run.code, 0);
  EXPECT_THAT(run.err, HasSubstr("nobody has it"));
}

TEST_F(WeirEchoTest, PubFindsTypesInTheLibraryAndInSchemaFiles) {
  auto imu = node_->CreateSubscriber<msg::Imu>("imu");
  ASSERT_TRUE(imu.ok());
  EXPECT_EQ(Weir({"pub", "imu", "--type", "weir.msg.Imu", "-j", R"({"header": {"frameId": "a"}})"}).code, 0);
  EXPECT_EQ(Weir({"pub", "imu", "--type", "Imu", "-j", R"({"header": {"frameId": "b"}})"}).code, 0);
  for (const char* frame : {"a", "b"}) {
    auto sample = imu->Take();
    ASSERT_TRUE(sample);
    EXPECT_STREQ(sample->reader().getHeader().getFrameId().cStr(), frame);
  }
  const ToolRun other = Weir({"pub", "imu", "--type", "Quote", "-j", "{}"});
  EXPECT_EQ(other.code, 1);
  EXPECT_THAT(other.err, HasSubstr("Quote"));

  const std::string folder = testing::TempDir() + "weir_pub_" + std::to_string(getpid());
  std::filesystem::create_directory(folder);
  std::ofstream(folder + "/base.capnp") << "@0xb0a0b0a0b0a0b0a1;\nstruct Base { number @0 :UInt32; }\n";
  std::ofstream(folder + "/wide.capnp") << "@0xb0a0b0a0b0a0b0a2;\nusing import \"base.capnp\".Base;\n"
                                           "struct Outer { struct Wide { base @0 :Base; text @1 :Text; } }\n";
  std::ofstream(folder + "/bad.capnp") << "@0xb0a0b0a0b0a0b0a3;\nstruct Bad { number @0 :Uint32; }\n";
  const std::string json = R"({"base":{"number":7},"text":"t"})";
  ToolProcess pub(root_.path(), {"pub", "wide", "-t", folder + "/wide.capnp:Outer.Wide", "--json", json, "--wait"});
  const ToolRun echo = Weir({"echo", "wide", "--wait", "-n", "1"});
  EXPECT_EQ(echo.out, json + "\n") << echo.err;
  EXPECT_EQ(pub.Finish().code, 0);
  const ToolRun bad = Weir({"pub", "bad", "-t", folder + "/bad.capnp:Bad", "-j", "{}"});
  EXPECT_EQ(bad.code, 1);
  EXPECT_THAT(bad.err, HasSubstr("Uint32"));
  EXPECT_EQ(Weir({"pub", "bad", "-t", folder + "/none.capnp:Bad", "-j", "{}"}).code, 3);
  EXPECT_EQ(Weir({"pub", "bad", "-t", folder + "/base.capnp:Bad", "-j", "{}"}).code, 3);
  EXPECT_EQ(Weir({"pub", "bad", "-t", "NoSuchType", "-j", "{}"}).code, 3);
  std::filesystem::remove_all(folder);
}

TEST_F(WeirEchoTest, PubTakesEveryTypeOfTheLibrary) {
  // The list in its error message is the table it looks in.
  const std::string error = Weir({"pub", "t", "-t", "NoSuchType", "-j", "{}"}).err;
  int count = 0;
  for (const auto& file : std::filesystem::directory_iterator(WEIR_SOURCE_DIR "/schema/weir/messages")) {
    std::ifstream text(file.path());
    std::string all((std::istreambuf_iterator<char>(text)), {});
    // Files named for a type have that type; the others have parts of messages.
    std::string name;
    for (const char c : "_" + file.path().stem().string()) {
      if (c == '_') {
        name += '_';
      } else {
        name += name.ends_with('_') ? static_cast<char>(std::toupper(c)) : c;
      }
    }
    std::erase(name, '_');
    if (all.find("struct " + name + " ") == std::string::npos) continue;
    ++count;
    EXPECT_THAT(error, HasSubstr(name));
  }
  EXPECT_GE(count, 20);
}

TEST_F(WeirEchoTest, PubWithHistoryStaysForLateSubscribers) {
  ToolProcess pub(root_.path(), {"pub", "imu", "-t", "Imu", "-j", R"({"temperatureCelsius": 20.5})", "--history", "1"});
  const ToolRun echo = Weir({"echo", "imu", "--wait", "-n", "1", "-f", "temperatureCelsius"});
  EXPECT_EQ(echo.out, "20.5\n") << echo.err;
  pub.Signal(SIGINT);
  EXPECT_EQ(pub.Finish().code, 0);
}

TEST_F(WeirEchoTest, PubWaitsForASubscriberAndForNoLongerThanItMay) {
  EXPECT_EQ(Weir({"pub", "imu", "-t", "Imu", "-j", "{}", "--wait", "--timeout", "0.1"}).code, 4);
}

}  // namespace
}  // namespace weir
