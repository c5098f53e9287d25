// Several threads on one queue: every policy, all forms, also with producers that die in the middle of a push. What
// went in and what came out is compared as sets.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "middleware/queue/queue.h"
#include "tests/queue/ledger.h"
#include "tests/queue/stepped_atomics.h"
#include "tests/queue/test_queue.h"
#include "tests/support/random.h"

namespace weir::queue {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr uint32_t kMessages = 4'000;  // of each producer
#else
constexpr uint32_t kMessages = 20'000;
#endif
constexpr uint32_t kProducers = 3;  // of a topic that is not exclusive

// Notes which positions this thread evicted: what removed them, as opposed to what is missing afterwards.
thread_local std::vector<Position>* t_evictions = nullptr;
thread_local const void* t_head = nullptr;

struct NotingAtomics : SystemAtomics {
  template <class T>
  class Atomic : public SystemAtomics::Atomic<T> {
   public:
    bool compare_exchange(T& expected, T desired, std::memory_order order, Label label = nullptr) {
      const T before = expected;
      const bool won = SystemAtomics::Atomic<T>::compare_exchange(expected, desired, order, label);
      if (won && this == t_head && t_evictions != nullptr) t_evictions->push_back(before);
      return won;
    }
  };
};

enum class Policy : uint8_t { kEvict, kRefuse, kWait };

struct Case {
  Form form;
  Policy policy;
};

constexpr Case kCases[] = {
    {{false, WhenFull::kOverwriteOldest}, Policy::kEvict},
    {{false, WhenFull::kDropNewest}, Policy::kRefuse},
    {{false, WhenFull::kBlock}, Policy::kWait},
    {{true, WhenFull::kOverwriteOldest}, Policy::kEvict},
    {{true, WhenFull::kDropNewest}, Policy::kRefuse},
    {{true, WhenFull::kBlock}, Policy::kWait},
};

void PrintTo(const Case& what, std::ostream* out) {
  constexpr const char* kNames[] = {"Evicting", "Refusing", "Waiting"};
  *out << NameOf(what.form) << kNames[static_cast<size_t>(what.policy)];
}

class QueueStressTest : public testing::TestWithParam<std::tuple<Case, Start, uint32_t>> {
 protected:
  Form form() const { return std::get<0>(GetParam()).form; }
  Policy policy() const { return std::get<0>(GetParam()).policy; }
  uint32_t depth() const { return std::get<2>(GetParam()); }
  Position start() const { return StartPosition(std::get<1>(GetParam()), depth()); }
  uint32_t producers() const { return form().exclusive ? 1 : kProducers; }

  // True for a producer that should go on. On a machine that is busy with other things it stops early: then a thread
  // that yields may wait long for its next turn.
  bool GoesOn(uint32_t number) const { return number <= kMessages && std::chrono::steady_clock::now() < deadline_; }

  // Pushes once, or in a queue that blocks until it is accepted.
  template <class A>
  void Push(Producer<A>& producer, Ref ref, Notes& notes) {
    PushResult result = producer.Push(ref, policy() == Policy::kEvict);
    while (policy() == Policy::kWait && !result.accepted && !result.corrupt) {
      std::this_thread::yield();
      result = producer.Push(ref, false);
    }
    notes.Pushed(ref, result);
  }

  // Takes until the producers are done; what is in the queue then stays there.
  template <class A>
  void TakeWhile(const std::atomic<uint32_t>& producing, TestQueue<A>& queue, Notes& notes) {
    while (producing.load() != 0) {
      const TakeResult result = queue.consumer().Take(queue.table(), 0);
      notes.Taken(result);
      if (result.status == TakeStatus::kTaken) {
        queue.table().Clear(0);
      } else {
        std::this_thread::yield();
      }
    }
  }

 private:
  std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(60);
};

std::string NameOfCase(const testing::TestParamInfo<std::tuple<Case, Start, uint32_t>>& info) {
  return testing::PrintToString(std::get<0>(info.param)) + NameOf(std::get<1>(info.param)) + "Depth" +
         std::to_string(std::get<2>(info.param));
}

INSTANTIATE_TEST_SUITE_P(All, QueueStressTest,
                         testing::Combine(testing::ValuesIn(kCases),
                                          testing::Values(Start::kZero, Start::kBelowLapWrap),
                                          testing::Values(1u, 3u, 64u)),
                         NameOfCase);

TEST_P(QueueStressTest, EachMessageIsTakenOrEvictedOrRefusedOrStillQueuedAndInOrder) {
  TestQueue<NotingAtomics> queue(form(), depth(), start());
  std::vector<Notes> notes(producers() + 1);
  std::vector<std::vector<Position>> evictions(producers());
  std::atomic<uint64_t> pushes{0};
  std::atomic<uint32_t> producing{producers()};
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < producers(); ++i) {
    threads.emplace_back([&, i] {
      t_head = &queue.header().head;
      t_evictions = &evictions[i];
      Producer producer = queue.NewProducer();
      for (uint32_t number = 1; GoesOn(number); ++number) {
        // An exclusive topic's publisher is replaced now and then.
        if (form().exclusive && number % 1000 == 0) producer = queue.NewProducer();
        Push(producer, Message(number, static_cast<PublisherIndex>(i)), notes[i]);
        pushes.fetch_add(1);
      }
      t_evictions = nullptr;
      producing.fetch_sub(1);
    });
  }
  TakeWhile(producing, queue, notes.back());
  for (std::thread& thread : threads) thread.join();

  Notes all;
  std::set<Position> evicted;
  for (const Notes& one : notes) all.Add(one);
  for (const std::vector<Position>& one : evictions) {
    for (const Position position : one) EXPECT_TRUE(evicted.insert(position).second) << "evicted twice";
  }
  CheckOrder(all.taken);
  EXPECT_EQ(CheckAccounts(queue, start(), all), evicted);
  EXPECT_EQ(all.pushed.size() + all.refused, pushes.load());
  EXPECT_TRUE(policy() == Policy::kRefuse || all.refused == 0);
  EXPECT_TRUE(policy() == Policy::kEvict || all.evicted == 0);
}

TEST_P(QueueStressTest, ProducersThatDieInTheMiddleOfAPushLoseNothingOfOthers) {
  TestQueue<SteppedAtomics> queue(form(), depth(), start());
  std::vector<Notes> notes(producers() + 1);
  std::atomic<uint32_t> producing{producers()};
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < producers(); ++i) {
    threads.emplace_back([&, i] {
      std::mt19937_64 random = test::SeededRandom("queue_stress.deaths." + std::to_string(i));
      Producer producer = queue.NewProducer();
      for (uint32_t number = 1; GoesOn(number); ++number) {
        const Ref ref = Message(number, static_cast<PublisherIndex>(i));
        if (random() % 8 != 0) {
          Push(producer, ref, notes[i]);
          continue;
        }
        const size_t at = random() % 10;
        PushResult result;
        if (DieAtStep(at, [&] { result = producer.Push(ref, policy() == Policy::kEvict); })) {
          notes[i].maybe_pushed.insert(ref);
          notes[i].maybe_evicted += policy() == Policy::kEvict ? at : 0;
          producer = queue.NewProducer();
        } else {
          notes[i].Pushed(ref, result);
        }
      }
      producing.fetch_sub(1);
    });
  }
  TakeWhile(producing, queue, notes.back());
  for (std::thread& thread : threads) thread.join();

  Notes all;
  for (const Notes& one : notes) all.Add(one);
  CheckOrder(all.taken);
  CheckAccounts(queue, start(), all);
}

// Who only looks, does so while everything moves, and never sees what cannot be.
TEST_P(QueueStressTest, ACountTakenMeanwhileIsNeverMoreThanTheDepth) {
  TestQueue<SystemAtomics> queue(form(), depth(), start());
  std::vector<Notes> notes(producers() + 1);
  std::atomic<uint32_t> producing{producers()};
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < producers(); ++i) {
    threads.emplace_back([&, i] {
      Producer producer = queue.NewProducer();
      for (uint32_t number = 1; GoesOn(number); ++number) {
        Push(producer, Message(number, static_cast<PublisherIndex>(i)), notes[i]);
      }
      producing.fetch_sub(1);
    });
  }
  threads.emplace_back([&] {
    const QueueView<SystemAtomics> view = queue.consumers_view();
    Position last_head = start();
    while (producing.load() != 0) {
      EXPECT_LE(CountQueued(view), depth());
      const Position head = view.header->head.load(kAcquire);
      EXPECT_LE(head - last_head, uint64_t{kMessages} * kProducers) << "head went back";
      last_head = head;
      std::this_thread::yield();
    }
  });
  TakeWhile(producing, queue, notes.back());
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace weir::queue
