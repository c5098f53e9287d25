// One sleep for many things, and the descriptor behind it.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <weir/weir.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "tests/support/child.h"
#include "tests/support/test_root.h"

namespace weir {
namespace {

using Kind = WaitSet::Kind;

bool Readable(int fd, int timeout_ms = 0) {
  pollfd one = {.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&one, 1, timeout_ms) == 1 && one.revents == POLLIN;
}

class WaitSetTest : public testing::Test {
 protected:
  Node MakeNode() {
    auto node = Node::Create({.name = "waiting", .domain = "d", .root = root_.path()});
    EXPECT_TRUE(node.ok()) << node.status();
    return *std::move(node);
  }
  Publisher<uint64_t> MakePublisher(Node& node, std::string_view topic, const PublisherOptions& options = {}) {
    auto publisher = node.CreatePublisher<uint64_t>(topic, options);
    EXPECT_TRUE(publisher.ok()) << publisher.status();
    return *std::move(publisher);
  }
  Subscriber<uint64_t> MakeSubscriber(Node& node, std::string_view topic) {
    auto subscriber = node.CreateSubscriber<uint64_t>(topic, {.depth = 64});
    EXPECT_TRUE(subscriber.ok()) << subscriber.status();
    return *std::move(subscriber);
  }
  static WaitSet MakeSet() {
    auto set = WaitSet::Create();
    EXPECT_TRUE(set.ok()) << set.status();
    return *std::move(set);
  }
  static void Publish(Publisher<uint64_t>& publisher, uint64_t number) {
    auto loan = publisher.Loan();
    ASSERT_TRUE(loan.ok()) << loan.status();
    loan->value() = number;
    ASSERT_TRUE(publisher.Publish(*std::move(loan)).ok());
  }
  static std::vector<WaitSet::Event> Wait(WaitSet& set, absl::Duration timeout) {
    auto events = set.WaitFor(timeout);
    EXPECT_TRUE(events.ok()) << events.status();
    return {events->begin(), events->end()};
  }
  void TearDown() override { EXPECT_TRUE(root_.IsEmpty()); }

  test::TestRoot root_;
};

TEST_F(WaitSetTest, TheDescriptorIsReadableFromAMessageUntilATakeSaysEmpty) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, "t");
  auto subscriber = MakeSubscriber(node, "t");
  auto fd = subscriber.fd();
  ASSERT_TRUE(fd.ok()) << fd.status();
  EXPECT_EQ(*subscriber.fd(), *fd);
  EXPECT_FALSE(Readable(*fd));
  for (uint64_t round = 0; round < 5; ++round) {
    Publish(publisher, 1);
    Publish(publisher, 2);
    EXPECT_TRUE(Readable(*fd));
    EXPECT_TRUE(subscriber.Take());
    EXPECT_TRUE(Readable(*fd));
    EXPECT_TRUE(subscriber.Take());
    EXPECT_EQ(subscriber.Take().why(), Outcome::kEmpty);
    EXPECT_FALSE(Readable(*fd));
  }
}

TEST_F(WaitSetTest, ADescriptorThatComesLateIsReadableForWhatIsThereAlready) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, "t", {.history = 1});
  Publish(publisher, 1);
  auto latched = MakeSubscriber(node, "t");
  auto queued = MakeSubscriber(node, "t");
  ASSERT_TRUE(queued.Take());
  Publish(publisher, 2);
  EXPECT_TRUE(Readable(*latched.fd()));
  EXPECT_TRUE(Readable(*queued.fd()));
  EXPECT_TRUE(queued.Take());
  EXPECT_EQ(queued.Take().why(), Outcome::kEmpty);
  EXPECT_FALSE(Readable(*queued.fd()));
}

TEST_F(WaitSetTest, APublisherWritesAtMostOnceUntilATakeSaidEmpty) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, "t");
  auto subscriber = MakeSubscriber(node, "t");
  const int fd = *subscriber.fd();
  for (uint64_t i = 0; i < 100; ++i) Publish(publisher, i);
  std::array<char, 200> bytes;
  EXPECT_EQ(read(fd, bytes.data(), bytes.size()), 1);
}

TEST_F(WaitSetTest, ADescriptorSurvivesTheDeathOfItsPublisher) {
  Node node = MakeNode();
  auto subscriber = MakeSubscriber(node, "t");
  const int fd = *subscriber.fd();
  {
    test::Child child([&](test::Channel& parent) {
      Node other = MakeNode();
      auto publisher = MakePublisher(other, "t");
      Publish(publisher, 1);
      parent.Send(uint32_t{1});
      parent.Receive<uint32_t>();
    });
    ASSERT_TRUE(child.channel().Receive<uint32_t>());
    EXPECT_TRUE(Readable(fd));
    child.Kill();
    child.Wait();
  }
  ASSERT_TRUE(subscriber.Take());
  EXPECT_EQ(subscriber.Take().why(), Outcome::kEmpty);
  EXPECT_FALSE(Readable(fd));  // and no hang-up
  auto publisher = MakePublisher(node, "t");
  Publish(publisher, 2);
  EXPECT_TRUE(Readable(fd));
}

// The other way round: a publisher gets neither SIGPIPE nor an error.
TEST_F(WaitSetTest, APublisherGoesOnWhenTheOwnerOfADescriptorIsKilled) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, "t");
  test::Child child([&](test::Channel& parent) {
    Node other = MakeNode();
    auto subscriber = MakeSubscriber(other, "t");
    ASSERT_TRUE(subscriber.fd().ok());
    parent.Send(uint32_t{1});
    parent.Receive<uint32_t>();
    while (subscriber.Take()) {
    }
    parent.Send(uint32_t{2});  // armed again, so that the next publish writes
    parent.Receive<uint32_t>();
  });
  ASSERT_TRUE(child.channel().Receive<uint32_t>());
  Publish(publisher, 1);
  child.channel().Send(uint32_t{1});
  ASSERT_TRUE(child.channel().Receive<uint32_t>());
  child.Kill();
  child.Wait();
  for (uint64_t i = 2; i < 50; ++i) Publish(publisher, i);
}

TEST_F(WaitSetTest, EachOfManySubscribersIsReportedWithItsTagAndNoOther) {
  Node node = MakeNode();
  constexpr uint64_t kCount = 40;
  std::vector<Publisher<uint64_t>> publishers;
  std::vector<Subscriber<uint64_t>> subscribers;
  WaitSet set = MakeSet();
  for (uint64_t i = 0; i < kCount; ++i) {
    publishers.push_back(MakePublisher(node, "t" + std::to_string(i)));
    subscribers.push_back(MakeSubscriber(node, "t" + std::to_string(i)));
  }
  for (uint64_t i = 0; i < kCount; ++i) ASSERT_TRUE(set.Add(100 + i, subscribers[i]).ok());
  EXPECT_TRUE(Wait(set, absl::ZeroDuration()).empty());
  for (uint64_t i = 0; i < kCount; ++i) {
    Publish(publishers[i], i);
    const uint64_t other = (i * 7) % kCount;
    if (other != i) Publish(publishers[other], i);
    std::vector<uint64_t> tags;
    for (const WaitSet::Event& event : Wait(set, absl::Seconds(20))) {
      EXPECT_EQ(event.kind, Kind::kMessage);
      tags.push_back(event.tag - 100);
    }
    std::sort(tags.begin(), tags.end());
    std::vector<uint64_t> expected = {std::min(i, other)};
    if (other != i) expected.push_back(std::max(i, other));
    EXPECT_EQ(tags, expected);
    for (const uint64_t tag : tags) {
      while (subscribers[tag].Take()) {
      }
    }
    EXPECT_TRUE(Wait(set, absl::ZeroDuration()).empty());
  }
}

TEST_F(WaitSetTest, WhatWasNotTakenIsReportedAgain) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, "t");
  auto subscriber = MakeSubscriber(node, "t");
  WaitSet set = MakeSet();
  ASSERT_TRUE(set.Add(1, subscriber).ok());
  Publish(publisher, 1);
  Publish(publisher, 2);
  EXPECT_EQ(Wait(set, absl::Seconds(20)).size(), 1u);
  EXPECT_TRUE(subscriber.Take());
  EXPECT_EQ(Wait(set, absl::Seconds(20)).size(), 1u);
}

TEST_F(WaitSetTest, NoMessageOfAnotherThreadIsSleptThrough) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, "t");
  auto subscriber = node.CreateSubscriber<uint64_t>("t", {.depth = 16, .when_full = WhenFull::kBlock});
  ASSERT_TRUE(subscriber.ok()) << subscriber.status();
  ASSERT_TRUE(publisher.WaitForSubscribers(1, absl::Seconds(20)).ok());
  WaitSet set = MakeSet();
  ASSERT_TRUE(set.Add(1, *subscriber).ok());
  constexpr uint64_t kMessages = 20'000;
  std::thread writer([&] {
    for (uint64_t i = 1; i <= kMessages; ++i) {
      Publish(publisher, i);
      if (i % 64 == 0) absl::SleepFor(absl::Microseconds(50));
    }
  });
  uint64_t last = 0;
  // Slept through would be: until the look that comes once a second.
  uint64_t late = 0;
  while (last < kMessages) {
    const absl::Time begin = absl::Now();
    const auto events = Wait(set, absl::Seconds(60));
    late += absl::Now() - begin > absl::Milliseconds(900);
    ASSERT_EQ(events.size(), 1u);
    while (auto taken = subscriber->Take()) {
      ASSERT_EQ(taken->value(), last + 1);
      last = taken->value();
    }
  }
  writer.join();
  EXPECT_LE(late, 1u);  // one, if the machine was busy elsewhere
}

TEST_F(WaitSetTest, TimersKeepTheirBeatAndForeignDescriptorsAreReported) {
  WaitSet set = MakeSet();
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  ASSERT_TRUE(set.AddDescriptor(7, pipe_fds[0], EPOLLIN).ok());
  ASSERT_TRUE(set.AddTimer(8, absl::Milliseconds(5)).ok());
  const absl::Time begin = absl::Now();
  int ticks = 0;
  while (ticks < 10) {
    for (const WaitSet::Event& event : Wait(set, absl::Seconds(20))) {
      EXPECT_EQ(event.kind, Kind::kTimer);
      EXPECT_EQ(event.tag, 8u);
      ++ticks;
    }
  }
  EXPECT_GE(absl::Now() - begin, absl::Milliseconds(49));
  ASSERT_TRUE(set.Remove(8).ok());
  ASSERT_EQ(write(pipe_fds[1], "x", 1), 1);
  const auto events = Wait(set, absl::Seconds(20));
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, Kind::kDescriptor);
  EXPECT_EQ(events[0].tag, 7u);
  EXPECT_EQ(events[0].events, static_cast<uint32_t>(EPOLLIN));
  close(pipe_fds[0]);
  close(pipe_fds[1]);
}

TEST_F(WaitSetTest, ADeadlineReportsASilenceAndAMessageEndsIt) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, "t");
  auto subscriber = MakeSubscriber(node, "t");
  WaitSet set = MakeSet();
  ASSERT_TRUE(set.Add(1, subscriber, {.deadline = absl::Milliseconds(20)}).ok());
  auto events = Wait(set, absl::Seconds(20));
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, Kind::kDeadline);
  Publish(publisher, 1);
  events = Wait(set, absl::Seconds(20));
  ASSERT_GE(events.size(), 1u);
  EXPECT_EQ(events[0].kind, Kind::kMessage);
  while (subscriber.Take()) {
  }
  events = Wait(set, absl::Seconds(20));
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, Kind::kDeadline);
}

TEST_F(WaitSetTest, ASubscriberThatIsDestroyedIsNoLongerWatched) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, "t");
  std::optional<Subscriber<uint64_t>> subscriber = MakeSubscriber(node, "t");
  std::optional<WaitSet> set = MakeSet();
  WaitSet other = MakeSet();
  ASSERT_TRUE(set->Add(1, *subscriber, {.deadline = absl::Milliseconds(1)}).ok());
  ASSERT_TRUE(other.Add(1, *subscriber).ok());
  Publish(publisher, 1);
  auto held = subscriber->Take();  // keeps the descriptor open
  Publish(publisher, 2);
  subscriber.reset();
  EXPECT_TRUE(Wait(*set, absl::Milliseconds(20)).empty());
  EXPECT_TRUE(absl::IsNotFound(set->Remove(1)));
  // The other way round: a set that goes first is not told.
  subscriber = MakeSubscriber(node, "t");
  ASSERT_TRUE(set->Add(1, *subscriber).ok());
  ASSERT_TRUE(other.Add(1, *subscriber).ok());
  set.reset();
  Publish(publisher, 3);
  EXPECT_EQ(Wait(other, absl::Seconds(20)).size(), 1u);
  subscriber.reset();
  EXPECT_TRUE(Wait(other, absl::Milliseconds(1200)).empty());  // also when it looks by itself
}

TEST_F(WaitSetTest, InterruptEndsAWaitOrTheNextOne) {
  WaitSet set = MakeSet();
  set.Interrupt();
  auto events = Wait(set, absl::Seconds(20));
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, Kind::kInterrupted);
  std::thread other([&] {
    absl::SleepFor(absl::Milliseconds(20));
    set.Interrupt();
  });
  events = Wait(set, absl::Seconds(20));
  other.join();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, Kind::kInterrupted);
  EXPECT_TRUE(Wait(set, absl::ZeroDuration()).empty());
}

TEST_F(WaitSetTest, WrongUseIsRefusedByNameValueAndLimit) {
  Node node = MakeNode();
  auto subscriber = MakeSubscriber(node, "t");
  WaitSet set = MakeSet();
  ASSERT_TRUE(set.Add(1, subscriber).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(set.AddTimer(1, absl::Seconds(1))));
  EXPECT_TRUE(absl::IsAlreadyExists(set.Add(2, subscriber)));  // the descriptor is watched
  const absl::Status period = set.AddTimer(3, absl::ZeroDuration());
  EXPECT_TRUE(absl::IsInvalidArgument(period));
  EXPECT_NE(std::string(period.message()).find("between 1 us and 1 h"), std::string::npos) << period;
  EXPECT_TRUE(absl::IsInvalidArgument(set.Add(3, subscriber, {.deadline = absl::Hours(2)})));
  EXPECT_FALSE(set.AddDescriptor(3, 9999, EPOLLIN).ok());
  EXPECT_TRUE(absl::IsNotFound(set.Remove(3)));
  EXPECT_TRUE(set.Remove(1).ok());
  EXPECT_TRUE(set.Add(1, subscriber).ok());
}

TEST_F(WaitSetTest, EveryStrategyFindsAMessageAndKeepsItsDeadline) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, "t");
  auto subscriber = MakeSubscriber(node, "t");
  for (const WaitStrategy& strategy :
       {WaitStrategy(), WaitStrategy::Spin(), WaitStrategy::Sleep(), WaitStrategy::SpinThenSleep(absl::Milliseconds(1)),
        WaitStrategy::SpinThenSleep(absl::InfiniteDuration())}) {
    const absl::Time begin = absl::Now();
    EXPECT_EQ(subscriber.TakeFor(absl::Milliseconds(5), strategy).why(), Outcome::kTimedOut);
    EXPECT_GE(absl::Now() - begin, absl::Milliseconds(4));
    std::thread writer([&] {
      absl::SleepFor(absl::Milliseconds(3));
      Publish(publisher, 1);
    });
    EXPECT_TRUE(subscriber.TakeFor(absl::Seconds(20), strategy));
    writer.join();
  }
}

}  // namespace
}  // namespace weir
