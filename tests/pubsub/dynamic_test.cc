// Topics without a C++ type: everything that a typed endpoint says, an untyped one understands, and the other way
// round.
#include <gtest/gtest.h>
#include <weir/capnp.h>
#include <weir/dynamic.h>
#include <weir/weir.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "schema/schema_blob.h"
#include "tests/pubsub/payload.h"
#include "tests/schema/all_messages.h"
#include "tests/support/child.h"
#include "tests/support/test_root.h"

namespace weir {
namespace {

using test::Channel;
using test::Child;
using test::ChildEnd;
using ::testing::HasSubstr;
using ::testing::SizeIs;

struct Tick {
  uint64_t number;
  double price;
};

enum class Side : uint8_t { kBid, kAsk };

struct Fill {
  char symbol[8];
  int64_t price;
  Side side;
  float weights[2];
};
WEIR_STRUCT(Fill, symbol, price, side, weights);

class DynamicTest : public testing::Test {
 protected:
  DynamicTest() {
    auto node = Node::Create({.name = "dynamic", .domain = "d", .root = root_.path()});
    EXPECT_TRUE(node.ok()) << node.status();
    if (node.ok()) node_.emplace(*std::move(node));
  }
  void TearDown() override {
    node_.reset();
    EXPECT_TRUE(root_.IsEmpty());
  }

  test::TestRoot root_;
  std::optional<Node> node_;
};

TEST_F(DynamicTest, ReadsEveryMessageThatATypedPublisherSends) {
  test::ForEachMessageType([&]<class T>(const char* name) {
    SCOPED_TRACE(name);
    auto publisher = node_->CreatePublisher<T>(name);
    ASSERT_TRUE(publisher.ok()) << publisher.status();
    auto subscriber = DynamicSubscriber::Create(*node_, name);
    ASSERT_TRUE(subscriber.ok()) << subscriber.status();
    EXPECT_EQ(subscriber->type().name, name);
    EXPECT_EQ(subscriber->type().kind, MessageKind::kCapnp);
    auto loan = publisher->Loan();
    ASSERT_TRUE(loan.ok());
    test::FillMessage(capnp::toDynamic(loan->builder()));
    const kj::String sent = kj::str(loan->builder().asReader());
    ASSERT_TRUE(publisher->Publish(*std::move(loan)).ok());

    auto sample = subscriber->Take();
    ASSERT_TRUE(sample) << OutcomeName(sample.why()) << subscriber->last_error();
    EXPECT_TRUE(sample->Validate().ok()) << sample->Validate();
    auto reader = sample->reader();
    ASSERT_TRUE(reader.ok()) << reader.status();
    EXPECT_STREQ(kj::str(*reader).cStr(), sent.cStr());
  });
}

TEST_F(DynamicTest, WritesEveryMessageForATypedSubscriberFromTheJsonThatItPrints) {
  test::ForEachMessageType([&]<class T>(const char* name) {
    SCOPED_TRACE(name);
    auto source = node_->CreatePublisher<T>(name);
    auto typed = node_->CreateSubscriber<T>(name);
    auto reader = DynamicSubscriber::Create(*node_, name);
    auto writer = DynamicPublisher::Create(*node_, name);
    ASSERT_TRUE(source.ok() && typed.ok());
    ASSERT_TRUE(reader.ok()) << reader.status();
    ASSERT_TRUE(writer.ok()) << writer.status();
    auto loan = source->Loan();
    ASSERT_TRUE(loan.ok());
    test::FillMessage(capnp::toDynamic(loan->builder()));
    ASSERT_TRUE(source->Publish(*std::move(loan)).ok());
    auto original = typed->Take();
    auto printed = reader->Take();
    ASSERT_TRUE(original && printed);
    auto json = printed->ToJson();
    ASSERT_TRUE(json.ok()) << json.status();
    auto sent = writer->PublishJson(*json);
    ASSERT_TRUE(sent.ok()) << sent.status();
    EXPECT_EQ(sent->accepted, 2u);
    auto again = typed->Take();
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->Validate().ok()) << again->Validate();
    EXPECT_STREQ(kj::str(again->reader()).cStr(), kj::str(original->reader()).cStr());
    auto printed_again = reader->Take();
    ASSERT_TRUE(printed_again);
    EXPECT_EQ(*printed_again->ToJson(), *json);
  });
}

TEST_F(DynamicTest, GivesFieldsByPath) {
  auto publisher = node_->CreatePublisher<msg::Imu>("imu");
  auto subscriber = DynamicSubscriber::Create(*node_, "imu");
  ASSERT_TRUE(publisher.ok() && subscriber.ok());
  auto loan = publisher->Loan();
  loan->builder().initHeader().setFrameId("base");
  loan->builder().getHeader().setStampNs(12);
  loan->builder().getAngularVelocity().setZ(0.5);
  ASSERT_TRUE(publisher->Publish(*std::move(loan)).ok());
  auto sample = subscriber->Take();
  ASSERT_TRUE(sample);
  EXPECT_EQ(sample->Get("angularVelocity.z")->as<double>(), 0.5);
  EXPECT_EQ(sample->Get("header.frameId")->as<capnp::Text>(), "base");
  EXPECT_EQ(*sample->GetJson("header"), R"({"stampNs":"12","frameId":"base"})");
  EXPECT_EQ(*sample->GetJson("header.frameId"), "\"base\"");
  EXPECT_TRUE(absl::IsNotFound(sample->Get("header.frame").status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(sample->Get("orientation.quaternion.w").status()));
  EXPECT_EQ(sample->info().sequence, 1u);
}

TEST_F(DynamicTest, BuildsInTheSlotWithCapnpsOwnBuilder) {
  auto subscriber = node_->CreateSubscriber<msg::SystemStatus>("status");
  auto publisher = DynamicPublisher::Create(*node_, "status");
  ASSERT_TRUE(subscriber.ok() && publisher.ok());
  auto loan = publisher->Loan();
  ASSERT_TRUE(loan.ok()) << loan.status();
  loan->builder()->set("hostname", "host");
  ASSERT_TRUE(loan->FromJson(R"({"processCount": 7})").ok());  // adds to what is there
  // More than a slot holds: goes on in further ones, as with a typed loan.
  auto cores = loan->builder()->init("cores", 10'000).as<capnp::DynamicList>();
  cores[9'999].as<capnp::DynamicStruct>().set("number", 42);
  ASSERT_TRUE(publisher->Publish(*std::move(loan)).ok());
  auto sample = subscriber->Take();
  ASSERT_TRUE(sample);
  EXPECT_STREQ(sample->reader().getHostname().cStr(), "host");
  EXPECT_EQ(sample->reader().getProcessCount(), 7u);
  EXPECT_EQ(sample->reader().getCores()[9'999].getNumber(), 42u);

  auto untouched = publisher->Loan();
  ASSERT_TRUE(untouched.ok());
  ASSERT_TRUE(publisher->Publish(*std::move(untouched)).ok());
  auto defaults = subscriber->Take();
  ASSERT_TRUE(defaults);
  EXPECT_EQ(defaults->reader().getHostname().size(), 0u);
}

TEST_F(DynamicTest, PassesAMessageOnToAnotherTopicByASchemaItNeverSaw) {
  auto source = node_->CreatePublisher<msg::SystemStatus>("here");
  auto reader = DynamicSubscriber::Create(*node_, "here");
  ASSERT_TRUE(source.ok() && reader.ok());
  auto writer = DynamicPublisher::CreateWithType(*node_, "there", reader->type());
  ASSERT_TRUE(writer.ok()) << writer.status();
  auto typed = node_->CreateSubscriber<msg::SystemStatus>("there");
  ASSERT_TRUE(typed.ok()) << typed.status();
  auto loan = source->Loan();
  loan->builder().initCores(5'000)[4'999].setNumber(3);
  loan->builder().setHostname("host");
  ASSERT_TRUE(source->Publish(*std::move(loan)).ok());
  auto sample = reader->Take();
  ASSERT_TRUE(sample);
  size_t bytes = 0;
  for (const auto& segment : sample->segments()) bytes += segment.size();
  EXPECT_GT(sample->segments().size(), 1u);
  EXPECT_GT(bytes, 5'000u * 8);
  auto copy = writer->Loan(bytes);
  ASSERT_TRUE(copy.ok());
  ASSERT_TRUE(copy->CopyFrom(*sample->reader()).ok());
  ASSERT_TRUE(writer->Publish(*std::move(copy)).ok());
  auto arrived = typed->Take();
  ASSERT_TRUE(arrived);
  EXPECT_EQ(arrived->reader().getCores()[4'999].getNumber(), 3u);
  EXPECT_STREQ(arrived->reader().getHostname().cStr(), "host");
}

TEST_F(DynamicTest, PlainStructsAndBytesAreBytesWithTheirTypesNameAndSize) {
  auto ticks = node_->CreateSubscriber<Tick>("ticks");
  auto blobs = node_->CreateSubscriber<Bytes>("blobs");
  auto tick_reader = DynamicSubscriber::Create(*node_, "ticks");
  auto tick_writer = DynamicPublisher::Create(*node_, "ticks");
  auto blob_reader = DynamicSubscriber::Create(*node_, "blobs");
  auto blob_writer = DynamicPublisher::Create(*node_, "blobs");
  ASSERT_TRUE(ticks.ok() && blobs.ok() && tick_reader.ok() && tick_writer.ok() && blob_reader.ok() && blob_writer.ok());

  EXPECT_EQ(tick_writer->type().kind, MessageKind::kPlain);
  EXPECT_THAT(tick_writer->type().name, HasSubstr("Tick"));
  EXPECT_EQ(tick_writer->type().body_bytes, sizeof(Tick));
  auto loan = tick_writer->Loan();
  ASSERT_TRUE(loan.ok());
  ASSERT_THAT(loan->bytes(), SizeIs(sizeof(Tick)));
  const Tick tick = {.number = 3, .price = 1.5};
  std::memcpy(loan->bytes().data(), &tick, sizeof(tick));
  EXPECT_FALSE(loan->Resize(8));
  EXPECT_TRUE(absl::IsFailedPrecondition(loan->builder().status()));
  ASSERT_TRUE(tick_writer->Publish(*std::move(loan)).ok());
  auto typed = ticks->Take();
  ASSERT_TRUE(typed);
  EXPECT_EQ(typed->value().price, 1.5);
  auto untyped = tick_reader->Take();
  ASSERT_TRUE(untyped);
  EXPECT_EQ(std::memcmp(untyped->bytes().data(), &tick, sizeof(tick)), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(untyped->reader().status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(untyped->Get("price").status()));
  EXPECT_TRUE(untyped->Validate().ok());
  const std::string json = *untyped->ToJson();
  EXPECT_THAT(json, HasSubstr(R"("size":16,"base64":")"));
  ASSERT_TRUE(tick_writer->PublishJson(json).ok());
  auto typed_again = ticks->Take();
  ASSERT_TRUE(typed_again);
  EXPECT_EQ(typed_again->value().number, 3u);
  EXPECT_TRUE(absl::IsInvalidArgument(tick_writer->PublishJson(R"({"base64":"YQ=="})").status()));

  const std::string content(10'000, 'x');
  auto blob = blob_writer->Loan(content.size());
  ASSERT_TRUE(blob.ok());
  ASSERT_TRUE(blob->Resize(content.size() - 1));
  std::memcpy(blob->bytes().data(), content.data(), content.size() - 1);
  ASSERT_TRUE(blob_writer->Publish(*std::move(blob)).ok());
  auto first = blobs->Take();
  ASSERT_TRUE(first);
  EXPECT_THAT(first->bytes(), SizeIs(content.size() - 1));
  auto printed = blob_reader->Take();
  ASSERT_TRUE(printed);
  ASSERT_TRUE(blob_writer->PublishJson(*printed->ToJson(/*pretty=*/true)).ok());
  auto again = blobs->Take();
  ASSERT_TRUE(again);
  EXPECT_EQ(std::memcmp(again->bytes().data(), content.data(), again->bytes().size()), 0);
}

TEST_F(DynamicTest, DescribedStructsAreJsonAndFieldsByPath) {
  auto source = node_->CreatePublisher<Fill>("fills");
  auto typed = node_->CreateSubscriber<Fill>("fills");
  auto reader = DynamicSubscriber::Create(*node_, "fills");
  auto writer = DynamicPublisher::Create(*node_, "fills");
  ASSERT_TRUE(source.ok() && typed.ok());
  ASSERT_TRUE(reader.ok()) << reader.status();
  ASSERT_TRUE(writer.ok()) << writer.status();
  auto loan = source->Loan();
  ASSERT_TRUE(loan.ok());
  loan->value() = {.symbol = "EURUSD", .price = -12, .side = Side::kAsk, .weights = {0.1f, 2}};
  ASSERT_TRUE(source->Publish(*std::move(loan)).ok());
  auto sample = reader->Take();
  ASSERT_TRUE(sample);
  const std::string json = *sample->ToJson();
  EXPECT_EQ(json, R"({"symbol":"EURUSD","price":"-12","side":1,"weights":[0.1,2]})");
  EXPECT_EQ(*sample->ToJson(/*pretty=*/true),
            R"({"symbol": "EURUSD", "price": "-12", "side": 1, "weights": [0.1, 2]})");
  EXPECT_EQ(*sample->GetJson("weights[1]"), "2");
  EXPECT_EQ(sample->Get("price")->as<int64_t>(), -12);
  EXPECT_TRUE(absl::IsNotFound(sample->Get("prize").status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(sample->reader().status()));

  auto sent = writer->PublishJson(json);
  ASSERT_TRUE(sent.ok()) << sent.status();
  auto first = typed->Take();
  auto again = typed->Take();
  ASSERT_TRUE(first && again);
  EXPECT_STREQ(again->value().symbol, "EURUSD");
  EXPECT_EQ(again->value().price, -12);
  EXPECT_EQ(again->value().side, Side::kAsk);
  EXPECT_EQ(again->value().weights[0], 0.1f);

  // Nothing of what lay in the slot before, also if the loan is filled by hand.
  for (int round = 0; round < 3; ++round) {
    auto partial = writer->Loan();
    ASSERT_TRUE(partial.ok());
    std::memset(partial->bytes().data(), 0xee, partial->bytes().size());
    ASSERT_TRUE(partial->FromJson(R"({"side": 1})").ok());
    ASSERT_TRUE(writer->Publish(*std::move(partial)).ok());
    auto zeros = typed->Take();
    ASSERT_TRUE(zeros);
    EXPECT_EQ(zeros->value().price, 0);
    EXPECT_STREQ(zeros->value().symbol, "");
  }
  auto refused = writer->PublishJson(R"({"weights": [1, "x"]})");
  EXPECT_TRUE(absl::IsInvalidArgument(refused.status()));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("weights[1]"));
  EXPECT_EQ(typed->Take().why(), Outcome::kEmpty);
}

TEST_F(DynamicTest, JsonThatDoesNotFitIsRefusedByNameAndSendsNothing) {
  auto subscriber = node_->CreateSubscriber<msg::Imu>("imu");
  auto publisher = DynamicPublisher::Create(*node_, "imu");
  ASSERT_TRUE(subscriber.ok() && publisher.ok());
  for (int round = 0; round < 20; ++round) {  // more often than there are loans
    auto sent = publisher->PublishJson(R"({"angularVelocity": {"x": 1, "y": "fast"}})");
    EXPECT_TRUE(absl::IsInvalidArgument(sent.status())) << sent.status();
    EXPECT_THAT(std::string(sent.status().message()), HasSubstr("angularVelocity.y"));
  }
  EXPECT_TRUE(absl::IsInvalidArgument(publisher->PublishJson("no JSON").status()));
  EXPECT_EQ(subscriber->Take().why(), Outcome::kEmpty);
  ASSERT_TRUE(publisher->PublishJson("{}").ok());
  auto sample = subscriber->Take();
  ASSERT_TRUE(sample);
  EXPECT_EQ(sample->reader().getAngularVelocity().getX(), 0);  // nothing of the refused ones
  EXPECT_TRUE(std::isnan(sample->reader().getTemperatureCelsius()));
}

TEST_F(DynamicTest, ATopicThatDoesNotExistIsNotFoundAtOnceOrAfterTheTimeAskedFor) {
  EXPECT_TRUE(absl::IsNotFound(DynamicSubscriber::Create(*node_, "none").status()));
  EXPECT_TRUE(absl::IsNotFound(FindTopicType(*node_, "none").status()));
  const absl::Time begin = absl::Now();
  const absl::Status status =
      DynamicPublisher::Create(*node_, "none", {}, {.timeout = absl::Milliseconds(50)}).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_GE(absl::Now() - begin, absl::Milliseconds(50));
  EXPECT_THAT(std::string(status.message()), HasSubstr("\"none\" in domain \"d\""));
}

TEST_F(DynamicTest, WaitsForATopicThatAnotherProcessMakes) {
  node_.reset();  // forked below
  Child child([this](Channel& parent) {
    parent.ReceiveText();
    auto node = Node::Create({.domain = "d", .root = root_.path()});
    auto publisher = node->CreatePublisher<msg::Quote>("quotes", {.history = 1});
    ASSERT_TRUE(publisher.ok()) << publisher.status();
    auto loan = publisher->Loan();
    loan->builder().setSymbol("ABC");
    ASSERT_TRUE(publisher->Publish(*std::move(loan)).ok());
    parent.ReceiveText();
  });
  auto node = Node::Create({.domain = "d", .root = root_.path()});
  ASSERT_TRUE(node.ok());
  std::thread later([&] {
    absl::SleepFor(absl::Milliseconds(30));
    child.channel().Send("now");
  });
  auto subscriber = DynamicSubscriber::Create(*node, "quotes", {}, {.timeout = absl::Seconds(30)});
  later.join();
  ASSERT_TRUE(subscriber.ok()) << subscriber.status();
  auto sample = subscriber->TakeFor(absl::Seconds(30));
  ASSERT_TRUE(sample);
  EXPECT_EQ(*sample->GetJson("symbol"), "\"ABC\"");
  child.channel().Send("end");
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));

  // Its publisher, its subscriber and its node are gone; the message and its schema are not.
  std::optional<DynamicSample> kept(*std::move(sample));
  subscriber = absl::CancelledError();
  node = absl::CancelledError();
  EXPECT_EQ(*kept->GetJson("symbol"), "\"ABC\"");
}

TEST_F(DynamicTest, TheTypeOfATopicIsWhatItsFirstEndpointSaid) {
  auto publisher = node_->CreatePublisher<msg::Trade>("trades");
  auto type = FindTopicType(*node_, "trades");
  ASSERT_TRUE(type.ok()) << type.status();
  const MessageType typed = MessageTraits<msg::Trade>::Type();
  EXPECT_EQ(type->kind, typed.kind);
  EXPECT_EQ(type->name, typed.name);
  EXPECT_EQ(type->id, typed.id);
  EXPECT_EQ(type->schema, typed.schema);
}

TEST_F(DynamicTest, ASchemaThatIsDamagedIsRefused) {
  auto publisher = node_->CreatePublisher<msg::Trade>("trades");
  ASSERT_TRUE(publisher.ok());
  for (const std::string& name : root_.Contents()) {
    if (!name.starts_with("d/schema.")) continue;
    std::fstream file(root_.path() + "/" + name, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(40);
    file.put('x');
  }
  EXPECT_TRUE(absl::IsDataLoss(DynamicSubscriber::Create(*node_, "trades").status()));
  MessageType nonsense = {.kind = MessageKind::kCapnp, .name = "Nonsense", .id = 1, .schema = "12345678"};
  EXPECT_TRUE(absl::IsDataLoss(DynamicPublisher::CreateWithType(*node_, "other", nonsense).status()));
  EXPECT_TRUE(absl::IsNotFound(FindTopicType(*node_, "other").status()));
  nonsense.kind = static_cast<MessageKind>(9);
  EXPECT_TRUE(absl::IsFailedPrecondition(DynamicPublisher::CreateWithType(*node_, "other", nonsense).status()));
}

TEST_F(DynamicTest, AForkedChildIsRefused) {
  auto subscriber = node_->CreateSubscriber<msg::Imu>("imu");
  auto publisher = DynamicPublisher::Create(*node_, "imu");
  ASSERT_TRUE(publisher.ok());
  auto loan = publisher->Loan();
  ASSERT_TRUE(loan.ok());
  Child child([&](Channel&) {
    EXPECT_TRUE(absl::IsFailedPrecondition(loan->builder().status()));
    EXPECT_TRUE(absl::IsFailedPrecondition(loan->FromJson("{}")));
    EXPECT_TRUE(absl::IsFailedPrecondition(publisher->Loan().status()));
    EXPECT_TRUE(absl::IsFailedPrecondition(publisher->Publish(*std::move(loan)).status()));
    EXPECT_TRUE(absl::IsFailedPrecondition(DynamicSubscriber::Create(*node_, "imu").status()));
    EXPECT_TRUE(absl::IsFailedPrecondition(FindTopicType(*node_, "imu").status()));
  });
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
}

}  // namespace
}  // namespace weir
