// PublisherOptions::lock_memory and SubscriberOptions::lock_memory: what is locked, and what becomes of whoever may not
// lock so much.
// weir-test: not-under=asan,tsan
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <weir/weir.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/pubsub/payload.h"
#include "tests/support/child.h"
#include "tests/support/locked_memory.h"
#include "tests/support/skip.h"
#include "tests/support/test_root.h"

namespace weir {
namespace {

using test::Channel;
using test::Child;
using test::ChildEnd;
using test::LimitLockedMemory;
using test::LockedBytes;
using test::Payload;
using testing::AllOf;
using testing::HasSubstr;

constexpr uint64_t kPage = 4096;
// Endpoints of a topic read its entry in the registry too: no more pages than that, and counted by no endpoint.
constexpr uint64_t kTopicBytesMax = 4 * kPage;

uint64_t WholePages(uint64_t bytes) {
  return (bytes + kPage - 1) / kPage * kPage;
}

class LockMemoryTest : public testing::Test {
 protected:
  Node MakeNode() {
    auto node = Node::Create({.name = "locking", .domain = "d", .root = root_.path()});
    EXPECT_TRUE(node.ok()) << node.status();
    return *std::move(node);
  }
  static bool PublishNext(Publisher<Payload>& publisher, uint64_t number) {
    auto loan = publisher.Loan();
    if (!loan.ok()) return false;
    loan->value().Fill(1, number);
    auto published = publisher.Publish(*std::move(loan));
    return published.ok() && published->accepted == 1;
  }
  // Runs in a process that may lock so much; a skip, if it cannot be made to.
  template <class Body>
  void WithLimit(uint64_t bytes, Body body) {
    Child child([&](Channel& parent) {
      const std::string why_not = LimitLockedMemory(bytes);
      parent.Send(why_not);
      if (why_not.empty()) body();
    });
    const std::string why_not = child.channel().ReceiveText().value_or("the child ended");
    const ChildEnd end = child.Wait();
    if (!why_not.empty()) WEIR_SKIP(why_not);
    EXPECT_EQ(end, ChildEnd::Exited(0));
  }

  test::TestRoot root_;
};

TEST_F(LockMemoryTest, NothingIsLockedByDefault) {
  Node node = MakeNode();
  const uint64_t before = LockedBytes();
  auto publisher = node.CreatePublisher<Payload>("topic");
  auto subscriber = node.CreateSubscriber<Payload>("topic");
  ASSERT_TRUE(publisher.ok() && subscriber.ok());
  ASSERT_TRUE(PublishNext(*publisher, 1));
  ASSERT_TRUE(subscriber->Take());
  EXPECT_EQ(LockedBytes(), before);
  EXPECT_EQ(publisher->counts().bytes_locked + publisher->counts().bytes_unlocked, 0u);
  EXPECT_EQ(subscriber->counts().bytes_locked + subscriber->counts().bytes_unlocked, 0u);
}

TEST_F(LockMemoryTest, APublisherLocksItsPoolAndWhatItMapsOfItsSubscribersAlsoWhenTheyGrow) {
  WithLimit(8u << 20, [&] {
    Node node = MakeNode();
    const uint64_t before = LockedBytes();
    auto publisher = node.CreatePublisher<Payload>("topic", {.pool_bytes_initial = 1u << 20, .lock_memory = true});
    ASSERT_TRUE(publisher.ok()) << publisher.status();
    const auto locked = [&] { return LockedBytes() - before; };
    const PublisherCounts alone = publisher->counts();
    EXPECT_GE(alone.bytes_locked, 1u << 20);
    EXPECT_EQ(alone.bytes_locked, alone.pool_bytes_committed);
    EXPECT_GT(locked(), alone.bytes_locked);
    EXPECT_LE(locked(), alone.bytes_locked + kTopicBytesMax);

    auto subscriber = node.CreateSubscriber<Payload>("topic", {.depth = 4000, .max_borrowed = 4000});
    ASSERT_TRUE(subscriber.ok()) << subscriber.status();
    std::vector<Sample<Payload>> held;
    for (uint64_t number = 1; number <= 4000; ++number) {
      ASSERT_TRUE(PublishNext(*publisher, number));
      held.push_back(*subscriber->Take());
    }
    const PublisherCounts grown = publisher->counts();
    EXPECT_GT(grown.pool_bytes_committed, alone.pool_bytes_committed);
    EXPECT_GT(grown.bytes_locked, grown.pool_bytes_committed + 4000 * 8);  // the queue's cells
    EXPECT_EQ(grown.bytes_unlocked, 0u);
    EXPECT_GE(locked(), grown.bytes_locked);
    EXPECT_LE(locked(), WholePages(grown.bytes_locked) + kTopicBytesMax + 2 * kPage);
  });
}

TEST_F(LockMemoryTest, ASubscriberLocksItsQueueAndThePoolsItReadsAlsoWhenTheyGrow) {
  WithLimit(8u << 20, [&] {
    Node node = MakeNode();
    auto publisher = node.CreatePublisher<Payload>("topic", {.pool_bytes_initial = 1u << 20});
    ASSERT_TRUE(publisher.ok()) << publisher.status();
    const uint64_t before = LockedBytes();
    auto subscriber =
        node.CreateSubscriber<Payload>("topic", {.depth = 4000, .max_borrowed = 4000, .lock_memory = true});
    ASSERT_TRUE(subscriber.ok()) << subscriber.status();
    // Before the first message.
    EXPECT_GT(subscriber->counts().bytes_locked, publisher->counts().pool_bytes_committed + 4000 * 8);
    std::vector<Sample<Payload>> held;
    for (uint64_t number = 1; number <= 4000; ++number) {
      ASSERT_TRUE(PublishNext(*publisher, number));
      held.push_back(*subscriber->Take());
    }
    // It asks for the file's size when a message lies beyond what it knows: up to there it is locked.
    const SubscriberCounts grown = subscriber->counts();
    EXPECT_GT(grown.bytes_locked, 4000 * sizeof(Payload));
    EXPECT_EQ(grown.bytes_unlocked, 0u);
    EXPECT_GE(LockedBytes() - before, grown.bytes_locked);
    EXPECT_LE(LockedBytes() - before, WholePages(grown.bytes_locked) + kTopicBytesMax + 2 * kPage);
  });
}

TEST_F(LockMemoryTest, ALockingSubscriberMapsThePoolOfALaterPublisherBeforeItsFirstMessage) {
  WithLimit(8u << 20, [&] {
    Node node = MakeNode();
    auto subscriber = node.CreateSubscriber<Payload>("topic", {.lock_memory = true});
    ASSERT_TRUE(subscriber.ok()) << subscriber.status();
    const uint64_t alone = subscriber->counts().bytes_locked;
    auto publisher = node.CreatePublisher<Payload>("topic", {.pool_bytes_initial = 1u << 20});
    ASSERT_TRUE(publisher.ok()) << publisher.status();
    EXPECT_EQ(subscriber->Take().why(), Outcome::kEmpty);
    EXPECT_EQ(subscriber->counts().bytes_locked, alone + publisher->counts().pool_bytes_committed);
    { const auto gone = *std::move(publisher); }
    EXPECT_EQ(subscriber->Take().why(), Outcome::kEmpty);
    EXPECT_EQ(subscriber->counts().bytes_locked, alone);
  });
}

TEST_F(LockMemoryTest, WhatIsLockedIsUnlockedWithItsEndpoint) {
  WithLimit(8u << 20, [&] {
    const uint64_t before = LockedBytes();
    {
      Node node = MakeNode();
      auto publisher = node.CreatePublisher<Payload>("topic", {.lock_memory = true});
      auto subscriber = node.CreateSubscriber<Payload>("topic", {.lock_memory = true});
      ASSERT_TRUE(publisher.ok() && subscriber.ok()) << publisher.status() << subscriber.status();
      EXPECT_GT(LockedBytes(), before);
    }
    EXPECT_EQ(LockedBytes(), before);
  });
}

TEST_F(LockMemoryTest, APoolBeyondTheLimitIsRefusedWithTheNumbersAndLeavesNothing) {
  WithLimit(256u << 10, [&] {
    Node node = MakeNode();
    auto publisher = node.CreatePublisher<Payload>("topic", {.pool_bytes_initial = 1u << 20, .lock_memory = true});
    EXPECT_EQ(publisher.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(publisher.status().message()),
                AllOf(HasSubstr("the pool"), HasSubstr("cannot lock 1056768 bytes"),
                      HasSubstr("RLIMIT_MEMLOCK is 262144 bytes"), HasSubstr("ulimit -l")));
    EXPECT_EQ(LockedBytes(), 0u);
    for (const std::string& name : root_.Contents()) EXPECT_THAT(name, testing::Not(HasSubstr("/pool.")));
    // The place in the topic is free again, also of an exclusive one.
    EXPECT_TRUE(node.CreatePublisher<Payload>("topic", {.topic = {.exclusive = true}}).ok());
  });
}

TEST_F(LockMemoryTest, ASubscribersQueueBeyondTheLimitIsRefusedOnBothSides) {
  WithLimit(256u << 10, [&] {
    Node node = MakeNode();
    auto locking = node.CreateSubscriber<Payload>("topic", {.depth = 65'536, .lock_memory = true});
    EXPECT_EQ(locking.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(locking.status().message()),
                AllOf(HasSubstr("subscriber of \"topic\""), HasSubstr("queue"), HasSubstr("RLIMIT_MEMLOCK is 262144")));
    auto subscriber = node.CreateSubscriber<Payload>("topic", {.depth = 65'536});
    ASSERT_TRUE(subscriber.ok()) << subscriber.status();
    auto publisher = node.CreatePublisher<Payload>("topic", {.pool_bytes_initial = 64u << 10, .lock_memory = true});
    EXPECT_EQ(publisher.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(publisher.status().message()),
                AllOf(HasSubstr("publisher of \"topic\""), HasSubstr("queue"), HasSubstr("RLIMIT_MEMLOCK is 262144")));
    EXPECT_LE(LockedBytes(), kTopicBytesMax);
  });
}

TEST_F(LockMemoryTest, APublishersPoolBeyondTheLimitIsRefusedToASubscriberThatIsToLockIt) {
  WithLimit(256u << 10, [&] {
    Node node = MakeNode();
    auto publisher = node.CreatePublisher<Payload>("topic", {.pool_bytes_initial = 1u << 20});
    ASSERT_TRUE(publisher.ok()) << publisher.status();
    auto subscriber = node.CreateSubscriber<Payload>("topic", {.lock_memory = true});
    EXPECT_EQ(subscriber.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(subscriber.status().message()),
                AllOf(HasSubstr("pool"), HasSubstr("RLIMIT_MEMLOCK is 262144")));
    for (const std::string& name : root_.Contents()) EXPECT_THAT(name, testing::Not(HasSubstr("/queue.")));
  });
}

// Later than at creation nobody is refused for it, and no message is lost.
TEST_F(LockMemoryTest, WhatGrowsBeyondTheLimitIsUsedUnlockedAndSaysSo) {
  WithLimit(2u << 20, [&] {
    Node node = MakeNode();
    auto publisher = node.CreatePublisher<Payload>("topic", {.pool_bytes_initial = 256u << 10, .lock_memory = true});
    ASSERT_TRUE(publisher.ok()) << publisher.status();
    auto subscriber =
        node.CreateSubscriber<Payload>("topic", {.depth = 4000, .max_borrowed = 4000, .lock_memory = true});
    ASSERT_TRUE(subscriber.ok()) << subscriber.status();
    std::vector<Sample<Payload>> held;
    for (uint64_t number = 1; number <= 4000; ++number) {
      ASSERT_TRUE(PublishNext(*publisher, number));
      auto taken = subscriber->Take();
      ASSERT_TRUE(taken);
      ASSERT_EQ(taken->value().number, number);
      held.push_back(*std::move(taken));
    }
    for (const Sample<Payload>& sample : held) ASSERT_TRUE(sample.value().IsWhole());
    const PublisherCounts sent = publisher->counts();
    const SubscriberCounts got = subscriber->counts();
    EXPECT_GT(sent.bytes_unlocked, 0u);
    EXPECT_GT(sent.bytes_locked, 0u);
    EXPECT_GT(got.bytes_unlocked, 0u);
    EXPECT_GT(got.bytes_locked, 0u);
    EXPECT_LE(sent.bytes_locked + got.bytes_locked, LockedBytes());
    EXPECT_LE(LockedBytes(), 2u << 20);
  });
}

}  // namespace
}  // namespace weir
