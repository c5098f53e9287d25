// A publisher that is killed between its push and its signal: nobody writes to the descriptor, the message is there.
// weir-test: crashable
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <weir/weir.h>

#include "tests/support/child.h"
#include "tests/support/crash_at.h"
#include "tests/support/test_root.h"

namespace weir {
namespace {

TEST(WaitSetDeathTest, AMessageWhosePublisherDiedBeforeItCouldSignalIsFoundAllTheSame) {
  test::TestRoot root;
  {
    auto node = Node::Create({.name = "waiting", .domain = "d", .root = root.path()});
    ASSERT_TRUE(node.ok()) << node.status();
    auto subscriber = node->CreateSubscriber<uint64_t>("t");
    ASSERT_TRUE(subscriber.ok()) << subscriber.status();
    auto set = WaitSet::Create();
    ASSERT_TRUE(set.ok()) << set.status();
    ASSERT_TRUE(set->Add(1, *subscriber).ok());
    EXPECT_TRUE(set->WaitFor(absl::ZeroDuration())->empty());

    test::Child child([&](test::Channel&) {
      test::CrashAt("publish.before_signal");
      auto other = Node::Create({.name = "dying", .domain = "d", .root = root.path()});
      auto publisher = other->CreatePublisher<uint64_t>("t");
      auto loan = publisher->Loan();
      loan->value() = 7;
      (void)publisher->Publish(*std::move(loan));
    });
    ASSERT_EQ(child.Wait(), test::ChildEnd::KilledBy(SIGKILL));

    pollfd descriptor = {.fd = *subscriber->fd(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(poll(&descriptor, 1, 0), 0);  // it did die there
    auto events = set->WaitFor(absl::Seconds(20));
    ASSERT_TRUE(events.ok()) << events.status();
    ASSERT_EQ(events->size(), 1u);
    EXPECT_EQ(events->front().kind, WaitSet::Kind::kMessage);
    auto taken = subscriber->Take();
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->value(), 7u);
  }
  ASSERT_TRUE(Node::Create({.domain = "d", .root = root.path()}).ok());
  EXPECT_TRUE(root.IsEmpty());
}

}  // namespace
}  // namespace weir
