// Endpoints of one topic with different versions of its type.
#include <capnp/dynamic.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <weir/capnp.h>
#include <weir/weir.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "tests/schema/compiled_text.h"
#include "tests/support/skip.h"
#include "tests/support/test_root.h"

namespace weir {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Versions of `struct Quote`. One program cannot have two generated types of one id; so these are made from text at run
// time and take part through the same templates as generated ones do.
enum Version { kOld, kNew, kRetyped, kVersions };

const char* TextOf(Version version) {
  switch (version) {
    case kOld:
      return "struct Quote @0x9d6e4a3f0a5b7c11 { symbol @0 :Text; price @1 :Int64; side @2 :Side; }\n"
             "enum Side { bid @0; ask @1; }\n";
    case kNew:
      return "struct BestQuote @0x9d6e4a3f0a5b7c11 { symbol @0 :Text; priceTicks @1 :Int64; side @2 :Side;\n"
             "  size @3 :UInt32 = 100; venue @4 :Text = \"XETR\"; }\n"
             "enum Side { bid @0; ask @1; cross @2; }\n";
    default:
      return "struct Quote @0x9d6e4a3f0a5b7c11 { symbol @0 :Text; price @1 :Float64; side @2 :Side; }\n"
             "enum Side { bid @0; ask @1; }\n";
  }
}

capnp::StructSchema SchemaOf(Version version) {
  static std::optional<test::CompiledText> compiled[kVersions];
  if (!compiled[version]) compiled[version].emplace(TextOf(version));
  return compiled[version]->Struct(version == kNew ? "BestQuote" : "Quote");
}

template <Version version>
struct Quote {
  using Reader = capnp::DynamicStruct::Reader;
  using Builder = capnp::DynamicStruct::Builder;
};

}  // namespace

template <Version version>
struct MessageTraits<Quote<version>> {
  static MessageType Type() { return internal::CapnpType(SchemaOf(version)); }
  static internal::SlotMessageBuilder& Builder(internal::LoanState& loan) {
    auto* builder = loan.companion.get<internal::SlotMessageBuilder>();
    return builder != nullptr ? *builder : loan.companion.Emplace<internal::SlotMessageBuilder>(loan);
  }
  static capnp::DynamicStruct::Builder Root(internal::LoanState& loan) {
    return Builder(loan).template getRoot<capnp::DynamicStruct>(SchemaOf(version));
  }
  static absl::Status Finish(internal::LoanState& loan) {
    Root(loan);
    return Builder(loan).Finish();
  }
  static capnp::DynamicStruct::Reader Root(internal::SampleState& sample) {
    auto* reader = sample.companion.get<internal::SlotMessageReader>();
    if (reader == nullptr) reader = &sample.companion.Emplace<internal::SlotMessageReader>(sample);
    return reader->reader().template getRoot<capnp::DynamicStruct>(SchemaOf(version));
  }
  static absl::Status Validate(internal::SampleState& sample) {
    return internal::ValidateCapnp(sample, SchemaOf(version));
  }
};

namespace {

class EvolutionTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::HaveCapnpTool()) WEIR_SKIP("the capnp tool is not there");
  }
  void TearDown() override { EXPECT_TRUE(root_.IsEmpty()); }

  Node MakeNode() {
    auto node = Node::Create({.name = "evolution", .domain = "d", .root = root_.path()});
    EXPECT_TRUE(node.ok()) << node.status();
    return *std::move(node);
  }

  // Every file in the domain that holds a schema.
  std::vector<std::filesystem::path> SchemaFiles() const {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(root_.path() + "/d")) {
      if (entry.path().filename().string().starts_with("schema.")) files.push_back(entry.path());
    }
    return files;
  }

  test::TestRoot root_;
};

template <class T>
void PublishOne(Publisher<T>& publisher, void (*fill)(capnp::DynamicStruct::Builder)) {
  auto loan = publisher.Loan();
  ASSERT_TRUE(loan.ok()) << loan.status();
  fill(loan->builder());
  auto published = publisher.Publish(*std::move(loan));
  ASSERT_TRUE(published.ok()) << published.status();
  EXPECT_GT(published->accepted, 0u);
}

void FillOld(capnp::DynamicStruct::Builder quote) {
  quote.set("symbol", "WEIR");
  quote.set("price", 1234);
  quote.set("side", "ask");
}
void FillNew(capnp::DynamicStruct::Builder quote) {
  quote.set("symbol", "WEIR");
  quote.set("priceTicks", 1234);
  quote.set("side", "ask");
  quote.set("size", 7);
  quote.set("venue", "XPAR");
}

std::string TextOf(capnp::DynamicValue::Reader value) {
  return value.as<capnp::Text>().cStr();
}

void ExpectOldPart(capnp::DynamicStruct::Reader quote, const char* price) {
  EXPECT_EQ(TextOf(quote.get("symbol")), "WEIR");
  EXPECT_EQ(quote.get(price).as<int64_t>(), 1234);
  EXPECT_EQ(quote.get("side").as<capnp::DynamicEnum>().getRaw(), 1);
}

TEST_F(EvolutionTest, ASubscriberWithANewerTypeReadsDefaultsForWhatAnOlderPublisherDoesNotKnow) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<Quote<kOld>>("quotes");
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  auto subscriber = node.CreateSubscriber<Quote<kNew>>("quotes");
  ASSERT_TRUE(subscriber.ok()) << subscriber.status();
  PublishOne(*publisher, FillOld);
  auto taken = subscriber->Take();
  ASSERT_TRUE(taken) << OutcomeName(taken.why());
  ExpectOldPart(taken->reader(), "priceTicks");
  EXPECT_EQ(taken->reader().get("size").as<uint32_t>(), 100u);
  EXPECT_EQ(TextOf(taken->reader().get("venue")), "XETR");
  EXPECT_EQ(taken->Validate(), absl::OkStatus());
}

TEST_F(EvolutionTest, ASubscriberWithAnOlderTypeReadsWhatItKnowsOfANewerPublishersMessages) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<Quote<kNew>>("quotes");
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  auto subscriber = node.CreateSubscriber<Quote<kOld>>("quotes", {.copy_before_read = true});
  ASSERT_TRUE(subscriber.ok()) << subscriber.status();
  PublishOne(*publisher, FillNew);
  auto taken = subscriber->Take();
  ASSERT_TRUE(taken) << OutcomeName(taken.why());
  ExpectOldPart(taken->reader(), "price");
  EXPECT_EQ(taken->Validate(), absl::OkStatus());
}

TEST_F(EvolutionTest, APublisherWithANewerTypeJoinsATopicOfOlderSubscribers) {
  Node node = MakeNode();
  auto old_subscriber = node.CreateSubscriber<Quote<kOld>>("quotes");
  ASSERT_TRUE(old_subscriber.ok()) << old_subscriber.status();
  auto new_publisher = node.CreatePublisher<Quote<kNew>>("quotes");
  ASSERT_TRUE(new_publisher.ok()) << new_publisher.status();
  auto new_subscriber = node.CreateSubscriber<Quote<kNew>>("quotes");
  ASSERT_TRUE(new_subscriber.ok()) << new_subscriber.status();
  PublishOne(*new_publisher, FillNew);
  auto old_taken = old_subscriber->Take();
  ASSERT_TRUE(old_taken) << OutcomeName(old_taken.why());
  ExpectOldPart(old_taken->reader(), "price");
  auto new_taken = new_subscriber->Take();
  ASSERT_TRUE(new_taken) << OutcomeName(new_taken.why());
  EXPECT_EQ(new_taken->reader().get("size").as<uint32_t>(), 7u);
  EXPECT_EQ(TextOf(new_taken->reader().get("venue")), "XPAR");
}

TEST_F(EvolutionTest, AnOlderPublisherJoinsATopicOfNewerSubscribersAndAHistoryIsReadAcrossVersions) {
  Node node = MakeNode();
  auto waiting = node.CreateSubscriber<Quote<kNew>>("quotes");
  ASSERT_TRUE(waiting.ok()) << waiting.status();
  auto publisher = node.CreatePublisher<Quote<kOld>>("quotes", {.history = 1});
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  PublishOne(*publisher, FillOld);
  auto late = node.CreateSubscriber<Quote<kNew>>("quotes");
  ASSERT_TRUE(late.ok()) << late.status();
  auto taken = late->Take();
  ASSERT_TRUE(taken) << OutcomeName(taken.why());
  EXPECT_TRUE(taken->info().from_history);
  ExpectOldPart(taken->reader(), "priceTicks");
}

TEST_F(EvolutionTest, TheTopicKeepsTheSchemaOfItsFirstEndpoint) {
  Node node = MakeNode();
  auto first = node.CreateSubscriber<Quote<kOld>>("quotes");
  ASSERT_TRUE(first.ok()) << first.status();
  auto second = node.CreatePublisher<Quote<kNew>>("quotes");
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(SchemaFiles().size(), 1u);
  std::ifstream file(SchemaFiles().at(0), std::ios::binary);
  const std::string blob{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(blob, MessageTraits<Quote<kOld>>::Type().schema);
}

TEST_F(EvolutionTest, AChangedTypeIsRefusedNamingTopicTypeFieldAndReason) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<Quote<kOld>>("quotes");
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  for (const absl::Status& refused : {node.CreateSubscriber<Quote<kRetyped>>("quotes").status(),
                                      node.CreatePublisher<Quote<kRetyped>>("quotes").status()}) {
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(std::string(refused.message()),
              "topic \"quotes\" has another version of type \"Quote\", which does not go with this one: "
              "field \"price\" @1 of Quote: its type is Float64 here, Int64 in the topic");
  }
}

TEST_F(EvolutionTest, AnOptionThatDoesNotFitIsStillNamedWhenTheTypesDo) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<Quote<kOld>>("quotes");
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  const absl::Status refused = node.CreateSubscriber<Quote<kNew>>("quotes", {.topic = {.exclusive = true}}).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("exclusive"));
}

TEST_F(EvolutionTest, EqualTypesConnectWithoutALookAtTheSchemaFile) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<Quote<kOld>>("quotes");
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  ASSERT_EQ(SchemaFiles().size(), 1u);
  std::filesystem::remove(SchemaFiles()[0]);
  EXPECT_TRUE(node.CreateSubscriber<Quote<kOld>>("quotes").ok());
  const absl::Status refused = node.CreateSubscriber<Quote<kNew>>("quotes").status();
  EXPECT_FALSE(refused.ok());
  EXPECT_THAT(std::string(refused.message()), AllOf(HasSubstr("quotes"), HasSubstr("its schema cannot be read")));
}

TEST_F(EvolutionTest, ASchemaFileWithOtherBytesIsRefused) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<Quote<kOld>>("quotes");
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  for (const std::string& bytes : {std::string(), std::string(100, 'x'), MessageTraits<Quote<kNew>>::Type().schema}) {
    std::ofstream(SchemaFiles().at(0), std::ios::binary | std::ios::trunc) << bytes;
    const absl::Status refused = node.CreateSubscriber<Quote<kNew>>("quotes").status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss) << refused;
    EXPECT_THAT(std::string(refused.message()), HasSubstr("does not have the hash in its name"));
  }
}

}  // namespace
}  // namespace weir
