// Sleeping and waking on the kernel's futex, around real queues. No sleep in these tests ends by its deadline: that
// would be a wake-up that was missed.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "middleware/base/limits.h"
#include "middleware/os/clock.h"
#include "middleware/os/futex.h"
#include "middleware/os/membarrier.h"
#include "middleware/queue/queue.h"
#include "middleware/queue/waking.h"
#include "tests/queue/ledger.h"
#include "tests/queue/litmus.h"
#include "tests/queue/test_queue.h"
#include "tests/support/skip.h"

namespace weir::queue {
namespace {

using Atomics = SystemAtomics;
using Word = Atomics::Atomic<uint32_t>;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr uint32_t kMessages = 1'000;
#else
constexpr uint32_t kMessages = 5'000;
#endif
constexpr uint64_t kOverslept_ns = 20'000'000'000;  // far beyond every scheduling delay
constexpr uint64_t kTest_ns = 500'000'000;          // then producers stop, on a machine that is busy with other things

// Who pays for the fence between "changed" and "is anybody asleep?".
enum class Fences : uint8_t { kWakerFences, kSleeperFencesForAll };

class FutexWakingTest : public testing::TestWithParam<std::tuple<Form, Fences>> {
 protected:
  Form form() const { return std::get<0>(GetParam()); }
  bool waker_fences() const { return std::get<1>(GetParam()) == Fences::kWakerFences; }

  void SetUp() override {
    if (!waker_fences() && !os::RegisterPrivateExpedited()) WEIR_SKIP("membarrier is not to be had");
  }

  // After a change. The word is the waker's view of it, which lies elsewhere than the sleeper's.
  void Wake(Word& word, const Word& sleepers) {
    if (AnnounceChange<Atomics>(word, sleepers, waker_fences())) os::FutexWake(word.raw(), os::kWakeAll);
  }

  template <class Ready>
  void SleepUntil(Word& word, Word& sleepers, Ready ready) {
    while (!ready() && !overslept_.load()) {
      Sleep<Atomics>(
          word, sleepers, [&] { EXPECT_TRUE(waker_fences() || os::PrivateExpedited()); }, ready,
          [&](Word& asleep_on, uint32_t value) {
            if (os::FutexWait(asleep_on.raw(), value, os::MonotonicNow() + kOverslept_ns) ==
                os::FutexResult::kTimedOut) {
              overslept_.store(true);
            }
          });
    }
  }

  std::atomic<bool> overslept_{false};
};

INSTANTIATE_TEST_SUITE_P(AllForms, FutexWakingTest,
                         testing::Combine(testing::ValuesIn(kForms),
                                          testing::Values(Fences::kWakerFences, Fences::kSleeperFencesForAll)),
                         [](const auto& test) {
                           return NameOf(std::get<0>(test.param)) +
                                  (std::get<1>(test.param) == Fences::kWakerFences ? "WakerFences" : "Membarrier");
                         });

// Both directions at once: the consumer sleeps while the queue is empty, producers while it is full. With a depth of
// one that is nearly always.
TEST_P(FutexWakingTest, ConsumerAndBlockedProducersAreAlwaysWoken) {
  for (const uint32_t depth : {1u, 3u}) {
    TestQueue<Atomics> queue(form(), depth, StartPosition(Start::kBelowLapWrap, depth));
    const uint32_t producers = form().exclusive ? 1 : 2;
    const uint64_t end_ns = os::MonotonicNow() + kTest_ns / 2;
    std::atomic<uint32_t> producing{producers};
    std::vector<Notes> notes(producers + 1);
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < producers; ++i) {
      threads.emplace_back([&, i] {
        Producer producer = queue.NewProducer();
        QueueHeader<Atomics>& header = *producer.queue().header;
        for (uint32_t number = 1; number <= kMessages && os::MonotonicNow() < end_ns; ++number) {
          const Ref ref = Message(number, static_cast<PublisherIndex>(i));
          PushResult result = producer.Push(ref, /*evict=*/false);
          while (!result.accepted && !overslept_.load()) {
            SleepUntil(header.space_word, header.blocked, [&] { return !producer.IsFull(); });
            result = producer.Push(ref, /*evict=*/false);
          }
          notes[i].Pushed(ref, result);
          Wake(header.wake_word, header.sleepers);
        }
        producing.fetch_sub(1);
        header.wake_word.fetch_add(1, kRelaxed);  // as Interrupt() would
        os::FutexWake(header.wake_word.raw(), os::kWakeAll);
      });
    }
    QueueHeader<Atomics>& header = *queue.consumer().queue().header;
    const auto ready = [&] { return queue.consumer().HasMessage() || producing.load() == 0; };
    for (;;) {
      const bool last = producing.load() == 0;
      const TakeResult result = queue.Take();
      notes.back().Taken(result);
      if (result.status == TakeStatus::kTaken) {
        Wake(header.space_word, header.blocked);
      } else if (last || overslept_.load()) {
        break;
      } else {
        SleepUntil(header.wake_word, header.sleepers, ready);
      }
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_FALSE(overslept_.load()) << "a wake-up was missed";
    Notes all;
    for (const Notes& one : notes) all.Add(one);
    EXPECT_EQ(all.taken.size(), all.pushed.size());
    EXPECT_EQ(all.refused, 0u);
    CheckOrder(all.taken);
    CheckAccounts(queue, StartPosition(Start::kBelowLapWrap, depth), all);
    EXPECT_EQ(header.sleepers.load(kRelaxed), 0u);
    EXPECT_EQ(header.blocked.load(kRelaxed), 0u);
  }
}

// A sleeper and a waker that come at the same moment do not both miss each other. With fences: tests/queue/.
TEST(MembarrierTest, SleeperAndWakerWithoutAFenceNeverMissEachOther) {
  if (!os::RegisterPrivateExpedited()) WEIR_SKIP("membarrier is not to be had");
  struct alignas(kIsolationBytes) Round {
    Word change;
    alignas(kIsolationBytes) Word word;
    Word sleepers;
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
        round.woken = AnnounceChange<Atomics>(round.word, round.sleepers, /*fence=*/false);
        round.announced.store(true);
      },
      [&](size_t i) {
        Round& round = rounds[i];
        Sleep<Atomics>(
            round.word, round.sleepers, [] { os::PrivateExpedited(); },
            [&] { return round.change.load(kAcquire) != 0; },
            [&](Word& word, uint32_t value) {
              round.slept = word.load(kRelaxed) == value;
              while (!round.announced.load()) std::this_thread::yield();  // it would be asleep so long
            });
      });
  size_t missed = 0;
  for (size_t i = 0; i < count; ++i) missed += rounds[i].slept && !rounds[i].woken;
  EXPECT_EQ(missed, 0u) << "of " << count;
  EXPECT_GT(count, 0u);
}

// A waker that dies between its change and the wake leaves the sleeper to its deadline; nothing else is lost.
TEST(FutexWakingDeathTest, WhoIsNotWokenBecauseTheWakerDiedFindsTheMessageAfterItsDeadline) {
  TestQueue<Atomics> queue(kForms[0], 2, 0);
  QueueHeader<Atomics>& header = *queue.consumer().queue().header;
  std::thread waker([&] {
    while (header.sleepers.load(kRelaxed) == 0) std::this_thread::yield();
    queue.NewProducer().Push(Message(1), /*evict=*/false);  // and dies
  });
  const uint64_t begin_ns = os::MonotonicNow();
  while (!queue.consumer().HasMessage()) {
    Sleep<Atomics>(
        header.wake_word, header.sleepers, [] {}, [&] { return queue.consumer().HasMessage(); },
        [&](Word& word, uint32_t value) { os::FutexWait(word.raw(), value, begin_ns + 50'000'000); });
  }
  waker.join();
  EXPECT_EQ(queue.Take().ref, Message(1));
  EXPECT_EQ(header.sleepers.load(kRelaxed), 0u);
}

}  // namespace
}  // namespace weir::queue
