#include "middleware/queue/history.h"

#include <cstdint>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "middleware/base/limits.h"
#include "middleware/queue/borrow_table.h"
#include "middleware/queue/reclaim.h"
#include "tests/queue/litmus.h"
#include "tests/queue/stepped_atomics.h"
#include "tests/queue/test_queue.h"
#include "tests/queue/world.h"

namespace weir::queue {
namespace {

using Atomics = SteppedAtomics;
using Entry = HistoryWriter<Atomics>::Entry;

class HistoryTest : public testing::Test {
 protected:
  static bool Yes() { return true; }

  std::vector<Entry> history_ = std::vector<Entry>(3);
  HistoryWriter<Atomics> writer_{history_.data(), 3};
  std::vector<BorrowTable<Atomics>::Entry> entries_ = std::vector<BorrowTable<Atomics>::Entry>(4);
  BorrowTable<Atomics> table_{entries_.data(), 4};
};

TEST_F(HistoryTest, AnEntryNobodyWroteHasNothing) {
  EXPECT_FALSE(BorrowFromHistory<Atomics>(history_[0], table_, 2, Yes));
  EXPECT_TRUE(table_.IsFree(2));
}

TEST_F(HistoryTest, WhatIsInAnEntryIsBorrowed) {
  writer_.Add(1, Ref(9, 77));
  EXPECT_EQ(BorrowFromHistory<Atomics>(history_[1], table_, 2, Yes), Ref(9, 77));
  EXPECT_EQ(entries_[2].load(kRelaxed), Ref(9, 77).word());
}

TEST_F(HistoryTest, TheNewestReplacesTheOldest) {
  EXPECT_EQ(writer_.entry_count(), 3u);
  for (Sequence sequence = 1; sequence <= 5; ++sequence) writer_.Add(sequence, Ref(0, static_cast<uint32_t>(sequence)));
  std::vector<Ref> found;
  for (const Entry& entry : history_) found.push_back(BorrowFromHistory<Atomics>(entry, table_, 0, Yes));
  EXPECT_EQ(found, (std::vector<Ref>{Ref(0, 3), Ref(0, 4), Ref(0, 5)}));
}

TEST_F(HistoryTest, AnEntryIsAnotherAlsoWhenTheSameSlotCameRoundAgain) {
  EXPECT_NE(HistoryWord(4, Ref(0, 1)), HistoryWord(7, Ref(0, 1)));
  EXPECT_EQ(Ref(static_cast<uint32_t>(HistoryWord(~Sequence{0}, Ref(255, 0xffffff)))), Ref(255, 0xffffff));
}

TEST_F(HistoryTest, APublisherThatIsGoneLendsNothing) {
  writer_.Add(1, Ref(9, 77));
  EXPECT_FALSE(BorrowFromHistory<Atomics>(history_[1], table_, 2, [] { return false; }));
  EXPECT_TRUE(table_.IsFree(2));
}

TEST_F(HistoryTest, WhetherThePublisherIsStillThereIsAskedAfterTheBorrowIsVisible) {
  writer_.Add(1, Ref(9, 77));
  std::vector<StepKind> steps;
  bool asked = false;
  {
    const ScopedStepHook hook([&](const Step& step) {
      EXPECT_FALSE(asked && step.kind == StepKind::kFence);
      steps.push_back(step.kind);
    });
    BorrowFromHistory<Atomics>(history_[1], table_, 2, [&] {
      EXPECT_FALSE(table_.IsFree(2));
      return asked = true;
    });
  }
  ASSERT_TRUE(asked);
  // A hint, the borrow, the fence, the second look; what follows is this test's own look at the table.
  ASSERT_GE(steps.size(), 4u);
  steps.resize(4);
  EXPECT_EQ(steps, (std::vector<StepKind>{StepKind::kLoad, StepKind::kStore, StepKind::kFence, StepKind::kLoad}));
}

TEST_F(HistoryTest, AnEntryThatChangedBetweenTheTwoLooksIsNotBorrowed) {
  for (const Ref replacement : {Ref(9, 78), Ref(9, 77)}) {  // also by the same slot, used again
    size_t borrowed = 0;
    size_t refused = 0;
    bool intruded = true;
    for (size_t at = 0; intruded; ++at) {
      SCOPED_TRACE(testing::Message() << "step " << at);
      table_.Clear(2);
      writer_.Add(1, Ref(9, 77));
      Ref ref;
      intruded = RunWithIntruder(
          at, [&] { ref = BorrowFromHistory<Atomics>(history_[1], table_, 2, Yes); },
          [&] { writer_.Add(4, replacement); });
      EXPECT_EQ(entries_[2].load(kRelaxed), ref.word()) << "an entry is borrowed, or free";
      ++(ref ? borrowed : refused);
    }
    EXPECT_EQ(borrowed, 2u);  // before the first look, and after the second
    EXPECT_EQ(refused, 3u);   // before the borrow, the fence, and the second look
  }
}

TEST_F(HistoryTest, APublisherThatGoesBetweenTheTwoLooksLendsNothing) {
  bool intruded = true;
  for (size_t at = 0; intruded; ++at) {
    table_.Clear(2);
    writer_.Add(1, Ref(9, 77));
    bool alive = true;
    Ref ref;
    intruded = RunWithIntruder(
        at, [&] { ref = BorrowFromHistory<Atomics>(history_[1], table_, 2, [&] { return alive; }); },
        [&] { alive = false; });
    EXPECT_EQ(static_cast<bool>(ref), !intruded);
    EXPECT_EQ(table_.IsFree(2), intruded);
  }
}

// Joining and publishing at the same time -----------------------------------------------------------------------------

class HistoryJoinTest : public testing::TestWithParam<Form> {
 protected:
  // A publisher with a history of two that has published five.
  struct Scene {
    explicit Scene(Form form)
        : world({.form = form, .depth = 3, .slots = 6, .history = 2, .borrowed = 3}),
          publisher(world.AddPublisher()),
          joiner(world.NewSubscriber()) {
      for (int i = 0; i < 5; ++i) EXPECT_TRUE(publisher.Publish());
    }

    // What the joiner has from the history or gets from its queue.
    bool Gets(Sequence sequence) {
      while (joiner->Take()) {
      }
      return joiner->Holds(publisher.index(), sequence);
    }

    World<Atomics> world;
    WorldPublisher<Atomics>& publisher;
    std::shared_ptr<WorldSubscriber<Atomics>> joiner;
  };
};

INSTANTIATE_TEST_SUITE_P(AllForms, HistoryJoinTest, testing::ValuesIn(kForms),
                         [](const auto& test) { return NameOf(test.param); });

TEST_P(HistoryJoinTest, AJoinerGetsTheLatestWithoutThePublisherDoingAnything) {
  Scene scene(GetParam());
  scene.joiner->Join();
  EXPECT_EQ(scene.joiner->held(), 2u);
  EXPECT_TRUE(scene.joiner->Holds(0, 4));
  EXPECT_TRUE(scene.joiner->Holds(0, 5));
}

TEST_P(HistoryJoinTest, AJoinerGetsTheLatestWhereverAPublishFallsIntoItsJoin) {
  for (const int publishes : {1, 2, 3}) {
    bool intruded = true;
    for (size_t at = 0; intruded; ++at) {
      SCOPED_TRACE(testing::Message() << publishes << " before step " << at);
      Scene scene(GetParam());
      intruded = RunWithIntruder(
          at, [&] { scene.joiner->Join(); },
          [&] {
            for (int i = 0; i < publishes; ++i) EXPECT_TRUE(scene.publisher.Publish());
          });
      scene.joiner->CheckHeld();
      EXPECT_TRUE(scene.Gets(scene.publisher.sequence()));
      scene.joiner->CheckHeld();
      scene.world.CheckSlots(scene.publisher);
      if (HasFailure()) return;
    }
  }
}

TEST_P(HistoryJoinTest, AJoinerGetsTheLatestWhereverItsJoinFallsIntoAPublish) {
  bool intruded = true;
  for (size_t at = 0; intruded; ++at) {
    SCOPED_TRACE(testing::Message() << "step " << at);
    Scene scene(GetParam());
    intruded = RunWithIntruder(
        at, [&] { EXPECT_TRUE(scene.publisher.Publish()); }, [&] { scene.joiner->Join(); });
    if (!intruded) scene.joiner->Join();
    scene.joiner->CheckHeld();
    EXPECT_TRUE(scene.Gets(6));
    scene.world.CheckSlots(scene.publisher);
    if (HasFailure()) return;
  }
}

// Reclaim against a join, at each step of either: what the joiner keeps was not freed.
TEST_P(HistoryJoinTest, WhatAJoinerKeepsIsNotFreedWhereverAPassFallsIntoItsJoin) {
  bool intruded = true;
  for (size_t at = 0; intruded; ++at) {
    SCOPED_TRACE(testing::Message() << "step " << at);
    Scene scene(GetParam());
    intruded = RunWithIntruder(
        at, [&] { scene.joiner->Join(); },
        [&] {
          // Both entries are replaced; all that is not named goes.
          EXPECT_TRUE(scene.publisher.Publish());
          EXPECT_TRUE(scene.publisher.Publish());
          for (int i = 0; i < 3; ++i) scene.publisher.Reclaim(100);
        });
    scene.joiner->CheckHeld();
    scene.world.CheckSlots(scene.publisher);
    if (HasFailure()) return;
  }
}

TEST_P(HistoryJoinTest, WhatAJoinerKeepsIsNotFreedWhereverItsJoinFallsIntoAPass) {
  bool intruded = true;
  for (size_t at = 0; intruded; ++at) {
    SCOPED_TRACE(testing::Message() << "step " << at);
    Scene scene(GetParam());
    intruded = RunWithIntruder(
        at, [&] { scene.publisher.Reclaim(100); }, [&] { scene.joiner->Join(); });
    scene.joiner->CheckHeld();
    scene.world.CheckSlots(scene.publisher);
    if (HasFailure()) return;
  }
}

// The same on a real processor, both at the same moment
// ----------------------------------------------------------------

struct alignas(kIsolationBytes) Round {
  HistoryWriter<SystemAtomics>::Entry entry;
  alignas(kIsolationBytes) BorrowTable<SystemAtomics>::Entry borrow;
  alignas(kIsolationBytes) Reclaimer<SystemAtomics>::Generation generation;
  alignas(kIsolationBytes) bool publisher_saw = false;
  bool joiner_saw = false;
};

std::vector<std::unique_ptr<Round>> Rounds(size_t count) {
  std::vector<std::unique_ptr<Round>> rounds;
  for (size_t i = 0; i < count; ++i) rounds.push_back(std::make_unique<Round>());
  return rounds;
}

// The publisher sees who joined and pushes to it, or the joiner sees the entry.
TEST(HistoryLitmusTest, PublisherAndJoinerNeverMissEachOther) {
  const auto rounds = Rounds(20'000);
  const size_t count = RunLitmus(
      rounds.size(),
      [&](size_t i) {
        HistoryWriter<SystemAtomics> writer(&rounds[i]->entry, 1);
        writer.Add(1, Ref(0, 1));
        writer.Fence();
        rounds[i]->publisher_saw = rounds[i]->generation.load(kAcquire) != 0;
      },
      [&](size_t i) {
        BorrowTable<SystemAtomics> table(&rounds[i]->borrow, 1);
        rounds[i]->generation.store(1, kRelease);
        FenceAfterJoining<SystemAtomics>();
        const Ref ref = BorrowFromHistory<SystemAtomics>(rounds[i]->entry, table, 0, [] { return true; });
        rounds[i]->joiner_saw = static_cast<bool>(ref);
      });
  size_t missed = 0;
  for (size_t i = 0; i < count; ++i) missed += !rounds[i]->publisher_saw && !rounds[i]->joiner_saw;
  EXPECT_EQ(missed, 0u) << "of " << count;
  EXPECT_GT(count, 0u);
}

// The pass sees the borrow, or the joiner sees that the entry was replaced.
TEST(HistoryLitmusTest, PassAndJoinerNeverMissEachOther) {
  const auto rounds = Rounds(20'000);
  for (const auto& round : rounds) HistoryWriter<SystemAtomics>(&round->entry, 1).Add(1, Ref(0, 1));
  Reclaimer<SystemAtomics> reclaimer(0, /*has_history=*/true);
  const SlotId slot = reclaimer.AddSlot(Ref(0, 1));
  std::vector<Reclaimer<SystemAtomics>::Connection*> connections;
  std::vector<BorrowTable<SystemAtomics>> tables(1);
  const size_t count = RunLitmus(
      rounds.size(),
      [&](size_t i) {
        tables[0] = BorrowTable<SystemAtomics>(&rounds[i]->borrow, 1);
        reclaimer.Hold(slot);
        HistoryWriter<SystemAtomics>(&rounds[i]->entry, 1).Add(2, Ref(0, 2));
        reclaimer.Unhold(slot);
        bool freed = false;
        const auto pass = [&] {
          reclaimer.Pass(rounds[i]->generation, 0, connections, tables, 1, [&](SlotId) { freed = true; });
        };
        pass();
        rounds[i]->publisher_saw = !freed;
        if (!freed) {  // for the next round
          tables.clear();
          pass();
          tables.resize(1);
        }
      },
      [&](size_t i) {
        BorrowTable<SystemAtomics> table(&rounds[i]->borrow, 1);
        const Ref ref = BorrowFromHistory<SystemAtomics>(rounds[i]->entry, table, 0, [] { return true; });
        rounds[i]->joiner_saw = ref != Ref(0, 1);
      });
  size_t missed = 0;
  for (size_t i = 0; i < count; ++i) missed += !rounds[i]->publisher_saw && !rounds[i]->joiner_saw;
  EXPECT_EQ(missed, 0u) << "of " << count;
  EXPECT_GT(count, 0u);
}

}  // namespace
}  // namespace weir::queue
