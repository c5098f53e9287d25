// When there is no slot left: who is told what.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <weir/capnp.h>
#include <weir/inspect.h>
#include <weir/messages/quote.capnp.h>
#include <weir/weir.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "middleware/pool/pool_layout.h"
#include "middleware/pool/size_classes.h"
#include "tests/pubsub/payload.h"
#include "tests/support/child.h"
#include "tests/support/skip.h"
#include "tests/support/small_filesystem.h"
#include "tests/support/test_root.h"

namespace weir {
namespace {

using test::Channel;
using test::Child;
using test::ChildEnd;
using test::Payload;
using testing::HasSubstr;

constexpr uint64_t kSmallestPool = 64u << 10;

std::string Text(const absl::Status& status) {
  return std::string(status.message());
}

class RefusalTest : public testing::Test {
 protected:
  Node MakeNode() {
    auto node = Node::Create({.name = "refusal", .domain = "d", .root = root_.path()});
    EXPECT_TRUE(node.ok()) << node.status();
    return *std::move(node);
  }
  // A process that takes `hold` samples as they come, keeps them, and says so.
  std::unique_ptr<Child> StartHolder(uint32_t hold, uint32_t depth) {
    return std::make_unique<Child>([=, this](Channel& parent) {
      Node node = MakeNode();
      auto subscriber =
          node.CreateSubscriber<Payload>("topic", {.depth = depth, .max_borrowed = hold + 1, .when_full = kPolicy});
      ASSERT_TRUE(subscriber.ok()) << subscriber.status();
      parent.Send("ready");
      std::vector<Sample<Payload>> held;
      while (held.size() < hold) {
        auto taken = subscriber->TakeFor(absl::Seconds(20));
        ASSERT_TRUE(taken) << OutcomeName(taken.why());
        held.push_back(*std::move(taken));
      }
      parent.Send("holds");
      parent.ReceiveText(std::chrono::minutes(1));
      for (const Sample<Payload>& sample : held) EXPECT_TRUE(sample.value().IsWhole());
    });
  }

  static constexpr WhenFull kPolicy = WhenFull::kDropNewest;

  void TearDown() override { EXPECT_TRUE(root_.IsEmpty()); }

  test::TestRoot root_;
};

absl::Status PublishOne(Publisher<Payload>& publisher, uint64_t number) {
  auto loan = publisher.Loan();
  if (!loan.ok()) return loan.status();
  loan->value().Fill(1, number);
  return publisher.Publish(*std::move(loan)).status();
}

TEST_F(RefusalTest, ALoanBeyondMaxLoansIsRefusedUntilOneIsGivenBack) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<Payload>("topic", {.max_loans = 3});
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  std::vector<Loan<Payload>> loans;
  for (int i = 0; i < 3; ++i) {
    auto loan = publisher->Loan();
    ASSERT_TRUE(loan.ok()) << loan.status();
    loans.push_back(*std::move(loan));
  }
  const absl::Status refused = publisher->Loan().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(Text(refused), HasSubstr("topic"));
  EXPECT_THAT(Text(refused), HasSubstr("all 3 loans"));
  EXPECT_THAT(Text(refused), HasSubstr("max_loans"));
  EXPECT_EQ(publisher->counts().loans_refused, 1u);
  loans.pop_back();
  EXPECT_TRUE(publisher->Loan().ok());
}

TEST_F(RefusalTest, AFullPoolSaysWhichProcessHoldsHowManyAndWhatIsQueuedAndInHistory) {
  Node node = MakeNode();
  auto publisher =
      node.CreatePublisher<Payload>("topic", {.history = 5, .max_loans = 2, .pool_bytes_max = kSmallestPool});
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  auto greedy = StartHolder(/*hold=*/30, /*depth=*/300);
  auto modest = StartHolder(/*hold=*/7, /*depth=*/9);
  ASSERT_EQ(greedy->channel().ReceiveText(), "ready");
  ASSERT_EQ(modest->channel().ReceiveText(), "ready");
  uint64_t number = 0;
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(PublishOne(*publisher, ++number).ok());
  ASSERT_EQ(greedy->channel().ReceiveText(), "holds");
  ASSERT_EQ(modest->channel().ReceiveText(), "holds");
  auto loan = publisher->Loan();  // one is on loan
  ASSERT_TRUE(loan.ok()) << loan.status();

  // From here on nobody takes: the deep queue of the greedy one fills the pool.
  absl::Status refused;
  while (refused.ok() && number < 2000) refused = PublishOne(*publisher, ++number);
  ASSERT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
  const std::string text = Text(refused);
  EXPECT_THAT(text, HasSubstr("publisher of \"topic\""));
  EXPECT_THAT(text, HasSubstr("pool_bytes_max"));
  EXPECT_THAT(text, HasSubstr(std::to_string(kSmallestPool)));
  EXPECT_THAT(text, HasSubstr("1 are on loan and 5 in the history"));
  EXPECT_THAT(text, HasSubstr(absl::StrCat("pid ", greedy->pid(), " holds 30 samples")));
  EXPECT_THAT(text, HasSubstr(absl::StrCat("pid ", modest->pid(), " holds 7 samples")));
  EXPECT_THAT(text, HasSubstr(absl::StrCat("pid ", modest->pid(), " has 9 messages queued")));
  // Slots of the pool: those held, the one on loan, and what the greedy one has queued. The numbers add up.
  const uint64_t slots =
      (kSmallestPool - pool::SlotsOffset(/*history_count=*/5)) / pool::SlotStride(sizeof(Payload), kGranuleBytesMin);
  EXPECT_THAT(text, HasSubstr(absl::StrCat("Of its ", slots, " slots")));
  EXPECT_THAT(text, HasSubstr(absl::StrCat("pid ", greedy->pid(), " has ", slots - 30 - 1, " messages queued")));
  EXPECT_EQ(publisher->counts().loans_refused, 1u);
  EXPECT_LE(publisher->counts().pool_bytes_committed, kSmallestPool);

  // Who is named lets go, and it goes on.
  greedy->channel().Send("leave");
  EXPECT_EQ(greedy->Wait(), ChildEnd::Exited(0));
  EXPECT_TRUE(PublishOne(*publisher, ++number).ok());
  modest->channel().Send("leave");
  EXPECT_EQ(modest->Wait(), ChildEnd::Exited(0));
}

TEST_F(RefusalTest, WhatADeadSubscriberHeldIsTakenBackWhenThePoolIsFull) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<Payload>("topic", {.pool_bytes_max = kSmallestPool});
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  uint64_t number = 0;
  for (int round = 0; round < 3; ++round) {
    auto holder = StartHolder(/*hold=*/20, /*depth=*/1000);
    ASSERT_EQ(holder->channel().ReceiveText(), "ready");
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(PublishOne(*publisher, ++number).ok());
    ASSERT_EQ(holder->channel().ReceiveText(), "holds");
    absl::Status refused;
    uint64_t published = 0;
    for (; refused.ok() && published < 2000; ++published) refused = PublishOne(*publisher, ++number);
    ASSERT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
    EXPECT_GT(published, 50u);
    holder->Kill();
    EXPECT_EQ(holder->Wait(), ChildEnd::KilledBy(SIGKILL));
    // Nobody closes or joins: the publisher itself finds out that it is dead. It does not look more often than every
    // 50 ms.
    usleep(60'000);
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(PublishOne(*publisher, ++number).ok()) << i;
  }
}

TEST_F(RefusalTest, AFullQueueIsAnOutcomeAndAFullHandToo) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<Payload>("topic");
  auto subscriber =
      node.CreateSubscriber<Payload>("topic", {.depth = 2, .max_borrowed = 2, .when_full = WhenFull::kDropNewest});
  ASSERT_TRUE(publisher.ok() && subscriber.ok());
  uint64_t number = 0;
  const auto publish = [&] {
    auto loan = publisher->Loan();
    EXPECT_TRUE(loan.ok()) << loan.status();
    loan->value().Fill(1, ++number);
    auto sent = publisher->Publish(*std::move(loan));
    EXPECT_TRUE(sent.ok()) << sent.status();
    return *sent;
  };
  EXPECT_EQ(publish().accepted, 1u);
  EXPECT_EQ(publish().accepted, 1u);
  EXPECT_EQ(publish().dropped, 1u);
  auto first = subscriber->Take();
  auto second = subscriber->Take();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(publish().accepted, 1u);
  // Not even a waiting take waits for the user's own hand to become free.
  EXPECT_EQ(subscriber->Take().why(), Outcome::kTooManyHeld);
  EXPECT_EQ(subscriber->TakeFor(absl::Seconds(20)).why(), Outcome::kTooManyHeld);
  EXPECT_EQ(subscriber->counts().refused_held, 2u);
  EXPECT_EQ(subscriber->counts().queued, 1u);
  { auto let_go = *std::move(first); }
  auto third = subscriber->Take();
  ASSERT_TRUE(third);
  EXPECT_EQ(third->value().number, 4u);  // the third was dropped
  EXPECT_EQ(third->info().missed_before, 1u);
}

TEST_F(RefusalTest, AMessageThatOutgrowsThePoolIsRefusedAsAWholeAndThePublisherGoesOn) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<msg::Quote>("quotes", {.pool_bytes_max = kSmallestPool});
  auto subscriber = node.CreateSubscriber<msg::Quote>("quotes");
  ASSERT_TRUE(publisher.ok() && subscriber.ok());
  for (int i = 0; i < 20; ++i) {
    auto loan = publisher->Loan();
    ASSERT_TRUE(loan.ok()) << loan.status();
    // The builder goes on in private memory when there is no slot, so that this code needs no check.
    loan->builder().setSymbol(std::string(100'000, 'x').c_str());
    EXPECT_EQ(loan->builder().getSymbol().size(), 100'000u);
    const absl::Status refused = publisher->Publish(*std::move(loan)).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
    EXPECT_THAT(Text(refused), HasSubstr("pool_bytes_max"));

    auto blob_loan = publisher->Loan();
    ASSERT_TRUE(blob_loan.ok()) << blob_loan.status();
    EXPECT_EQ(blob_loan->AddBlob(100'000).status().code(), absl::StatusCode::kResourceExhausted);
    blob_loan->builder().setSequence(static_cast<uint64_t>(i));
    auto sent = publisher->Publish(*std::move(blob_loan));  // without the blob it is a message like any other
    ASSERT_TRUE(sent.ok()) << sent.status();
    EXPECT_EQ(sent->sequence, static_cast<uint64_t>(i) + 1);  // the refused one has no number
    auto taken = subscriber->Take();
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->reader().getSequence(), static_cast<uint64_t>(i));
    EXPECT_EQ(taken->info().missed_before, 0u);
  }
}

TEST_F(RefusalTest, BytesLargerThanThePoolAreRefusedByTheirLength) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<Bytes>("bytes", {.pool_bytes_max = kSmallestPool});
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  for (size_t size : {size_t{kSmallestPool}, size_t{1} << 30, size_t{5} << 30}) {
    const absl::Status refused = publisher->Loan(size).status();
    EXPECT_TRUE(absl::IsResourceExhausted(refused) || absl::IsInvalidArgument(refused)) << refused;
    EXPECT_THAT(Text(refused), HasSubstr(std::to_string(size)));
  }
  EXPECT_TRUE(publisher->Loan(30'000).ok());
}

// /dev/shm that is full, with a small tmpfs in its place that only one child sees.
class FullMemoryTest : public RefusalTest {
 protected:
  void RunInSmallMemory(const std::string& size, const std::function<void(Channel&)>& body) {
    Child child([&](Channel& parent) {
      const std::string reason = test::MountSmallFilesystem(root_.path(), size);
      parent.Send(reason);
      if (!reason.empty()) return;
      body(parent);
      EXPECT_TRUE(root_.IsEmpty());
    });
    const auto reason = child.channel().ReceiveText();
    ASSERT_TRUE(reason);
    const ChildEnd end = child.Wait();
    if (!reason->empty()) WEIR_SKIP(*reason);
    EXPECT_EQ(end, ChildEnd::Exited(0));
  }
};

TEST_F(FullMemoryTest, ADomainForWhoseRegistryThereIsNoRoomIsRefusedByNameAndLeavesNothing) {
  RunInSmallMemory("2m", [&](Channel&) {
    auto node = Node::Create({.name = "first", .domain = "crowded", .root = root_.path()});
    EXPECT_EQ(node.status().code(), absl::StatusCode::kResourceExhausted) << node.status();
    EXPECT_THAT(Text(node.status()), HasSubstr("crowded"));
  });
}

TEST_F(FullMemoryTest, ALoanThatFindsSharedMemoryFullIsRefusedAndNothingThatRunsIsHurt) {
  // The registry takes 6 MiB.
  RunInSmallMemory("10m", [&](Channel&) {
    Node node = MakeNode();
    auto publisher = node.CreatePublisher<Bytes>("bytes", {.max_loans = 200});
    auto other = node.CreatePublisher<Payload>("topic", {.max_loans = 200});
    auto subscriber = node.CreateSubscriber<Payload>("topic", {.depth = 8, .max_borrowed = 8});
    ASSERT_TRUE(publisher.ok()) << publisher.status();
    ASSERT_TRUE(other.ok()) << other.status();
    ASSERT_TRUE(subscriber.ok()) << subscriber.status();
    auto leaver = node.CreateSubscriber<Payload>("topic", {.depth = 1});
    ASSERT_TRUE(leaver.ok()) << leaver.status();
    ASSERT_TRUE(PublishOne(*other, 1).ok());
    ASSERT_TRUE(leaver->Take());
    {
      std::vector<Loan<Bytes>> loans;
      absl::Status refused;
      while (loans.size() < 190) {
        auto loan = publisher->Loan(100'000);
        if (!loan.ok()) {
          refused = loan.status();
          break;
        }
        // Committed memory can be touched to its end: no SIGBUS.
        std::memset(loan->bytes().data(), 0x5a, loan->bytes().size());
        loans.push_back(*std::move(loan));
      }
      EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
      EXPECT_THAT(Text(refused), HasSubstr("the pool cannot grow"));
      EXPECT_THAT(Text(refused), HasSubstr(absl::StrCat(loans.size(), " are on loan")));
      EXPECT_GT(loans.size(), 10u);

      // Fill the last pages too. Then: making something new is refused, what there is goes on.
      auto small = publisher->Loan(1000);
      std::vector<Loan<Bytes>> small_loans;
      while (small.ok() && small_loans.size() + loans.size() < 199) {
        small_loans.push_back(*std::move(small));
        small = publisher->Loan(1000);
      }
      auto refused_publisher = node.CreatePublisher<Bytes>("more");
      EXPECT_EQ(refused_publisher.status().code(), absl::StatusCode::kResourceExhausted) << refused_publisher.status();
      auto refused_subscriber = node.CreateSubscriber<Bytes>("more", {.depth = 65536});
      EXPECT_EQ(refused_subscriber.status().code(), absl::StatusCode::kResourceExhausted)
          << refused_subscriber.status();
      // What endpoints counted has had its place since the topic was made.
      leaver = absl::CancelledError();
      auto inspector = Inspector::Open({.domain = "d", .root = root_.path()});
      ASSERT_TRUE(inspector.ok()) << inspector.status();
      auto domain = inspector->Look();
      ASSERT_TRUE(domain.ok()) << domain.status();
      uint64_t departed = 0;
      for (const TopicInfo& topic : domain->topics) departed += topic.departed.received.delivered;
      EXPECT_EQ(departed, 1u);
      auto refused_domain = Node::Create({.domain = "another", .root = root_.path()});
      EXPECT_EQ(refused_domain.status().code(), absl::StatusCode::kResourceExhausted) << refused_domain.status();
      for (uint64_t number = 2; number <= 1000; ++number) {
        ASSERT_TRUE(PublishOne(*other, number).ok());
        auto taken = subscriber->Take();
        ASSERT_TRUE(taken);
        ASSERT_TRUE(taken->value().IsWhole());
      }
    }
    {
      auto full = *std::move(publisher);  // goes, with all its memory
    }
    auto successor = node.CreatePublisher<Bytes>("bytes");
    ASSERT_TRUE(successor.ok()) << successor.status();
    EXPECT_TRUE(successor->Loan(500'000).ok());
    EXPECT_TRUE(node.CreatePublisher<Bytes>("more").ok());
  });
}

TEST_F(FullMemoryTest, ACapnpMessageThatFindsSharedMemoryFullIsRefusedAtPublish) {
  RunInSmallMemory("8m", [&](Channel&) {
    Node node = MakeNode();
    auto publisher = node.CreatePublisher<msg::Quote>("quotes");
    ASSERT_TRUE(publisher.ok()) << publisher.status();
    auto loan = publisher->Loan();
    ASSERT_TRUE(loan.ok()) << loan.status();
    loan->builder().setSymbol(std::string(8'000'000, 'x').c_str());
    const absl::Status refused = publisher->Publish(*std::move(loan)).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
    EXPECT_THAT(Text(refused), HasSubstr("the pool cannot grow"));
    auto next = publisher->Loan();
    ASSERT_TRUE(next.ok()) << next.status();
    next->builder().setSymbol("fits");
    EXPECT_TRUE(publisher->Publish(*std::move(next)).ok());
  });
}

}  // namespace
}  // namespace weir
