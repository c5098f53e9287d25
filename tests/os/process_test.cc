#include "middleware/os/process.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <unistd.h>

#include <set>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "middleware/os/clock.h"
#include "tests/support/child.h"

namespace weir::os {
namespace {

using test::Channel;
using test::Child;
using test::ChildEnd;

TEST(ProcessTest, KnowsItsNumbers) {
  EXPECT_EQ(Pid(), getpid());
  EXPECT_EQ(ThreadId(), getpid());  // the main thread
  std::thread([] { EXPECT_NE(ThreadId(), Pid()); }).join();
}

TEST(ProcessTest, NamesAProcessByItsPid) {
  Child child([](Channel& parent) {
    prctl(PR_SET_NAME, "li dar");
    parent.Send(1);
    parent.Receive<int>();
  });
  ASSERT_EQ(child.channel().Receive<int>(), 1);
  EXPECT_EQ(ProcessName(child.pid()), "li dar");
  child.Kill();
  child.Wait();
  EXPECT_EQ(ProcessName(child.pid()), "");
  EXPECT_EQ(ProcessName(-1), "");
}

TEST(ProcessTest, RandomBitsDiffer) {
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(RandomBits());
  EXPECT_EQ(seen.size(), 1000u);
}

TEST(ProcessTest, SleepsUntilTheDeadlineWhateverSignalsArrive) {
  Child child([](Channel&) {
    signal(SIGALRM, [](int) {});
    const itimerval often = {{0, 1000}, {0, 1000}};
    ASSERT_EQ(setitimer(ITIMER_REAL, &often, nullptr), 0);
    const uint64_t deadline_ns = MonotonicNow() + 20'000'000;
    SleepUntil(deadline_ns);
    EXPECT_GE(MonotonicNow(), deadline_ns);
    const uint64_t begin_ns = MonotonicNow();
    SleepFor(20'000'000);
    EXPECT_GE(MonotonicNow(), begin_ns + 20'000'000);
  });
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
}

TEST(ProcessTest, PinsTheCallingThreadToOneCore) {
  std::thread([] {
    const int cpu = sched_getcpu();
    ASSERT_TRUE(PinToCpu(cpu).ok());
    EXPECT_EQ(sched_getcpu(), cpu);
  }).join();
  EXPECT_EQ(PinToCpu(-1).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(PinToCpu(1'000'000).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace weir::os
