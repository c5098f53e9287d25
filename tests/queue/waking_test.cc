// The steps of sleeping and waking, one before the other and in threads. With the kernel's futex: tests/waking/.
#include "middleware/queue/waking.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "middleware/base/limits.h"
#include "tests/queue/litmus.h"
#include "tests/queue/stepped_atomics.h"

namespace weir::queue {
namespace {

using Word = SteppedAtomics::Atomic<uint32_t>;

class WakingTest : public testing::Test {
 protected:
  static void NoHeavyFence() {}

  bool Announce(bool fence = true) { return AnnounceChange<SteppedAtomics>(word_, sleepers_, fence); }

  Word word_;
  Word sleepers_;
};

TEST_F(WakingTest, AChangeNobodyWaitsForTouchesNothing) {
  EXPECT_FALSE(Announce());
  EXPECT_FALSE(Announce(/*fence=*/false));
  EXPECT_EQ(word_.load(kRelaxed), 0u);
  EXPECT_EQ(sleepers_.load(kRelaxed), 0u);
}

TEST_F(WakingTest, AChangeSomebodyWaitsForChangesTheWordAndLeavesTheCount) {
  sleepers_.store(2, kRelaxed);
  EXPECT_TRUE(Announce());
  EXPECT_TRUE(Announce(/*fence=*/false));
  EXPECT_EQ(word_.load(kRelaxed), 2u);
  EXPECT_EQ(sleepers_.load(kRelaxed), 2u) << "a waker clears nothing";
}

TEST_F(WakingTest, TheWakerFencesOnlyIfItMust) {
  size_t fences = 0;
  const ScopedStepHook hook([&](const Step& step) { fences += step.kind == StepKind::kFence; });
  Announce(/*fence=*/false);
  EXPECT_EQ(fences, 0u);
  Announce(/*fence=*/true);
  EXPECT_EQ(fences, 1u);
}

TEST_F(WakingTest, WhoFindsSomethingAfterItCountedItselfDoesNotSleep) {
  bool heavy = false;
  const SleepResult result = Sleep<SteppedAtomics>(
      word_, sleepers_, [&] { heavy = true; },
      [&] {
        EXPECT_EQ(sleepers_.load(kRelaxed), 1u);
        EXPECT_TRUE(heavy);
        return true;
      },
      [](Word&, uint32_t) { FAIL() << "slept"; });
  EXPECT_EQ(result, SleepResult::kNoNeed);
  EXPECT_EQ(sleepers_.load(kRelaxed), 0u);
}

TEST_F(WakingTest, WhoFindsNothingSleepsOnTheWordAsItWasBeforeItLooked) {
  word_.store(41, kRelaxed);
  uint32_t slept_on = 0;
  const SleepResult result = Sleep<SteppedAtomics>(
      word_, sleepers_, NoHeavyFence,
      [&] {
        word_.fetch_add(1, kRelaxed);
        return false;
      },
      [&](Word& word, uint32_t value) {
        EXPECT_EQ(&word, &word_);
        EXPECT_EQ(sleepers_.load(kRelaxed), 1u);
        slept_on = value;
      });
  EXPECT_EQ(slept_on, 41u) << "the kernel would not see that the word changed meanwhile";
  EXPECT_EQ(result, SleepResult::kSlept);
  EXPECT_EQ(sleepers_.load(kRelaxed), 0u);
}

TEST_F(WakingTest, ACountThatACleanupSetToZeroStaysZero) {
  Uncount<SteppedAtomics>(sleepers_);
  EXPECT_EQ(sleepers_.load(kRelaxed), 0u);
  Sleep<SteppedAtomics>(
      word_, sleepers_, NoHeavyFence, [] { return false; }, [&](Word&, uint32_t) { sleepers_.store(0, kRelaxed); });
  EXPECT_EQ(sleepers_.load(kRelaxed), 0u);
}

TEST_F(WakingTest, ACountIsTakenBackAlsoWhereOthersCountMeanwhile) {
  bool intruded = true;
  for (size_t at = 0; intruded; ++at) {
    sleepers_.store(1, kRelaxed);
    intruded = RunWithIntruder(
        at, [&] { Uncount<SteppedAtomics>(sleepers_); }, [&] { sleepers_.fetch_add(1, kRelaxed); });
    EXPECT_EQ(sleepers_.load(kRelaxed), intruded ? 1u : 0u);
  }
}

// A change falls into any step of a sleeper: it does not fall asleep, or it is woken, or sleeps on a word that changed.
TEST_F(WakingTest, NoChangeIsMissedWhereverItFallsIntoASleep) {
  bool intruded = true;
  for (size_t at = 0; intruded; ++at) {
    SCOPED_TRACE(testing::Message() << "step " << at);
    bool changed = false;
    bool overslept = false;
    intruded = RunWithIntruder(
        at,
        [&] {
          Sleep<SteppedAtomics>(
              word_, sleepers_, NoHeavyFence, [&] { return changed; },
              [&](Word& word, uint32_t value) { overslept = changed && word.load(kRelaxed) == value; });
        },
        [&] {
          changed = true;
          Announce();
        });
    EXPECT_FALSE(overslept);
    EXPECT_EQ(sleepers_.load(kRelaxed), 0u);
  }
}

TEST_F(WakingTest, NoChangeIsMissedWhereverASleepBeginsInAnAnnouncement) {
  bool intruded = true;
  for (size_t at = 0; intruded; ++at) {
    SCOPED_TRACE(testing::Message() << "step " << at);
    sleepers_.store(0, kRelaxed);
    bool changed = false;
    bool asleep = false;
    uint32_t slept_on = 0;
    bool woken = false;
    intruded = RunWithIntruder(
        at,
        [&] {
          changed = true;
          woken = Announce();
        },
        [&] {  // as far as the futex call, in which it stays
          const uint32_t value = word_.load(kRelaxed);
          sleepers_.fetch_add(1, kRelaxed);
          asleep = !changed;
          slept_on = value;
        });
    EXPECT_FALSE(asleep && !woken && word_.load(kRelaxed) == slept_on);
  }
}

// In threads. Here the sleeper spins on the word; it never looks at what it waits for, so that a change of the word
// that is missing would leave it there.
TEST(WakingThreadsTest, WhoSleepsIsAlwaysWoken) {
#if defined(__SANITIZE_THREAD__)
  constexpr uint32_t kRounds = 2'000;
#else
  constexpr uint32_t kRounds = 20'000;
#endif
  using Atomic = SystemAtomics::Atomic<uint32_t>;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  struct Side {
    Atomic word;
    Atomic sleepers;
    Atomic value;
  };
  Side ping;
  Side pong;
  std::atomic<bool> overslept{false};
  const auto wait_for = [&](Side& side, uint32_t value) {
    while (side.value.load(kAcquire) < value && !overslept.load()) {
      Sleep<SystemAtomics>(
          side.word, side.sleepers, [] {}, [&] { return side.value.load(kAcquire) >= value; },
          [&](Atomic& word, uint32_t seen) {
            while (word.load(kRelaxed) == seen && !overslept.load()) {
              std::this_thread::yield();
              if (std::chrono::steady_clock::now() > deadline) overslept.store(true);
            }
          });
    }
  };
  const auto set = [](Side& side, uint32_t value) {
    side.value.store(value, kRelease);
    AnnounceChange<SystemAtomics>(side.word, side.sleepers, /*fence=*/true);
  };
  std::thread other([&] {
    for (uint32_t i = 1; i <= kRounds; ++i) {
      wait_for(ping, i);
      set(pong, i);
    }
  });
  const auto enough = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  uint32_t rounds = 0;
  while (rounds < kRounds && std::chrono::steady_clock::now() < enough) {
    set(ping, ++rounds);
    wait_for(pong, rounds);
  }
  set(ping, kRounds);  // lets the other one finish
  other.join();
  EXPECT_FALSE(overslept.load());
  EXPECT_GT(rounds, 0u);
  EXPECT_EQ(ping.sleepers.load(kRelaxed), 0u);
  EXPECT_EQ(pong.sleepers.load(kRelaxed), 0u);
}

// A sleeper and a waker that come at the same moment do not both miss each other, with the waker's fence. (Where the
// sleeper fences for all: tests/waking/.)
TEST(WakingThreadsTest, SleeperAndWakerNeverMissEachOther) {
  struct alignas(kIsolationBytes) Round {
    SystemAtomics::Atomic<uint32_t> change;
    alignas(kIsolationBytes) SystemAtomics::Atomic<uint32_t> word;
    SystemAtomics::Atomic<uint32_t> sleepers;
    alignas(kIsolationBytes) std::atomic<bool> announced{false};
    bool woken = false;
    bool slept = false;
  };
  std::vector<Round> rounds(20'000);
  const size_t count = RunLitmus(
      rounds.size(),
      [&](size_t i) {
        Round& round = rounds[i];
        round.change.store(1, kRelease);
        round.woken = AnnounceChange<SystemAtomics>(round.word, round.sleepers, /*fence=*/true);
        round.announced.store(true);
      },
      [&](size_t i) {
        Round& round = rounds[i];
        Sleep<SystemAtomics>(
            round.word, round.sleepers, [] {}, [&] { return round.change.load(kAcquire) != 0; },
            [&](SystemAtomics::Atomic<uint32_t>& word, uint32_t value) {
              round.slept = word.load(kRelaxed) == value;
              while (!round.announced.load()) std::this_thread::yield();  // it would be asleep so long
            });
      });
  size_t missed = 0;
  for (size_t i = 0; i < count; ++i) missed += rounds[i].slept && !rounds[i].woken;
  EXPECT_EQ(missed, 0u) << "of " << count;
  EXPECT_GT(count, 0u);
}

}  // namespace
}  // namespace weir::queue
