// What a collector makes of what it sees, with snapshots made by hand: time is a number here.
// weir-test: links=weir_metrics_gateway
#include "gateways/prometheus/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace weir::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::SizeIs;

constexpr LedgerLimits kLimits = {.stay_ns = 100, .topics_max = 3, .endpoints_max = 4, .nodes_max = 2};

TopicInfo Topic(uint64_t id, const std::string& name, uint64_t published) {
  TopicInfo info = {.id = id, .name = name, .publishers = 1};
  info.total.published.published = published;
  info.total.latency.Add(1000);
  return info;
}

template <class Info>
Info Endpoint(uint64_t id, const std::string& node = "n") {
  Info info;
  info.id = id;
  info.topic = "t";
  info.node = node;
  info.node_alive = true;
  info.state = EndpointState::kLive;
  info.readable = true;
  return info;
}
PublisherInfo Publisher(uint64_t id, uint64_t published) {
  PublisherInfo info = Endpoint<PublisherInfo>(id);
  info.counts.published = published;
  return info;
}
PublisherInfo Dead(PublisherInfo info) {
  info.node_alive = false;
  return info;
}

class LedgerTest : public testing::Test {
 protected:
  uint64_t Published(const std::string& topic) const { return ledger_.topics().at(topic).counts.published.published; }

  DomainLedger ledger_{kLimits};
};

TEST_F(LedgerTest, ATopicsCountersGoOnWhereItsLastIncarnationEnded) {
  ledger_.Update({.topics = {Topic(1, "t", 10)}}, 1);
  ledger_.Update({}, 2);
  EXPECT_EQ(Published("t"), 10u);
  EXPECT_EQ(ledger_.topics().at("t").info.publishers, 0u);
  ledger_.Update({.topics = {Topic(2, "t", 3)}}, 3);
  EXPECT_EQ(Published("t"), 13u);
  ledger_.Update({.topics = {Topic(2, "t", 4)}}, 4);
  EXPECT_EQ(Published("t"), 14u);
  ledger_.Update({.topics = {Topic(3, "t", 1)}}, 5);
  EXPECT_EQ(Published("t"), 15u);
  EXPECT_EQ(ledger_.topics().at("t").counts.latency.count(), 3u);
}

TEST_F(LedgerTest, ATopicsCountersGoOnInANewRegistryWhoseIdsAreLower) {
  ledger_.Update({.created_ns = 1, .topics = {Topic(9, "t", 10)}}, 1);
  ledger_.Update({.created_ns = 2, .topics = {Topic(4, "t", 3)}}, 2);
  EXPECT_EQ(Published("t"), 13u);
  ledger_.Update({.created_ns = 2, .topics = {Topic(4, "t", 5)}}, 3);
  EXPECT_EQ(Published("t"), 15u);
}

TEST_F(LedgerTest, ATopicThatIsThereIsNotForgottenBetweenSeldomLooks) {
  constexpr uint64_t kLater = uint64_t{1} << 60;
  ledger_.Update({.topics = {Topic(1, "t", 10)}}, 1);
  ledger_.Update({.topics = {Topic(2, "t", 3)}}, kLater);
  EXPECT_EQ(Published("t"), 13u);
}

TEST_F(LedgerTest, ATopicsCountersDoNotGoBackWhenAnEndpointCouldNotBeRead) {
  ledger_.Update({.topics = {Topic(1, "t", 10)}}, 1);
  ledger_.Update({.topics = {Topic(1, "t", 7)}}, 2);
  EXPECT_EQ(Published("t"), 10u);
  ledger_.Update({.topics = {Topic(1, "t", 11)}}, 3);
  EXPECT_EQ(Published("t"), 11u);
}

TEST_F(LedgerTest, TwoIncarnationsInOneLookAreCountedOnceEach) {
  for (uint64_t now = 1; now <= 3; ++now) {
    ledger_.Update({.topics = {Topic(2, "t", 5), Topic(1, "t", 10)}}, now);
    EXPECT_EQ(Published("t"), 15u);
  }
}

TEST_F(LedgerTest, MessagesLeftInQueuesAreCountedOverAllIncarnations) {
  TopicInfo topic = Topic(1, "t", 10);
  topic.departed.received.queued = 4;
  ledger_.Update({.topics = {topic}}, 1);
  topic.id = 2;
  topic.departed.received.queued = 1;
  ledger_.Update({.topics = {topic}}, 2);
  EXPECT_EQ(ledger_.topics().at("t").left_queued, 5u);
}

TEST_F(LedgerTest, ATopicThatIsGoneEndsAfterItsStay) {
  ledger_.Update({.topics = {Topic(1, "t", 10)}}, 1000);
  ledger_.Update({}, 1100);
  EXPECT_THAT(ledger_.topics(), SizeIs(1));
  ledger_.Update({}, 1101);
  EXPECT_THAT(ledger_.topics(), IsEmpty());
}

TEST_F(LedgerTest, AKilledEndpointEndsAfterItsStayAlthoughItsEntryStands) {
  ledger_.Update({.publishers = {Publisher(1, 10)}}, 1000);
  EXPECT_TRUE(ledger_.publishers().at(1).alive());
  ledger_.Update({.publishers = {Dead(Publisher(1, 10))}}, 2000);
  EXPECT_FALSE(ledger_.publishers().at(1).alive());
  ledger_.Update({.publishers = {Dead(Publisher(1, 10))}}, 2100);
  EXPECT_THAT(ledger_.publishers(), SizeIs(1));
  for (uint64_t now = 2101; now < 2500; now += 50) {
    ledger_.Update({.publishers = {Dead(Publisher(1, 10))}}, now);
    EXPECT_THAT(ledger_.publishers(), IsEmpty());
  }
}

TEST_F(LedgerTest, AClosedEndpointEndsAtOnceWhateverOfItStillStands) {
  ledger_.Update({.publishers = {Publisher(1, 10), Publisher(2, 10)}}, 1);
  PublisherInfo retired = Publisher(2, 10);
  retired.state = EndpointState::kRetired;
  ledger_.Update({.publishers = {retired}}, 2);
  EXPECT_THAT(ledger_.publishers(), IsEmpty());
}

TEST_F(LedgerTest, AnEndpointThatCouldNotBeReadKeepsWhatWasKnown) {
  SubscriberInfo subscriber = Endpoint<SubscriberInfo>(1);
  subscriber.counts.delivered = 5;
  subscriber.counts.queued = 3;
  subscriber.latency.Add(100);
  ledger_.Update({.subscribers = {subscriber}}, 1);
  SubscriberInfo unreadable = Endpoint<SubscriberInfo>(1, "");
  unreadable.readable = false;
  ledger_.Update({.subscribers = {unreadable}}, 2);
  const SubscriberInfo& known = ledger_.subscribers().at(1).info;
  EXPECT_EQ(known.counts, subscriber.counts);
  EXPECT_EQ(known.latency, subscriber.latency);
  EXPECT_EQ(known.node, "n");
  EXPECT_EQ(ledger_.unreadable(), 1u);
}

TEST_F(LedgerTest, LeavesOutWhatIsBeyondTheLimitsAndKeepsWhatItHas) {
  DomainSnapshot domain;
  for (uint64_t id = 10; id < 16; ++id) domain.topics.push_back(Topic(id, std::to_string(id), 1));
  for (uint64_t id = 20; id < 24; ++id) domain.publishers.push_back(Publisher(id, 1));
  for (uint64_t id = 24; id < 27; ++id) domain.subscribers.push_back(Endpoint<SubscriberInfo>(id));
  for (uint64_t id = 30; id < 33; ++id) domain.nodes.push_back({.id = id, .name = "n", .alive = true});
  ledger_.Update(domain, 1);
  EXPECT_THAT(ledger_.topics(), ElementsAre(Key("10"), Key("11"), Key("12")));
  EXPECT_THAT(ledger_.publishers(), SizeIs(4));
  EXPECT_THAT(ledger_.subscribers(), IsEmpty());
  EXPECT_THAT(ledger_.nodes(), SizeIs(2));
  EXPECT_EQ(ledger_.omitted().topics, 3u);
  EXPECT_EQ(ledger_.omitted().endpoints, 3u);
  EXPECT_EQ(ledger_.omitted().nodes, 1u);
  EXPECT_EQ(ledger_.nodes_alive(), 3u);

  // What was there first stays; what is freed goes to the next.
  domain.publishers.erase(domain.publishers.begin());
  ledger_.Update(domain, 2);
  EXPECT_THAT(ledger_.publishers(), ElementsAre(Key(21), Key(22), Key(23)));
  EXPECT_THAT(ledger_.subscribers(), ElementsAre(Key(24)));
  EXPECT_EQ(ledger_.omitted().endpoints, 2u);
}

TEST(LabelTextTest, IsValidUtf8WithoutControlCharacters) {
  EXPECT_EQ(LabelText("scan/front"), "scan/front");
  EXPECT_EQ(LabelText("größe €🙂"), "größe €🙂");
  EXPECT_EQ(LabelText("a\nb\x7f"), "a\uFFFDb\uFFFD");
  EXPECT_EQ(LabelText("\xff\xc3"), "\uFFFD\uFFFD");
  EXPECT_EQ(LabelText("\xed\xa0\x80"), "\uFFFD\uFFFD\uFFFD");  // half of a surrogate pair
  EXPECT_EQ(LabelText("\xc0\xaf"), "\uFFFD\uFFFD");            // overlong
  EXPECT_EQ(LabelText(""), "");
}

}  // namespace
}  // namespace weir::gateway
