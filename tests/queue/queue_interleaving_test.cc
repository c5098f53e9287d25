// One does something, and right before any of its steps others do theirs, from beginning to end. Memory orders are not
// what this is about, but the order of steps.
#include <cstdint>
#include <functional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "middleware/queue/queue.h"
#include "tests/queue/ledger.h"
#include "tests/queue/stepped_atomics.h"
#include "tests/queue/test_queue.h"

namespace weir::queue {
namespace {

using Atomics = SteppedAtomics;
constexpr uint32_t kSmallDepths[] = {1, 2, 3, 64};

// A queue with one who is interrupted and others who interrupt.
class Scene {
 public:
  Scene(Form form, uint32_t depth, Position start, uint32_t level)
      : queue_(form, depth, start), start_(start), producer_(queue_.NewProducer()), other_(queue_.NewProducer()) {
    for (uint32_t i = 0; i < level; ++i) Push(false);
  }

  TestQueue<Atomics>& queue() { return queue_; }

  PushResult Push(bool evict) { return PushWith(producer_, evict, 1, ++number_); }
  PushResult PushByOther(bool evict) { return PushWith(other_, evict, 2, ++others_number_); }

  TakeResult Take() { return TakeWith(queue_.consumer(), entries_table_, 0); }
  // The queue's second consumer, as a group will have them.
  TakeResult TakeByOther() { return TakeWith(other_consumer_, entries_table_, 1); }

  // Names what a consumer holds right now.
  std::vector<Ref> Held() const {
    std::vector<Ref> held;
    entries_table_.ForEach([&](Ref ref) { held.push_back(ref); });
    return held;
  }
  void Release(uint32_t entry) { entries_table_.Clear(entry); }

  std::set<Position> Check() {
    CheckOrder(notes_.taken);
    return CheckAccounts(queue_, start_, notes_);
  }
  const Notes& notes() const { return notes_; }

 private:
  PushResult PushWith(Producer<Atomics>& producer, bool evict, PublisherIndex publisher, uint32_t number) {
    const PushResult result = producer.Push(Message(number, publisher), evict);
    notes_.Pushed(Message(number, publisher), result);
    return result;
  }
  TakeResult TakeWith(Consumer<Atomics>& consumer, BorrowTable<Atomics>& table, uint32_t entry) {
    const TakeResult result = consumer.Take(table, entry);
    notes_.Taken(result);
    return result;
  }

  TestQueue<Atomics> queue_;
  Position start_;
  Producer<Atomics> producer_;
  Producer<Atomics> other_;
  Consumer<Atomics> other_consumer_{queue_.consumers_view()};
  std::vector<BorrowTable<Atomics>::Entry> entries_{2};
  BorrowTable<Atomics> entries_table_{entries_.data(), 2};
  uint32_t number_ = 0;
  uint32_t others_number_ = 0;
  Notes notes_;
};

struct Intruder {
  const char* name;
  std::function<void(Scene&)> act;
};

class QueueInterleavingTest : public testing::TestWithParam<std::tuple<Form, Start>> {
 protected:
  Form form() const { return std::get<0>(GetParam()); }

  // Runs `act` with each intruder at each of its steps, on queues that are empty, full and between; then `check`.
  void ForEachInterleaving(const std::vector<Intruder>& intruders, const std::function<void(Scene&)>& act,
                           const std::function<void(Scene&)>& check) {
    for (const uint32_t depth : kSmallDepths) {
      for (uint32_t level = 0; level <= depth; ++level) {
        if (level > 2 && level + 2 < depth) continue;
        for (const Intruder& intruder : intruders) {
          bool intruded = true;
          for (size_t at = 0; intruded; ++at) {
            SCOPED_TRACE(testing::Message()
                         << "depth " << depth << ", holds " << level << ", " << intruder.name << " before step " << at);
            Scene scene(form(), depth, StartPosition(std::get<1>(GetParam()), depth), level);
            intruded = RunWithIntruder(
                at, [&] { act(scene); }, [&] { intruder.act(scene); });
            check(scene);
            scene.Check();
            if (HasFailure()) return;
          }
        }
      }
    }
  }

  // What others can do to a queue of this form, beside a producer.
  std::vector<Intruder> BesideAProducer() const {
    std::vector<Intruder> intruders = {
        {"a take", [](Scene& scene) { TakeAndRelease(scene); }},
        {"takes of everything",
         [](Scene& scene) {
           while (TakeAndRelease(scene)) {
           }
         }},
    };
    if (form().exclusive) return intruders;
    intruders.push_back({"a push", [](Scene& scene) { scene.PushByOther(false); }});
    intruders.push_back({"pushes until full", [](Scene& scene) {
                           while (scene.PushByOther(false).accepted) {
                           }
                         }});
    intruders.push_back({"more than a lap of pushes and takes", [](Scene& scene) {
                           for (uint32_t i = 0; i < scene.queue().cell_count() + 1; ++i) {
                             scene.PushByOther(false);
                             TakeAndRelease(scene);
                           }
                         }});
    intruders.push_back({"exactly a lap of pushes and takes, and a push", [](Scene& scene) {
                           while (TakeAndRelease(scene)) {
                           }
                           for (uint32_t i = 0; i < scene.queue().cell_count(); ++i) {
                             scene.PushByOther(false);
                             TakeAndRelease(scene);
                           }
                           scene.PushByOther(false);
                         }});
    if (!form().evicts()) return intruders;
    intruders.push_back({"an evicting push", [](Scene& scene) { scene.PushByOther(true); }});
    intruders.push_back({"more than a lap of evicting pushes", [](Scene& scene) {
                           for (uint32_t i = 0; i < scene.queue().cell_count() + 1; ++i) scene.PushByOther(true);
                         }});
    return intruders;
  }

  // What others can do to a queue of this form, beside a consumer.
  std::vector<Intruder> BesideAConsumer() const {
    std::vector<Intruder> intruders = {
        {"a push", [](Scene& scene) { scene.Push(false); }},
        {"pushes until full",
         [](Scene& scene) {
           while (scene.Push(false).accepted) {
           }
         }},
    };
    if (!form().evicts()) return intruders;
    intruders.push_back({"an evicting push", [](Scene& scene) { scene.Push(true); }});
    intruders.push_back({"as many evicting pushes as fit", [](Scene& scene) {
                           for (uint32_t i = 0; i < scene.queue().depth(); ++i) scene.Push(true);
                         }});
    intruders.push_back({"exactly a lap of evicting pushes", [](Scene& scene) {
                           for (uint32_t i = 0; i < scene.queue().cell_count(); ++i) scene.Push(true);
                         }});
    intruders.push_back({"more than a lap of evicting pushes", [](Scene& scene) {
                           for (uint32_t i = 0; i < scene.queue().cell_count() + 1; ++i) scene.Push(true);
                         }});
    intruders.push_back({"a take by another of its group", [](Scene& scene) { scene.TakeByOther(); }});
    return intruders;
  }

  static bool TakeAndRelease(Scene& scene) {
    const bool taken = scene.Take().status == TakeStatus::kTaken;
    if (taken) scene.Release(0);
    return taken;
  }
};

INSTANTIATE_TEST_SUITE_P(AllForms, QueueInterleavingTest,
                         testing::Combine(testing::ValuesIn(kForms), testing::ValuesIn(kStarts)), NameOfFormAndStart);

TEST_P(QueueInterleavingTest, APushIsAcceptedOnceOrRefusedWhateverOthersDoMeanwhile) {
  ForEachInterleaving(
      BesideAProducer(), [](Scene& scene) { scene.Push(false); },
      [](Scene& scene) {
        // Refused only where it was full at some moment.
        if (scene.notes().refused == 0) return;
        EXPECT_GE(scene.notes().pushed.size(), scene.queue().depth());
      });
}

class EvictionInterleavingTest : public QueueInterleavingTest {};
constexpr Form kSharedHead[] = {{false, WhenFull::kOverwriteOldest}, {true, WhenFull::kOverwriteOldest}};
INSTANTIATE_TEST_SUITE_P(Forms, EvictionInterleavingTest,
                         testing::Combine(testing::ValuesIn(kSharedHead), testing::ValuesIn(kStarts)),
                         NameOfFormAndStart);

TEST_P(EvictionInterleavingTest, AnEvictingPushIsAlwaysAcceptedAndEvictsOnlyTheOldest) {
  PushResult result;
  ForEachInterleaving(
      BesideAProducer(), [&](Scene& scene) { result = scene.Push(true); },
      [&](Scene& scene) {
        EXPECT_TRUE(result.accepted);
        // What is evicted is older than what is taken afterwards.
        const Position head = scene.queue().header().head.load(kRelaxed);
        for (const Position evicted : scene.Check()) EXPECT_LT(evicted, head);
        EXPECT_LE(result.evicted, 2u) << "one, and one more for a room that another producer took";
      });
}

TEST_P(QueueInterleavingTest, ATakeHoldsWhatItTookAndNothingElseWhateverOthersDoMeanwhile) {
  TakeResult result;
  ForEachInterleaving(
      BesideAConsumer(), [&](Scene& scene) { result = scene.Take(); },
      [&](Scene& scene) {
        scene.Release(1);  // what the other of the group took
        const std::vector<Ref> held = scene.Held();
        if (result.status == TakeStatus::kTaken) {
          EXPECT_EQ(held, std::vector<Ref>{result.ref});
        } else {
          EXPECT_EQ(result.status, TakeStatus::kEmpty);
          EXPECT_TRUE(held.empty()) << "the entry of a lost ref was not cleared";
        }
      });
}

TEST_P(EvictionInterleavingTest, AQueueThatIsNeverEmptyIsNeverFoundEmpty) {
  std::vector<Intruder> intruders = BesideAConsumer();
  intruders.pop_back();  // a take by another empties it
  TakeResult result;
  uint32_t level = 0;
  ForEachInterleaving(
      intruders,
      [&](Scene& scene) {
        level = static_cast<uint32_t>(CountQueued(scene.queue().consumers_view()));
        result = scene.Take();
      },
      [&](Scene&) { EXPECT_TRUE(level == 0 || result.status == TakeStatus::kTaken); });
}

// The case that the clear after a lost CAS is for, by itself.
TEST_P(EvictionInterleavingTest, ARefThatWasLostToAnEvictorIsNoLongerNamed) {
  for (const uint32_t depth : kSmallDepths) {
    Scene scene(form(), depth, StartPosition(std::get<1>(GetParam()), depth), depth);
    const Ref oldest = scene.queue().Look().front();
    const void* head = &scene.queue().consumer().queue().header->head;
    bool named_when_lost = false;
    bool named_afterwards = true;
    bool intruded = false;
    TakeResult result;
    {
      const ScopedStepHook hook([&](const Step& step) {
        if (step.address != head) return;
        if (intruded) {  // the next round begins by looking where head is
          if (step.kind == StepKind::kLoad) named_afterwards = !scene.Held().empty();
        } else if (step.kind == StepKind::kCompareExchange) {
          intruded = true;
          named_when_lost = scene.Held() == std::vector<Ref>{oldest};
          EXPECT_EQ(scene.Push(true).evicted, 1u);
        }
      });
      result = scene.Take();
    }
    EXPECT_TRUE(intruded);
    EXPECT_TRUE(named_when_lost);
    EXPECT_FALSE(named_afterwards);
    ASSERT_EQ(result.status, TakeStatus::kTaken);
    EXPECT_NE(result.ref, oldest);
    EXPECT_EQ(scene.Held(), std::vector<Ref>{result.ref});
    scene.Check();
  }
}

}  // namespace
}  // namespace weir::queue
