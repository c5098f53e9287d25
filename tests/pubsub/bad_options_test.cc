// Options out of range, options that contradict each other, and two sides that disagree.
//
// weir-test: not-under=tsan
#include <weir/dynamic.h>

#include <cstdint>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/pubsub/bad_input.h"

namespace weir {
namespace {

using absl::StatusCode;
using test::Says;
using test::Small;

struct Large {
  std::byte bytes[100'000];
};

class BadOptionsTest : public test::BadInputTest {};

TEST_F(BadOptionsTest, APublishersOptionIsNamedWithItsValueAndItsLimits) {
  Node node = MakeNode();
  const auto refused = [&](const PublisherOptions& options, const std::vector<std::string>& texts) {
    EXPECT_TRUE(Says(node.CreatePublisher<Small>("t", options).status(), StatusCode::kInvalidArgument, texts));
  };
  refused({.history = 1025}, {"PublisherOptions::history is 1025", "between 0 and 1024"});
  refused({.history = ~0u}, {"PublisherOptions::history is 4294967295"});
  refused({.max_loans = 0}, {"PublisherOptions::max_loans is 0", "between 1 and 256"});
  refused({.max_loans = 257}, {"PublisherOptions::max_loans is 257"});
  refused({.pool_bytes_max = 0}, {"PublisherOptions::pool_bytes_max is 0", "between 65536 and 68719476736"});
  refused({.pool_bytes_max = (uint64_t{64} << 30) + 1}, {"PublisherOptions::pool_bytes_max is 68719476737"});
  refused({.pool_bytes_max = ~uint64_t{0}}, {"PublisherOptions::pool_bytes_max is 18446744073709551615"});
  refused({.max_block = absl::Nanoseconds(-1)}, {"PublisherOptions::max_block is -1ns", "between 0 and 1 h"});
  refused({.max_block = absl::InfiniteDuration()}, {"PublisherOptions::max_block is inf"});
  refused({.metrics = static_cast<Metrics>(2)}, {"PublisherOptions::metrics is 2", "between 0 and 1"});
  EXPECT_TRUE(node.CreatePublisher<Small>("t", {.history = 1024, .max_loans = 256, .max_block = absl::Hours(1)}).ok());
}

TEST_F(BadOptionsTest, ASubscribersOptionIsNamedWithItsValueAndItsLimits) {
  Node node = MakeNode();
  const auto refused = [&](const SubscriberOptions& options, const std::vector<std::string>& texts) {
    EXPECT_TRUE(Says(node.CreateSubscriber<Small>("t", options).status(), StatusCode::kInvalidArgument, texts));
  };
  refused({.depth = 0}, {"SubscriberOptions::depth is 0", "between 1 and 65536"});
  refused({.depth = 65537}, {"SubscriberOptions::depth is 65537"});
  refused({.max_borrowed = 0}, {"SubscriberOptions::max_borrowed is 0", "between 1 and 4096"});
  refused({.max_borrowed = 4097}, {"SubscriberOptions::max_borrowed is 4097"});
  refused({.when_full = static_cast<WhenFull>(3)}, {"SubscriberOptions::when_full is 3", "between 0 and 2"});
  refused({.metrics = static_cast<Metrics>(255)}, {"SubscriberOptions::metrics is 255"});
  EXPECT_TRUE(node.CreateSubscriber<Small>("t", {.depth = 65536, .max_borrowed = 4096}).ok());
}

TEST_F(BadOptionsTest, ANodesTimeoutIsBounded) {
  for (const absl::Duration timeout : {absl::Nanoseconds(-1), absl::Hours(1) + absl::Nanoseconds(1),
                                       absl::InfiniteDuration(), -absl::InfiniteDuration()}) {
    EXPECT_TRUE(
        Says(Node::Create({.domain = kDomain, .root = root_.path(), .registry_timeout = timeout}).status(),
             StatusCode::kInvalidArgument,
             {absl::StrCat("NodeOptions::registry_timeout is ", absl::FormatDuration(timeout)), "between 0 and 1 h"}));
  }
}

TEST_F(BadOptionsTest, ATopicsLimitsAreNamedWithTheTopic) {
  Node node = MakeNode();
  for (const TopicOptions& options : {TopicOptions{.max_publishers = 0}, TopicOptions{.max_publishers = 257},
                                      TopicOptions{.max_subscribers = 0}, TopicOptions{.max_subscribers = 257}}) {
    const std::vector<std::string> texts = {
        "topic \"t\" is to have", absl::StrCat(options.max_publishers, " publishers"),
        absl::StrCat(options.max_subscribers, " subscribers"), "1 to 256 are allowed"};
    EXPECT_TRUE(
        Says(node.CreatePublisher<Small>("t", {.topic = options}).status(), StatusCode::kInvalidArgument, texts));
    EXPECT_TRUE(
        Says(node.CreateSubscriber<Small>("t", {.topic = options}).status(), StatusCode::kInvalidArgument, texts));
  }
}

TEST_F(BadOptionsTest, TwoOptionsThatContradictEachOtherAreNamedBoth) {
  Node node = MakeNode();
  EXPECT_TRUE(
      Says(node.CreatePublisher<Small>("t", {.pool_bytes_initial = 1u << 20, .pool_bytes_max = 1u << 19}).status(),
           StatusCode::kInvalidArgument,
           {"PublisherOptions::pool_bytes_initial is 1048576", "more than pool_bytes_max, which is 524288"}));
  // One message does not fit, or the history takes all there is and leaves no slot for a loan.
  EXPECT_TRUE(Says(node.CreatePublisher<Large>("t", {.pool_bytes_max = 64u << 10}).status(),
                   StatusCode::kInvalidArgument,
                   {"PublisherOptions::pool_bytes_max is 65536", "Large", "100000 bytes", "need "}));
  EXPECT_TRUE(Says(node.CreatePublisher<Small>("t", {.history = 1000, .pool_bytes_max = 64u << 10}).status(),
                   StatusCode::kInvalidArgument,
                   {"PublisherOptions::pool_bytes_max is 65536", "a history of 1000 messages and one more", "need "}));
  EXPECT_TRUE(Says(node.CreatePublisher<Bytes>("t", {.history = 1000, .pool_bytes_max = 64u << 10}).status(),
                   StatusCode::kInvalidArgument, {"a history of 1000 messages"}));
}

TEST_F(BadOptionsTest, AHistoryThatJustFitsCanBePublishedForEver) {
  Node node = MakeNode();
  // The refusal names what is needed; with exactly that it works.
  uint64_t needed = 0;
  const std::string text(
      node.CreatePublisher<Small>("t", {.history = 1000, .pool_bytes_max = 64u << 10}).status().message());
  needed = std::stoull(text.substr(text.rfind(' ') + 1));
  auto publisher = node.CreatePublisher<Small>("t", {.history = 1000, .pool_bytes_max = needed});
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  for (int i = 0; i < 5000; ++i) {
    auto loan = publisher->Loan();
    ASSERT_TRUE(loan.ok()) << i << ": " << loan.status();
    loan->value().number = i;
    ASSERT_TRUE(publisher->Publish(*std::move(loan)).ok());
  }
}

TEST_F(BadOptionsTest, WhoDisagreesWithATopicIsToldBothSidesAndWhoDecided) {
  Node node = MakeNode();
  auto first = node.CreateSubscriber<Small>("t", {.topic = {.max_publishers = 3, .max_subscribers = 5}});
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(Says(node.CreatePublisher<Small>("t", {.topic = {.exclusive = true}}).status(),
                   StatusCode::kFailedPrecondition,
                   {"topic \"t\" is not exclusive, at most 3 publishers and 5 subscribers",
                    "this endpoint asks for exclusive, at most 16 publishers and 64 subscribers",
                    "The topic's first endpoint decided that"}));
  EXPECT_TRUE(node.CreatePublisher<Small>("t").ok());  // no opinion
}

TEST_F(BadOptionsTest, ASecondPublisherOfAnExclusiveTopicIsToldWhoTheFirstIs) {
  Node node = MakeNode("the first");
  Node other = MakeNode("the second");
  const PublisherOptions exclusive = {.topic = {.exclusive = true}};
  {
    auto first = node.CreatePublisher<Small>("lead", exclusive);
    ASSERT_TRUE(first.ok()) << first.status();
    for (const PublisherOptions& options : {exclusive, PublisherOptions()}) {
      EXPECT_TRUE(Says(
          other.CreatePublisher<Small>("lead", options).status(), StatusCode::kAlreadyExists,
          {"topic \"lead\" is exclusive", "\"the first\"", absl::StrCat("process ", getpid()), "must close first"}));
    }
  }
  EXPECT_TRUE(other.CreatePublisher<Small>("lead", exclusive).ok());
}

TEST_F(BadOptionsTest, DurationsThatMakeNoSenseEndAtOnceOrNeverButDoNotOverflow) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<Small>("t");
  auto subscriber = node.CreateSubscriber<Small>("t");
  ASSERT_TRUE(publisher.ok() && subscriber.ok());
  for (const absl::Duration none : {absl::Seconds(-1), -absl::InfiniteDuration(), absl::ZeroDuration()}) {
    EXPECT_EQ(subscriber->TakeFor(none).why(), Outcome::kTimedOut);
    EXPECT_TRUE(Says(publisher->WaitForSubscribers(2, none), StatusCode::kDeadlineExceeded,
                     {"publisher of \"t\"", "1 subscribers", "waited for 2"}));
  }
  EXPECT_EQ(subscriber->TakeUntil(absl::InfinitePast()).why(), Outcome::kTimedOut);
  EXPECT_EQ(subscriber->TakeUntil(absl::UnixEpoch()).why(), Outcome::kTimedOut);
  EXPECT_TRUE(publisher->WaitForSubscribers(1, absl::InfiniteDuration()).ok());
  for (const bool until : {false, true}) {
    auto loan = publisher->Loan();
    ASSERT_TRUE(loan.ok()) << loan.status();
    loan->value().number = 7;
    ASSERT_TRUE(publisher->Publish(*std::move(loan)).ok());
    auto taken = until ? subscriber->TakeUntil(absl::InfiniteFuture()) : subscriber->TakeFor(absl::InfiniteDuration());
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->value().number, 7);
  }
  subscriber->Interrupt();
  EXPECT_EQ(subscriber->TakeUntil(absl::InfiniteFuture()).why(), Outcome::kInterrupted);
}

TEST_F(BadOptionsTest, ALengthThatNoPoolCanHaveIsRefusedWithTheLongestPossible) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<Bytes>("t", {.pool_bytes_max = 1u << 20});
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  for (const size_t bytes : {size_t{1} << 20, size_t{100} << 20, size_t{0xffff'fff8}}) {
    EXPECT_TRUE(Says(publisher->Loan(bytes).status(), StatusCode::kResourceExhausted,
                     {"publisher of \"t\"", absl::StrCat(bytes, " bytes in one piece never fit"),
                      "1048576 bytes (PublisherOptions::pool_bytes_max)", "the longest message has "}));
  }
  for (const size_t bytes : {size_t{0xffff'fff9}, size_t{1} << 40, std::numeric_limits<size_t>::max() - 7,
                             std::numeric_limits<size_t>::max()}) {
    EXPECT_TRUE(Says(publisher->Loan(bytes).status(), StatusCode::kInvalidArgument,
                     {"publisher of \"t\"", absl::StrCat(bytes, " bytes in one piece"), "at most 4294967288"}));
  }
  // The longest that the message names is possible indeed, and one byte more is not.
  const std::string text(publisher->Loan(1u << 20).status().message());
  constexpr char kBefore[] = "the longest message has ";
  const uint64_t longest = std::stoull(text.substr(text.find(kBefore) + sizeof(kBefore) - 1));
  EXPECT_FALSE(publisher->Loan(longest + 1).ok());
  EXPECT_TRUE(publisher->Loan(longest).ok());
}

}  // namespace
}  // namespace weir
