// Publishers and subscribers killed in the middle of everything, and those who survive them. See death_rounds.h;
// death_soak_test.cc does the same ten times as often.
// weir-test: crashable timeout=120
#include <gtest/gtest.h>
#include <weir/weir.h>

#include <optional>
#include <set>
#include <string>
#include <utility>

#include "tests/pubsub/death_rounds.h"
#include "tests/pubsub/payload.h"
#include "tests/support/child.h"
#include "tests/support/crash_at.h"
#include "tests/support/test_root.h"

namespace weir {
namespace {

using test::Channel;
using test::Child;
using test::ChildEnd;
using test::Payload;

TEST(DeathTest, NobodyStallsAndNoSlotIsLostWhenProcessesAreKilledAtAnyTime) {
  test::DeathRounds rounds;
  ASSERT_NO_FATAL_FAILURE(rounds.Start());
  for (int round = 0; round < 100 && !testing::Test::HasFailure(); ++round) rounds.KillAtSomeTime();
  rounds.Finish();
}

TEST(DeathTest, NobodyStallsAndNoSlotIsLostWhenProcessesAreKilledAtEveryCrashPoint) {
  test::DeathRounds rounds;
  ASSERT_NO_FATAL_FAILURE(rounds.Start());
  const std::set<std::string> points = rounds.FindCrashPoints(8);
  EXPECT_GT(points.size(), 40u);
  int nth = 0;
  for (const std::string& point : points) {
    if (testing::Test::HasFailure()) break;
    rounds.KillAt(point, 1 + nth++ % 3);
  }
  EXPECT_GT(rounds.killed() * 4, rounds.rounds() * 3);
  rounds.Finish();
}

// A domain that has nobody but the one who is killed: from its directory's making to its removal.
TEST(DeathTest, ADomainWhoseLastProcessWasKilledAtEveryCrashPointIsCleanAfterTheNextStart) {
  test::TestRoot root;
  const auto live_and_leave = [&root] {
    auto node = Node::Create({.domain = "d", .root = root.path()});
    ASSERT_TRUE(node.ok()) << node.status();
    auto publisher = node->CreatePublisher<Payload>("topic", {.history = 2});
    auto subscriber = node->CreateSubscriber<Payload>("topic");
    ASSERT_TRUE(publisher.ok() && subscriber.ok());
    for (uint64_t number = 1; number <= 3; ++number) {
      auto loan = publisher->Loan();
      loan->value().Fill(1, number);
      ASSERT_TRUE(publisher->Publish(*std::move(loan)).ok());
    }
    auto late = node->CreateSubscriber<Payload>("topic");
    ASSERT_TRUE(late.ok()) << late.status();
    auto held = subscriber->Take();
    ASSERT_TRUE(held && late->Take());
    subscriber = absl::CancelledError();  // closes, with a sample held
  };
  std::set<std::string> points;
  {
    Child child([&](Channel& parent) {
      test::RecordCrashPoints();
      live_and_leave();
      for (const std::string& point : test::RecordedCrashPoints()) parent.Send(point);
    });
    while (const auto point = child.channel().ReceiveText()) points.insert(*point);
    ASSERT_EQ(child.Wait(), ChildEnd::Exited(0));
    ASSERT_TRUE(root.IsEmpty());
  }
  EXPECT_GT(points.size(), 40u);
  EXPECT_TRUE(points.contains("registry.create.before_link") && points.contains("registry.leave.after_files"));
  for (const std::string& point : points) {
    for (int nth : {1, 2}) {
      SCOPED_TRACE(point + ", time " + std::to_string(nth));
      Child child([&](Channel&) {
        test::CrashAt(point, nth);
        live_and_leave();
      });
      const ChildEnd end = child.Wait();
      ASSERT_TRUE(end == ChildEnd::KilledBy(SIGKILL) || (nth > 1 && end == ChildEnd::Exited(0))) << end;
      {
        auto node = Node::Create({.domain = "d", .root = root.path()});
        ASSERT_TRUE(node.ok()) << node.status();
        ASSERT_EQ(root.Contents(), (std::vector<std::string>{"d/", "d/registry"}));
      }
      ASSERT_TRUE(root.IsEmpty());
    }
  }
}

// A subscriber dies; whoever cleans up after it dies too, with the dead one's queue removed and its entry not. A
// publisher that has never seen it cannot connect to it. That must not keep a new subscriber from its first message.
TEST(DeathTest, AConnectionThatCannotBeMadeKeepsNoOtherSubscriberFromItsMessages) {
  test::TestRoot root;
  for (WhenFull when_full : {WhenFull::kOverwriteOldest, WhenFull::kBlock}) {
    auto node = Node::Create({.domain = "d", .root = root.path()});
    ASSERT_TRUE(node.ok()) << node.status();
    auto publisher = node->CreatePublisher<Payload>("topic");
    auto first = node->CreateSubscriber<Payload>("topic");
    ASSERT_TRUE(publisher.ok() && first.ok());
    uint64_t number = 0;
    const auto publish = [&] {
      auto loan = publisher->Loan();
      EXPECT_TRUE(loan.ok()) << loan.status();
      loan->value().Fill(1, ++number);
      auto sent = publisher->Publish(*std::move(loan));
      EXPECT_TRUE(sent.ok()) << sent.status();
    };
    publish();
    auto held = first->Take();
    ASSERT_TRUE(held);
    Child dead([&](Channel&) {
      test::CrashAt("subscriber.create.live");
      auto own = Node::Create({.domain = "d", .root = root.path()});
      auto subscriber = own->CreateSubscriber<Payload>("topic");
    });
    ASSERT_EQ(dead.Wait(), ChildEnd::KilledBy(SIGKILL));
    Child cleaner([&](Channel&) {
      test::CrashAt("registry.cleanup.queue_removed");
      auto own = Node::Create({.domain = "d", .root = root.path()});
    });
    ASSERT_EQ(cleaner.Wait(), ChildEnd::KilledBy(SIGKILL));
    first = absl::CancelledError();  // its sample is held: it closes without a cleanup, and publishers look again
    publish();                       // and cannot connect to the dead one
    auto second = node->CreateSubscriber<Payload>("topic", {.when_full = when_full});
    ASSERT_TRUE(second.ok()) << second.status();
    publish();
    auto taken = second->Take();
    ASSERT_TRUE(taken) << OutcomeName(taken.why());
    EXPECT_EQ(taken->value().number, number);
  }
  EXPECT_TRUE(root.IsEmpty());
}

}  // namespace
}  // namespace weir
