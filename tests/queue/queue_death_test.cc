// Somebody dies in the middle of a push or a take, right before any of its steps. Nobody repairs anything; the others
// go on.
#include <algorithm>
#include <cstdint>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "middleware/queue/queue.h"
#include "tests/queue/stepped_atomics.h"
#include "tests/queue/test_queue.h"

namespace weir::queue {
namespace {

using Queue = TestQueue<SteppedAtomics>;
using Messages = std::vector<Ref>;

constexpr uint32_t kSmallDepths[] = {1, 2, 3, 64};  // 64: as many as there are cells

class QueueDeathTest : public testing::TestWithParam<std::tuple<Form, Start>> {
 protected:
  Form form() const { return std::get<0>(GetParam()); }

  // Calls body(depth, level, evict, start) for all that is worth a look: a queue that is empty, holds one message, is
  // nearly full, full; and for both ways of pushing, if there are two.
  template <class Body>
  void ForEachSituation(Body body) {
    for (const uint32_t depth : kSmallDepths) {
      for (uint32_t level = 0; level <= depth; ++level) {
        if (level > 1 && level + 1 < depth) continue;
        for (const bool evict : {false, true}) {
          if (evict && !form().evicts()) continue;
          SCOPED_TRACE(testing::Message() << "depth " << depth << ", holds " << level << (evict ? ", evicting" : ""));
          body(depth, level, evict, StartPosition(std::get<1>(GetParam()), depth));
          if (HasFatalFailure()) return;
        }
      }
    }
  }
};

INSTANTIATE_TEST_SUITE_P(AllForms, QueueDeathTest,
                         testing::Combine(testing::ValuesIn(kForms), testing::ValuesIn(kStarts)), NameOfFormAndStart);

Messages PushFirst(Producer<SteppedAtomics>& producer, uint32_t count) {
  Messages messages;
  for (uint32_t i = 1; i <= count; ++i) {
    messages.push_back(Message(i));
    EXPECT_TRUE(producer.Push(messages.back(), false).accepted);
  }
  return messages;
}

// Everything that a queue may hold after one died while pushing `next` to a queue that held `before`.
std::vector<Messages> AfterDeath(const Messages& before, uint32_t depth, bool evict, Ref next) {
  std::vector<Messages> possible = {before};
  Messages with_next = before;
  if (before.size() == depth) {
    if (!evict) return possible;
    with_next.erase(with_next.begin());
    possible.push_back(with_next);  // evicted, but not pushed
  }
  with_next.push_back(next);
  possible.push_back(with_next);
  return possible;
}

bool Contains(const std::vector<Messages>& possible, const Messages& content) {
  return std::find(possible.begin(), possible.end(), content) != possible.end();
}

// Pushes until the queue is full, which must be when it holds exactly `depth` messages, then takes everything in order.
// If `take_first`, everything that was left is taken before the first push.
void ExpectWholeAndUsable(Queue& queue, Producer<SteppedAtomics>& producer, bool take_first) {
  Messages content = queue.Look();
  ASSERT_EQ(CountQueued(queue.consumers_view()), content.size());
  if (take_first) {
    for (const Ref expected : content) ASSERT_EQ(queue.Take().ref, expected);
    ASSERT_EQ(queue.Take().status, TakeStatus::kEmpty);
    content.clear();
  }
  for (uint32_t number = 1000; content.size() < queue.depth(); ++number) {
    ASSERT_TRUE(producer.Push(Message(number), false).accepted) << "it held " << content.size();
    content.push_back(Message(number));
    ASSERT_EQ(queue.Look(), content);
  }
  const PushResult refused = producer.Push(Message(2000), false);
  EXPECT_FALSE(refused.accepted);
  EXPECT_FALSE(refused.corrupt);
  if (queue.form().evicts()) {
    const PushResult result = producer.Push(Message(2000), true);
    EXPECT_TRUE(result.accepted);
    EXPECT_EQ(result.evicted, 1u);
    content.erase(content.begin());
    content.push_back(Message(2000));
  }
  for (const Ref expected : content) ASSERT_EQ(queue.Take().ref, expected);
  EXPECT_EQ(queue.Take().status, TakeStatus::kEmpty);
}

TEST_P(QueueDeathTest, AProducerThatDiesAtAnyStepLeavesAWholeQueue) {
  ForEachSituation([this](uint32_t depth, uint32_t level, bool evict, Position start) {
    for (const bool take_first : {false, true}) {
      bool died = true;
      for (size_t at = 0; died; ++at) {
        SCOPED_TRACE(testing::Message() << "step " << at << (take_first ? ", then takes" : ", then pushes"));
        Queue queue(form(), depth, start);
        Producer victim = queue.NewProducer();
        Producer survivor = queue.NewProducer();
        const Messages before = PushFirst(victim, level);
        died = DieAtStep(at, [&] { victim.Push(Message(500), evict); });
        ASSERT_TRUE(Contains(AfterDeath(before, depth, evict, Message(500)), queue.Look()));
        if (form().exclusive) survivor = queue.NewProducer();  // there it is a successor
        ExpectWholeAndUsable(queue, survivor, take_first);
        if (HasFatalFailure()) return;
      }
    }
  });
}

TEST_P(QueueDeathTest, ProducersMayDieOneAfterTheOther) {
  ForEachSituation([this](uint32_t depth, uint32_t level, bool evict, Position start) {
    bool first_died = true;
    for (size_t first_at = 0; first_died; ++first_at) {
      bool second_died = true;
      for (size_t second_at = 0; second_died; ++second_at) {
        SCOPED_TRACE(testing::Message() << "steps " << first_at << ", " << second_at);
        Queue queue(form(), depth, start);
        Producer first = queue.NewProducer();
        Producer second = queue.NewProducer();
        PushFirst(first, level);
        first_died = DieAtStep(first_at, [&] { first.Push(Message(500), evict); });
        if (form().exclusive) second = queue.NewProducer();
        const Messages between = queue.Look();
        second_died = DieAtStep(second_at, [&] { second.Push(Message(501), evict); });
        ASSERT_TRUE(Contains(AfterDeath(between, depth, evict, Message(501)), queue.Look()));
        Producer third = queue.NewProducer();
        ExpectWholeAndUsable(queue, third, /*take_first=*/second_at % 2 == 0);
        if (HasFatalFailure()) return;
      }
    }
  });
}

TEST_P(QueueDeathTest, AProducerThatDiesWhileItLooksForTheEndChangesNothing) {
  ForEachSituation([this](uint32_t depth, uint32_t level, bool, Position start) {
    Queue queue(form(), depth, start);
    Producer first = queue.NewProducer();
    const Messages before = PushFirst(first, level);
    size_t at = 0;
    while (DieAtStep(at, [&] { queue.NewProducer(); })) ++at;
    EXPECT_GT(at, 1u);
    EXPECT_EQ(queue.Look(), before);
    Producer successor = queue.NewProducer();
    ExpectWholeAndUsable(queue, successor, /*take_first=*/false);
  });
}

// Rule 4, for the slot of the oldest message: there is no moment in which neither the queue nor the table names it.
TEST_P(QueueDeathTest, AMessageIsNamedByTheQueueOrTheTableAtEveryStepOfItsTake) {
  ForEachSituation([this](uint32_t depth, uint32_t level, bool, Position start) {
    if (level == 0) return;
    Queue queue(form(), depth, start);
    Producer producer = queue.NewProducer();
    PushFirst(producer, level);
    size_t steps = 0;
    TakeResult result;
    {
      const ScopedStepHook hook([&](const Step&) {
        ++steps;
        const Messages queued = queue.Look();
        bool named = !queued.empty() && queued.front() == Message(1);
        queue.table().ForEach([&](Ref ref) { named |= ref == Message(1); });
        EXPECT_TRUE(named) << "before step " << steps;
      });
      result = queue.consumer().Take(queue.table(), 0);
    }
    EXPECT_EQ(result.ref, Message(1));
    EXPECT_GE(steps, 3u);  // cell, borrow entry, head
    EXPECT_FALSE(queue.table().IsFree(0));
  });
}

TEST_P(QueueDeathTest, AConsumerThatDiesAtAnyStepStopsNoProducer) {
  ForEachSituation([this](uint32_t depth, uint32_t level, bool evict, Position start) {
    bool died = true;
    for (size_t at = 0; died; ++at) {
      SCOPED_TRACE(testing::Message() << "step " << at);
      Queue queue(form(), depth, start);
      Producer producer = queue.NewProducer();
      const Messages before = PushFirst(producer, level);
      died = DieAtStep(at, [&] { queue.consumer().Take(queue.table(), 0); });
      const Messages left = queue.Look();
      EXPECT_TRUE(left == before || left == Messages(before.begin() + 1, before.end()));
      uint64_t accepted = 0;
      for (uint32_t i = 0; i < 3 * depth; ++i) {
        const PushResult result = producer.Push(Message(1000 + i), evict);
        EXPECT_FALSE(result.corrupt);
        accepted += result.accepted;
      }
      EXPECT_EQ(accepted, evict ? 3 * depth : depth - left.size());
      EXPECT_EQ(queue.Look().size(), depth);
    }
  });
}

}  // namespace
}  // namespace weir::queue
