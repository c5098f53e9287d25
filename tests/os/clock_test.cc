#include "middleware/os/clock.h"

#include <time.h>

#include <atomic>
#include <cstdint>
#include <fstream>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "middleware/os/process.h"
#include "tests/support/skip.h"

namespace weir::os {
namespace {

// Reads the clock between two readings of the kernel's, so that an interruption between them cannot make it wrong.
template <class Read>
void ExpectAgrees(Read read, uint64_t error_ns) {
  const uint64_t before = MonotonicNow();
  const uint64_t now = read();
  const uint64_t after = MonotonicNow();
  ASSERT_GE(now + error_ns, before);
  ASSERT_LE(now, after + error_ns);
}

template <class Body>
void For(uint64_t ns, Body body) {
  for (const uint64_t end = MonotonicNow() + ns; MonotonicNow() < end && !testing::Test::HasFatalFailure();) body();
}

TEST(MonotonicNowTest, IsTheKernelsMonotonicClock) {
  timespec now;
  const uint64_t before = MonotonicNow();
  clock_gettime(CLOCK_MONOTONIC, &now);
  const uint64_t between = static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
  EXPECT_LE(before, between);
  EXPECT_GE(MonotonicNow(), between);
}

TEST(TickClockTest, AgreesWithTheKernelFromTheFirstCallOn) {
  TickClock clock;
  For(300'000'000, [&] { ExpectAgrees([&] { return clock.Now(); }, kTickClockErrorNs); });
  For(100'000'000, [&] { ExpectAgrees([&] { return clock.NowAfterLoads(); }, kTickClockErrorNs); });
}

TEST(TickClockTest, AgreesWithTheKernelAfterPausesOfAnyLength) {
  TickClock clock;
  for (const uint64_t pause_ns : {100'000, 1'000'000, 7'000'000, 30'000'000, 200'000'000, 300'000, 20'000'000}) {
    for (int i = 0; i < 3; ++i) {
      For(10'000'000, [&] { ExpectAgrees([&] { return clock.Now(); }, kTickClockErrorNs); });
      SleepFor(pause_ns);
    }
  }
}

TEST(TickClockTest, AgreesWithTheKernelWhenItIsRarelyRead) {
  TickClock clock;
  for (int i = 0; i < 50; ++i) {
    ExpectAgrees([&] { return clock.Now(); }, kTickClockErrorNs);
    SleepFor(10'000'000);
  }
}

TEST(TickClockTest, NeverGoesBackwards) {
  TickClock clock;
  uint64_t last = 0;
  uint64_t backwards = 0;
  For(500'000'000, [&] {
    for (int i = 0; i < 1000; ++i) {
      const uint64_t now = clock.Now();
      backwards += now < last;
      last = now;
    }
  });
  EXPECT_EQ(backwards, 0u);
}

// One thread stamps, the other reads the stamp and then its own clock: the age is negative by no more than twice the
// error (plus how early a reading can be that does not wait for the load in front of it: here it waits).
TEST(TickClockTest, TheStampsOfTwoThreadsDisagreeByNoMoreThanTwiceTheError) {
  std::atomic<uint64_t> ball = 0;
  std::atomic<bool> stop = false;
  uint64_t worst_ns = 0;
  uint64_t rounds = 0;
  std::thread stamper([&] {
    TickClock clock;
    while (!stop.load(std::memory_order_relaxed)) {
      if (ball.load(std::memory_order_acquire) == 0) ball.store(clock.NowAfterLoads(), std::memory_order_release);
    }
  });
  TickClock clock;
  For(500'000'000, [&] {
    const uint64_t stamp = ball.load(std::memory_order_acquire);
    if (stamp == 0) return;
    const uint64_t now = clock.NowAfterLoads();
    if (now < stamp && stamp - now > worst_ns) worst_ns = stamp - now;
    ++rounds;
    ball.store(0, std::memory_order_release);
  });
  stop = true;
  stamper.join();
  EXPECT_GT(rounds, 0u);
  EXPECT_LE(worst_ns, 2 * kTickClockErrorNs);
}

TEST(TickClockTest, WithoutTheCounterItIsTheKernelsClock) {
  TickClock clock(false);
  EXPECT_FALSE(clock.uses_counter());
  For(20'000'000, [&] {
    ExpectAgrees([&] { return clock.Now(); }, 0);
    ExpectAgrees([&] { return clock.NowAfterLoads(); }, 0);
  });
}

TEST(TickClockTest, UsesTheCounterExactlyWhereTheKernelDoes) {
  std::ifstream file("/sys/devices/system/clocksource/clocksource0/current_clocksource");
  std::string source;
  file >> source;
#if defined(__x86_64__)
  EXPECT_EQ(TickClock::CounterIsKernelClock(), source == "tsc");
#else
  EXPECT_FALSE(TickClock::CounterIsKernelClock());
#endif
  TickClock clock;
  EXPECT_EQ(clock.uses_counter(), TickClock::CounterIsKernelClock());
  For(100'000'000, [&] { clock.Now(); });
  EXPECT_EQ(clock.uses_counter(), TickClock::CounterIsKernelClock()) << "gave the counter up";
  if (!clock.uses_counter()) WEIR_SKIP("the kernel's clock here is '" + source + "', not tsc");
}

}  // namespace
}  // namespace weir::os
