// Who may end before whom: everybody. Nodes, publishers, subscribers, loans and samples go in any order and on any
// thread, and leave nothing.
// weir-test: crashable timeout=120
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <weir/capnp.h>
#include <weir/messages/quote.capnp.h>
#include <weir/weir.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "middleware/base/crash_point.h"
#include "tests/pubsub/payload.h"
#include "tests/support/child.h"
#include "tests/support/random.h"
#include "tests/support/test_root.h"

namespace weir {
namespace {

using test::Payload;

// How each kind of message is written and recognised again.
void Write(Loan<Payload>& loan, uint64_t number) {
  loan.value().Fill(7, number);
}
void Write(Loan<Bytes>& loan, uint64_t number) {
  std::memset(loan.bytes().data(), static_cast<int>(number), loan.bytes().size());
}
void Write(Loan<msg::Quote>& loan, uint64_t number) {
  loan.builder().setSequence(number);
  loan.builder().setSymbol("a name that needs a few words");
}
bool IsMessage(const Sample<Payload>& sample, uint64_t number) {
  return sample.value().IsWhole() && sample.value().number == number;
}
bool IsMessage(const Sample<Bytes>& sample, uint64_t number) {
  return sample.bytes().size() == 300 && std::all_of(sample.bytes().begin(), sample.bytes().end(), [=](std::byte byte) {
           return byte == static_cast<std::byte>(number);
         });
}
bool IsMessage(const Sample<msg::Quote>& sample, uint64_t number) {
  return sample.reader().getSequence() == number && sample.reader().getSymbol() == "a name that needs a few words";
}

template <class T>
absl::StatusOr<Loan<T>> MakeLoan(Publisher<T>& publisher) {
  if constexpr (BytesMessage<T>) {
    return publisher.Loan(300);
  } else {
    return publisher.Loan();
  }
}

template <class T>
void PublishNumber(Publisher<T>& publisher, uint64_t number) {
  auto loan = MakeLoan(publisher);
  ASSERT_TRUE(loan.ok()) << loan.status();
  Write(*loan, number);
  auto sent = publisher.Publish(*std::move(loan));
  ASSERT_TRUE(sent.ok()) << sent.status();
}

class LifetimeTest : public testing::Test {
 protected:
  Node MakeNode() {
    auto node = Node::Create({.name = "lifetime", .domain = "d", .root = root_.path()});
    EXPECT_TRUE(node.ok()) << node.status();
    return *std::move(node);
  }
  std::vector<std::string> FilesNamed(const std::string& kind) const {
    std::vector<std::string> found;
    for (const std::string& file : root_.Contents()) {
      if (file.starts_with("d/" + kind + ".")) found.push_back(file);
    }
    return found;
  }

  template <class T>
  void CloseInEveryOrder(const PublisherOptions& publisher_options, const SubscriberOptions& subscriber_options);

  void TearDown() override { EXPECT_TRUE(root_.IsEmpty()); }

  test::TestRoot root_;
};

template <class T>
void LifetimeTest::CloseInEveryOrder(const PublisherOptions& publisher_options,
                                     const SubscriberOptions& subscriber_options) {
  enum Object { kNode, kPublisher, kSubscriber, kLoan, kSample };
  std::array<Object, 5> order = {kNode, kPublisher, kSubscriber, kLoan, kSample};
  do {
    std::string text;
    for (Object object : order) {
      text += std::array{"node ", "publisher ", "subscriber ", "loan ", "sample "}[static_cast<size_t>(object)];
    }
    SCOPED_TRACE("closed in the order: " + text);
    std::optional<Node> node = MakeNode();
    auto made_publisher = node->CreatePublisher<T>("topic", publisher_options);
    ASSERT_TRUE(made_publisher.ok()) << made_publisher.status();
    std::optional<Publisher<T>> publisher = *std::move(made_publisher);
    PublishNumber(*publisher, 1);
    auto made_subscriber = node->CreateSubscriber<T>("topic", subscriber_options);
    ASSERT_TRUE(made_subscriber.ok()) << made_subscriber.status();
    std::optional<Subscriber<T>> subscriber = *std::move(made_subscriber);
    for (uint64_t number = 2; number <= 5; ++number) PublishNumber(*publisher, number);
    std::unique_ptr<Sample<T>> sample;  // for std::optional of a sample or a loan g++ has a wrong warning here
    {
      auto taken = subscriber->Take();
      ASSERT_TRUE(taken) << OutcomeName(taken.why()) << " " << subscriber->last_error();
      sample = std::make_unique<Sample<T>>(*std::move(taken));
    }
    const uint64_t first = publisher_options.history != 0 ? 1 : 2;
    auto made_loan = MakeLoan(*publisher);
    ASSERT_TRUE(made_loan.ok()) << made_loan.status();
    auto loan = std::make_unique<Loan<T>>(*std::move(made_loan));
    Write(*loan, 99);

    for (Object object : order) {
      switch (object) {
        case kNode:
          node.reset();
          break;
        case kPublisher:
          publisher.reset();
          break;
        case kSubscriber:
          subscriber.reset();
          break;
        case kLoan:
          Write(*loan, 98);
          loan.reset();
          break;
        case kSample:
          sample.reset();
          break;
      }
      // Whatever is left still works.
      if (publisher) PublishNumber(*publisher, 6);
      if (subscriber) {
        auto taken = subscriber->Take();
        ASSERT_TRUE(taken || taken.why() == Outcome::kEmpty) << OutcomeName(taken.why()) << subscriber->last_error();
      }
      if (loan) Write(*loan, 97);
      ASSERT_TRUE(!sample || IsMessage(*sample, first));
    }
    ASSERT_TRUE(root_.IsEmpty());
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_F(LifetimeTest, PlainEndpointsLoansAndSamplesCloseInAnyOrder) {
  CloseInEveryOrder<Payload>({}, {});
}

TEST_F(LifetimeTest, PlainEndpointsOfAnExclusiveTopicWithHistoryCloseInAnyOrder) {
  CloseInEveryOrder<Payload>({.topic = {.exclusive = true}, .history = 1},
                             {.topic = {.exclusive = true}, .when_full = WhenFull::kBlock});
}

TEST_F(LifetimeTest, BytesEndpointsThatCopyBeforeReadCloseInAnyOrder) {
  CloseInEveryOrder<Bytes>({}, {.when_full = WhenFull::kDropNewest, .copy_before_read = true});
}

TEST_F(LifetimeTest, CapnpEndpointsLoansAndSamplesCloseInAnyOrder) {
  CloseInEveryOrder<msg::Quote>({.history = 1}, {});
}

TEST_F(LifetimeTest, HistoryThatWasNeverTakenHoldsNothingAfterItsSubscriberClosed) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<Payload>("topic", {.history = 5});
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  for (uint64_t number = 1; number <= 9; ++number) PublishNumber(*publisher, number);
  std::optional<Sample<Payload>> sample;
  {
    auto subscriber = node.CreateSubscriber<Payload>("topic");
    ASSERT_TRUE(subscriber.ok()) << subscriber.status();
    auto taken = subscriber->Take();
    ASSERT_TRUE(taken);
    sample.emplace(*std::move(taken));
  }
  EXPECT_TRUE(IsMessage(*sample, 5));
  EXPECT_EQ(FilesNamed("table").size(), 1u);
  sample.reset();
  EXPECT_EQ(FilesNamed("table").size(), 0u);
  EXPECT_EQ(FilesNamed("queue").size(), 0u);
}

TEST_F(LifetimeTest, AClosedPublishersPoolGoesWithTheLastSampleOfIt) {
  Node node = MakeNode();
  auto subscriber = node.CreateSubscriber<Payload>("topic", {.max_borrowed = 4});
  ASSERT_TRUE(subscriber.ok()) << subscriber.status();
  std::vector<Sample<Payload>> held;
  // Many publishers one after the other, each with a message that is still held: every one keeps its pool and its
  // index.
  for (uint64_t writer = 1; writer <= 4; ++writer) {
    auto publisher = node.CreatePublisher<Payload>("topic");
    ASSERT_TRUE(publisher.ok()) << publisher.status();
    PublishNumber(*publisher, writer);
    auto taken = subscriber->Take();
    ASSERT_TRUE(taken);
    held.push_back(*std::move(taken));
  }
  EXPECT_EQ(FilesNamed("pool").size(), 4u);
  auto publisher = node.CreatePublisher<Payload>("topic");
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  for (uint64_t number = 10; number <= 500; ++number) PublishNumber(*publisher, number);
  for (uint64_t writer = 1; writer <= 4; ++writer) EXPECT_TRUE(IsMessage(held[writer - 1], writer));
  held.clear();
  while (subscriber->Take()) {
  }
  publisher = node.CreatePublisher<Payload>("topic");  // the old one closes; whoever comes next cleans up
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  EXPECT_EQ(FilesNamed("pool").size(), 1u);
}

TEST_F(LifetimeTest, ASampleOutlivesItsKilledPublisherAndTheCleanupAfterIt) {
  std::optional<Node> node = MakeNode();
  auto subscriber = node->CreateSubscriber<Payload>("topic", {.depth = 8, .max_borrowed = 8});
  ASSERT_TRUE(subscriber.ok()) << subscriber.status();
  std::deque<std::pair<Sample<Payload>, uint64_t>> held;
  for (uint64_t round = 1; round <= 10; ++round) {
    test::Child child([&](test::Channel& parent) {
      Node own = MakeNode();
      auto publisher = own.CreatePublisher<Payload>("topic");
      ASSERT_TRUE(publisher.ok()) << publisher.status();
      for (uint64_t i = 0; i < 4; ++i) PublishNumber(*publisher, round * 100 + i);
      parent.Send("published");
      pause();
    });
    ASSERT_EQ(child.channel().ReceiveText(), "published");
    for (uint64_t i = 0; i < 2; ++i) {  // two before its death, two after it
      auto taken = subscriber->Take();
      ASSERT_TRUE(taken);
      held.emplace_back(*std::move(taken), round * 100 + i);
    }
    child.Kill();
    child.Wait();
    Node passer_by = MakeNode();  // joins, and so cleans up
    for (uint64_t i = 2; i < 4; ++i) {
      auto taken = subscriber->Take();
      ASSERT_TRUE(taken) << OutcomeName(taken.why()) << " " << subscriber->last_error();
      held.emplace_back(*std::move(taken), round * 100 + i);
    }
    for (const auto& [sample, number] : held) ASSERT_TRUE(IsMessage(sample, number));
    while (held.size() > 4) held.pop_front();
  }
  held.clear();
  Node passer_by = MakeNode();
  EXPECT_EQ(FilesNamed("pool").size(), 0u);
}

TEST_F(LifetimeTest, TheLastSampleOnAnotherThreadTakesTheWholeDomainWithIt) {
  for (int round = 0; round < 20; ++round) {
    std::optional<Sample<Payload>> sample;
    {
      Node node = MakeNode();
      auto publisher = node.CreatePublisher<Payload>("topic");
      auto subscriber = node.CreateSubscriber<Payload>("topic");
      ASSERT_TRUE(publisher.ok() && subscriber.ok());
      PublishNumber(*publisher, 1);
      auto taken = subscriber->Take();
      ASSERT_TRUE(taken);
      sample.emplace(*std::move(taken));
    }
    EXPECT_FALSE(root_.IsEmpty());
    std::thread([&] {
      EXPECT_TRUE(IsMessage(*sample, 1));
      sample.reset();
    }).join();
    ASSERT_TRUE(root_.IsEmpty());
  }
}

// Threads that drop what they are given.
class Droppers {
 public:
  explicit Droppers(int count) : boxes_(static_cast<size_t>(count)) {
    for (Box& box : boxes_) {
      threads_.emplace_back([this, &box] {
        for (;;) {
          std::optional<Sample<Payload>> sample;
          {
            std::lock_guard lock(box.mutex);
            if (!box.samples.empty()) {
              sample.emplace(std::move(box.samples.front()));
              box.samples.pop_front();
            } else if (over_) {
              return;
            }
          }
          if (!sample) {
            std::this_thread::yield();
            continue;
          }
          if (!sample->value().IsWhole()) ++broken_;
          sample.reset();
          ++dropped_;
        }
      });
    }
  }
  ~Droppers() {
    over_ = true;
    for (std::thread& thread : threads_) thread.join();
  }

  void Give(Sample<Payload> sample) {
    Box& box = boxes_[given_++ % boxes_.size()];
    std::lock_guard lock(box.mutex);
    box.samples.push_back(std::move(sample));
  }
  // Returns when everything given is dropped, that is: the calls have returned.
  void WaitUntilAllAreDropped() {
    while (dropped_ != given_) std::this_thread::yield();
  }
  uint64_t broken() const { return broken_; }

 private:
  struct Box {
    std::mutex mutex;
    std::deque<Sample<Payload>> samples;
  };
  std::vector<Box> boxes_;
  std::vector<std::thread> threads_;
  uint64_t given_ = 0;
  std::atomic<uint64_t> dropped_{0};
  std::atomic<uint64_t> broken_{0};
  std::atomic<bool> over_{false};
};

// At the crash points of releasing and closing, a thread now and then loses the processor: as if it had been preempted
// there, which happens too rarely by itself.
void DawdleWhenReleasingAndClosing() {
  g_crash_hook.store([](const char* point) {
    const std::string_view here = point;
    if (!here.starts_with("release.") && !here.starts_with("subscriber.close.")) return;
    thread_local std::minstd_rand random(
        static_cast<uint32_t>(std::hash<std::thread::id>()(std::this_thread::get_id())));
    switch (random() % 8) {
      case 0:
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 100));
        break;
      case 1:
      case 2:
        std::this_thread::yield();
        break;
      default:
        break;
    }
  });
}

// Threads that stop at a crash point until they may go on.
namespace gates {
struct Gate {
  const char* point;
  std::atomic<bool> reached{false};
  std::atomic<bool> open{false};

  void WaitUntilReached() const {
    while (!reached) std::this_thread::yield();
  }
};
thread_local Gate* g_mine = nullptr;

void StopHere(const char* point) {
  Gate* gate = g_mine;
  if (gate == nullptr || std::string_view(gate->point) != point) return;
  gate->reached = true;
  while (!gate->open) std::this_thread::yield();
}
}  // namespace gates

TEST_F(LifetimeTest, AnEntryIsNotUsedAgainWhileTheThreadThatFreedItIsStillReleasing) {
  g_crash_hook.store(gates::StopHere);
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<Payload>("topic");
  auto made = node.CreateSubscriber<Payload>("topic", {.max_borrowed = 2});
  ASSERT_TRUE(publisher.ok() && made.ok());
  std::optional<Subscriber<Payload>> subscriber = *std::move(made);
  const auto take = [&](uint64_t number) {
    PublishNumber(*publisher, number);
    auto taken = subscriber->Take();
    EXPECT_TRUE(taken) << OutcomeName(taken.why());
    return std::make_unique<Sample<Payload>>(*std::move(taken));
  };
  const auto drop_at = [](gates::Gate& gate, std::unique_ptr<Sample<Payload>>& sample) {
    return std::thread([&] {
      gates::g_mine = &gate;
      sample.reset();
    });
  };

  gates::Gate first_gate = {.point = "release.after_clear"};
  gates::Gate second_gate = {.point = "release.before_clear"};
  auto first = take(1);
  std::thread first_dropper = drop_at(first_gate, first);
  first_gate.WaitUntilReached();  // the borrow entry is free, the release is not over
  auto second = take(2);
  std::thread second_dropper = drop_at(second_gate, second);
  second_gate.WaitUntilReached();
  first_gate.open = true;
  first_dropper.join();
  // The second release is still going on, and closing waits for it.
  std::thread closer([&] { subscriber.reset(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  second_gate.open = true;
  second_dropper.join();
  closer.join();
  EXPECT_THAT(FilesNamed("table"), testing::IsEmpty());
  g_crash_hook.store(nullptr);
}

class OrphanTest : public LifetimeTest, public testing::WithParamInterface<bool> {};

TEST_P(OrphanTest, SamplesAreDroppedOnOtherThreadsWhileTheSubscriberTakesAndCloses) {
  // The other half of the protocol is a fence per release, where membarrier is not to be had.
  if (!GetParam()) setenv("WEIR_NO_MEMBARRIER", "1", 1);
  DawdleWhenReleasingAndClosing();
  Node node = MakeNode();
  unsetenv("WEIR_NO_MEMBARRIER");
  auto publisher = node.CreatePublisher<Payload>("topic");
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  auto random = test::SeededRandom("orphans");
  Droppers droppers(3);
  uint64_t number = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  int rounds = 0;
  while (std::chrono::steady_clock::now() < end) {
    ++rounds;
    {
      auto subscriber = node.CreateSubscriber<Payload>("topic", {.depth = 8, .max_borrowed = 3});
      ASSERT_TRUE(subscriber.ok()) << subscriber.status();
      const uint64_t takes = 1 + random() % 20;
      for (uint64_t taken_count = 0; taken_count < takes;) {
        PublishNumber(*publisher, ++number);
        auto taken = subscriber->Take();
        if (taken.why() == Outcome::kTooManyHeld) continue;
        ASSERT_TRUE(taken) << OutcomeName(taken.why()) << " " << subscriber->last_error();
        droppers.Give(*std::move(taken));
        ++taken_count;
      }
      EXPECT_EQ(subscriber->counts().torn, 0u);
    }
    droppers.WaitUntilAllAreDropped();
    ASSERT_THAT(FilesNamed("table"), testing::IsEmpty()) << "in round " << rounds;
    ASSERT_THAT(FilesNamed("queue"), testing::IsEmpty()) << "in round " << rounds;
  }
  EXPECT_EQ(droppers.broken(), 0u);
  EXPECT_GT(rounds, 10);
  g_crash_hook.store(nullptr);
}

TEST_P(OrphanTest, TheNodeLeavesWithWhicheverThreadIsLast) {
  if (!GetParam()) setenv("WEIR_NO_MEMBARRIER", "1", 1);
  DawdleWhenReleasingAndClosing();
  auto random = test::SeededRandom("last ones");
  Droppers droppers(3);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  while (std::chrono::steady_clock::now() < end) {
    {
      Node node = MakeNode();
      auto publisher = node.CreatePublisher<Payload>("topic");
      auto subscriber = node.CreateSubscriber<Payload>("topic", {.max_borrowed = 4});
      ASSERT_TRUE(publisher.ok() && subscriber.ok());
      const uint64_t count = 1 + random() % 4;
      for (uint64_t number = 1; number <= count; ++number) PublishNumber(*publisher, number);
      for (uint64_t number = 1; number <= count; ++number) {
        auto taken = subscriber->Take();
        ASSERT_TRUE(taken);
        droppers.Give(*std::move(taken));
      }
    }
    droppers.WaitUntilAllAreDropped();
    ASSERT_TRUE(root_.IsEmpty());
  }
  EXPECT_EQ(droppers.broken(), 0u);
  unsetenv("WEIR_NO_MEMBARRIER");
  g_crash_hook.store(nullptr);
}

std::string NameOfFence(const testing::TestParamInfo<bool>& info) {
  return info.param ? "ByMembarrier" : "InEachRelease";
}

INSTANTIATE_TEST_SUITE_P(Fences, OrphanTest, testing::Bool(), NameOfFence);

}  // namespace
}  // namespace weir
