// Publishing and subscribing plain structs and bytes through the public API: in one process, across threads, and across
// processes.
#include <gtest/gtest.h>
#include <weir/weir.h>

#include <atomic>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/child.h"
#include "tests/support/test_root.h"

namespace weir {
namespace {

struct Tick {
  uint64_t number = 0;
  uint64_t writer = 0;
  uint64_t check = 0;

  static uint64_t CheckOf(uint64_t number, uint64_t writer) { return number * 0x9e3779b97f4a7c15u ^ (writer + 1); }
  bool IsWhole() const { return check == CheckOf(number, writer); }
};

// Publishes tick `number`; fails the test if it cannot.
Published PublishTick(Publisher<Tick>& publisher, uint64_t number, uint64_t writer = 0) {
  auto loan = publisher.Loan();
  EXPECT_TRUE(loan.ok()) << loan.status();
  loan->value() = {.number = number, .writer = writer, .check = Tick::CheckOf(number, writer)};
  auto sent = publisher.Publish(*std::move(loan));
  EXPECT_TRUE(sent.ok()) << sent.status();
  return *sent;
}

class PubSubTest : public testing::Test {
 protected:
  Node MakeNode(const std::string& name = "test") {
    auto node = Node::Create({.name = name, .domain = "d", .root = root_.path()});
    EXPECT_TRUE(node.ok()) << node.status();
    return *std::move(node);
  }
  Publisher<Tick> MakePublisher(Node& node, const PublisherOptions& options = {}) {
    auto publisher = node.CreatePublisher<Tick>("ticks", options);
    EXPECT_TRUE(publisher.ok()) << publisher.status();
    return *std::move(publisher);
  }
  Subscriber<Tick> MakeSubscriber(Node& node, const SubscriberOptions& options = {}) {
    auto subscriber = node.CreateSubscriber<Tick>("ticks", options);
    EXPECT_TRUE(subscriber.ok()) << subscriber.status();
    return *std::move(subscriber);
  }
  void TearDown() override { EXPECT_TRUE(root_.IsEmpty()); }

  test::TestRoot root_;
};

TEST_F(PubSubTest, AMessageArrivesWithItsContentAndItsInfo) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node);
  auto subscriber = MakeSubscriber(node);
  const Published sent = PublishTick(publisher, 42);
  EXPECT_EQ(sent.sequence, 1u);
  EXPECT_EQ(sent.accepted, 1u);
  EXPECT_EQ(sent.dropped, 0u);

  auto taken = subscriber.Take();
  ASSERT_TRUE(taken) << OutcomeName(taken.why());
  EXPECT_EQ(taken->value().number, 42u);
  EXPECT_TRUE((*taken)->IsWhole());  // the same
  EXPECT_EQ(taken->info().sequence, 1u);
  EXPECT_EQ(taken->info().missed_before, 0u);
  EXPECT_GT(taken->info().published_ns, 0u);
  EXPECT_FALSE(taken->info().from_history);
  EXPECT_EQ(subscriber.Take().why(), Outcome::kEmpty);
}

TEST_F(PubSubTest, WhyThereIsNoMessageAsAStatusNamesTheTopic) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node);
  auto subscriber = MakeSubscriber(node, {.max_borrowed = 1});
  EXPECT_EQ(subscriber.StatusOf(subscriber.TakeFor(absl::ZeroDuration()).why()),
            absl::DeadlineExceededError("topic \"ticks\": timed out"));
  EXPECT_TRUE(absl::IsUnavailable(subscriber.StatusOf(subscriber.Take().why())));
  subscriber.Interrupt();
  EXPECT_TRUE(absl::IsCancelled(subscriber.StatusOf(subscriber.TakeFor(absl::Hours(1)).why())));
  PublishTick(publisher, 1);
  auto held = subscriber.Take();
  EXPECT_TRUE(subscriber.StatusOf(held.why()).ok());
  PublishTick(publisher, 2);
  // There is nothing to wait for: the caller itself has to drop one.
  EXPECT_TRUE(absl::IsResourceExhausted(subscriber.StatusOf(subscriber.TakeFor(absl::Hours(1)).why())));
}

TEST_F(PubSubTest, NothingIsCopied) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node);
  auto first = MakeSubscriber(node);
  auto second = MakeSubscriber(node);
  PublishTick(publisher, 1);
  auto a = first.Take();
  auto b = second.Take();
  ASSERT_TRUE(a && b);
  // Two mappings of one file (or one, under ThreadSanitizer): the same place within the page.
  const auto in_page = [](const void* address) { return reinterpret_cast<uintptr_t>(address) % 4096; };
  EXPECT_EQ(in_page(&a->value()), in_page(&b->value()));
}

TEST_F(PubSubTest, WhatWasPublishedBeforeASubscriberJoinedIsNotDelivered) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node);
  EXPECT_EQ(PublishTick(publisher, 1).accepted, 0u);
  auto subscriber = MakeSubscriber(node);
  EXPECT_EQ(PublishTick(publisher, 2).accepted, 1u);
  auto taken = subscriber.Take();
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->value().number, 2u);
  EXPECT_EQ(taken->info().missed_before, 0u);
}

TEST_F(PubSubTest, APublisherMayComeAfterItsSubscriber) {
  Node node = MakeNode();
  auto subscriber = MakeSubscriber(node);
  EXPECT_EQ(subscriber.Take().why(), Outcome::kEmpty);
  auto publisher = MakePublisher(node);
  PublishTick(publisher, 1);
  EXPECT_TRUE(subscriber.Take());
}

class DepthTest : public PubSubTest, public testing::WithParamInterface<uint32_t> {};

TEST_P(DepthTest, OverwritingKeepsExactlyTheNewest) {
  const uint32_t depth = GetParam();
  Node node = MakeNode();
  auto publisher = MakePublisher(node);
  auto subscriber = MakeSubscriber(node, {.depth = depth, .when_full = WhenFull::kOverwriteOldest});
  const uint64_t total = depth * uint64_t{2} + 3;
  for (uint64_t i = 1; i <= total; ++i) EXPECT_EQ(PublishTick(publisher, i).accepted, 1u);
  for (uint64_t i = total - depth + 1; i <= total; ++i) {
    auto taken = subscriber.Take();
    ASSERT_TRUE(taken);
    ASSERT_EQ(taken->value().number, i);
    EXPECT_EQ(taken->info().missed_before, i == total - depth + 1 ? total - depth : 0);
  }
  EXPECT_EQ(subscriber.Take().why(), Outcome::kEmpty);
  EXPECT_EQ(publisher.counts().evicted, total - depth);
}

TEST_P(DepthTest, DroppingTheNewestKeepsExactlyTheOldest) {
  const uint32_t depth = GetParam();
  Node node = MakeNode();
  auto publisher = MakePublisher(node);
  auto subscriber = MakeSubscriber(node, {.depth = depth, .when_full = WhenFull::kDropNewest});
  for (uint64_t i = 1; i <= depth + uint64_t{3}; ++i) {
    const Published sent = PublishTick(publisher, i);
    EXPECT_EQ(sent.accepted, i <= depth ? 1u : 0u);
    EXPECT_EQ(sent.dropped, i <= depth ? 0u : 1u);
  }
  for (uint64_t i = 1; i <= depth; ++i) {
    auto taken = subscriber.Take();
    ASSERT_TRUE(taken);
    ASSERT_EQ(taken->value().number, i);
  }
  EXPECT_EQ(subscriber.Take().why(), Outcome::kEmpty);
  EXPECT_EQ(publisher.counts().refused_full, 3u);
}

INSTANTIATE_TEST_SUITE_P(Depths, DepthTest, testing::Values(1u, 2u, 3u, 16u, 63u, 64u, 65u, 1001u));

TEST_F(PubSubTest, BlockingWaitsForRoomAndGivesUpAfterMaxBlock) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, {.max_block = absl::Milliseconds(30)});
  auto subscriber = MakeSubscriber(node, {.depth = 2, .when_full = WhenFull::kBlock});
  PublishTick(publisher, 1);
  PublishTick(publisher, 2);
  const absl::Time before = absl::Now();
  EXPECT_EQ(PublishTick(publisher, 3).dropped, 1u);
  EXPECT_GE(absl::Now() - before, absl::Milliseconds(30));  // not before
  // After one wait in vain not again until head moves.
  EXPECT_EQ(PublishTick(publisher, 4).dropped, 1u);
  const uint64_t blocked_ns = publisher.counts().blocked_ns;
  EXPECT_EQ(PublishTick(publisher, 5).dropped, 1u);
  EXPECT_EQ(publisher.counts().blocked_ns, blocked_ns);
  EXPECT_EQ(publisher.counts().refused_timed_out, 3u);
  EXPECT_TRUE(subscriber.Take());
  EXPECT_EQ(PublishTick(publisher, 6).accepted, 1u);
}

TEST_F(PubSubTest, ABlockedPublisherGoesOnWhenRoomIsMade) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, {.max_block = absl::Seconds(20)});
  auto subscriber = MakeSubscriber(node, {.depth = 1, .when_full = WhenFull::kBlock});
  constexpr uint64_t kMessages = 2000;
  std::thread reader([&] {
    for (uint64_t i = 1; i <= kMessages; ++i) {
      auto taken = subscriber.TakeFor(absl::Seconds(20));
      ASSERT_TRUE(taken) << OutcomeName(taken.why());
      ASSERT_EQ(taken->value().number, i);
      ASSERT_EQ(taken->info().missed_before, 0u);
    }
  });
  for (uint64_t i = 1; i <= kMessages; ++i) ASSERT_EQ(PublishTick(publisher, i).accepted, 1u);
  reader.join();
}

TEST_F(PubSubTest, AFullBlockingSubscriberDelaysNobodyElse) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, {.max_block = absl::Milliseconds(200)});
  auto blocking = MakeSubscriber(node, {.depth = 1, .when_full = WhenFull::kBlock});
  auto other = MakeSubscriber(node, {.depth = 4});
  PublishTick(publisher, 1);
  std::atomic<bool> other_has_it{false};
  std::thread reader([&] {
    auto first = other.TakeFor(absl::Seconds(20));
    auto second = other.TakeFor(absl::Seconds(20));
    other_has_it = second && second->value().number == 2;
  });
  const Published sent = PublishTick(publisher, 2);  // waits 200 ms for `blocking`
  EXPECT_EQ(sent.accepted, 1u);
  EXPECT_EQ(sent.dropped, 1u);
  reader.join();
  EXPECT_TRUE(other_has_it);
}

TEST_F(PubSubTest, TakeForTimesOutNotBeforeItsTime) {
  Node node = MakeNode();
  auto subscriber = MakeSubscriber(node);
  const absl::Time before = absl::Now();
  EXPECT_EQ(subscriber.TakeFor(absl::Milliseconds(20)).why(), Outcome::kTimedOut);
  EXPECT_GE(absl::Now() - before, absl::Milliseconds(19));  // two clocks
  EXPECT_EQ(subscriber.TakeUntil(absl::Now() - absl::Seconds(1)).why(), Outcome::kTimedOut);
}

TEST_F(PubSubTest, TakeForWakesOnData) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node);
  auto subscriber = MakeSubscriber(node);
  for (uint64_t i = 1; i <= 50; ++i) {
    std::thread writer([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(i % 5));
      PublishTick(publisher, i);
    });
    auto taken = subscriber.TakeFor(absl::Seconds(30));
    writer.join();
    ASSERT_TRUE(taken) << OutcomeName(taken.why());
    EXPECT_EQ(taken->value().number, i);
  }
  EXPECT_GT(subscriber.counts().sleeps, 0u);
  EXPECT_GT(publisher.counts().wakeups, 0u);
}

TEST_F(PubSubTest, InterruptEndsARunningTakeForOrTheNextOne) {
  Node node = MakeNode();
  auto subscriber = MakeSubscriber(node);
  subscriber.Interrupt();
  EXPECT_EQ(subscriber.TakeFor(absl::Seconds(30)).why(), Outcome::kInterrupted);
  EXPECT_EQ(subscriber.TakeFor(absl::Milliseconds(1)).why(), Outcome::kTimedOut);
  for (int i = 0; i < 20; ++i) {
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(i % 3));
      subscriber.Interrupt();
    });
    EXPECT_EQ(subscriber.TakeFor(absl::Seconds(30)).why(), Outcome::kInterrupted);
    other.join();
  }
}

TEST_F(PubSubTest, WaitForSubscribersReturnsWhenTheyAreThere) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node);
  EXPECT_EQ(publisher.WaitForSubscribers(1, absl::Milliseconds(5)).code(), absl::StatusCode::kDeadlineExceeded);
  std::optional<Subscriber<Tick>> first, second;
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    first = MakeSubscriber(node);
    second = MakeSubscriber(node);
  });
  EXPECT_TRUE(publisher.WaitForSubscribers(2, absl::Seconds(30)).ok());
  other.join();
  EXPECT_EQ(publisher.counts().queues, 2u);
  first.reset();
  EXPECT_EQ(PublishTick(publisher, 1).accepted, 1u);
}

TEST_F(PubSubTest, SamplesHeldAcrossLaterTakesKeepTheirContent) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node);
  auto subscriber = MakeSubscriber(node, {.depth = 4, .max_borrowed = 8});
  std::vector<Sample<Tick>> held;
  for (uint64_t i = 1; i <= 7; ++i) {
    PublishTick(publisher, i);
    auto taken = subscriber.Take();
    ASSERT_TRUE(taken);
    held.push_back(*std::move(taken));
  }
  for (uint64_t i = 8; i <= 5000; ++i) {
    PublishTick(publisher, i);
    auto taken = subscriber.Take();
    ASSERT_TRUE(taken);
    ASSERT_EQ(taken->value().number, i);
  }
  for (uint64_t i = 1; i <= 7; ++i) {
    EXPECT_EQ(held[i - 1].value().number, i);
    EXPECT_TRUE(held[i - 1].value().IsWhole());
  }
  EXPECT_EQ(subscriber.counts().torn, 0u);
  EXPECT_LT(publisher.counts().pool_bytes_committed, 1u << 20);  // slots are reused, the pool does not grow
}

TEST_F(PubSubTest, HoldingTooManySamplesIsAnOutcome) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node);
  auto subscriber = MakeSubscriber(node, {.max_borrowed = 2});
  for (uint64_t i = 1; i <= 3; ++i) PublishTick(publisher, i);
  {
    auto a = subscriber.Take();
    auto b = subscriber.Take();
    EXPECT_TRUE(a && b);
    EXPECT_EQ(subscriber.Take().why(), Outcome::kTooManyHeld);
  }
  auto c = subscriber.Take();
  ASSERT_TRUE(c);
  EXPECT_EQ(c->value().number, 3u);
}

TEST_F(PubSubTest, SamplesOutliveTheirPublisherSubscriberAndNode) {
  std::optional<Sample<Tick>> sample;
  {
    Node node = MakeNode();
    auto publisher = MakePublisher(node);
    auto subscriber = MakeSubscriber(node);
    PublishTick(publisher, 7);
    auto taken = subscriber.Take();
    ASSERT_TRUE(taken);
    sample.emplace(*std::move(taken));
  }
  EXPECT_FALSE(root_.IsEmpty());  // the node is still registered
  EXPECT_EQ(sample->value().number, 7u);
  EXPECT_TRUE(sample->value().IsWhole());
  sample.reset();
}

TEST_F(PubSubTest, MessagesOfAClosedPublisherCanStillBeTaken) {
  Node node = MakeNode();
  auto subscriber = MakeSubscriber(node);
  {
    auto publisher = MakePublisher(node);
    for (uint64_t i = 1; i <= 5; ++i) PublishTick(publisher, i);
  }
  auto successor = MakePublisher(node);
  PublishTick(successor, 100);
  for (uint64_t i : {1u, 2u, 3u, 4u, 5u, 100u}) {
    auto taken = subscriber.Take();
    ASSERT_TRUE(taken) << OutcomeName(taken.why()) << " " << subscriber.last_error();
    EXPECT_EQ(taken->value().number, i);
    EXPECT_TRUE(taken->value().IsWhole());
  }
}

TEST_F(PubSubTest, ADroppedLoanIsNotSent) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node);
  auto subscriber = MakeSubscriber(node);
  { auto loan = publisher.Loan(); }
  EXPECT_EQ(PublishTick(publisher, 1).sequence, 1u);
  ASSERT_TRUE(subscriber.Take());
  EXPECT_EQ(subscriber.Take().why(), Outcome::kEmpty);
}

TEST_F(PubSubTest, ALoanMayOutliveItsPublisher) {
  Node node = MakeNode();
  std::optional<Loan<Tick>> loan;
  {
    auto publisher = MakePublisher(node);
    auto made = publisher.Loan();
    ASSERT_TRUE(made.ok());
    loan.emplace(*std::move(made));
  }
  loan->value().number = 3;
  loan.reset();
}

TEST_F(PubSubTest, BytesHaveTheLengthTheyWerePublishedWith) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<Bytes>("bytes");
  auto subscriber = node.CreateSubscriber<Bytes>("bytes", {.depth = 64});
  ASSERT_TRUE(publisher.ok() && subscriber.ok());
  const size_t sizes[] = {0, 1, 7, 63, 64, 65, 4096, 4097, 100'000, 3'000'000, 12};
  for (size_t size : sizes) {
    auto loan = publisher->Loan(size);
    ASSERT_TRUE(loan.ok()) << loan.status();
    ASSERT_EQ(loan->bytes().size(), size);
    std::memset(loan->bytes().data(), static_cast<int>(size % 251), size);
    ASSERT_TRUE(publisher->Publish(*std::move(loan)).ok());
  }
  for (size_t size : sizes) {
    auto taken = subscriber->Take();
    ASSERT_TRUE(taken);
    ASSERT_EQ(taken->bytes().size(), size);
    for (std::byte byte : taken->bytes()) ASSERT_EQ(static_cast<size_t>(byte), size % 251);
  }
  auto loan = publisher->Loan(100);
  ASSERT_TRUE(loan.ok());
  EXPECT_TRUE(loan->Resize(10));
  EXPECT_FALSE(loan->Resize(loan->capacity() + 1));
  ASSERT_TRUE(publisher->Publish(*std::move(loan)).ok());
  auto taken = subscriber->Take();
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->bytes().size(), 10u);
}

TEST_F(PubSubTest, AFullPoolGivesUpItsSmallSlotsBeforeItRefusesALargeOne) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<Bytes>("bytes", {.pool_bytes_max = 1 << 20});
  auto subscriber = node.CreateSubscriber<Bytes>("bytes", {.depth = 4096, .when_full = WhenFull::kDropNewest});
  ASSERT_TRUE(publisher.ok() && subscriber.ok());
  const auto publish = [&](size_t size) {
    auto loan = publisher->Loan(size);
    if (!loan.ok()) return loan.status();
    return publisher->Publish(*std::move(loan)).status();
  };
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(publish(20'000).ok());
  for (int i = 0; i < 1500; ++i) ASSERT_TRUE(publish(64).ok());
  while (publish(20'000).ok()) {
  }
  while (subscriber->Take()) {
  }
  // What was passed last is freed first; the large slots are behind more small ones than one pass frees.
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(publish(20'000).ok());
}

TEST_F(PubSubTest, CopyBeforeReadDeliversTheSameContentFromPrivateMemory) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node);
  auto subscriber = MakeSubscriber(node, {.max_borrowed = 2, .copy_before_read = true});
  for (uint64_t i = 1; i <= 100; ++i) {
    PublishTick(publisher, i);
    auto taken = subscriber.Take();
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->value().number, i);
    EXPECT_TRUE(taken->value().IsWhole());
  }
}

TEST_F(PubSubTest, AnExclusiveTopicHasOnePublisherAtATime) {
  Node node = MakeNode();
  auto subscriber = MakeSubscriber(node, {.topic = {.exclusive = true}});
  uint64_t number = 0;
  for (int round = 0; round < 5; ++round) {
    auto publisher = MakePublisher(node, {.topic = {.exclusive = true}});
    auto second = node.CreatePublisher<Tick>("ticks", {.topic = {.exclusive = true}});
    EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists) << second.status();
    for (int i = 0; i < 7; ++i) PublishTick(publisher, ++number);
  }
  // Depth 16 of 35: the newest 16, in order, across three publishers one after the other.
  for (uint64_t i = number - 15; i <= number; ++i) {
    auto taken = subscriber.Take();
    ASSERT_TRUE(taken) << OutcomeName(taken.why()) << " " << subscriber.last_error();
    EXPECT_EQ(taken->value().number, i);
  }
}

TEST_F(PubSubTest, ATopicHasOneType) {
  struct Other {
    uint32_t x;
  };
  Node node = MakeNode();
  auto publisher = MakePublisher(node);
  auto other = node.CreateSubscriber<Other>("ticks");
  EXPECT_EQ(other.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(other.status().message()).find("Tick"), std::string::npos) << other.status();
  auto bytes = node.CreateSubscriber<Bytes>("ticks");
  EXPECT_EQ(bytes.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(PubSubTest, OptionsOutOfRangeAreRefusedByNameValueAndLimit) {
  Node node = MakeNode();
  const auto expect = [](const absl::Status& status, const std::string& option, const std::string& value) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    const std::string text(status.message());
    EXPECT_NE(text.find(option), std::string::npos) << text;
    EXPECT_NE(text.find(value), std::string::npos) << text;
  };
  expect(node.CreateSubscriber<Tick>("t", {.depth = 0}).status(), "depth", "0");
  expect(node.CreateSubscriber<Tick>("t", {.depth = 65537}).status(), "depth", "65537");
  expect(node.CreateSubscriber<Tick>("t", {.max_borrowed = 4097}).status(), "max_borrowed", "4097");
  expect(node.CreatePublisher<Tick>("t", {.history = 1025}).status(), "history", "1025");
  expect(node.CreatePublisher<Tick>("t", {.max_loans = 0}).status(), "max_loans", "0");
  expect(node.CreatePublisher<Tick>("t", {.pool_bytes_max = 1}).status(), "pool_bytes_max", "1");
  expect(node.CreatePublisher<Tick>("t", {.max_block = -absl::Seconds(1)}).status(), "max_block", "-1s");
}

TEST_F(PubSubTest, ManyDomainsLiveSideBySide) {
  std::vector<Node> nodes;
  std::vector<Publisher<Tick>> publishers;
  std::vector<Subscriber<Tick>> subscribers;
  for (int i = 0; i < 5; ++i) {
    auto node = Node::Create({.name = "n", .domain = "domain-" + std::to_string(i), .root = root_.path()});
    ASSERT_TRUE(node.ok()) << node.status();
    nodes.push_back(*std::move(node));
    publishers.push_back(MakePublisher(nodes.back()));
    subscribers.push_back(MakeSubscriber(nodes.back()));
  }
  for (uint64_t i = 0; i < 5; ++i) EXPECT_EQ(PublishTick(publishers[i], i).accepted, 1u);
  for (uint64_t i = 0; i < 5; ++i) {
    auto taken = subscribers[i].Take();
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->value().number, i);
    EXPECT_EQ(subscribers[i].Take().why(), Outcome::kEmpty);
  }
}

TEST_F(PubSubTest, ThreadsPublishAndTakeConcurrentlyInOrderPerPublisher) {
  constexpr int kPublishers = 3, kSubscribers = 2;
  constexpr uint64_t kMessages = 3000;
  Node node = MakeNode();
  std::vector<Publisher<Tick>> publishers;
  std::vector<Subscriber<Tick>> subscribers;
  for (int i = 0; i < kSubscribers; ++i) {
    subscribers.push_back(MakeSubscriber(node, {.depth = 100, .when_full = WhenFull::kBlock}));
  }
  for (int i = 0; i < kPublishers; ++i) publishers.push_back(MakePublisher(node, {.max_block = absl::Seconds(60)}));
  std::vector<std::thread> threads;
  for (int p = 0; p < kPublishers; ++p) {
    threads.emplace_back([&, p] {
      for (uint64_t i = 1; i <= kMessages; ++i) {
        ASSERT_EQ(PublishTick(publishers[p], i, static_cast<uint64_t>(p)).accepted, 2u);
      }
    });
  }
  for (int s = 0; s < kSubscribers; ++s) {
    threads.emplace_back([&, s] {
      uint64_t last[kPublishers] = {};
      for (uint64_t i = 0; i < kMessages * kPublishers; ++i) {
        auto taken = subscribers[s].TakeFor(absl::Seconds(60));
        ASSERT_TRUE(taken) << OutcomeName(taken.why());
        const Tick& tick = taken->value();
        ASSERT_TRUE(tick.IsWhole());
        ASSERT_EQ(tick.number, last[tick.writer] + 1);
        last[tick.writer] = tick.number;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(PubSubTest, ProcessesExchangeMessagesThroughTheTopicsNameOnly) {
  constexpr uint64_t kMessages = 20'000;
  const auto run_publisher = [&](uint64_t writer) {
    return [this, writer](test::Channel& parent) {
      Node node = MakeNode("publisher");
      auto publisher = MakePublisher(node, {.max_block = absl::Seconds(60)});
      ASSERT_TRUE(publisher.WaitForSubscribers(2, absl::Seconds(30)).ok());
      for (uint64_t i = 1; i <= kMessages; ++i) ASSERT_EQ(PublishTick(publisher, i, writer).accepted, 2u);
      parent.Send(publisher.counts().pushed);
    };
  };
  const auto run_subscriber = [&](test::Channel& parent) {
    Node node = MakeNode("subscriber");
    auto subscriber = MakeSubscriber(node, {.depth = 64, .when_full = WhenFull::kBlock});
    uint64_t last[2] = {};
    for (uint64_t i = 0; i < 2 * kMessages; ++i) {
      auto taken = subscriber.TakeFor(absl::Seconds(30));
      ASSERT_TRUE(taken) << OutcomeName(taken.why()) << " " << subscriber.last_error();
      const Tick& tick = taken->value();
      ASSERT_TRUE(tick.IsWhole());
      ASSERT_EQ(tick.number, last[tick.writer] + 1);
      last[tick.writer] = tick.number;
    }
    parent.Send(subscriber.counts().taken);
  };
  test::Child s1(run_subscriber), s2(run_subscriber);
  test::Child p1(run_publisher(0)), p2(run_publisher(1));
  for (test::Child* child : {&s1, &s2, &p1, &p2}) EXPECT_EQ(child->channel().Receive<uint64_t>(), 2 * kMessages);
  for (test::Child* child : {&s1, &s2, &p1, &p2}) EXPECT_EQ(child->Wait(), test::ChildEnd::Exited(0));
}

}  // namespace
}  // namespace weir
