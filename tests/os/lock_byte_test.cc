#include "middleware/os/lock_byte.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "middleware/os/clock.h"
#include "middleware/os/file.h"
#include "tests/support/child.h"
#include "tests/support/test_root.h"
#include "tests/support/wait.h"

namespace weir::os {
namespace {

using test::Channel;
using test::Child;
using test::ChildEnd;

// A pipe on which processes wait for the end of the test: it ends when the object goes.
class Leash {
 public:
  Leash() {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    held_.reset(ends[0]);
    holder_.reset(ends[1]);
  }

  // For a process that outlives its parent. Does not return.
  [[noreturn]] void LiveOn() {
    holder_.reset();
    char end;
    while (read(held_.get(), &end, 1) > 0) {
    }
    _exit(0);
  }

  // For everybody in between, who must not hold the others.
  void GiveToChild() { holder_.reset(); }

 private:
  FileDescriptor held_;
  FileDescriptor holder_;
};

class LockByteTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(CreateFile(dir_.get(), "registry", 0600, 100).ok());
    prober_ = OpenFile(dir_.get(), "registry", Access::kRead).value();
  }

  LockDescriptor Open() {
    auto descriptor = LockDescriptor::Open(dir_.get(), "registry");
    EXPECT_TRUE(descriptor.ok()) << descriptor.status();
    return *std::move(descriptor);
  }

  bool Held(uint64_t offset) { return Probe(prober_.get(), offset).value(); }

  test::TestRoot root_;
  FileDescriptor dir_{open(root_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  FileDescriptor prober_;
};

TEST_F(LockByteTest, AByteIsHeldFromLockToUnlock) {
  LockDescriptor lock = Open();
  EXPECT_FALSE(Held(7));
  EXPECT_TRUE(lock.TryLock(7).value());
  EXPECT_TRUE(Held(7));
  EXPECT_FALSE(Held(6));
  EXPECT_FALSE(Held(8));
  EXPECT_TRUE(lock.TryLock(7).value());  // once more is no error
  EXPECT_TRUE(lock.Unlock(7).ok());
  EXPECT_FALSE(Held(7));
  EXPECT_TRUE(lock.Unlock(7).ok());
}

TEST_F(LockByteTest, TheByteNeedNotExistInTheFile) {
  LockDescriptor lock = Open();
  EXPECT_TRUE(lock.TryLock(uint64_t{1} << 40).value());
  EXPECT_TRUE(Held(uint64_t{1} << 40));
  EXPECT_EQ(FileBytes(lock.get()).value(), 100u);
}

TEST_F(LockByteTest, AnImpossibleOffsetIsAnError) {
  EXPECT_FALSE(Open().TryLock(UINT64_MAX).ok());
  EXPECT_FALSE(Probe(prober_.get(), UINT64_MAX).ok());
}

TEST_F(LockByteTest, TwoDescriptorsOfOneProcessExcludeEachOther) {
  LockDescriptor first = Open();
  LockDescriptor second = Open();
  EXPECT_TRUE(first.TryLock(0).value());
  EXPECT_FALSE(second.TryLock(0).value());
  EXPECT_TRUE(second.TryLock(1).value());
  first = LockDescriptor();
  EXPECT_TRUE(second.TryLock(0).value());
}

// What the older POSIX locks get wrong.
TEST_F(LockByteTest, ClosingAnotherDescriptorOfTheFileLosesNothing) {
  LockDescriptor lock = Open();
  ASSERT_TRUE(lock.TryLock(0).value());
  EXPECT_TRUE(OpenFile(dir_.get(), "registry", Access::kReadWrite).ok());  // and closed again
  EXPECT_TRUE(Held(0));
}

TEST_F(LockByteTest, MovingPassesTheLocksOn) {
  LockDescriptor first = Open();
  ASSERT_TRUE(first.TryLock(0).value());
  std::optional<LockDescriptor> second = std::move(first);
  EXPECT_FALSE(first.valid());
  EXPECT_EQ(first.get(), -1);
  EXPECT_EQ(first.TryLock(0).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(first.Unlock(0).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Held(0));
  second.reset();
  EXPECT_FALSE(Held(0));
}

TEST_F(LockByteTest, AReplacedFileIsNotOpened) {
  EXPECT_TRUE(LockDescriptor::Open(dir_.get(), "registry", prober_.get()).ok());
  ASSERT_TRUE(RemoveFile(dir_.get(), "registry").ok());
  EXPECT_EQ(LockDescriptor::Open(dir_.get(), "registry").status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(CreateFile(dir_.get(), "registry", 0600, 100).ok());
  const absl::Status status = LockDescriptor::Open(dir_.get(), "registry", prober_.get()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(std::string(status.message()), "'registry' was replaced by another file");
}

TEST_F(LockByteTest, LockUntilGivesUpAtItsDeadlineAndNotBefore) {
  LockDescriptor holder = Open();
  ASSERT_TRUE(holder.TryLock(0).value());
  LockDescriptor lock = Open();
  const uint64_t deadline_ns = MonotonicNow() + 30'000'000;
  EXPECT_FALSE(lock.LockUntil(0, deadline_ns).value());
  EXPECT_GE(MonotonicNow(), deadline_ns);
  EXPECT_FALSE(lock.LockUntil(0, 0).value());
  EXPECT_TRUE(lock.LockUntil(1, 0).value());  // a free byte is taken even after the deadline
}

TEST_F(LockByteTest, LockUntilGetsWhatIsGivenBack) {
  LockDescriptor holder = Open();
  ASSERT_TRUE(holder.TryLock(0).value());
  std::thread giver([&] {
    usleep(20'000);
    EXPECT_TRUE(holder.Unlock(0).ok());
  });
  EXPECT_TRUE(Open().LockUntil(0, MonotonicNow() + 30'000'000'000).value());
  giver.join();
}

TEST_F(LockByteTest, AKilledHolderHoldsNothing) {
  Child holder([&](Channel& parent) {
    LockDescriptor lock = Open();
    parent.Send(int{lock.TryLock(3).value()});
    parent.Receive<int>();
  });
  ASSERT_EQ(holder.channel().Receive<int>(), 1);
  EXPECT_TRUE(Held(3));
  EXPECT_FALSE(Open().TryLock(3).value());
  holder.Kill();
  EXPECT_EQ(holder.Wait(), ChildEnd::KilledBy(SIGKILL));
  EXPECT_FALSE(Held(3));
  EXPECT_TRUE(Open().TryLock(3).value());
}

TEST_F(LockByteTest, AStoppedHolderIsAlive) {
  Child holder([&](Channel& parent) {
    LockDescriptor lock = Open();
    parent.Send(int{lock.TryLock(3).value()});
    parent.Receive<int>();
  });
  ASSERT_EQ(holder.channel().Receive<int>(), 1);
  holder.Stop();
  EXPECT_TRUE(Held(3));
}

TEST_F(LockByteTest, AForkedChildHasAnEmptyDescriptorAndCannotUnlockItsParent) {
  std::optional<LockDescriptor> lock = Open();
  ASSERT_TRUE(lock->TryLock(3).value());
  const int number = lock->get();
  Child child([&](Channel&) {
    EXPECT_FALSE(lock->valid());
    EXPECT_EQ(fcntl(number, F_GETFD), -1);
    EXPECT_EQ(lock->TryLock(3).status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(lock->Unlock(3).code(), absl::StatusCode::kFailedPrecondition);
    // The number is free for others. Destroying the object must not close theirs.
    ASSERT_EQ(fcntl(prober_.get(), F_DUPFD_CLOEXEC, number), number);
    lock.reset();
    EXPECT_NE(fcntl(number, F_GETFD), -1);
    EXPECT_TRUE(Held(3));
    // A child that starts afresh has locks of its own.
    LockDescriptor own = Open();
    EXPECT_FALSE(own.TryLock(3).value());
    EXPECT_TRUE(own.TryLock(4).value());
  });
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
  EXPECT_TRUE(Held(3));
}

TEST_F(LockByteTest, ASurvivingChildDoesNotKeepAKilledParentAlive) {
  Leash leash;
  Child parent([&](Channel& test) {
    leash.GiveToChild();
    LockDescriptor lock = Open();
    EXPECT_TRUE(lock.TryLock(3).value());
    const pid_t child = fork();
    if (child == 0) leash.LiveOn();
    test.Send(child);
    test.Receive<int>();
  });
  const std::optional<pid_t> child = parent.channel().Receive<pid_t>();
  ASSERT_TRUE(child);
  EXPECT_TRUE(Held(3));
  parent.Kill();
  EXPECT_EQ(parent.Wait(), ChildEnd::KilledBy(SIGKILL));
  // Waits, because the child may have been made and not have run yet.
  EXPECT_TRUE(test::WaitUntilTrue([&] { return !Held(3); }));
  EXPECT_EQ(kill(*child, 0), 0) << "the test is about a child that survives";
}

// fork() in one thread, at any moment of another that opens and locks: no child may get hold of a lock.
TEST_F(LockByteTest, AForkAtAnyMomentOfOpeningLeavesTheChildWithoutLocks) {
  constexpr int kChildren = 30;
  Leash leash;
  Child parent([&](Channel& test) {
    leash.GiveToChild();
    std::atomic<bool> stop = false;
    uint64_t locks = 0;
    std::vector<LockDescriptor> held;
    std::thread opener([&] {
      for (; !stop.load() && locks < 500; ++locks) {
        held.push_back(Open());
        EXPECT_TRUE(held.back().TryLock(locks).value());
      }
    });
    for (int i = 0; i < kChildren; ++i) {
      if (fork() == 0) leash.LiveOn();
    }
    stop = true;
    opener.join();
    test.Send(locks);
    test.Receive<int>();
  });
  const std::optional<uint64_t> locks = parent.channel().Receive<uint64_t>();
  ASSERT_TRUE(locks);
  EXPECT_GT(*locks, 0u);
  EXPECT_TRUE(Held(0));
  parent.Kill();
  EXPECT_EQ(parent.Wait(), ChildEnd::KilledBy(SIGKILL));
  for (uint64_t offset = 0; offset < *locks; ++offset) {
    EXPECT_TRUE(test::WaitUntilTrue([&] { return !Held(offset); })) << offset;
  }
}

#if !defined(__SANITIZE_THREAD__)  // it does not know _Fork()
// Such a child keeps the descriptor (the header says so), but does not take the lock away from the living parent.
TEST_F(LockByteTest, AChildMadeWithoutTheForkHandlersCannotUnlockItsParentEither) {
  std::optional<LockDescriptor> lock = Open();
  ASSERT_TRUE(lock->TryLock(3).value());
  const pid_t child = _Fork();
  if (child == 0) {
    const bool refused = !lock->Unlock(3).ok();
    lock.reset();
    _exit(refused && Held(3) ? 0 : 1);
  }
  ASSERT_GT(child, 0);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(Held(3));
  lock.reset();
  EXPECT_FALSE(Held(3));
}
#endif

}  // namespace
}  // namespace weir::os
