#include "middleware/os/futex.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "middleware/os/clock.h"
#include "middleware/os/file.h"
#include "middleware/os/mapping.h"
#include "tests/support/child.h"
#include "tests/support/test_root.h"
#include "tests/support/wait.h"

namespace weir::os {
namespace {

using test::Channel;
using test::Child;
using test::ChildEnd;

constexpr uint64_t kLongNs = 30'000'000'000;

class FutexTest : public testing::Test {
 protected:
  void SetUp() override {
    file_ = CreateFile(dir_.get(), "queue.1", 0600, 4096).value();
    mapping_ = Mapping::Map(file_.get(), 4096, Access::kReadWrite).value();
  }

  // As every process of its own sees it. The inherited mapping is not there in a child.
  static std::atomic<uint32_t>* WordOf(const Mapping& mapping) {
    return reinterpret_cast<std::atomic<uint32_t>*>(mapping.data() + 128);
  }

  std::atomic<uint32_t>& word() { return *WordOf(mapping_); }

  test::TestRoot root_;
  FileDescriptor dir_{open(root_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  FileDescriptor file_;
  Mapping mapping_;
};

TEST_F(FutexTest, AWakeReachesASleeperInAnotherProcess) {
  Child sleeper([&](Channel& parent) {
    const Mapping mapping = Mapping::Map(file_.get(), 4096, Access::kReadWrite).value();
    parent.Send(FutexWait(WordOf(mapping), 0, MonotonicNow() + kLongNs));
  });
  EXPECT_TRUE(test::WaitUntilTrue([&] { return FutexWake(&word(), kWakeAll) == 1; }));
  EXPECT_EQ(sleeper.channel().Receive<FutexResult>(), FutexResult::kWoken);
  EXPECT_EQ(sleeper.Wait(), ChildEnd::Exited(0));
}

TEST_F(FutexTest, AReadOnlyMappingWillDoForSleeping) {
  Child sleeper([&](Channel& parent) {
    const FileDescriptor file = OpenFile(dir_.get(), "queue.1", Access::kRead).value();
    const Mapping mapping = Mapping::Map(file.get(), 4096, Access::kRead).value();
    parent.Send(FutexWait(WordOf(mapping), 0, MonotonicNow() + kLongNs));
  });
  EXPECT_TRUE(test::WaitUntilTrue([&] { return FutexWake(&word(), kWakeAll) == 1; }));
  EXPECT_EQ(sleeper.channel().Receive<FutexResult>(), FutexResult::kWoken);
}

TEST_F(FutexTest, WakesAsManyAsItIsTold) {
  constexpr int kSleepers = 4;
  std::atomic<int> woken = 0;
  std::vector<std::thread> sleepers;
  for (int i = 0; i < kSleepers; ++i) {
    sleepers.emplace_back([&] {
      if (FutexWait(&word(), 0, kNoDeadline) == FutexResult::kWoken) ++woken;
    });
  }
  EXPECT_TRUE(test::WaitUntilTrue([&] { return FutexWake(&word(), 1) == 1; }));
  EXPECT_TRUE(test::WaitUntilTrue([&] { return woken == 1; }));
  int others = 0;
  EXPECT_TRUE(test::WaitUntilTrue([&] { return (others += FutexWake(&word(), kWakeAll)) == kSleepers - 1; }));
  for (std::thread& sleeper : sleepers) sleeper.join();
  EXPECT_EQ(woken, kSleepers);
}

TEST_F(FutexTest, AChangedWordIsNotSleptOn) {
  word().store(5);
  EXPECT_EQ(FutexWait(&word(), 4, kNoDeadline), FutexResult::kChanged);
}

TEST_F(FutexTest, AWordChangedByAnotherProcessIsNotSleptOn) {
  Child changer([&](Channel&) {
    const Mapping mapping = Mapping::Map(file_.get(), 4096, Access::kReadWrite).value();
    WordOf(mapping)->store(1);
  });
  ASSERT_EQ(changer.Wait(), ChildEnd::Exited(0));
  EXPECT_EQ(FutexWait(&word(), 0, kNoDeadline), FutexResult::kChanged);
}

TEST_F(FutexTest, TimesOutAtTheDeadlineAndNotBefore) {
  for (const uint64_t ns : {0u, 1'000u, 20'000'000u}) {
    const uint64_t deadline_ns = MonotonicNow() + ns;
    EXPECT_EQ(FutexWait(&word(), 0, deadline_ns), FutexResult::kTimedOut);
    EXPECT_GE(MonotonicNow(), deadline_ns);
  }
  EXPECT_EQ(FutexWait(&word(), 0, 0), FutexResult::kTimedOut);
}

#if !defined(__SANITIZE_THREAD__)  // it holds signals back until the next call that it intercepts; a raw futex is none
TEST_F(FutexTest, ASignalIsReportedToTheSleeper) {
  Child sleeper([&](Channel& parent) {
    struct sigaction action = {};
    action.sa_handler = [](int) {};
    ASSERT_EQ(sigaction(SIGUSR1, &action, nullptr), 0);
    const Mapping mapping = Mapping::Map(file_.get(), 4096, Access::kReadWrite).value();
    parent.Send(1);
    // A signal may come before the sleep; the parent sends more.
    FutexResult result = FutexWait(WordOf(mapping), 0, MonotonicNow() + kLongNs);
    parent.Send(result);
    parent.Receive<int>();
  });
  ASSERT_EQ(sleeper.channel().Receive<int>(), 1);
  std::optional<FutexResult> result;
  EXPECT_TRUE(test::WaitUntilTrue([&] {
    EXPECT_EQ(kill(sleeper.pid(), SIGUSR1), 0);
    result = sleeper.channel().Receive<FutexResult>(std::chrono::milliseconds(1));
    return result.has_value();
  }));
  EXPECT_EQ(result, FutexResult::kInterrupted);
}
#endif

TEST_F(FutexTest, AWordWhoseFileWasTruncatedFailsInsteadOfSleeping) {
  ASSERT_EQ(ftruncate(file_.get(), 0), 0);
  EXPECT_EQ(FutexWait(&word(), 0, MonotonicNow() + kLongNs), FutexResult::kFailed);
  EXPECT_EQ(FutexWake(&word(), kWakeAll), 0);
}

TEST_F(FutexTest, NobodyAsleepIsNobodyWoken) {
  EXPECT_EQ(FutexWake(&word(), kWakeAll), 0);
}

}  // namespace
}  // namespace weir::os
