// The memory model by itself: the classic litmus tests. What C++20 forbids never happens in any schedule, what it
// allows happens in some (but for what memory.h says is not modelled).
//
// weir-test: links=weir_prove_engine not-under=asan,tsan
#include <array>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "middleware/queue/atomics.h"
#include "tests/prove/scheduled_atomics.h"
#include "tests/prove/scheduler.h"
#include "tests/prove/search.h"

namespace weir::prove {
namespace {

using queue::kAcquire;
using queue::kRelaxed;
using queue::kRelease;
using queue::kSeqCst;

constexpr std::memory_order kAcqRel = std::memory_order_acq_rel;

// Up to four threads, atomics, ordinary words, and what the threads have read.
struct Shared {
  std::array<ScheduledAtomics::Atomic<uint32_t>, 4> at;
  std::array<ScheduledAtomics::Word<uint32_t>, 2> word;
  std::array<uint32_t, 6> r{};
};
using Body = void (*)(Shared&);
using Outcomes = std::set<std::string>;

class LitmusPlay : public Play {
 public:
  LitmusPlay(const std::vector<Body>& bodies, Outcomes& outcomes) : bodies_(bodies), outcomes_(outcomes) {}
  void SetUp() override {
    for (size_t i = 0; i < bodies_.size(); ++i) {
      g_scheduler->AddThread("T" + std::to_string(i), [this, i] { bodies_[i](shared_); }, {});
    }
    for (auto& atomic : shared_.at) g_scheduler->NameAtomic(atomic.cell(), "x");
    for (auto& word : shared_.word) g_scheduler->NameWord(word.cell(), "word");
  }
  void Check() override {
    std::string outcome;
    for (const uint32_t r : shared_.r) outcome += static_cast<char>('0' + r);
    outcomes_.insert(outcome.substr(0, outcome.find_last_not_of('0') + 1));
  }

 private:
  const std::vector<Body>& bodies_;
  Outcomes& outcomes_;
  Shared shared_;
};

class MemoryModelTest : public testing::Test {
 protected:
  // All outcomes: what stands in r[0], r[1], ..., without zeros at the end. Or the failure.
  Outcomes Run(const std::vector<Body>& bodies, ExecutionLimits limits = {}) {
    Outcomes outcomes;
    const Scenario scenario{.name = "litmus", .about = "", .limits = limits, .make = [&] {
                              return std::make_unique<LitmusPlay>(bodies, outcomes);
                            }};
    report_ = Exhaust(scheduler_, scenario, {});
    if (report_.failure) {
      const auto again = Replay(scheduler_, scenario, report_.failure->schedule);
      EXPECT_TRUE(again.has_value());
      EXPECT_EQ(again->what, report_.failure->what);
      return {report_.failure->what};
    }
    EXPECT_TRUE(report_.exhausted);
    // States are not recognised in random schedules; nothing else comes out.
    Outcomes random_outcomes;
    const Scenario random{.name = "litmus", .about = "", .limits = limits, .make = [&] {
                            return std::make_unique<LitmusPlay>(bodies, random_outcomes);
                          }};
    EXPECT_FALSE(WalkRandomly(scheduler_, random, 1, {.schedules = 3000}).failure.has_value());
    EXPECT_EQ(random_outcomes, outcomes);
    return outcomes;
  }
  bool Races(const std::vector<Body>& bodies) {
    const Outcomes outcomes = Run(bodies);
    return outcomes.size() == 1 && outcomes.begin()->find("torn") != std::string::npos;
  }

  Scheduler scheduler_;
  Report report_;
};

// Message passing: data, then a flag.
template <int kOrders>  // 0: relaxed, 1: release/acquire, 2: only the release, 3: only the acquire, 4: fences
const std::vector<Body> kMessagePassing = {[](Shared& s) {
                                             s.at[0].store(1, kRelaxed);
                                             if (kOrders == 4) ScheduledAtomics::Fence(kRelease, nullptr);
                                             s.at[1].store(1, kOrders == 1 || kOrders == 2 ? kRelease : kRelaxed);
                                           },
                                           [](Shared& s) {
                                             s.r[0] = s.at[1].load(kOrders == 1 || kOrders == 3 ? kAcquire : kRelaxed);
                                             if (kOrders == 4) ScheduledAtomics::Fence(kAcquire, nullptr);
                                             s.r[1] = s.at[0].load(kRelaxed);
                                           }};

TEST_F(MemoryModelTest, AMessageArrivesWholeOnlyWithReleaseAndAcquire) {
  const Outcomes whole = {"", "01", "11"};
  const Outcomes broken = {"", "01", "1", "11"};
  EXPECT_EQ(Run(kMessagePassing<0>), broken);
  EXPECT_EQ(Run(kMessagePassing<1>), whole);
  EXPECT_EQ(Run(kMessagePassing<2>), broken);
  EXPECT_EQ(Run(kMessagePassing<3>), broken);
  EXPECT_EQ(Run(kMessagePassing<4>), whole);
}

// Store buffering: each stores to its own, then reads the other's.
template <int kFences>  // how many of the two threads fence
const std::vector<Body> kStoreBuffering = {[](Shared& s) {
                                             s.at[0].store(1, kRelaxed);
                                             if (kFences > 0) ScheduledAtomics::Fence(kSeqCst, nullptr);
                                             s.r[0] = s.at[1].load(kRelaxed) + 1;
                                           },
                                           [](Shared& s) {
                                             s.at[1].store(1, kRelaxed);
                                             if (kFences > 1) ScheduledAtomics::Fence(kSeqCst, nullptr);
                                             s.r[1] = s.at[0].load(kRelaxed) + 1;
                                           }};

TEST_F(MemoryModelTest, BothMissEachOtherUnlessBothFence) {
  EXPECT_EQ(Run(kStoreBuffering<0>), (Outcomes{"11", "12", "21", "22"}));
  EXPECT_EQ(Run(kStoreBuffering<1>), (Outcomes{"11", "12", "21", "22"}));
  EXPECT_EQ(Run(kStoreBuffering<2>), (Outcomes{"12", "21", "22"}));
}

TEST_F(MemoryModelTest, AReleaseStoreAndAnAcquireLoadAreNoFullFence) {
  EXPECT_TRUE(Run({[](Shared& s) {
                     s.at[0].fetch_add(1, kAcqRel);
                     s.r[0] = s.at[1].load(kAcquire) + 1;
                   },
                   [](Shared& s) {
                     s.at[1].fetch_add(1, kAcqRel);
                     s.r[1] = s.at[0].load(kAcquire) + 1;
                   }})
                  .contains("11"));
}

// As above, one side by a membarrier, the other by a compiler barrier.
template <bool kLight, bool kHeavy>
const std::vector<Body> kAsymmetric = {[](Shared& s) {
                                         s.at[0].store(1, kRelaxed);
                                         if (kLight) ScheduledAtomics::CompilerBarrier(nullptr);
                                         s.r[0] = s.at[1].load(kRelaxed) + 1;
                                       },
                                       [](Shared& s) {
                                         s.at[1].store(1, kRelaxed);
                                         if (kHeavy) g_scheduler->HeavyFence();
                                         s.r[1] = s.at[0].load(kRelaxed) + 1;
                                       }};

TEST_F(MemoryModelTest, AMembarrierFencesForTheSideThatHasACompilerBarrier) {
  EXPECT_EQ((Run(kAsymmetric<true, true>)), (Outcomes{"12", "21", "22"}));
  EXPECT_TRUE((Run(kAsymmetric<false, true>)).contains("11"));
  EXPECT_TRUE((Run(kAsymmetric<true, false>)).contains("11"));
}

TEST_F(MemoryModelTest, TwoCompilerBarriersAreNoFence) {
  EXPECT_TRUE(Run({[](Shared& s) {
                     s.at[0].store(1, kRelaxed);
                     ScheduledAtomics::CompilerBarrier(nullptr);
                     s.r[0] = s.at[1].load(kRelaxed) + 1;
                   },
                   [](Shared& s) {
                     s.at[1].store(1, kRelaxed);
                     ScheduledAtomics::CompilerBarrier(nullptr);
                     s.r[1] = s.at[0].load(kRelaxed) + 1;
                   }})
                  .contains("11"));
}

TEST_F(MemoryModelTest, TwoReadsOfOneLocationNeverGoBack) {
  EXPECT_EQ(Run({[](Shared& s) {
                   s.at[0].store(1, kRelaxed);
                   s.at[0].store(2, kRelaxed);
                 },
                 [](Shared& s) {
                   s.r[0] = s.at[0].load(kRelaxed);
                   s.r[1] = s.at[0].load(kRelaxed);
                 }}),
            (Outcomes{"", "01", "02", "11", "12", "22"}));
}

// C++20 allows it, the model does not: nobody reads what is stored later in the schedule.
TEST_F(MemoryModelTest, LoadBufferingIsLeftOut) {
  EXPECT_EQ(Run({[](Shared& s) {
                   s.r[0] = s.at[0].load(kRelaxed);
                   s.at[1].store(1, kRelaxed);
                 },
                 [](Shared& s) {
                   s.r[1] = s.at[1].load(kRelaxed);
                   s.at[0].store(1, kRelaxed);
                 }}),
            (Outcomes{"", "01", "1"}));
}

// The first thread's word, by way of a third thread's write to the flag.
template <bool kUpdate, bool kSameThread>
const std::vector<Body> kReleaseSequence = {[](Shared& s) {
                                              s.word[0].set(7);
                                              s.at[0].store(1, kRelease);
                                              if (kSameThread) s.at[0].store(2, kRelaxed);
                                            },
                                            [](Shared& s) {
                                              if (kSameThread) return;
                                              if (kUpdate) {
                                                s.at[0].fetch_add(1, kRelaxed);
                                              } else if (s.at[0].load(kRelaxed) == 1) {
                                                s.at[0].store(2, kRelaxed);
                                              }
                                            },
                                            [](Shared& s) {
                                              if (s.at[0].load(kAcquire) == 2) s.r[0] = s.word[0].get();
                                            }};

TEST_F(MemoryModelTest, AReleaseSequenceGoesThroughUpdatesButNotThroughStores) {
  EXPECT_FALSE((Races(kReleaseSequence<true, false>)));
  EXPECT_TRUE((Races(kReleaseSequence<false, false>)));
}

TEST_F(MemoryModelTest, AStoreOfTheSameThreadEndsAReleaseSequenceSinceCpp20) {
  EXPECT_TRUE((Races(kReleaseSequence<false, true>)));
}

// Two writers, two readers that see them in opposite order.
template <bool kFences>
const std::vector<Body> kIndependentReads = {[](Shared& s) { s.at[0].store(1, kRelaxed); },
                                             [](Shared& s) { s.at[1].store(1, kRelaxed); },
                                             [](Shared& s) {
                                               s.r[0] = s.at[0].load(kAcquire);
                                               if (kFences) ScheduledAtomics::Fence(kSeqCst, nullptr);
                                               s.r[1] = s.at[1].load(kAcquire);
                                             },
                                             [](Shared& s) {
                                               s.r[2] = s.at[1].load(kAcquire);
                                               if (kFences) ScheduledAtomics::Fence(kSeqCst, nullptr);
                                               s.r[3] = s.at[0].load(kAcquire) + 1;
                                             }};

TEST_F(MemoryModelTest, TwoReadersAgreeOnTheOrderOfTwoWritersOnlyIfBothFence) {
  EXPECT_TRUE(Run(kIndependentReads<false>).contains("1011"));
  EXPECT_FALSE(Run(kIndependentReads<true>).contains("1011"));
}

TEST_F(MemoryModelTest, ATouchOfAWordThatNothingOrdersIsARace) {
  // Two writes; a write after a read; a write and a read.
  EXPECT_TRUE(Races({[](Shared& s) { s.word[0].set(1); }, [](Shared& s) { s.word[0].set(2); }}));
  EXPECT_TRUE(Races({[](Shared& s) { s.word[0].get(); }, [](Shared& s) { s.word[0].set(2); }}));
  EXPECT_FALSE(Races({[](Shared& s) { s.word[0].get(); }, [](Shared& s) { s.word[0].get(); }}));
  EXPECT_FALSE(Races({[](Shared& s) { s.word[0].set(1); }, [](Shared& s) { s.word[1].set(2); }}));
}

template <bool kRelease_>
const std::vector<Body> kReadThenReuse = {[](Shared& s) {
                                            s.word[0].get();
                                            s.at[0].store(1, kRelease_ ? kRelease : kRelaxed);
                                          },
                                          [](Shared& s) {
                                            if (s.at[0].load(kAcquire) == 1) s.word[0].set(2);
                                          }};

TEST_F(MemoryModelTest, AWriteIsOrderedAfterAReadByReleaseAndAcquire) {
  EXPECT_FALSE(Races(kReadThenReuse<true>));
  EXPECT_TRUE(Races(kReadThenReuse<false>));
}

TEST_F(MemoryModelTest, FencesAloneOrderNoOrdinaryMemory) {
  // Whoever comes second in the order of fences knows that; but nothing that it has read says so.
  EXPECT_TRUE(Races({[](Shared& s) {
                       s.word[0].set(1);
                       ScheduledAtomics::Fence(kSeqCst, nullptr);
                     },
                     [](Shared& s) {
                       ScheduledAtomics::Fence(kSeqCst, nullptr);
                       s.word[0].set(2);
                     }}));
}

TEST_F(MemoryModelTest, AFailedExchangeMayHaveReadAnOlderValue) {
  EXPECT_EQ(Run({[](Shared& s) { s.at[0].store(1, kRelaxed); },
                 [](Shared& s) {
                   uint32_t expected = 1;
                   s.r[0] = s.at[0].compare_exchange(expected, 2, kRelaxed) ? 1 : 2;
                   s.r[1] = expected + 1;
                   s.r[2] = s.at[0].load(kRelaxed);
                 }}),
            (Outcomes{"122", "21", "211"}));
}

TEST_F(MemoryModelTest, ALoopThatWaitsForAStoreEnds) {
  EXPECT_EQ(Run({[](Shared& s) { s.at[0].store(1, kRelaxed); },
                 [](Shared& s) {
                   for (int i = 0; i < 3 && s.at[0].load(kRelaxed) == 0; ++i) s.r[0] = static_cast<uint32_t>(i) + 1;
                 }}),
            (Outcomes{"", "1", "2", "3"}));
  EXPECT_EQ(Run({[](Shared& s) {
              while (s.at[0].load(kRelaxed) == 0) {
              }
            }}),
            Outcomes{"T0: does not end: 2000 steps"});
}

TEST_F(MemoryModelTest, ASleeperWhomNobodyWakesIsFound) {
  const Body sleeper = [](Shared& s) { g_scheduler->FutexWait(s.at[0].cell(), 0); };
  EXPECT_EQ(Run({sleeper}).begin()->substr(0, 17), "a wake-up is lost");
  EXPECT_EQ(Run({sleeper,
                 [](Shared& s) {
                   s.at[0].fetch_add(1, kRelaxed);
                   g_scheduler->FutexWake(s.at[0].cell());
                 }}),
            Outcomes{""});
  EXPECT_EQ(Run({sleeper,
                 [](Shared& s) {
                   g_scheduler->FutexWake(s.at[0].cell());
                   s.at[0].fetch_add(1, kRelaxed);
                 }})
                .begin()
                ->substr(0, 17),
            "a wake-up is lost");
}

TEST_F(MemoryModelTest, WithABoundOnPreemptionsThereAreFewerSchedules) {
  const std::vector<Body> bodies = {[](Shared& s) {
                                      for (int i = 0; i < 4; ++i) s.at[0].fetch_add(1, kRelaxed);
                                    },
                                    [](Shared& s) {
                                      for (int i = 0; i < 4; ++i) s.at[0].fetch_add(1, kRelaxed);
                                      s.r[0] = s.at[0].load(kRelaxed);
                                    }};
  Run(bodies);
  const uint64_t all = report_.states;
  Outcomes outcomes;
  const Scenario bounded{.name = "litmus", .about = "", .limits = {.preemptions = 0}, .make = [&] {
                           return std::make_unique<LitmusPlay>(bodies, outcomes);
                         }};
  report_ = Exhaust(scheduler_, bounded, {});
  EXPECT_TRUE(report_.exhausted);
  EXPECT_LT(report_.states, all);
  EXPECT_EQ(outcomes, (Outcomes{"4", "8"}));
}

}  // namespace
}  // namespace weir::prove
