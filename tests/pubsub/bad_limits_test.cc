// One more than each limit.
//
// weir-test: slow not-under=tsan
#include <sys/resource.h>
#include <weir/inspect.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/pubsub/bad_input.h"
#include "tests/support/child.h"
#include "tests/support/skip.h"

namespace weir {
namespace {

using absl::StatusCode;
using test::Channel;
using test::Child;
using test::ChildEnd;
using test::Says;
using test::Small;

// As a subscriber, the smallest endpoint there is.
constexpr uint32_t kDepth = 1;

class BadLimitsTest : public test::BadInputTest {
 protected:
  absl::StatusOr<Subscriber<Small>> Subscribe(Node& node, const std::string& topic, TopicOptions options = {}) {
    return node.CreateSubscriber<Small>(topic, {.topic = options, .depth = kDepth, .max_borrowed = 1});
  }
};

TEST_F(BadLimitsTest, The1025thNodeIsRefusedUntilAnotherLeaves) {
  // A node has four descriptors.
  rlimit limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  if (limit.rlim_max < 4400) WEIR_SKIP(absl::StrCat("at most ", limit.rlim_max, " descriptors"));
  limit.rlim_cur = limit.rlim_max;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  std::vector<Node> nodes;
  nodes.reserve(1024);
  for (int i = 0; i < 1024; ++i) {
    auto node = Node::Create({.name = absl::StrCat("node ", i), .domain = kDomain, .root = root_.path()});
    ASSERT_TRUE(node.ok()) << i << ": " << node.status();
    nodes.push_back(*std::move(node));
  }
  EXPECT_TRUE(Says(Node::Create({.domain = kDomain, .root = root_.path()}).status(), StatusCode::kResourceExhausted,
                   {"domain " + DomainPath(), "1024 nodes"}));
  nodes.erase(nodes.begin() + 512);
  EXPECT_TRUE(Node::Create({.domain = kDomain, .root = root_.path()}).ok());
}

// Not 256 of both in one process: each publisher maps two files of each subscriber, and a process has some 65,000
// mappings (vm.max_map_count).
TEST_F(BadLimitsTest, The257thSubscriberOfATopicIsRefusedAndTheOthersHearTheirPublisher) {
  Node node = MakeNode();
  const TopicOptions most = {.max_subscribers = 256};
  std::vector<Subscriber<Small>> subscribers;
  for (int i = 0; i < 256; ++i) {
    auto subscriber = Subscribe(node, "crowded", most);
    ASSERT_TRUE(subscriber.ok()) << i << ": " << subscriber.status();
    subscribers.push_back(*std::move(subscriber));
  }
  EXPECT_TRUE(Says(Subscribe(node, "crowded").status(), StatusCode::kResourceExhausted,
                   {"topic \"crowded\" has 256 subscribers", "it may have 256 (max_subscribers)"}));
  auto publisher = node.CreatePublisher<Small>("crowded");
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  auto loan = publisher->Loan();
  ASSERT_TRUE(loan.ok()) << loan.status();
  loan->value().number = 255;
  auto sent = publisher->Publish(*std::move(loan));
  ASSERT_TRUE(sent.ok()) << sent.status();
  EXPECT_EQ(sent->accepted, 256u);
  for (Subscriber<Small>& subscriber : subscribers) EXPECT_TRUE(subscriber.Take());
}

TEST_F(BadLimitsTest, The257thPublisherOfATopicIsRefusedAndTheOthersAreHeard) {
  Node node = MakeNode();
  auto subscriber = node.CreateSubscriber<Small>("crowded", {.topic = {.max_publishers = 256}, .depth = 256});
  ASSERT_TRUE(subscriber.ok()) << subscriber.status();
  std::vector<Publisher<Small>> publishers;
  for (int i = 0; i < 256; ++i) {
    auto publisher = node.CreatePublisher<Small>("crowded", {.pool_bytes_initial = 4096});
    ASSERT_TRUE(publisher.ok()) << i << ": " << publisher.status();
    publishers.push_back(*std::move(publisher));
  }
  EXPECT_TRUE(Says(node.CreatePublisher<Small>("crowded").status(), StatusCode::kResourceExhausted,
                   {"topic \"crowded\" has 256 publishers", "it may have 256 (max_publishers)"}));
  for (int i = 0; i < 256; ++i) {
    auto loan = publishers[static_cast<size_t>(i)].Loan();
    ASSERT_TRUE(loan.ok()) << loan.status();
    loan->value().number = i;
    ASSERT_TRUE(publishers[static_cast<size_t>(i)].Publish(*std::move(loan)).ok());
    auto taken = subscriber->Take();
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->info().publisher, i);
    EXPECT_EQ(taken->value().number, i);
  }
}

TEST_F(BadLimitsTest, TheDefaultLimitsOfATopicAreNamedWithTheOptionThatRaisesThem) {
  Node node = MakeNode();
  std::vector<Subscriber<Small>> subscribers;
  for (int i = 0; i < 64; ++i) subscribers.push_back(*Subscribe(node, "t"));
  EXPECT_TRUE(Says(Subscribe(node, "t").status(), StatusCode::kResourceExhausted,
                   {"topic \"t\" has 64 subscribers", "it may have 64 (max_subscribers)"}));
  std::vector<Publisher<Small>> publishers;
  for (int i = 0; i < 16; ++i) publishers.push_back(*node.CreatePublisher<Small>("t"));
  EXPECT_TRUE(Says(node.CreatePublisher<Small>("t").status(), StatusCode::kResourceExhausted,
                   {"topic \"t\" has 16 publishers", "it may have 16 (max_publishers)"}));
}

TEST_F(BadLimitsTest, The1025thTopicIsRefusedByNameUntilAnotherGoes) {
  Node node = MakeNode();
  std::vector<Subscriber<Small>> subscribers;
  for (int i = 0; i < 1024; ++i) {
    auto subscriber = Subscribe(node, absl::StrCat("topic/", i));
    ASSERT_TRUE(subscriber.ok()) << i << ": " << subscriber.status();
    subscribers.push_back(*std::move(subscriber));
  }
  EXPECT_TRUE(Says(Subscribe(node, "one/more").status(), StatusCode::kResourceExhausted,
                   {"domain " + DomainPath(), "1024 topics", "topic \"one/more\" was not made"}));
  EXPECT_TRUE(Subscribe(node, "topic/7").ok());  // what is there can be joined
  subscribers.pop_back();
  EXPECT_TRUE(Subscribe(node, "one/more").ok());
}

TEST_F(BadLimitsTest, The8193rdEndpointIsRefusedByNameUntilAnotherGoes) {
  Node node = MakeNode();
  const TopicOptions most = {.max_subscribers = 256};
  std::vector<Subscriber<Small>> subscribers;
  for (int i = 0; i < 8192; ++i) {
    auto subscriber = Subscribe(node, absl::StrCat("topic/", i / 256), most);
    ASSERT_TRUE(subscriber.ok()) << i << ": " << subscriber.status();
    subscribers.push_back(*std::move(subscriber));
  }
  EXPECT_TRUE(Says(node.CreatePublisher<Small>("topic/0").status(), StatusCode::kResourceExhausted,
                   {"domain " + DomainPath(), "8192 publishers and subscribers",
                    "this publisher of topic \"topic/0\" was not made"}));
  EXPECT_TRUE(Says(Subscribe(node, "another").status(), StatusCode::kResourceExhausted,
                   {"this subscriber of topic \"another\" was not made"}));
  subscribers.pop_back();
  EXPECT_TRUE(node.CreatePublisher<Small>("topic/0").ok());
}

TEST_F(BadLimitsTest, OneLoanAndOneSampleTooManyAreRefusedUntilOneIsGivenBack) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<Small>("t", {.max_loans = 256});
  auto subscriber = node.CreateSubscriber<Small>("t", {.depth = 8192, .max_borrowed = 4096});
  ASSERT_TRUE(publisher.ok() && subscriber.ok());
  {
    std::vector<Loan<Small>> loans;
    for (int i = 0; i < 256; ++i) {
      auto loan = publisher->Loan();
      ASSERT_TRUE(loan.ok()) << i << ": " << loan.status();
      loans.push_back(*std::move(loan));
    }
    EXPECT_TRUE(Says(publisher->Loan().status(), StatusCode::kResourceExhausted,
                     {"publisher of \"t\"", "all 256 loans (PublisherOptions::max_loans)", "publish or drop one"}));
  }
  for (int i = 0; i < 4097; ++i) {
    auto loan = publisher->Loan();
    ASSERT_TRUE(loan.ok()) << i << ": " << loan.status();
    loan->value().number = i;
    ASSERT_TRUE(publisher->Publish(*std::move(loan)).ok());
  }
  std::vector<Sample<Small>> samples;
  for (int i = 0; i < 4096; ++i) {
    auto taken = subscriber->Take();
    ASSERT_TRUE(taken) << i << ": " << OutcomeName(taken.why());
    samples.push_back(*std::move(taken));
  }
  EXPECT_EQ(subscriber->Take().why(), Outcome::kTooManyHeld);
  samples.pop_back();
  auto last = subscriber->Take();
  ASSERT_TRUE(last);
  EXPECT_EQ(last->value().number, 4096);
}

}  // namespace
}  // namespace weir
