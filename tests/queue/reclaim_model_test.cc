// Queues, borrow tables, histories and reclaim together, driven at random: whole operations of several actors, one
// begun in the middle of another, and deaths. Nothing that is held ever changes, no slot is lost.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "tests/queue/stepped_atomics.h"
#include "tests/queue/test_queue.h"
#include "tests/queue/world.h"
#include "tests/support/random.h"
#include "tests/support/wait.h"

namespace weir::queue {
namespace {

constexpr bool kSanitized =
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    true;
#else
    false;
#endif

// Publishers and subscribers of one world, of which each does one thing at a time. Before any step of it, another one
// may do a thing of its own, or it may die.
class Actors {
 public:
  Actors(const WorldOptions& options, bool deaths, std::mt19937_64 random)
      : world_(options), deaths_(deaths), random_(random) {
    for (size_t i = 0; i < publisher_count(); ++i) publishers_[i] = &world_.AddPublisher();
  }

  // One thing by anybody, with all that comes in between.
  void Act() {
    const size_t actors = publisher_count() + subscribers_.size();
    size_t actor = random_() % actors;
    while (busy_[actor]) actor = (actor + 1) % actors;
    busy_[actor] = true;
    ++nested_;
    // So few that an operation does not go on for ever, and before steps near its beginning as well as far in.
    uint64_t intruders = random_() % 3;
    const uint64_t distance = uint64_t{1} << random_() % 6;
    try {
      const ScopedStepHook hook([&](const Step&) {
        if (intruders > 0 && nested_ < 4 && OneIn(distance)) {
          --intruders;
          Act();
        }
        // A world has room for so many publishers only.
        if (deaths_ && OneIn(500) && world_.publisher_count() + 4 < kWorldPublishersMax) throw Died();
      });
      if (actor < publisher_count()) {
        ActAsPublisher(*publishers_[actor]);
      } else {
        ActAsSubscriber(subscribers_[actor - publisher_count()]);
      }
    } catch (const Died&) {
      Bury(actor);
    }
    --nested_;
    busy_[actor] = false;
  }

  // Nobody is in the middle of anything.
  void CheckAll() {
    for (const auto& subscriber : world_.subscribers()) subscriber->CheckHeld();
    for (size_t i = 0; i < publisher_count(); ++i) world_.CheckSlots(*publishers_[i]);
  }

  uint64_t published() const { return published_; }
  uint64_t taken() const { return taken_; }
  uint64_t died() const { return died_; }

 private:
  size_t publisher_count() const { return world_.options().form.exclusive ? 1 : publishers_.size(); }
  bool OneIn(uint64_t n) { return random_() % n == 0; }

  void ActAsPublisher(WorldPublisher<SteppedAtomics>& publisher) {
    if (OneIn(4)) {
      publisher.Reclaim(random_() % 6);
    } else {
      published_ += publisher.Publish();
    }
  }

  void ActAsSubscriber(std::shared_ptr<WorldSubscriber<SteppedAtomics>>& subscriber) {
    if (subscriber == nullptr) {
      subscriber = world_.NewSubscriber();
      subscriber->Join();
    } else if (subscriber->closed() && subscriber->held() == 0) {
      subscriber->Leave();
      subscriber = nullptr;
    } else if (!subscriber->closed() && OneIn(40)) {
      subscriber->Close();
    } else if (subscriber->closed() || (subscriber->held() > 0 && OneIn(2))) {
      subscriber->CheckHeld();
      subscriber->Release(random_() % subscriber->held());
    } else {
      taken_ += subscriber->Take();
    }
  }

  // What whoever comes next does for the dead: nothing but to see that they are gone.
  void Bury(size_t actor) {
    ++died_;
    if (actor < publisher_count()) {
      publishers_[actor]->Die();
      publishers_[actor] = &world_.AddPublisher();
    } else if (auto& subscriber = subscribers_[actor - publisher_count()]; subscriber != nullptr) {
      subscriber->Leave();
      subscriber = nullptr;
    }
  }

  World<SteppedAtomics> world_;
  bool deaths_;
  std::mt19937_64 random_;
  std::array<WorldPublisher<SteppedAtomics>*, 2> publishers_{};
  std::array<std::shared_ptr<WorldSubscriber<SteppedAtomics>>, 3> subscribers_;
  std::array<bool, 5> busy_{};
  int nested_ = 0;
  uint64_t published_ = 0;
  uint64_t taken_ = 0;
  uint64_t died_ = 0;
};

class ReclaimModelTest : public testing::TestWithParam<std::tuple<Form, uint32_t>> {
 protected:
  Form form() const { return std::get<0>(GetParam()); }
  uint32_t history() const { return std::get<1>(GetParam()); }
  std::string Purpose(const char* test) const { return std::string(test) + NameOf(form()) + std::to_string(history()); }

  void RunActors(bool deaths) {
    std::mt19937_64 random = test::SeededRandom(Purpose(deaths ? "deaths" : "actors"));
    const int worlds = kSanitized ? 20 : 100;
    uint64_t published = 0;
    uint64_t taken = 0;
    uint64_t died = 0;
    for (int i = 0; i < worlds && !HasFailure(); ++i) {
      SCOPED_TRACE(testing::Message() << "world " << i);
      WorldOptions options{.form = form(), .history = history()};
      constexpr uint32_t kDepths[] = {1, 2, 3, 64};
      options.depth = kDepths[random() % 4];
      options.start = kStarts[random() % 4];
      options.slots = 4 + static_cast<uint32_t>(random() % 24);
      options.borrowed = 1 + static_cast<uint32_t>(random() % 3);
      Actors actors(options, deaths, std::mt19937_64(random()));
      for (int round = 0; round < 300 && !HasFailure(); ++round) {
        actors.Act();
        if (round % 10 == 9) actors.CheckAll();
      }
      published += actors.published();
      taken += actors.taken();
      died += actors.died();
    }
    // It is about something.
    EXPECT_GT(published, 1000u);
    EXPECT_GT(taken, 500u);
    EXPECT_EQ(died > 0, deaths);
  }
};

INSTANTIATE_TEST_SUITE_P(AllForms, ReclaimModelTest,
                         testing::Combine(testing::ValuesIn(kForms), testing::Values(0u, 1u, 3u)),
                         [](const auto& test) {
                           return NameOf(std::get<0>(test.param)) + "History" + std::to_string(std::get<1>(test.param));
                         });

TEST_P(ReclaimModelTest, NothingHeldChangesAndNoSlotIsLostWhoeverActsInTheMiddleOfWhat) {
  RunActors(/*deaths=*/false);
}

TEST_P(ReclaimModelTest, NothingHeldChangesAndNoSlotIsLostWhoeverDies) {
  RunActors(/*deaths=*/true);
}

// The same parts in threads, with real atomics. The payload is ordinary memory.
TEST_P(ReclaimModelTest, NothingHeldChangesWhileThreadsPublishTakeJoinAndLeave) {
  World<SystemAtomics> world(
      {.form = form(), .depth = 6, .start = Start::kBelowLapWrap, .slots = 40, .history = history(), .borrowed = 3});
  const size_t publishers = form().exclusive ? 1 : 2;
  for (size_t i = 0; i < publishers; ++i) world.AddPublisher();

  std::atomic<bool> stop{false};
  std::atomic<uint64_t> published{0};
  std::atomic<uint64_t> taken{0};
  std::vector<std::thread> threads;
  for (size_t i = 0; i < publishers; ++i) {
    threads.emplace_back([&, i] {
      while (!stop.load()) {
        if (world.publisher(i).Publish()) {
          published.fetch_add(1);
        } else {
          std::this_thread::yield();
        }
      }
    });
  }
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&, i] {
      std::mt19937_64 random = test::SeededRandom(Purpose("threads") + std::to_string(i));
      while (!stop.load()) {
        const auto subscriber = world.NewSubscriber();
        subscriber->Join();
        for (uint64_t left = 1 + random() % 500; left > 0 && !stop.load(); --left) {
          if (subscriber->Take()) {
            taken.fetch_add(1);
          } else {
            std::this_thread::yield();
          }
          while (subscriber->held() > random() % 4) subscriber->Release(random() % subscriber->held());
        }
        subscriber->Close();
        while (subscriber->held() > 0) subscriber->Release(0);
        subscriber->Leave();
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  test::WaitUntilTrue([&] { return published.load() >= 200 && taken.load() >= 200; });
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(published.load(), 200u);
  EXPECT_GE(taken.load(), 200u);
  for (size_t i = 0; i < publishers; ++i) world.CheckSlots(world.publisher(i));
}

}  // namespace
}  // namespace weir::queue
