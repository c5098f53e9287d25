// What a queue does when one thing happens after the other: all four forms, started at every kind of position, at every
// kind of depth.
#include "middleware/queue/queue.h"

#include <cstdint>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "tests/queue/test_queue.h"

namespace weir::queue {
namespace {

using Queue = TestQueue<SystemAtomics>;

class QueueTest : public testing::TestWithParam<std::tuple<Form, Start>> {
 protected:
  Form form() const { return std::get<0>(GetParam()); }

  // Calls body(queue, start) with a new queue of each depth.
  template <class Body>
  void ForEachDepth(Body body) {
    for (const uint32_t depth : kDepths) {
      SCOPED_TRACE(testing::Message() << "depth " << depth);
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
      if (depth > 1000 && std::get<1>(GetParam()) != Start::kBelowLapWrap) continue;  // takes minutes
#endif
      const Position start = StartPosition(std::get<1>(GetParam()), depth);
      Queue queue(form(), depth, start);
      body(queue, start);
      if (HasFatalFailure()) return;
    }
  }
};

INSTANTIATE_TEST_SUITE_P(AllForms, QueueTest, testing::Combine(testing::ValuesIn(kForms), testing::ValuesIn(kStarts)),
                         NameOfFormAndStart);

// What only some forms do.
class SharedHeadTest : public QueueTest {};
class SharedTailTest : public QueueTest {};
class SharedTailAndHeadTest : public QueueTest {};
class ExclusiveProducerTest : public QueueTest {};
constexpr Form kSharedHead[] = {{false, WhenFull::kOverwriteOldest}, {true, WhenFull::kOverwriteOldest}};
constexpr Form kSharedTail[] = {{false, WhenFull::kOverwriteOldest}, {false, WhenFull::kDropNewest}};
constexpr Form kSharedTailAndHead[] = {{false, WhenFull::kOverwriteOldest}};
constexpr Form kExclusiveProducer[] = {{true, WhenFull::kOverwriteOldest}, {true, WhenFull::kDropNewest}};
INSTANTIATE_TEST_SUITE_P(Forms, SharedHeadTest,
                         testing::Combine(testing::ValuesIn(kSharedHead), testing::ValuesIn(kStarts)),
                         NameOfFormAndStart);
INSTANTIATE_TEST_SUITE_P(Forms, SharedTailTest,
                         testing::Combine(testing::ValuesIn(kSharedTail), testing::ValuesIn(kStarts)),
                         NameOfFormAndStart);
INSTANTIATE_TEST_SUITE_P(Forms, SharedTailAndHeadTest,
                         testing::Combine(testing::ValuesIn(kSharedTailAndHead), testing::ValuesIn(kStarts)),
                         NameOfFormAndStart);
INSTANTIATE_TEST_SUITE_P(Forms, ExclusiveProducerTest,
                         testing::Combine(testing::ValuesIn(kExclusiveProducer), testing::ValuesIn(kStarts)),
                         NameOfFormAndStart);

// Moves the queue on by `count` positions, without leaving anything in it.
void Advance(Queue& queue, Producer<SystemAtomics>& producer, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    ASSERT_TRUE(producer.Push(Message(1), false).accepted);
    ASSERT_EQ(queue.Take().status, TakeStatus::kTaken);
  }
}

void Fill(Queue& queue, Producer<SystemAtomics>& producer, uint32_t first = 1) {
  for (uint32_t i = 0; i < queue.depth(); ++i) ASSERT_TRUE(producer.Push(Message(first + i), false).accepted);
}

std::vector<Ref> Messages(uint32_t first, uint32_t count) {
  std::vector<Ref> messages;
  for (uint32_t i = 0; i < count; ++i) messages.push_back(Message(first + i));
  return messages;
}

TEST_P(QueueTest, NothingIsTakenFromAnEmptyQueue) {
  ForEachDepth([](Queue& queue, Position) {
    Producer producer = queue.NewProducer();
    // Where the ring is small, at every position of two laps.
    for (uint32_t i = 0; i < 130; ++i) {
      EXPECT_FALSE(queue.consumer().HasMessage());
      ASSERT_EQ(queue.consumer().Take(queue.table(), 0).status, TakeStatus::kEmpty);
      EXPECT_TRUE(queue.table().IsFree(0));
      EXPECT_EQ(CountQueued(queue.consumers_view()), 0u);
      Advance(queue, producer, 1);
      if (testing::Test::HasFatalFailure()) return;
    }
  });
}

TEST_P(QueueTest, MessagesAreTakenInTheOrderOfTheirPushes) {
  ForEachDepth([](Queue& queue, Position) {
    Producer producer = queue.NewProducer();
    const uint32_t total = 2 * queue.cell_count() + queue.depth() + 7;
    // Bursts of growing size, so that the queue is taken from at every level.
    uint32_t pushed = 0;
    uint32_t taken = 0;
    for (uint32_t burst = 1; taken<total; burst = burst * 2> queue.depth() ? 1 : burst * 2) {
      for (uint32_t i = 0; i < burst && pushed < total; ++i) {
        if (!producer.Push(Message(pushed + 1), false).accepted) break;
        ++pushed;
      }
      for (uint32_t i = 0; i < (burst + 1) / 2; ++i) {
        const TakeResult result = queue.Take();
        if (result.status == TakeStatus::kEmpty) break;
        ASSERT_EQ(result.status, TakeStatus::kTaken);
        ASSERT_EQ(result.ref, Message(++taken));
      }
    }
    EXPECT_EQ(pushed, total);
    EXPECT_EQ(queue.Take().status, TakeStatus::kEmpty);
  });
}

TEST_P(QueueTest, PositionsAreConsecutiveAndTheSameOnBothSides) {
  ForEachDepth([](Queue& queue, Position start) {
    Producer producer = queue.NewProducer();
    const uint32_t total = queue.cell_count() + 3;
    for (uint32_t i = 0; i < total; ++i) {
      ASSERT_EQ(producer.Push(Message(1), false).position, start + i);
      ASSERT_EQ(queue.Take().position, start + i);
    }
  });
}

TEST_P(QueueTest, ATakenRefStandsInTheBorrowEntryUntilItIsCleared) {
  ForEachDepth([](Queue& queue, Position) {
    Producer producer = queue.NewProducer();
    ASSERT_TRUE(producer.Push(Ref(255, 0xffffff), false).accepted);
    const TakeResult result = queue.consumer().Take(queue.table(), 0);
    ASSERT_EQ(result.status, TakeStatus::kTaken);
    EXPECT_EQ(result.ref, Ref(255, 0xffffff));
    std::vector<Ref> named;
    queue.table().ForEach([&](Ref ref) { named.push_back(ref); });
    EXPECT_EQ(named, std::vector<Ref>{result.ref});
    EXPECT_FALSE(queue.table().IsFree(0));
    queue.table().Clear(0);
    EXPECT_TRUE(queue.table().IsFree(0));
  });
}

TEST_P(QueueTest, FullIsExact) {
  ForEachDepth([](Queue& queue, Position) {
    Producer producer = queue.NewProducer();
    // From different positions in the ring.
    for (const uint32_t advance : {0u, 1u, queue.cell_count() - 1, 5u}) {
      Advance(queue, producer, advance);
      for (uint32_t i = 0; i < queue.depth(); ++i) {
        ASSERT_FALSE(producer.IsFull()) << "after " << i;
        ASSERT_TRUE(producer.Push(Message(1), false).accepted) << "after " << i;
      }
      EXPECT_TRUE(producer.IsFull());
      EXPECT_FALSE(producer.Push(Message(2), false).accepted);
      EXPECT_EQ(CountQueued(queue.consumers_view()), queue.depth());
      ASSERT_EQ(queue.Take().status, TakeStatus::kTaken);
      EXPECT_FALSE(producer.IsFull());
      EXPECT_TRUE(producer.Push(Message(1), false).accepted);
      EXPECT_TRUE(producer.IsFull());
      EXPECT_FALSE(producer.Push(Message(2), false).accepted);
      for (uint32_t i = 0; i < queue.depth(); ++i) ASSERT_EQ(queue.Take().ref, Message(1));
      EXPECT_EQ(queue.Take().status, TakeStatus::kEmpty);
    }
  });
}

TEST_P(QueueTest, ARefusedPushChangesNothing) {
  ForEachDepth([](Queue& queue, Position start) {
    Producer producer = queue.NewProducer();
    Fill(queue, producer);
    for (int i = 0; i < 3; ++i) {
      const PushResult result = producer.Push(Message(1'000'000), false);
      EXPECT_FALSE(result.accepted);
      EXPECT_FALSE(result.corrupt);
      EXPECT_EQ(result.evicted, 0u);
    }
    EXPECT_EQ(queue.Look(), Messages(1, queue.depth()));
    EXPECT_EQ(queue.header().head.load(kRelaxed), start);
    EXPECT_EQ(FindEnd(queue.consumers_view()), start + queue.depth());
  });
}

TEST_P(SharedHeadTest, EvictingRemovesTheOldestAndNothingElse) {
  ForEachDepth([](Queue& queue, Position start) {
    Producer producer = queue.NewProducer();
    Fill(queue, producer);
    const uint32_t rounds = queue.cell_count() + queue.depth() + 3;
    for (uint32_t i = 1; i <= rounds; ++i) {
      const PushResult result = producer.Push(Message(queue.depth() + i), true);
      ASSERT_TRUE(result.accepted);
      ASSERT_EQ(result.evicted, 1u);
      ASSERT_EQ(result.position, start + queue.depth() + i - 1);
      ASSERT_EQ(queue.header().head.load(kRelaxed), start + i);
    }
    EXPECT_EQ(queue.Look(), Messages(rounds + 1, queue.depth()));
    for (uint32_t i = 1; i <= queue.depth(); ++i) ASSERT_EQ(queue.Take().ref, Message(rounds + i));
    EXPECT_EQ(queue.Take().status, TakeStatus::kEmpty);
  });
}

TEST_P(SharedHeadTest, NothingIsEvictedWhileThereIsRoom) {
  ForEachDepth([](Queue& queue, Position start) {
    Producer producer = queue.NewProducer();
    for (uint32_t i = 0; i < queue.depth(); ++i) ASSERT_EQ(producer.Push(Message(i + 1), true).evicted, 0u);
    EXPECT_EQ(queue.header().head.load(kRelaxed), start);
    ASSERT_EQ(queue.Take().status, TakeStatus::kTaken);
    // The producer still remembers the old head; it must look again before it evicts.
    EXPECT_EQ(producer.Push(Message(queue.depth() + 1), true).evicted, 0u);
    EXPECT_EQ(queue.Look(), Messages(2, queue.depth()));
  });
}

TEST_P(QueueTest, CountAndEndFollowEveryPushAndTake) {
  ForEachDepth([](Queue& queue, Position start) {
    Producer producer = queue.NewProducer();
    const QueueView<SystemAtomics> view = queue.consumers_view();
    // FindEnd() walks the whole ring in an exclusive topic: look at each level only where the ring is small.
    const uint32_t step = queue.depth() <= 1000 ? 1 : queue.depth() / 7;
    for (uint32_t i = 0; i < queue.depth(); ++i) {
      ASSERT_TRUE(producer.Push(Message(1), false).accepted);
      if ((i + 1) % step != 0) continue;
      ASSERT_EQ(CountQueued(view), i + 1);
      ASSERT_EQ(FindEnd(view), start + i + 1);
    }
    for (uint32_t i = 0; i < queue.depth(); ++i) {
      ASSERT_TRUE(queue.consumer().HasMessage());
      ASSERT_EQ(queue.Take().status, TakeStatus::kTaken);
      if ((i + 1) % step != 0) continue;
      ASSERT_EQ(CountQueued(view), queue.depth() - i - 1);
      ASSERT_EQ(FindEnd(view), start + queue.depth());
    }
    EXPECT_FALSE(queue.consumer().HasMessage());
  });
}

// Shared producers: a tail that a death left behind -----------------------------------------------------------------

// The tail as it is when the producer died between filling the cell and moving the tail.
void LetTailLag(Queue& queue) {
  auto& tail = queue.header().tail;
  tail.store(tail.load(kRelaxed) - 1, kRelaxed);
}

TEST_P(SharedTailTest, ALaggingTailIsHelpedByTheNextPush) {
  ForEachDepth([](Queue& queue, Position start) {
    if (queue.depth() < 2) return;
    Producer first = queue.NewProducer();
    Producer second = queue.NewProducer();
    const uint32_t total = queue.cell_count() + 5;
    ASSERT_TRUE(first.Push(Message(1), false).accepted);
    for (uint32_t i = 1; i < total; ++i) {
      LetTailLag(queue);
      const PushResult result = (i % 2 == 0 ? first : second).Push(Message(i + 1), false);
      ASSERT_TRUE(result.accepted);
      ASSERT_EQ(result.position, start + i);
      ASSERT_EQ(queue.header().tail.load(kRelaxed), start + i + 1);
      ASSERT_EQ(queue.Take().ref, Message(i));
    }
  });
}

TEST_P(SharedTailTest, ATailBehindHeadIsNotFull) {
  ForEachDepth([](Queue& queue, Position start) {
    Producer first = queue.NewProducer();
    Producer second = queue.NewProducer();
    for (uint32_t i = 0; i < queue.cell_count() + 5; ++i) {
      ASSERT_TRUE(first.Push(Message(i + 1), false).accepted);
      ASSERT_EQ(queue.Take().ref, Message(i + 1));
      LetTailLag(queue);  // now tail is head - 1, for the producer that knows head and for the one that does not
      ASSERT_FALSE(first.IsFull());
      ASSERT_FALSE(second.IsFull());
      ASSERT_EQ(CountQueued(queue.consumers_view()), 0u);
      ASSERT_EQ(FindEnd(queue.consumers_view()), start + i + 1);
      ASSERT_FALSE(queue.consumer().HasMessage());
      ASSERT_EQ(queue.Take().status, TakeStatus::kEmpty);
    }
    Fill(queue, second);
    EXPECT_TRUE(second.IsFull());
    EXPECT_FALSE(first.Push(Message(2), false).accepted);
    EXPECT_EQ(queue.Look(), Messages(1, queue.depth()));
  });
}

TEST_P(SharedTailTest, FullIsExactAlsoWithALaggingTail) {
  ForEachDepth([](Queue& queue, Position start) {
    Producer producer = queue.NewProducer();
    Fill(queue, producer);
    LetTailLag(queue);
    EXPECT_EQ(CountQueued(queue.consumers_view()), queue.depth());
    EXPECT_FALSE(producer.Push(Message(1'000'000), false).accepted);
    EXPECT_EQ(queue.header().tail.load(kRelaxed), start + queue.depth());
    EXPECT_TRUE(producer.IsFull());
    EXPECT_EQ(queue.Look(), Messages(1, queue.depth()));
  });
}

TEST_P(SharedTailAndHeadTest, EvictingIsExactAlsoWithALaggingTail) {
  ForEachDepth([](Queue& queue, Position) {
    Producer producer = queue.NewProducer();
    Fill(queue, producer);
    for (uint32_t i = 1; i <= 130; ++i) {
      LetTailLag(queue);
      const PushResult result = producer.Push(Message(queue.depth() + i), true);
      ASSERT_TRUE(result.accepted);
      ASSERT_EQ(result.evicted, 1u);
    }
    EXPECT_EQ(queue.Look(), Messages(131, queue.depth()));
  });
}

// Exclusive producer: whoever comes next finds the end ----------------------------------------------------------------

TEST_P(ExclusiveProducerTest, ASuccessorOfAnExclusiveProducerFindsTheEnd) {
  ForEachDepth([](Queue& queue, Position start) {
    // Each producer dies after one push; the queue is emptied at different levels, through more than a lap.
    const uint32_t level = queue.depth() < 100 ? queue.depth() : 100;
    uint32_t pushed = 0;
    uint32_t taken = 0;
    while (pushed < 140) {
      for (uint32_t i = 0; i < level && pushed < 140; ++i) {
        Producer producer = queue.NewProducer();
        const PushResult result = producer.Push(Message(++pushed), false);
        ASSERT_TRUE(result.accepted);
        ASSERT_EQ(result.position, start + pushed - 1);
      }
      while (taken < pushed) ASSERT_EQ(queue.Take().ref, Message(++taken));
    }
    EXPECT_EQ(queue.Take().status, TakeStatus::kEmpty);
  });
}

TEST_P(ExclusiveProducerTest, ASuccessorFindsTheEndOfAQueueThatIsExactlyFull) {
  ForEachDepth([](Queue& queue, Position start) {
    for (const uint32_t advance : {0u, 1u, queue.cell_count()}) {
      const Position begin = queue.header().head.load(kRelaxed) + advance;
      {
        Producer producer = queue.NewProducer();
        Advance(queue, producer, advance);
        Fill(queue, producer);
      }
      EXPECT_EQ(FindEnd(queue.consumers_view()), begin + queue.depth());
      Producer successor = queue.NewProducer();
      EXPECT_TRUE(successor.IsFull());
      EXPECT_FALSE(successor.Push(Message(1'000'000), false).accepted);
      EXPECT_EQ(queue.Look(), Messages(1, queue.depth()));
      if (queue.form().evicts()) {
        const PushResult result = successor.Push(Message(queue.depth() + 1), true);
        EXPECT_TRUE(result.accepted);
        EXPECT_EQ(result.evicted, 1u);
        EXPECT_EQ(queue.Look(), Messages(2, queue.depth()));
      }
      while (queue.Take().status == TakeStatus::kTaken) {
      }
    }
    EXPECT_GT(queue.header().head.load(kRelaxed), start);
  });
}

TEST_P(ExclusiveProducerTest, ASuccessorDoesNotTakeCellsOfTheLapBeforeForItsOwn) {
  ForEachDepth([](Queue& queue, Position) {
    Producer producer = queue.NewProducer();
    // Every cell has been used; a few of the current lap are queued, beside ones of the lap before.
    Advance(queue, producer, queue.cell_count() + queue.cell_count() / 2);
    const uint32_t queued = queue.depth() / 2;
    for (uint32_t i = 0; i < queued; ++i) ASSERT_TRUE(producer.Push(Message(i + 1), false).accepted);
    Producer successor = queue.NewProducer();
    EXPECT_EQ(CountQueued(queue.consumers_view()), queued);
    ASSERT_TRUE(successor.Push(Message(queued + 1), false).accepted);
    EXPECT_EQ(queue.Look(), Messages(1, queued + 1));
  });
}

TEST_P(ExclusiveProducerTest, AnExclusiveProducerGoesByItsOwnTail) {
  ForEachDepth([](Queue& queue, Position start) {
    Producer producer = queue.NewProducer();
    ASSERT_TRUE(producer.Push(Message(1), false).accepted);
    queue.header().tail.store(start + 12345, kRelaxed);  // what is there says nothing
    EXPECT_EQ(FindEnd(queue.consumers_view()), start + 1);
    EXPECT_EQ(CountQueued(queue.consumers_view()), 1u);
    EXPECT_EQ(queue.NewProducer().IsFull(), queue.depth() == 1);
    ASSERT_EQ(queue.Take().ref, Message(1));
    ASSERT_EQ(producer.Push(Message(2), false).position, start + 1);
    producer.LeaveTail();
    EXPECT_EQ(queue.header().tail.load(kRelaxed), start + 2);
  });
}

TEST_P(SharedTailTest, SharedProducersLeaveTheTailAlone) {
  ForEachDepth([](Queue& queue, Position start) {
    Producer producer = queue.NewProducer();
    ASSERT_TRUE(producer.Push(Message(1), false).accepted);
    producer.LeaveTail();
    EXPECT_EQ(queue.header().tail.load(kRelaxed), start + 1);
  });
}

}  // namespace
}  // namespace weir::queue
