// NodeOptions::membarrier: who may be interrupted by others' fences, and that nobody misses a wake-up for it.
// weir-test: serial
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <weir/weir.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <tuple>
#include <utility>

#include "middleware/os/process.h"
#include "middleware/pubsub/node_core.h"
#include "tests/pubsub/shared_page.h"
#include "tests/support/child.h"
#include "tests/support/random.h"
#include "tests/support/skip.h"
#include "tests/support/test_root.h"

namespace weir {
namespace {

using test::Channel;
using test::Child;
using test::ChildEnd;

constexpr int kRegistered = 97;

// From here on a registration with which other processes' fences interrupt this one ends it.
bool ForbidRegistration() {
  struct sigaction action = {};
  action.sa_handler = [](int) { _exit(kRegistered); };
  sigaction(SIGSYS, &action, nullptr);
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),  // its low half, on little-endian machines
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {.len = std::size(filter), .filter = filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

struct Tick {
  uint64_t number;
};

class MembarrierTest : public testing::Test {
 protected:
  absl::StatusOr<Node> MakeNode(bool membarrier) {
    return Node::Create({.domain = "d", .root = root_.path(), .membarrier = membarrier});
  }
  test::TestRoot root_;
};

// A whole life in such a process: a publisher that blocks and one that does not, a subscriber that sleeps.
TEST_F(MembarrierTest, AProcessThatSwitchesItOffNeverRegisters) {
  for (const bool membarrier : {false, true}) {
    Child child([&](Channel&) {
      if (!ForbidRegistration()) _exit(98);
      auto node = MakeNode(membarrier);
      ASSERT_TRUE(node.ok()) << node.status();
      for (const WhenFull when_full : {WhenFull::kOverwriteOldest, WhenFull::kBlock}) {
        auto publisher = node->CreatePublisher<Tick>("topic", {.max_block = absl::Milliseconds(1)});
        auto subscriber = node->CreateSubscriber<Tick>("topic", {.depth = 1, .when_full = when_full});
        ASSERT_TRUE(publisher.ok() && subscriber.ok()) << publisher.status() << subscriber.status();
        for (uint64_t number = 1; number <= 3; ++number) {
          auto loan = publisher->Loan();
          ASSERT_TRUE(loan.ok());
          loan->value().number = number;
          ASSERT_TRUE(publisher->Publish(*std::move(loan)).ok());
        }
        ASSERT_TRUE(subscriber->Take());
        EXPECT_EQ(subscriber->TakeFor(absl::Milliseconds(1)).why(), Outcome::kTimedOut);
      }
    });
    const ChildEnd end = child.Wait();
    if (end == ChildEnd::Exited(98)) WEIR_SKIP("this kernel or container has no seccomp filters");
    EXPECT_EQ(end, ChildEnd::Exited(membarrier ? kRegistered : 0)) << "membarrier = " << membarrier;
  }
}

// The same, said by the kernel.
TEST_F(MembarrierTest, TheKernelKnowsOfTheRegistrationAndOfNoneWithoutIt) {
  constexpr int kGetRegistrations = 1 << 9;  // MEMBARRIER_CMD_GET_REGISTRATIONS, Linux 6.3
  if (syscall(SYS_membarrier, kGetRegistrations, 0u, 0) < 0) {
    GTEST_SKIP() << "this kernel does not say what is registered; the test above does not need it to";
  }
  for (const bool membarrier : {false, true}) {
    Child child([&](Channel& parent) {
      auto node = MakeNode(membarrier);
      ASSERT_TRUE(node.ok()) << node.status();
      parent.Send(static_cast<int64_t>(syscall(SYS_membarrier, kGetRegistrations, 0u, 0)));
    });
    const auto registered = child.channel().Receive<int64_t>();
    ASSERT_TRUE(registered.has_value());
    // The kernel names a registration by its command.
    constexpr int64_t kGlobal = MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED;
    EXPECT_EQ(*registered & kGlobal, membarrier ? kGlobal : 0);
    EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
  }
}

TEST_F(MembarrierTest, WhoIsNotCoveredByOthersFencesFencesForItself) {
  for (const bool membarrier : {false, true}) {
    Child child([&](Channel&) {
      auto node = internal::NodeCore::Create({.domain = "d", .root = root_.path(), .membarrier = membarrier});
      ASSERT_TRUE(node.ok()) << node.status();
      // Where the kernel has no membarrier, everybody does.
      EXPECT_EQ((*node)->waker_must_fence(), !membarrier || !(*node)->can_fence_others());
    });
    EXPECT_EQ(child.Wait(), ChildEnd::Exited(0)) << "membarrier = " << membarrier;
  }
}

struct Shared {
  std::atomic<uint64_t> wanted{0};     // the subscriber is about to wait for this number
  std::atomic<uint64_t> published{0};  // with it, how often the publisher had to wake somebody
  std::atomic<uint64_t> wakeups{0};
};

class MixedMembarrierTest : public MembarrierTest, public testing::WithParamInterface<std::tuple<bool, bool>> {};

INSTANTIATE_TEST_SUITE_P(All, MixedMembarrierTest, testing::Combine(testing::Bool(), testing::Bool()),
                         [](const auto& test) {
                           return std::string("Publisher") + (std::get<0>(test.param) ? "With" : "Without") +
                                  "Subscriber" + (std::get<1>(test.param) ? "With" : "Without");
                         });

// One message at a time, published just when the subscriber falls asleep. If it did fall asleep, the publisher must
// have seen that: otherwise the message was found only because no sleep is longer than a second.
TEST_P(MixedMembarrierTest, WhoeverFallsAsleepIsSeenByThePublisherOfItsMessage) {
  const auto [publisher_has_it, subscriber_has_it] = GetParam();
  constexpr uint64_t kRounds = 2'000;
  test::SharedPage<Shared> shared;
  Child publishing([&, with = publisher_has_it](Channel&) {
    auto random = test::SeededRandom("delays");
    auto node = MakeNode(with);
    ASSERT_TRUE(node.ok()) << node.status();
    auto publisher = node->CreatePublisher<Tick>("topic", {.topic = {.exclusive = true}});
    ASSERT_TRUE(publisher.ok()) << publisher.status();
    ASSERT_TRUE(publisher->WaitForSubscribers(1, absl::Seconds(20)).ok());
    for (uint64_t number = 1; number <= kRounds; ++number) {
      while (shared->wanted != number) os::CpuRelax();
      for (uint64_t wait = random() % 150; wait > 0; --wait) os::CpuRelax();
      auto loan = publisher->Loan();
      ASSERT_TRUE(loan.ok());
      loan->value().number = number;
      ASSERT_TRUE(publisher->Publish(*std::move(loan)).ok());
      shared->wakeups = publisher->counts().wakeups;
      shared->published = number;
    }
  });
  Child taking([&, with = subscriber_has_it](Channel& parent) {
    auto node = MakeNode(with);
    ASSERT_TRUE(node.ok()) << node.status();
    auto subscriber =
        node->CreateSubscriber<Tick>("topic", {.topic = {.exclusive = true}, .when_full = WhenFull::kDropNewest});
    ASSERT_TRUE(subscriber.ok()) << subscriber.status();
    uint64_t unseen = 0, slept = 0;
    for (uint64_t number = 1; number <= kRounds; ++number) {
      const uint64_t sleeps = subscriber->counts().sleeps;
      const uint64_t wakeups = shared->wakeups;
      shared->wanted = number;
      auto taken = subscriber->TakeFor(absl::Seconds(20), {.spin = absl::ZeroDuration()});
      ASSERT_TRUE(taken) << OutcomeName(taken.why());
      ASSERT_EQ(taken->value().number, number);
      while (shared->published != number) os::CpuRelax();
      const bool fell_asleep = subscriber->counts().sleeps != sleeps;
      slept += fell_asleep;
      unseen += fell_asleep && shared->wakeups == wakeups;
    }
    parent.Send(unseen);
    parent.Send(slept);
  });
  EXPECT_EQ(taking.channel().Receive<uint64_t>(), 0u) << "sleeps that the publisher did not see";
  EXPECT_GT(taking.channel().Receive<uint64_t>().value_or(0), 0u) << "nobody ever slept";
  EXPECT_EQ(publishing.Wait(), ChildEnd::Exited(0));
  EXPECT_EQ(taking.Wait(), ChildEnd::Exited(0));
}

}  // namespace
}  // namespace weir
