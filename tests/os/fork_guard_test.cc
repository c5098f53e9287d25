#include "middleware/os/fork_guard.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/child.h"

namespace weir::os {
namespace {

using test::Channel;
using test::Child;
using test::ChildEnd;

TEST(ForkGuardTest, TheProcessThatAskedIsTheOwnerInAllItsThreads) {
  const auto guard = ForkGuard::Current();
  ASSERT_TRUE(guard.ok()) << guard.status();
  EXPECT_TRUE(guard->InOwner());
  EXPECT_TRUE(guard->Check().ok());
  std::thread([&] {
    EXPECT_TRUE(guard->InOwner());
    EXPECT_TRUE(ForkGuard::Current()->InOwner());
  }).join();
}

TEST(ForkGuardTest, AnEmptyGuardIsNobodys) {
  const ForkGuard guard;
  EXPECT_FALSE(guard.InOwner());
  EXPECT_EQ(guard.Check().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(ForkGuardTest, AForkedChildIsNotTheOwnerAndTheParentStaysIt) {
  const ForkGuard guard = ForkGuard::Current().value();
  Child child([&](Channel&) {
    EXPECT_FALSE(guard.InOwner());
    EXPECT_EQ(guard.Check().code(), absl::StatusCode::kFailedPrecondition);
  });
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
  EXPECT_TRUE(guard.InOwner());
}

TEST(ForkGuardTest, AChildMayStartAfreshAndItsOwnChildIsNotTheOwnerAgain) {
  const ForkGuard of_parent = ForkGuard::Current().value();
  Child child([&](Channel&) {
    const ForkGuard of_child = ForkGuard::Current().value();
    EXPECT_TRUE(of_child.InOwner());
    EXPECT_FALSE(of_parent.InOwner());
    EXPECT_TRUE(ForkGuard::Current()->InOwner());
    Child grandchild([&](Channel&) {
      EXPECT_FALSE(of_parent.InOwner());
      EXPECT_FALSE(of_child.InOwner());
      EXPECT_TRUE(ForkGuard::Current()->InOwner());
    });
    EXPECT_EQ(grandchild.Wait(), ChildEnd::Exited(0));
    EXPECT_TRUE(of_child.InOwner());
  });
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
  EXPECT_TRUE(of_parent.InOwner());
}

#if !defined(__SANITIZE_THREAD__)  // it does not know _Fork()
TEST(ForkGuardTest, AChildMadeWithoutTheForkHandlersIsNotTheOwnerEither) {
  const ForkGuard guard = ForkGuard::Current().value();
  const pid_t child = _Fork();
  if (child == 0) _exit(guard.InOwner() ? 1 : 0);
  ASSERT_GT(child, 0);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}
#endif

TEST(ForkGuardTest, AllThreadsGetTheSameGuardAtFirstUse) {
  // In a child, where the guard is yet to be made.
  Child child([](Channel&) {
    std::atomic<int> owners = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        const auto guard = ForkGuard::Current();
        if (guard.ok() && guard->InOwner()) ++owners;
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(owners, 8);
  });
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
}

TEST(ForkGuardTest, ForkingWhileOtherThreadsUseItNeverHangsTheChild) {
  std::atomic<bool> stop = false;
  std::thread user([&] {
    while (!stop.load()) EXPECT_TRUE(ForkGuard::Current()->InOwner());
  });
  for (int i = 0; i < 50; ++i) {
    Child child([](Channel&) { EXPECT_TRUE(ForkGuard::Current()->InOwner()); });
    EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
  }
  stop = true;
  user.join();
}

}  // namespace
}  // namespace weir::os
