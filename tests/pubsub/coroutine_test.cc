// Coroutines that await messages, times and descriptors.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>
#include <weir/coroutine.h>
#include <weir/weir.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "tests/support/child.h"
#include "tests/support/test_root.h"

namespace weir {
namespace {

class CoroutineTest : public testing::Test {
 protected:
  Node MakeNode() {
    auto node = Node::Create({.name = "coroutines", .domain = "d", .root = root_.path()});
    EXPECT_TRUE(node.ok()) << node.status();
    return *std::move(node);
  }
  static Publisher<uint64_t> MakePublisher(Node& node, std::string_view topic) {
    auto publisher = node.CreatePublisher<uint64_t>(topic);
    EXPECT_TRUE(publisher.ok()) << publisher.status();
    return *std::move(publisher);
  }
  static Subscriber<uint64_t> MakeSubscriber(Node& node, std::string_view topic, const SubscriberOptions& options) {
    auto subscriber = node.CreateSubscriber<uint64_t>(topic, options);
    EXPECT_TRUE(subscriber.ok()) << subscriber.status();
    return *std::move(subscriber);
  }
  static Subscriber<uint64_t> MakeSubscriber(Node& node, std::string_view topic) {
    return MakeSubscriber(node, topic, {.depth = 1024});
  }
  static Loop MakeLoop() {
    auto loop = Loop::Create();
    EXPECT_TRUE(loop.ok()) << loop.status();
    return *std::move(loop);
  }
  static void Publish(Publisher<uint64_t>& publisher, uint64_t number) {
    auto loan = publisher.Loan();
    ASSERT_TRUE(loan.ok()) << loan.status();
    loan->value() = number;
    ASSERT_TRUE(publisher.Publish(*std::move(loan)).ok());
  }
  static void Run(Loop& loop) {
    const absl::Status status = loop.Run();
    EXPECT_TRUE(status.ok()) << status;
  }
  void TearDown() override { EXPECT_TRUE(root_.IsEmpty()); }

  test::TestRoot root_;
};

// Takes `count` messages, checks that they are 1, 2, 3 ..., and says so.
Task<> TakeInOrder(Subscriber<uint64_t>& subscriber, uint64_t count, int& finished) {
  for (uint64_t number = 1; number <= count; ++number) {
    auto taken = co_await subscriber.Next();
    EXPECT_TRUE(taken) << OutcomeName(taken.why());
    if (!taken) co_return;
    EXPECT_EQ(taken->value(), number);
  }
  ++finished;
}

Task<> AwaitOnce(Subscriber<uint64_t>& subscriber, std::optional<Outcome>& why) {
  why = (co_await subscriber.Next()).why();
}

// How often this thread gave the processor away to sleep. A loop that finds something ready at each wait never does.
int64_t Sleeps() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nvcsw;
}

TEST_F(CoroutineTest, RunEndsWhenAllTasksHaveEndedAndAtOnceWithoutAny) {
  Loop loop = MakeLoop();
  Run(loop);
  int ran = 0;
  const auto count = [](int& counter) -> Task<> {
    ++counter;
    co_return;
  };
  loop.Spawn(count(ran));
  loop.Spawn(count(ran));
  EXPECT_EQ(ran, 0);
  Run(loop);
  EXPECT_EQ(ran, 2);
}

TEST_F(CoroutineTest, MessagesComeInOrderFromManySubscribersAtOnce) {
  constexpr uint64_t kMessages = 500;
  Node node = MakeNode();
  std::vector<Publisher<uint64_t>> publishers;
  std::vector<Subscriber<uint64_t>> subscribers;
  for (int i = 0; i < 40; ++i) {
    const std::string topic = "t" + std::to_string(i);
    publishers.push_back(MakePublisher(node, topic));
    subscribers.push_back(MakeSubscriber(node, topic));
  }
  std::thread writer([&] {
    for (uint64_t number = 1; number <= kMessages; ++number) {
      for (auto& publisher : publishers) Publish(publisher, number);
    }
  });
  int finished = 0;
  Loop loop = MakeLoop();
  for (auto& subscriber : subscribers) loop.Spawn(TakeInOrder(subscriber, kMessages, finished));
  Run(loop);
  writer.join();
  EXPECT_EQ(finished, 40);
}

TEST_F(CoroutineTest, AMessageFromAnotherProcessWakesTheLoop) {
  Node node = MakeNode();
  auto subscriber = MakeSubscriber(node, "t");
  test::Child child([&](test::Channel& parent) {
    Node other = MakeNode();
    auto publisher = MakePublisher(other, "t");
    for (uint64_t number = 1; number <= 5; ++number) {
      absl::SleepFor(absl::Milliseconds(5));
      Publish(publisher, number);
    }
    parent.Receive<uint32_t>();
  });
  int finished = 0;
  Loop loop = MakeLoop();
  loop.Spawn(TakeInOrder(subscriber, 5, finished));
  Run(loop);
  EXPECT_EQ(finished, 1);
  child.channel().Send(uint32_t{1});
  EXPECT_EQ(child.Wait(), test::ChildEnd::Exited(0));
}

TEST_F(CoroutineTest, ATaskWithManyMessagesLetsOthersRun) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, "t");
  auto subscriber = MakeSubscriber(node, "t");
  // One that always finds a message, because it publishes the next one itself; it ends when the other has run.
  const auto busy = [](Publisher<uint64_t>& out, Subscriber<uint64_t>& in, const bool& other_ran) -> Task<> {
    while (!other_ran) {
      Publish(out, 1);
      EXPECT_TRUE(co_await in.Next());
    }
  };
  bool ran = false;
  const auto other = [](bool& done) -> Task<> {
    EXPECT_TRUE(co_await Loop::Sleep(absl::Milliseconds(1)));
    done = true;
  };
  Loop loop = MakeLoop();
  loop.Spawn(busy(publisher, subscriber, ran));
  loop.Spawn(other(ran));
  Run(loop);
  EXPECT_TRUE(ran);
}

TEST_F(CoroutineTest, ASubscriberWithMessagesThatNobodyAwaitsDoesNotKeepTheLoopAwake) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, "t");
  auto subscriber = MakeSubscriber(node, "t");
  const auto slow = [](Publisher<uint64_t>& out, Subscriber<uint64_t>& in) -> Task<> {
    EXPECT_EQ((co_await in.NextFor(absl::Milliseconds(1))).why(), Outcome::kTimedOut);  // it is registered now
    Publish(out, 1);
    Publish(out, 2);
    const int64_t before = Sleeps();
    EXPECT_TRUE(co_await Loop::Sleep(absl::Milliseconds(50)));
    EXPECT_GT(Sleeps(), before);
    EXPECT_TRUE(co_await in.Next());
    EXPECT_TRUE(co_await in.Next());
    EXPECT_EQ((co_await in.NextFor(absl::Milliseconds(1))).why(), Outcome::kTimedOut);  // and once more
    Publish(out, 3);
    auto taken = co_await in.Next();
    EXPECT_TRUE(taken && taken->value() == 3);
  };
  Loop loop = MakeLoop();
  loop.Spawn(slow(publisher, subscriber));
  Run(loop);
}

TEST_F(CoroutineTest, ANextWithATimeoutEndsNotBeforeIt) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, "t");
  auto subscriber = MakeSubscriber(node, "t");
  const auto impatient = [](Publisher<uint64_t>& out, Subscriber<uint64_t>& in) -> Task<> {
    const absl::Time begin = absl::Now();
    EXPECT_EQ((co_await in.NextFor(absl::Milliseconds(20))).why(), Outcome::kTimedOut);
    EXPECT_GE(absl::Now() - begin, absl::Milliseconds(19));
    EXPECT_EQ((co_await in.NextFor(absl::ZeroDuration())).why(), Outcome::kTimedOut);
    Publish(out, 1);
    EXPECT_TRUE(co_await in.NextFor(absl::ZeroDuration()));
  };
  Loop loop = MakeLoop();
  loop.Spawn(impatient(publisher, subscriber));
  Run(loop);
}

TEST_F(CoroutineTest, SleepersWakeInTheOrderOfTheirTimes) {
  std::string order;
  const auto sleeper = [](std::string& log, char name, absl::Duration duration) -> Task<> {
    EXPECT_TRUE(co_await Loop::Sleep(duration));
    log += name;
  };
  Loop loop = MakeLoop();
  loop.Spawn(sleeper(order, 'c', absl::Milliseconds(30)));
  loop.Spawn(sleeper(order, 'a', absl::ZeroDuration()));
  loop.Spawn(sleeper(order, 'b', absl::Milliseconds(10)));
  Run(loop);
  EXPECT_EQ(order, "abc");
}

TEST_F(CoroutineTest, ADescriptorIsAwaitedAndAWrongOneIsNamed) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  const auto reader = [](int fd, std::string& got) -> Task<> {
    for (int i = 0; i < 2; ++i) {
      const absl::Status status = co_await Loop::Readable(fd);
      EXPECT_TRUE(status.ok()) << status;
      char byte = 0;
      EXPECT_EQ(read(fd, &byte, 1), 1);
      got += byte;
    }
    EXPECT_FALSE((co_await Loop::Readable(9999)).ok());
  };
  const auto writer = [](int fd) -> Task<> {
    EXPECT_EQ(write(fd, "x", 1), 1);
    EXPECT_TRUE(co_await Loop::Sleep(absl::Milliseconds(5)));
    EXPECT_EQ(write(fd, "y", 1), 1);
  };
  std::string got;
  Loop loop = MakeLoop();
  loop.Spawn(reader(fds[0], got));
  loop.Spawn(writer(fds[1]));
  Run(loop);
  EXPECT_EQ(got, "xy");
  close(fds[0]);
  close(fds[1]);
}

Task<uint64_t> Double(Subscriber<uint64_t>& subscriber) {
  auto taken = co_await subscriber.Next();
  if (!taken) throw std::runtime_error("nothing to double");
  co_return 2 * taken->value();
}

TEST_F(CoroutineTest, AnAwaitedTaskGivesItsValueOrItsException) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, "t");
  auto subscriber = MakeSubscriber(node, "t");
  const auto outer = [](Publisher<uint64_t>& out, Subscriber<uint64_t>& in) -> Task<std::unique_ptr<uint64_t>> {
    Publish(out, 21);
    auto value = std::make_unique<uint64_t>(co_await Double(in));
    co_return value;
  };
  bool done = false;
  const auto outermost = [](auto inner, Publisher<uint64_t>& out, Subscriber<uint64_t>& in, bool& finished) -> Task<> {
    const std::unique_ptr<uint64_t> value = co_await inner(out, in);
    EXPECT_EQ(*value, 42u);
    const auto thrower = []() -> Task<int> {
      co_await Loop::Sleep(absl::ZeroDuration());
      throw std::runtime_error("on purpose");
    };
    try {
      co_await thrower();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "on purpose");
    }
    finished = true;
  };
  Loop loop = MakeLoop();
  loop.Spawn(outermost(outer, publisher, subscriber, done));
  Run(loop);
  EXPECT_TRUE(done);
}

TEST_F(CoroutineTest, AMillionAwaitedTasksThatDoNotWaitNeedNoMoreStackThanOne) {
  const auto one = []() -> Task<uint64_t> { co_return 1; };
  uint64_t sum = 0;
  const auto all = [](auto task, uint64_t& total) -> Task<> {
    for (int i = 0; i < 1'000'000; ++i) total += co_await task();
  };
  Loop loop = MakeLoop();
  loop.Spawn(all(one, sum));
  Run(loop);
  EXPECT_EQ(sum, 1'000'000u);
}

TEST_F(CoroutineTest, AnExceptionComesOutOfRunAndTheOtherTasksGoOn) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, "t");
  auto subscriber = MakeSubscriber(node, "t");
  const auto thrower = [](std::string text) -> Task<> {
    co_await Loop::Sleep(absl::ZeroDuration());
    throw std::runtime_error(text);
  };
  int finished = 0;
  Loop loop = MakeLoop();
  loop.Spawn(TakeInOrder(subscriber, 1, finished));
  loop.Spawn(thrower("first"));
  loop.Spawn(thrower("second"));
  for (const char* text : {"first", "second"}) {
    try {
      loop.Run().IgnoreError();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), text);
    }
  }
  Publish(publisher, 1);
  Run(loop);
  EXPECT_EQ(finished, 1);
}

TEST_F(CoroutineTest, StopTellsEveryTaskOnceAndWhoGoesOnGoesOnWithTheNextRun) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, "t");
  auto subscriber = MakeSubscriber(node, "t");
  auto silent = MakeSubscriber(node, "silent");
  std::vector<Outcome> outcomes;
  const auto stubborn = [](Subscriber<uint64_t>& in, std::vector<Outcome>& log) -> Task<> {
    while (log.empty() || log.back() != Outcome::kSample) {
      auto taken = co_await in.Next();
      log.push_back(taken.why());
    }
  };
  std::optional<Outcome> why;
  bool slept = true;
  const auto sleeper = [](bool& whole) -> Task<> { whole = co_await Loop::Sleep(absl::Hours(1)); };
  absl::Status readable;
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  const auto reader = [](int fd, absl::Status& status) -> Task<> { status = co_await Loop::Readable(fd); };
  Loop loop = MakeLoop();
  loop.Spawn(stubborn(subscriber, outcomes));
  loop.Spawn(AwaitOnce(silent, why));
  loop.Spawn(sleeper(slept));
  loop.Spawn(reader(fds[0], readable));
  std::thread stopper([&] {
    absl::SleepFor(absl::Milliseconds(20));
    loop.Stop();
  });
  Run(loop);
  stopper.join();
  EXPECT_EQ(outcomes, std::vector<Outcome>{Outcome::kInterrupted});
  EXPECT_EQ(why, Outcome::kInterrupted);
  EXPECT_FALSE(slept);
  EXPECT_TRUE(absl::IsCancelled(readable)) << readable;
  loop.Stop();
  Run(loop);
  EXPECT_EQ(outcomes.size(), 2u);
  Publish(publisher, 1);
  Run(loop);
  EXPECT_EQ(outcomes.back(), Outcome::kSample);
  close(fds[0]);
  close(fds[1]);
}

TEST_F(CoroutineTest, StopEndsARunWhoseTasksNeverWait) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, "t");
  auto subscriber = MakeSubscriber(node, "t");
  const auto busy = [](Publisher<uint64_t>& out, Subscriber<uint64_t>& in, Loop& its_loop, uint64_t& rounds) -> Task<> {
    for (;;) {
      Publish(out, 1);
      auto taken = co_await in.Next();
      if (++rounds == 1000) its_loop.Stop();
    }
  };
  const auto hopeless = []() -> Task<> {
    for (;;) (co_await Loop::Readable(9999)).IgnoreError();
  };
  uint64_t rounds = 0;
  Loop loop = MakeLoop();
  loop.Spawn(busy(publisher, subscriber, loop, rounds));
  loop.Spawn(hopeless());
  Run(loop);
  EXPECT_GE(rounds, 1000u);
}

// A co_await in a condition and no variable of its own: g++ 12 misplaces its frame.
Task<> CountUpTo(uint64_t limit, uint64_t& count) {
  while (co_await Loop::Sleep(absl::ZeroDuration())) {
    if (++count == limit) co_return;
  }
}

TEST_F(CoroutineTest, ACoroutineWhoseFrameTheCompilerMisplacesDoesNotPassUnnoticed) {
  test::Child child([&](test::Channel&) {
    uint64_t count = 0;
    Loop loop = MakeLoop();
    loop.Spawn(CountUpTo(3, count));
    Run(loop);
    EXPECT_EQ(count, 3u);
  });
  const test::ChildEnd end = child.Wait();
  EXPECT_TRUE(end == test::ChildEnd::Exited(0) || end == test::ChildEnd::KilledBy(SIGABRT)) << end;
}

Loop* signalled_loop = nullptr;

TEST_F(CoroutineTest, ASignalHandlerMayStop) {
  Node node = MakeNode();
  auto subscriber = MakeSubscriber(node, "t");
  std::optional<Outcome> why;
  Loop loop = MakeLoop();
  signalled_loop = &loop;
  struct sigaction action {};
  action.sa_handler = [](int) { signalled_loop->Stop(); };
  struct sigaction before {};
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  const auto raiser = []() -> Task<> {
    co_await Loop::Sleep(absl::Milliseconds(5));
    raise(SIGUSR1);
  };
  loop.Spawn(AwaitOnce(subscriber, why));
  loop.Spawn(raiser());
  Run(loop);
  EXPECT_EQ(why, Outcome::kInterrupted);
  sigaction(SIGUSR1, &before, nullptr);
}

// Counts those that exist.
struct Witness {
  explicit Witness(int& its_count) : count(&its_count) { ++*count; }
  Witness(const Witness& other) : count(other.count) { ++*count; }
  Witness& operator=(const Witness&) = default;
  ~Witness() { --*count; }
  int* count;
};

TEST_F(CoroutineTest, ALoopThatGoesDestroysItsTasksWhereverTheyAre) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, "t");
  auto subscriber = MakeSubscriber(node, "t");
  int alive = 0;
  const auto inner = [](Subscriber<uint64_t>& in, Witness witness) -> Task<> {
    Witness local = witness;
    while (co_await in.Next()) {
    }
  };
  const auto outer = [](auto task, Subscriber<uint64_t>& in, Witness witness) -> Task<> { co_await task(in, witness); };
  const auto sleeper = [](Witness) -> Task<> { co_await Loop::Sleep(absl::Hours(1)); };
  const auto stopper = [](Loop& its_loop) -> Task<> {
    co_await Loop::Sleep(absl::Milliseconds(5));
    its_loop.Stop();
    co_await Loop::Sleep(absl::Hours(1));
    co_await Loop::Sleep(absl::Hours(1));
  };
  {
    Loop loop = MakeLoop();
    loop.Spawn(outer(inner, subscriber, Witness(alive)));
    loop.Spawn(sleeper(Witness(alive)));
    loop.Spawn(stopper(loop));
    Run(loop);
    EXPECT_EQ(alive, 0);  // they ended upon Stop
    loop.Spawn(outer(inner, subscriber, Witness(alive)));
    loop.Spawn(outer(inner, subscriber, Witness(alive)));
    loop.Spawn(sleeper(Witness(alive)));
    const auto thrower = []() -> Task<> {
      co_await Loop::Sleep(absl::Milliseconds(5));
      throw std::runtime_error("so that Run ends with the others waiting");
    };
    loop.Spawn(thrower());
    EXPECT_THROW(loop.Run().IgnoreError(), std::runtime_error);
    loop.Spawn(sleeper(Witness(alive)));  // never begun
    Publish(publisher, 1);                // one is ready to take it
    EXPECT_GT(alive, 0);
  }
  EXPECT_EQ(alive, 0);
  {
    auto never_spawned = sleeper(Witness(alive));
    EXPECT_EQ(alive, 1);
  }
  EXPECT_EQ(alive, 0);
  EXPECT_TRUE(subscriber.Take());  // and the subscriber is as it was
}

TEST_F(CoroutineTest, ATaskMayOwnItsSubscriberAndOneMayBeDestroyedWhileItIsAwaited) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, "t");
  std::optional<Subscriber<uint64_t>> subscriber = MakeSubscriber(node, "t");
  std::optional<Outcome> why;
  const auto owner = [](Subscriber<uint64_t> own, int& finished) -> Task<> { co_await TakeInOrder(own, 2, finished); };
  const auto destroyer = [](std::optional<Subscriber<uint64_t>>& victim) -> Task<> {
    co_await Loop::Sleep(absl::Milliseconds(5));
    victim.reset();
  };
  const auto writer = [](Publisher<uint64_t>& out) -> Task<> {
    for (uint64_t number = 1; number <= 2; ++number) {
      co_await Loop::Sleep(absl::Milliseconds(5));
      Publish(out, number);
    }
    co_await Loop::Sleep(absl::Milliseconds(1100));  // and the look that comes once a second
  };
  int finished = 0;
  Loop loop = MakeLoop();
  auto silent = MakeSubscriber(node, "silent");
  std::optional<Subscriber<uint64_t>> victim = MakeSubscriber(node, "silent");
  loop.Spawn(AwaitOnce(*victim, why));
  loop.Spawn(owner(MakeSubscriber(node, "t"), finished));
  loop.Spawn(destroyer(victim));
  loop.Spawn(writer(publisher));
  Run(loop);
  EXPECT_EQ(why, Outcome::kInterrupted);
  EXPECT_EQ(finished, 1);
}

TEST_F(CoroutineTest, SeveralTasksShareASubscriber) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, "t");
  auto subscriber = MakeSubscriber(node, "t");
  const auto taker = [](Subscriber<uint64_t>& in, uint64_t& sum) -> Task<> {
    while (auto taken = co_await in.Next()) {
      if (taken->value() == 0) co_return;
      sum += taken->value();
    }
  };
  const auto writer = [](Publisher<uint64_t>& out) -> Task<> {
    for (uint64_t number = 1; number <= 30; ++number) {
      co_await Loop::Sleep(absl::Microseconds(100));
      Publish(out, number);
    }
    for (int i = 0; i < 3; ++i) Publish(out, 0);
  };
  uint64_t sum = 0;
  Loop loop = MakeLoop();
  for (int i = 0; i < 3; ++i) loop.Spawn(taker(subscriber, sum));
  loop.Spawn(writer(publisher));
  Run(loop);
  EXPECT_EQ(sum, 465u);
}

TEST_F(CoroutineTest, TooManyHeldIsSaidAtOnce) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, "t");
  auto subscriber = MakeSubscriber(node, "t", {.max_borrowed = 1});
  Publish(publisher, 1);
  Publish(publisher, 2);
  const auto hoarder = [](Subscriber<uint64_t>& in) -> Task<> {
    {
      auto held = co_await in.Next();
      EXPECT_TRUE(held);
      EXPECT_EQ((co_await in.Next()).why(), Outcome::kTooManyHeld);
    }
    auto taken = co_await in.Next();
    EXPECT_TRUE(taken && taken->value() == 2);
  };
  Loop loop = MakeLoop();
  loop.Spawn(hoarder(subscriber));
  Run(loop);
}

TEST_F(CoroutineTest, ATaskMaySpawnOthersButNotRunItsLoop) {
  const auto child = [](int& count) -> Task<> {
    ++count;
    co_return;
  };
  const auto parent = [](auto task, Loop& its_loop, int& count) -> Task<> {
    EXPECT_TRUE(absl::IsFailedPrecondition(its_loop.Run()));
    for (int i = 0; i < 3; ++i) its_loop.Spawn(task(count));
    co_return;
  };
  int count = 0;
  Loop loop = MakeLoop();
  loop.Spawn(parent(child, loop, count));
  Run(loop);
  EXPECT_EQ(count, 3);
}

TEST_F(CoroutineTest, AForkedChildIsRefusedAndHarmsNobody) {
  Node node = MakeNode();
  auto publisher = MakePublisher(node, "t");
  auto subscriber = MakeSubscriber(node, "t");
  int finished = 0;
  auto loop = std::make_optional<Loop>(MakeLoop());
  const auto stopper = [](Loop& its_loop) -> Task<> {
    co_await Loop::Sleep(absl::ZeroDuration());
    its_loop.Stop();
  };
  // Waits twice: the first time ends with the Stop.
  const auto twice = [](Subscriber<uint64_t>& in, int& done) -> Task<> {
    EXPECT_EQ((co_await in.Next()).why(), Outcome::kInterrupted);
    co_await TakeInOrder(in, 1, done);
  };
  loop->Spawn(twice(subscriber, finished));
  loop->Spawn(stopper(*loop));
  Run(*loop);
  test::Child child([&](test::Channel&) {
    EXPECT_TRUE(absl::IsFailedPrecondition(loop->Run()));
    loop->Stop();
    loop.reset();
  });
  EXPECT_EQ(child.Wait(), test::ChildEnd::Exited(0));
  Publish(publisher, 1);
  Run(*loop);
  EXPECT_EQ(finished, 1);
}

}  // namespace
}  // namespace weir
