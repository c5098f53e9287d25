// Names that nobody should use, in every call that takes one.
//
// weir-test: not-under=tsan
#include <weir/dynamic.h>
#include <weir/inspect.h>

#include <string>
#include <vector>

#include "tests/pubsub/bad_input.h"

namespace weir {
namespace {

using absl::StatusCode;
using test::Says;
using test::Small;

struct BadName {
  std::string name;
  std::string shown;  // how the message quotes it
  std::string rule;
};

// What is wrong with a topic's name as with a node's.
std::vector<BadName> BadTexts() {
  return {
      {std::string(300, 'n'), "\"" + std::string(60, 'n') + "...", "has 300 bytes; 1 to 255 are allowed"},
      {std::string(256, 'n'), "\"nnn", "has 256 bytes; 1 to 255 are allowed"},
      {std::string(16 << 20, 'n'), "\"nnn", "has 16777216 bytes"},
      {std::string("a\0b", 3), R"("a\x00b")", "control character at byte 1"},
      {"line\nbreak", R"("line\nbreak")", "control character at byte 4"},
      {"\x1b[2Jgone", R"("\x1b[2Jgone")", "control character at byte 0"},
      {"a\x7f", R"("a\x7f")", "control character at byte 1"},
      {"\xC2\x9B"
       "1m",
       R"("\xc2\x9b1m")", "control character at byte 0"},
      {"ab\xFF", R"("ab\xff")", "not valid UTF-8 at byte 2"},
      {"\xC0\xAF", R"("\xc0\xaf")", "not valid UTF-8 at byte 0"},
      {"\xED\xA0\x80", R"("\xed\xa0\x80")", "not valid UTF-8 at byte 0"},
  };
}

std::vector<BadName> BadTopics() {
  std::vector<BadName> bad = BadTexts();
  bad.push_back({"", "\"\"", "has 0 bytes; 1 to 255 are allowed"});
  for (const char* name : {"/", "/scan", "scan/"}) {
    bad.push_back({name, std::string("\"") + name + "\"", "must not begin or end with '/'"});
  }
  for (const char* name : {".", "..", "a/../b", "a//b", "./a"}) {
    bad.push_back({name, std::string("\"") + name + "\"", "the parts between '/' must not be empty, \".\" or \"..\""});
  }
  return bad;
}

class BadNamesTest : public test::BadInputTest {};

TEST_F(BadNamesTest, EveryCallRefusesABadTopicNameWithTheValueAndTheRule) {
  Node node = MakeNode();
  for (const BadName& bad : BadTopics()) {
    const std::vector<std::string> texts = {"topic name " + bad.shown, bad.rule};
    EXPECT_TRUE(Says(node.CreatePublisher<Small>(bad.name).status(), StatusCode::kInvalidArgument, texts));
    EXPECT_TRUE(Says(node.CreateSubscriber<Small>(bad.name).status(), StatusCode::kInvalidArgument, texts));
    EXPECT_TRUE(Says(node.CreateSubscriber<Bytes>(bad.name).status(), StatusCode::kInvalidArgument, texts));
    // A topic of that name will never be there: no use in waiting for it.
    const WaitForTopic an_hour = {.timeout = absl::Hours(1)};
    EXPECT_TRUE(Says(FindTopicType(node, bad.name, an_hour).status(), StatusCode::kInvalidArgument, texts));
    EXPECT_TRUE(
        Says(DynamicSubscriber::Create(node, bad.name, {}, an_hour).status(), StatusCode::kInvalidArgument, texts));
    EXPECT_TRUE(
        Says(DynamicPublisher::Create(node, bad.name, {}, an_hour).status(), StatusCode::kInvalidArgument, texts));
    EXPECT_TRUE(Says(DynamicPublisher::CreateWithType(node, bad.name, MessageTraits<Small>::Type()).status(),
                     StatusCode::kInvalidArgument, texts));
  }
  // The node is as good as before.
  EXPECT_TRUE(node.CreatePublisher<Small>("scan/front").ok());
}

TEST_F(BadNamesTest, ANodeIsRefusedForItsName) {
  for (const BadName& bad : BadTexts()) {
    const auto node = Node::Create({.name = bad.name, .domain = kDomain, .root = root_.path()});
    EXPECT_TRUE(Says(node.status(), StatusCode::kInvalidArgument, {"node name " + bad.shown, bad.rule}));
  }
  EXPECT_TRUE(root_.IsEmpty());
  // A node's name is no path, and empty means the program's.
  for (const char* name : {"", "/", "..", "a/b"}) {
    EXPECT_TRUE(Node::Create({.name = name, .domain = kDomain, .root = root_.path()}).ok()) << name;
  }
}

TEST_F(BadNamesTest, ADomainIsRefusedForItsNameByNodesAndInspectors) {
  std::vector<BadName> bad = BadTexts();
  for (BadName& each : bad) {
    if (each.name.size() > 127) each.rule = "1 to 127 are allowed";
  }
  bad.push_back({"", "\"\"", "has 0 bytes; 1 to 127 are allowed"});
  bad.push_back({std::string(128, 'd'), "\"ddd", "has 128 bytes; 1 to 127 are allowed"});
  for (const char* name : {".", "..", ".lab", "a/b", "/", "a b", "Gerät"}) {
    bad.push_back({name, std::string("\"") + name + "\"", "only A-Z, a-z, 0-9, '.', '_' and '-' are allowed"});
  }
  for (const BadName& each : bad) {
    const std::vector<std::string> texts = {"domain name " + each.shown, each.rule};
    EXPECT_TRUE(
        Says(Node::Create({.domain = each.name, .root = root_.path()}).status(), StatusCode::kInvalidArgument, texts));
    EXPECT_TRUE(Says(Inspector::Open({.domain = each.name, .root = root_.path()}).status(),
                     StatusCode::kInvalidArgument, texts));
  }
}

TEST_F(BadNamesTest, ATypeIsRefusedForItsName) {
  Node node = MakeNode();
  std::vector<BadName> bad = BadTexts();
  bad.push_back({"", "\"\"", "has 0 bytes; 1 to 255 are allowed"});
  for (const BadName& each : bad) {
    const MessageType type = {.kind = MessageKind::kPlain, .name = each.name, .body_bytes = 8};
    EXPECT_TRUE(Says(DynamicPublisher::CreateWithType(node, "t", type).status(), StatusCode::kInvalidArgument,
                     {"type name " + each.shown, each.rule}));
  }
}

TEST_F(BadNamesTest, NamesAtTheLimitWorkAndMessagesAboutThemCanBeRead) {
  Node node = MakeNode(std::string(255, 'n'));
  const std::string topic = std::string(127, 't') + "/" + std::string(127, 'u');
  auto publisher = node.CreatePublisher<Small>(topic, {.topic = {.exclusive = true}});
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  EXPECT_EQ(publisher->topic(), topic);
  EXPECT_TRUE(Says(node.CreatePublisher<Small>(topic).status(), StatusCode::kAlreadyExists,
                   {"ttt", "uuu\" (of 255 bytes) is exclusive", "nnn\" (of 255 bytes)"}));
  EXPECT_TRUE(Says(node.CreateSubscriber<Bytes>(topic).status(), StatusCode::kFailedPrecondition, {"(of 255 bytes)"}));
}

}  // namespace
}  // namespace weir
