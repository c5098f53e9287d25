// Two types on one topic, and descriptions of types that cannot be.
//
// weir-test: not-under=tsan
#include <weir/capnp.h>
#include <weir/dynamic.h>
#include <weir/messages/imu.capnp.h>
#include <weir/messages/quote.capnp.h>

#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/pubsub/bad_input.h"

namespace weir {
namespace {

using absl::StatusCode;
using test::Says;
using test::Small;

struct Other {
  int64_t number;
  int64_t more;
};

// One name, two sizes, as of two programs of different age.
struct SmallOfYesterday {
  static constexpr std::string_view kWeirTypeName = "Renamed";
  int32_t number;
};
struct SmallOfToday {
  static constexpr std::string_view kWeirTypeName = "Renamed";
  int64_t number;
};

class BadTypesTest : public test::BadInputTest {};

template <class Has, class Asks>
void ExpectRefused(Node& node, const std::vector<std::string>& texts) {
  const auto first = node.CreateSubscriber<Has>("scan");
  ASSERT_TRUE(first.ok()) << first.status();
  std::vector<std::string> all = texts;
  all.push_back("topic \"scan\" carries");
  all.push_back("A topic has one type: use another topic, or the same type in all programs");
  EXPECT_TRUE(Says(node.CreatePublisher<Asks>("scan").status(), StatusCode::kFailedPrecondition, all));
  EXPECT_TRUE(Says(node.CreateSubscriber<Asks>("scan").status(), StatusCode::kFailedPrecondition, all));
}

TEST_F(BadTypesTest, BothTypesAreNamedByKindNameSizeAndFile) {
  Node node = MakeNode();
  const std::string quote = "a Cap'n Proto struct \"Quote\" (\"quote.capnp:Quote\", id 0x";
  const std::string imu = "a Cap'n Proto struct \"Imu\" (\"imu.capnp:Imu\", id 0x";
  ExpectRefused<Small, Other>(node, {"a plain struct", "Small\" of 8 bytes aligned to 8", "Other\" of 16 bytes"});
  ExpectRefused<SmallOfYesterday, SmallOfToday>(node, {"carries a plain struct \"Renamed\" of 4 bytes aligned to 4",
                                                       "has a plain struct \"Renamed\" of 8 bytes aligned to 8"});
  ExpectRefused<Small, Bytes>(node, {"carries a plain struct", "this endpoint has a run of bytes \"weir::Bytes\""});
  ExpectRefused<Bytes, msg::Quote>(node, {"carries a run of bytes", "this endpoint has " + quote});
  ExpectRefused<msg::Quote, Small>(node, {"carries " + quote, "this endpoint has a plain struct"});
  ExpectRefused<msg::Quote, msg::Imu>(node, {"carries " + quote, "this endpoint has " + imu});
}

TEST_F(BadTypesTest, AConflictOfTypesIsSaidBeforeOneOfOptions) {
  Node node = MakeNode();
  auto first = node.CreateSubscriber<Small>("scan", {.topic = {.max_publishers = 3}});
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(Says(node.CreatePublisher<Other>("scan", {.topic = {.max_publishers = 4}}).status(),
                   StatusCode::kFailedPrecondition, {"topic \"scan\" carries a plain struct"}));
  EXPECT_TRUE(Says(node.CreatePublisher<Small>("scan", {.topic = {.max_publishers = 4}}).status(),
                   StatusCode::kFailedPrecondition, {"at most 3 publishers", "at most 4 publishers"}));
}

TEST_F(BadTypesTest, ATypeThatCannotBeIsRefusedWithWhatItSaysAndWhatItMaySay) {
  Node node = MakeNode();
  const auto refused = [&](const MessageType& type, const std::vector<std::string>& texts) {
    EXPECT_TRUE(Says(DynamicPublisher::CreateWithType(node, "t", type).status(), StatusCode::kInvalidArgument, texts));
  };
  for (const uint64_t bytes : {uint64_t{0}, uint64_t{0xffff'fff9}, uint64_t{1} << 32, uint64_t{1} << 63,
                               std::numeric_limits<uint64_t>::max() - 64, std::numeric_limits<uint64_t>::max()}) {
    refused({.kind = MessageKind::kPlain, .name = "Odd", .body_bytes = bytes},
            {"type \"Odd\" is a plain struct with " + std::to_string(bytes) + " bytes", "1 to 4294967288 bytes"});
  }
  for (const uint32_t align : {0u, 3u, 128u, ~0u}) {
    refused({.kind = MessageKind::kPlain, .name = "Odd", .body_bytes = 8, .body_align = align},
            {"aligned to " + std::to_string(align), "1, 2, 4 ... 64"});
  }
  refused({.kind = MessageKind::kBytes, .name = "Odd", .body_bytes = 8}, {"a run of bytes with 8 bytes"});
  refused({.kind = MessageKind::kBytes, .name = "Odd", .schema = std::string((16u << 20) + 1, 's')},
          {"the schema of type \"Odd\" has 16777217 bytes; 16777216 are allowed"});
  EXPECT_TRUE(
      Says(DynamicPublisher::CreateWithType(node, "t", {.kind = static_cast<MessageKind>(9), .name = "Odd"}).status(),
           StatusCode::kFailedPrecondition, {"Odd", "kind 9"}));
  // Cap'n Proto types come with a schema, and it is looked at.
  for (const std::string& schema : {std::string(), std::string("not a schema"), std::string(4096, '\xff')}) {
    EXPECT_TRUE(
        Says(DynamicPublisher::CreateWithType(node, "t", {.kind = MessageKind::kCapnp, .name = "Odd", .schema = schema})
                 .status(),
             StatusCode::kDataLoss, {"schema"}));
  }
}

TEST_F(BadTypesTest, TheLargestStructThatFitsIsAcceptedAndALargerOneNamesThePool) {
  Node node = MakeNode();
  const MessageType type = {.kind = MessageKind::kPlain, .name = "Huge", .body_bytes = 0xffff'fff8};
  EXPECT_TRUE(Says(DynamicPublisher::CreateWithType(node, "t", type).status(), StatusCode::kInvalidArgument,
                   {"PublisherOptions::pool_bytes_max is 1073741824", "\"Huge\"", "4294967288 bytes"}));
}

}  // namespace
}  // namespace weir
