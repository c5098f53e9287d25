// History: what a late joiner gets of what was published before it came.
#include <gtest/gtest.h>
#include <weir/weir.h>

#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/child.h"
#include "tests/support/test_root.h"

namespace weir {
namespace {

struct Value {
  uint64_t number = 0;
  uint64_t writer = 0;
};

class HistoryTest : public testing::Test {
 protected:
  Node MakeNode() {
    auto node = Node::Create({.name = "history", .domain = "d", .root = root_.path()});
    EXPECT_TRUE(node.ok()) << node.status();
    return *std::move(node);
  }
  Publisher<Value> MakePublisher(Node& node, uint32_t history, const TopicOptions& topic = {}) {
    auto publisher = node.CreatePublisher<Value>("values", {.topic = topic, .history = history});
    EXPECT_TRUE(publisher.ok()) << publisher.status();
    return *std::move(publisher);
  }
  Subscriber<Value> MakeSubscriber(Node& node, const SubscriberOptions& options = {}) {
    auto subscriber = node.CreateSubscriber<Value>("values", options);
    EXPECT_TRUE(subscriber.ok()) << subscriber.status();
    return *std::move(subscriber);
  }
  static void Publish(Publisher<Value>& publisher, uint64_t number, uint64_t writer = 0) {
    auto loan = publisher.Loan();
    ASSERT_TRUE(loan.ok()) << loan.status();
    loan->value() = {.number = number, .writer = writer};
    ASSERT_TRUE(publisher.Publish(*std::move(loan)).ok());
  }
  void TearDown() override { EXPECT_TRUE(root_.IsEmpty()); }

  test::TestRoot root_;
};

TEST_F(HistoryTest, ALateJoinerGetsTheLatchedValueOfAnIdlePublisher) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, 1);
  for (uint64_t i = 1; i <= 5; ++i) Publish(publisher, i);
  auto subscriber = MakeSubscriber(node);
  auto taken = subscriber.Take();
  ASSERT_TRUE(taken) << OutcomeName(taken.why());
  EXPECT_EQ(taken->value().number, 5u);
  EXPECT_TRUE(taken->info().from_history);
  EXPECT_EQ(taken->info().sequence, 5u);
  EXPECT_EQ(subscriber.Take().why(), Outcome::kEmpty);
  EXPECT_EQ(subscriber.counts().from_history, 1u);
}

TEST_F(HistoryTest, TheLatchedValueOfAStoppedProcessArrives) {
  test::Child child([&](test::Channel& parent) {
    Node node = MakeNode();
    auto publisher = MakePublisher(node, 3);
    for (uint64_t i = 1; i <= 10; ++i) Publish(publisher, i);
    parent.Send(uint32_t{1});
    parent.Receive<uint32_t>();
  });
  ASSERT_TRUE(child.channel().Receive<uint32_t>());
  child.Stop();
  {
    Node node = MakeNode();
    auto subscriber = MakeSubscriber(node);
    for (uint64_t i = 8; i <= 10; ++i) {
      auto taken = subscriber.Take();
      ASSERT_TRUE(taken);
      EXPECT_EQ(taken->value().number, i);
    }
    EXPECT_EQ(subscriber.Take().why(), Outcome::kEmpty);
  }
  child.Continue();
  child.channel().Send(uint32_t{1});
  EXPECT_EQ(child.Wait(), test::ChildEnd::Exited(0));
}

TEST_F(HistoryTest, TheHistoryOfADeadPublisherGoesWithIt) {
  test::Child child([&](test::Channel& parent) {
    Node node = MakeNode();
    auto publisher = MakePublisher(node, 3);
    for (uint64_t i = 1; i <= 10; ++i) Publish(publisher, i);
    parent.Send(uint32_t{1});
    parent.Receive<uint32_t>();
  });
  ASSERT_TRUE(child.channel().Receive<uint32_t>());
  child.Kill();
  child.Wait();
  Node node = MakeNode();
  auto subscriber = MakeSubscriber(node);
  EXPECT_EQ(subscriber.Take().why(), Outcome::kEmpty);
}

TEST_F(HistoryTest, WhatComesThroughTheQueueFollowsTheHistoryWithoutGapOrRepeat) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, 4);
  for (uint64_t i = 1; i <= 6; ++i) Publish(publisher, i);
  auto subscriber = MakeSubscriber(node);
  for (uint64_t i = 7; i <= 9; ++i) Publish(publisher, i);
  for (uint64_t i = 3; i <= 9; ++i) {
    auto taken = subscriber.Take();
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->value().number, i);
    EXPECT_EQ(taken->info().from_history, i <= 6);
    EXPECT_EQ(taken->info().missed_before, 0u);
  }
  EXPECT_EQ(subscriber.Take().why(), Outcome::kEmpty);
}

TEST_F(HistoryTest, HistoriesOfSeveralPublishersComeInTheOrderOfTheirStamps) {
  Node node = MakeNode();
  auto a = MakePublisher(node, 3);
  auto b = MakePublisher(node, 2);
  Publish(a, 1, 0);
  Publish(b, 2, 1);
  Publish(a, 3, 0);
  Publish(b, 4, 1);
  Publish(a, 5, 0);
  auto subscriber = MakeSubscriber(node);
  for (uint64_t i = 1; i <= 5; ++i) {
    auto taken = subscriber.Take();
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->value().number, i);
  }
}

TEST_F(HistoryTest, HistorySamplesCanBeHeldWhileThePublisherGoesOn) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, 8);
  for (uint64_t i = 1; i <= 8; ++i) Publish(publisher, i);
  auto subscriber = MakeSubscriber(node, {.depth = 4, .max_borrowed = 1});
  std::vector<Sample<Value>> held;
  for (uint64_t i = 1; i <= 8; ++i) {  // they do not count as borrowed
    auto taken = subscriber.Take();
    ASSERT_TRUE(taken) << OutcomeName(taken.why());
    held.push_back(*std::move(taken));
  }
  for (uint64_t i = 9; i <= 3000; ++i) Publish(publisher, i);
  for (uint64_t i = 1; i <= 8; ++i) EXPECT_EQ(held[i - 1].value().number, i);
  EXPECT_EQ(subscriber.counts().torn, 0u);
}

// Joiners come and go while a publisher publishes at full speed: each sees a run of numbers without gap, repeat or
// disorder, from at most `history` before it joined.
TEST_F(HistoryTest, JoiningDuringAStormOfMessagesLosesAndRepeatsNothing) {
  for (const uint32_t history : {1u, 3u, 16u}) {
    std::atomic<bool> stop{false};
    std::atomic<uint64_t> last_published{0};
    Node node = MakeNode();
    auto publisher = MakePublisher(node, history);
    std::thread writer([&] {
      for (uint64_t i = 1; !stop.load(); ++i) {
        Publish(publisher, i);
        last_published.store(i);
        if (i % 512 == 0) std::this_thread::yield();
      }
    });
    uint64_t from_history = 0;
    for (int round = 0; round < 60; ++round) {
      const uint64_t before = last_published.load();
      auto subscriber = MakeSubscriber(node, {.depth = 65536, .when_full = WhenFull::kDropNewest});
      const uint64_t joined = last_published.load();
      uint64_t previous = 0;
      for (int i = 0; i < 200; ++i) {
        auto taken = subscriber.TakeFor(absl::Seconds(20));
        ASSERT_TRUE(taken) << OutcomeName(taken.why()) << " " << subscriber.last_error();
        const uint64_t number = taken->value().number;
        if (previous == 0) {
          // It starts no later than with the first message published after CreateSubscriber returned.
          EXPECT_LE(number, joined + 1);
          EXPECT_GT(number + history, before);
        } else {
          ASSERT_EQ(number, previous + 1) << "history " << history << " round " << round;
        }
        EXPECT_EQ(taken->info().missed_before, 0u);
        from_history += taken->info().from_history;
        previous = number;
      }
    }
    stop.store(true);
    writer.join();
    EXPECT_GT(from_history, 0u);
  }
}

}  // namespace
}  // namespace weir
