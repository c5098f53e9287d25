// Every message is accounted for. Publishers and subscribers are processes of their own; each term of
//
//   pushed + from history = delivered + evicted + invalid + duplicate + still queued
//
// is a counter of another process, or, for what is still queued, read from the queue's file by the test. That the sums
// agree is not enough (two errors may cancel out), so the test also compares the sets: what the subscribers took, what
// publishers know to have been dropped or evicted, and what still lies in the queues is exactly what was published.
// weir-test: timeout=120
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <weir/weir.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "discovery/snapshot.h"
#include "tests/pubsub/payload.h"
#include "tests/pubsub/queue_files.h"
#include "tests/pubsub/shared_page.h"
#include "tests/support/child.h"
#include "tests/support/random.h"
#include "tests/support/test_root.h"

namespace weir {
namespace {

using test::Channel;
using test::Child;
using test::ChildEnd;
using test::Payload;

constexpr char kTopic[] = "numbers";

// One Publish as its publisher saw it.
struct Sent {
  uint64_t sequence;
  uint32_t accepted;
  uint32_t dropped;
};

// One sample as its subscriber saw it.
struct Got {
  uint64_t writer;
  uint64_t number;
  uint64_t sequence;
  uint64_t publisher_id;
  uint64_t missed_before;
  bool from_history;
};

struct SubscriberPlan {
  WhenFull when_full = WhenFull::kOverwriteOldest;
  uint32_t depth = 16;
  // Stops taking after so many samples, so that something stays queued, or is dropped, or is blocked for in vain.
  uint64_t take_at_most = ~uint64_t{0};
};

struct Flags {
  std::atomic<bool> stop{false};  // subscribers: take no more
};

struct PublisherReport {
  PublisherCounts counts;
  std::vector<Sent> sent;
};

struct SubscriberReport {
  SubscriberCounts counts;
  LatencyHistogram latency;
  std::vector<Got> got;
  std::vector<test::QueuedMessage> queued;
};

// A message's name within a test: who wrote it, and its number.
using Message = std::pair<uint64_t, uint64_t>;

class AccountingTest : public testing::Test {
 protected:
  AccountingTest() { test::Seed(); }  // here, so that it is printed once and not by every child

  // A process that publishes `messages` each time it is told to ("go"), reports, and leaves when told to ("leave").
  std::unique_ptr<Child> StartPublisher(uint64_t writer, uint64_t messages, const PublisherOptions& options,
                                        uint32_t subscribers) {
    return std::make_unique<Child>([=, this](Channel& parent) {
      auto node = Node::Create({.name = "publisher", .domain = "d", .root = root_.path()});
      ASSERT_TRUE(node.ok()) << node.status();
      auto publisher = node->CreatePublisher<Payload>(kTopic, options);
      ASSERT_TRUE(publisher.ok()) << publisher.status();
      ASSERT_TRUE(publisher->WaitForSubscribers(subscribers, absl::Seconds(30)).ok());
      auto random = test::SeededRandom("publisher " + std::to_string(writer));
      parent.Send("ready");
      std::vector<Sent> sent;
      uint64_t number = 0;
      while (parent.ReceiveText(std::chrono::minutes(2)) == "go") {
        for (uint64_t i = 0; i < messages; ++i) {
          auto loan = publisher->Loan();
          ASSERT_TRUE(loan.ok()) << loan.status();
          loan->value().Fill(writer, ++number);
          auto result = publisher->Publish(*std::move(loan));
          ASSERT_TRUE(result.ok()) << result.status();
          ASSERT_EQ(result->sequence, number);
          sent.push_back({result->sequence, result->accepted, result->dropped});
          if (random() % 128 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
        }
        parent.Send(publisher->counts());
        parent.SendVector(sent);
      }
    });
  }

  // A process that takes until it is told to stop, or has enough; holds up to six samples all the time; reports.
  std::unique_ptr<Child> StartSubscriber(const SubscriberPlan& plan, const TopicOptions& topic) {
    return std::make_unique<Child>([=, this](Channel& parent) {
      auto node = Node::Create({.name = "subscriber", .domain = "d", .root = root_.path()});
      ASSERT_TRUE(node.ok()) << node.status();
      auto subscriber = node->CreateSubscriber<Payload>(
          kTopic, {.topic = topic, .depth = plan.depth, .max_borrowed = 8, .when_full = plan.when_full});
      ASSERT_TRUE(subscriber.ok()) << subscriber.status();
      auto random = test::SeededRandom("subscriber " + std::to_string(plan.depth));
      parent.Send("ready");

      std::vector<Got> got;
      std::deque<std::pair<Sample<Payload>, Message>> held;
      const auto drop = [&held](size_t which) {
        const auto& [sample, message] = held[which];
        EXPECT_EQ(Message(sample.value().writer, sample.value().number), message);
        EXPECT_TRUE(sample.value().IsWhole());
        held.erase(held.begin() + static_cast<ptrdiff_t>(which));
      };
      while (got.size() < plan.take_at_most && !flags_->stop.load()) {
        auto taken = subscriber->TakeFor(absl::Milliseconds(20));
        if (taken.why() == Outcome::kTimedOut || taken.why() == Outcome::kInvalid) continue;
        ASSERT_TRUE(taken) << OutcomeName(taken.why()) << " " << subscriber->last_error();
        const Payload& payload = taken->value();
        ASSERT_TRUE(payload.IsWhole());
        const SampleInfo& info = taken->info();
        got.push_back(
            {payload.writer, payload.number, info.sequence, info.publisher_id, info.missed_before, info.from_history});
        held.emplace_back(*std::move(taken), Message(payload.writer, payload.number));
        while (held.size() > 6) drop(random() % held.size());
        if (random() % 64 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
      }
      while (!held.empty()) drop(0);
      parent.Send("done");
      // Counted only now, when nobody publishes any more.
      ASSERT_EQ(parent.ReceiveText(std::chrono::minutes(2)), "report");
      parent.Send(subscriber->counts());
      parent.Send(subscriber->latency());
      parent.SendVector(got);
      ASSERT_EQ(parent.ReceiveText(std::chrono::minutes(2)), "leave");
    });
  }

  static void ExpectReady(Child& child) { ASSERT_EQ(child.channel().ReceiveText(), "ready"); }

  static std::optional<PublisherReport> Report(Child& publisher) {
    auto counts = publisher.channel().Receive<PublisherCounts>(std::chrono::minutes(2));
    auto sent = publisher.channel().ReceiveVector<Sent>();
    if (!counts || !sent) return std::nullopt;
    return PublisherReport{*counts, *std::move(sent)};
  }

  std::optional<SubscriberReport> Report(Child& subscriber, const discovery::Snapshot& domain) {
    if (subscriber.channel().ReceiveText(std::chrono::minutes(2)) != "done") return std::nullopt;
    SubscriberReport report;
    report.queued = test::ReadQueueOf(domain, subscriber.pid());
    subscriber.channel().Send("report");
    auto counts = subscriber.channel().Receive<SubscriberCounts>();
    auto latency = subscriber.channel().Receive<LatencyHistogram>();
    auto got = subscriber.channel().ReceiveVector<Got>();
    if (!counts || !latency || !got) return std::nullopt;
    report.counts = *counts;
    report.latency = *latency;
    report.got = *std::move(got);
    return report;
  }

  static void Leave(Child& child) {
    child.channel().Send("leave");
    EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
  }

  discovery::Snapshot Domain() {
    auto domain = discovery::Snapshot::Open(root_.path(), "d");
    EXPECT_TRUE(domain.ok()) << domain.status();
    return *std::move(domain);
  }

  void TearDown() override { EXPECT_TRUE(root_.IsEmpty()); }

  test::TestRoot root_;
  test::SharedPage<Flags> flags_;
};

// The sums.
void ExpectBalanced(const std::vector<PublisherReport>& publishers, const std::vector<SubscriberReport>& subscribers) {
  uint64_t pushed = 0, evicted = 0, refused = 0, published = 0;
  for (const PublisherReport& publisher : publishers) {
    const PublisherCounts& c = publisher.counts;
    pushed += c.pushed;
    evicted += c.evicted;
    refused += c.refused_full + c.refused_timed_out;
    published += c.published;
    EXPECT_EQ(c.refused_corrupt, 0u);
    EXPECT_EQ(c.published, publisher.sent.size());
    uint64_t accepted = 0, dropped = 0;
    for (const Sent& sent : publisher.sent) {
      accepted += sent.accepted;
      dropped += sent.dropped;
    }
    EXPECT_EQ(c.pushed, accepted);
    EXPECT_EQ(c.refused_full + c.refused_timed_out, dropped);
    EXPECT_EQ(c.published_bytes, c.published * sizeof(Payload));
    EXPECT_EQ(c.message_bytes_max, sizeof(Payload));
    EXPECT_EQ(c.loans, c.published);
    EXPECT_GT(c.pool_bytes_in_use, 0u);  // something is queued
    EXPECT_LE(c.pool_bytes_in_use, c.pool_bytes_committed);
  }
  uint64_t delivered = 0, from_history = 0, invalid = 0, duplicate = 0, queued = 0, removed = 0, taken = 0;
  for (const SubscriberReport& subscriber : subscribers) {
    const SubscriberCounts& c = subscriber.counts;
    delivered += c.delivered;
    from_history += c.from_history;
    invalid += c.invalid;
    duplicate += c.duplicate;
    taken += c.taken;
    removed += c.removed;
    queued += subscriber.queued.size();
    EXPECT_EQ(c.delivered, subscriber.got.size());
    EXPECT_EQ(c.queued, subscriber.queued.size());
    EXPECT_EQ(c.taken, c.delivered - c.from_history + c.invalid + c.duplicate);
    EXPECT_EQ(c.torn, 0u);
    EXPECT_EQ(c.held, 0u);
    EXPECT_EQ(c.taken_bytes, c.delivered * sizeof(Payload));
    EXPECT_GE(c.queued_max, c.queued);
    // Every message is stamped, and its latency counted unless it came from a history.
    EXPECT_EQ(subscriber.latency.count(), c.delivered - c.from_history);
  }
  EXPECT_EQ(pushed + from_history, delivered + evicted + invalid + duplicate + queued);
  EXPECT_EQ(removed, taken + evicted);  // what heads moved, across all queues
}

// The sets.
void ExpectSetsAgree(const std::map<uint64_t, PublisherReport>& publishers,
                     const std::vector<SubscriberReport>& subscribers) {
  // Copies of each message: taken from a queue, or still in one.
  std::map<Message, uint32_t> copies;
  for (const SubscriberReport& subscriber : subscribers) {
    std::map<uint64_t, uint64_t> last;  // by writer; strictly ascending means in order and nothing twice
    std::map<uint64_t, uint64_t> ids;   // publisher_id by writer
    uint64_t missed = 0;
    for (const Got& got : subscriber.got) {
      ASSERT_EQ(got.number, got.sequence);
      ASSERT_TRUE(publishers.contains(got.writer));
      ASSERT_LE(got.number, publishers.at(got.writer).sent.size());
      ASSERT_EQ(ids.emplace(got.writer, got.publisher_id).first->second, got.publisher_id);
      const auto [it, first] = last.emplace(got.writer, got.number);
      if (!first) {
        ASSERT_GT(got.number, it->second) << "writer " << got.writer << " out of order, or twice";
        ASSERT_EQ(got.missed_before, got.number - it->second - 1);
        it->second = got.number;
      }
      missed += got.missed_before;
      if (!got.from_history) ++copies[{got.writer, got.number}];
    }
    EXPECT_EQ(subscriber.counts.missed, missed);
    for (const test::QueuedMessage& queued : subscriber.queued) {
      ASSERT_TRUE(queued.whole);
      ASSERT_EQ(queued.number, queued.sequence);
      uint64_t& previous = last[queued.writer];
      ASSERT_GT(queued.number, previous) << "writer " << queued.writer << " is queued out of order, or twice";
      previous = queued.number;
      ++copies[{queued.writer, queued.number}];
    }
  }
  uint64_t invalid = 0, lost = 0, evicted = 0;
  for (const SubscriberReport& subscriber : subscribers) invalid += subscriber.counts.invalid;
  for (const auto& [writer, publisher] : publishers) {
    evicted += publisher.counts.evicted;
    for (const Sent& sent : publisher.sent) {
      const auto found = copies.find({writer, sent.sequence});
      const uint32_t there = found == copies.end() ? 0 : found->second;
      ASSERT_LE(there, sent.accepted) << "message " << sent.sequence << " of " << writer << " is where it was refused";
      lost += sent.accepted - there;
      if (found != copies.end()) copies.erase(found);
    }
  }
  EXPECT_TRUE(copies.empty()) << copies.size() << " messages that nobody published";
  // With nothing evicted and nothing damaged this says for every single message: there are as many copies of it as
  // queues that accepted it.
  EXPECT_EQ(lost, evicted + invalid);
}

std::map<uint64_t, PublisherReport> ByWriter(const std::vector<PublisherReport>& publishers) {
  std::map<uint64_t, PublisherReport> by_writer;
  for (size_t i = 0; i < publishers.size(); ++i) by_writer[i + 1] = publishers[i];
  return by_writer;
}

// All forms of a queue: exclusive or shared topic, and by the policy an owned or a shared head.
struct Form {
  bool exclusive;
  WhenFull when_full;
};

std::string NameOf(const testing::TestParamInfo<Form>& info) {
  const char* policies[] = {"Overwriting", "DroppingNewest", "Blocking"};
  return std::string(info.param.exclusive ? "Exclusive" : "Shared") +
         policies[static_cast<size_t>(info.param.when_full)];
}

class FormAccountingTest : public AccountingTest, public testing::WithParamInterface<Form> {};

TEST_P(FormAccountingTest, EveryMessageOfEveryPublisherIsTakenOrDroppedOrEvictedOrStillQueued) {
  constexpr uint64_t kWriters = 3, kMessages = 8000;
  const TopicOptions topic = {.exclusive = GetParam().exclusive};
  const WhenFull when_full = GetParam().when_full;
  // Two that take everything they get; two that stop before they can have taken all that fits into their queue.
  const SubscriberPlan plans[] = {{.when_full = when_full, .depth = 16},
                                  {.when_full = when_full, .depth = 5},
                                  {.when_full = when_full, .depth = 50, .take_at_most = 40},
                                  {.when_full = when_full, .depth = 700, .take_at_most = 500}};
  const auto subscriber_count = static_cast<uint32_t>(std::size(plans));
  std::vector<std::unique_ptr<Child>> subscribers;
  for (const SubscriberPlan& plan : plans) subscribers.push_back(StartSubscriber(plan, topic));
  for (auto& subscriber : subscribers) ASSERT_NO_FATAL_FAILURE(ExpectReady(*subscriber));

  std::vector<std::unique_ptr<Child>> writers;
  std::vector<PublisherReport> publisher_reports;
  const PublisherOptions options = {.topic = topic, .max_block = absl::Milliseconds(3)};
  if (topic.exclusive) {
    // One after the other; each goes on in queues that still hold the messages of those before it.
    for (uint64_t writer = 1; writer <= kWriters; ++writer) {
      auto child = StartPublisher(writer, kMessages, options, subscriber_count);
      ASSERT_NO_FATAL_FAILURE(ExpectReady(*child));
      child->channel().Send("go");
      auto report = Report(*child);
      ASSERT_TRUE(report);
      publisher_reports.push_back(*std::move(report));
      Leave(*child);
    }
  } else {
    for (uint64_t writer = 1; writer <= kWriters; ++writer) {
      writers.push_back(StartPublisher(writer, kMessages, options, subscriber_count));
    }
    for (auto& writer : writers) ASSERT_NO_FATAL_FAILURE(ExpectReady(*writer));
    for (auto& writer : writers) writer->channel().Send("go");
    for (auto& writer : writers) {
      auto report = Report(*writer);
      ASSERT_TRUE(report);
      publisher_reports.push_back(*std::move(report));
    }
  }
  flags_->stop = true;
  std::vector<SubscriberReport> subscriber_reports;
  {
    const discovery::Snapshot domain = Domain();
    for (auto& subscriber : subscribers) {
      auto report = Report(*subscriber, domain);
      ASSERT_TRUE(report);
      subscriber_reports.push_back(*std::move(report));
    }
  }

  ExpectBalanced(publisher_reports, subscriber_reports);
  ExpectSetsAgree(ByWriter(publisher_reports), subscriber_reports);
  // Published, per queue = taken + dropped, by reason + still queued.
  uint64_t published = 0, taken_or_dropped = 0;
  for (const PublisherReport& report : publisher_reports) {
    const PublisherCounts& c = report.counts;
    published += c.published * subscriber_count;
    taken_or_dropped += c.evicted + c.refused_full + c.refused_timed_out + c.refused_corrupt;
  }
  for (size_t i = 0; i < subscriber_reports.size(); ++i) {
    const SubscriberCounts& c = subscriber_reports[i].counts;
    taken_or_dropped += c.delivered + c.invalid + c.queued;
    EXPECT_GT(c.queued_max, 0u);
    EXPECT_LE(c.queued_max, plans[i].depth);
  }
  EXPECT_EQ(published, taken_or_dropped);
  EXPECT_EQ(subscriber_reports[2].counts.queued_max, plans[2].depth);  // it stopped taking before it was full
  // The run was what it was meant to be: something is still queued, and something was evicted or refused.
  EXPECT_FALSE(subscriber_reports[2].queued.empty());
  EXPECT_FALSE(subscriber_reports[3].queued.empty());
  uint64_t evicted = 0, full = 0, timed_out = 0;
  for (const PublisherReport& report : publisher_reports) {
    evicted += report.counts.evicted;
    full += report.counts.refused_full;
    timed_out += report.counts.refused_timed_out;
  }
  EXPECT_EQ(evicted > 0, when_full == WhenFull::kOverwriteOldest);
  EXPECT_EQ(full > 0, when_full == WhenFull::kDropNewest);
  EXPECT_EQ(timed_out > 0, when_full == WhenFull::kBlock);

  for (auto& writer : writers) Leave(*writer);
  for (auto& subscriber : subscribers) Leave(*subscriber);
}

INSTANTIATE_TEST_SUITE_P(Forms, FormAccountingTest,
                         testing::Values(Form{false, WhenFull::kOverwriteOldest}, Form{false, WhenFull::kDropNewest},
                                         Form{false, WhenFull::kBlock}, Form{true, WhenFull::kOverwriteOldest},
                                         Form{true, WhenFull::kDropNewest}, Form{true, WhenFull::kBlock}),
                         NameOf);

TEST_F(AccountingTest, AllPoliciesOnOneTopicBalanceTogether) {
  constexpr uint64_t kWriters = 4, kMessages = 3000;
  const SubscriberPlan plans[] = {{.when_full = WhenFull::kOverwriteOldest, .depth = 3},
                                  {.when_full = WhenFull::kDropNewest, .depth = 64},
                                  {.when_full = WhenFull::kBlock, .depth = 100}};
  std::vector<std::unique_ptr<Child>> subscribers, writers;
  for (const SubscriberPlan& plan : plans) subscribers.push_back(StartSubscriber(plan, {}));
  for (auto& subscriber : subscribers) ASSERT_NO_FATAL_FAILURE(ExpectReady(*subscriber));
  for (uint64_t writer = 1; writer <= kWriters; ++writer) {
    writers.push_back(StartPublisher(writer, kMessages, {.max_block = absl::Seconds(60)}, 3));
  }
  for (auto& writer : writers) ASSERT_NO_FATAL_FAILURE(ExpectReady(*writer));
  for (auto& writer : writers) writer->channel().Send("go");
  std::vector<PublisherReport> publisher_reports;
  for (auto& writer : writers) {
    auto report = Report(*writer);
    ASSERT_TRUE(report);
    publisher_reports.push_back(*std::move(report));
  }
  flags_->stop = true;
  std::vector<SubscriberReport> subscriber_reports;
  const discovery::Snapshot domain = Domain();
  for (auto& subscriber : subscribers) {
    auto report = Report(*subscriber, domain);
    ASSERT_TRUE(report);
    subscriber_reports.push_back(*std::move(report));
  }
  ExpectBalanced(publisher_reports, subscriber_reports);
  ExpectSetsAgree(ByWriter(publisher_reports), subscriber_reports);
  // Nobody timed out, so the blocking subscriber has, or will take, everything, and has missed nothing.
  EXPECT_EQ(subscriber_reports[2].got.size() + subscriber_reports[2].queued.size(), kWriters * kMessages);
  EXPECT_EQ(subscriber_reports[2].counts.missed, 0u);
  for (auto& writer : writers) Leave(*writer);
  for (auto& subscriber : subscribers) Leave(*subscriber);
}

TEST_F(AccountingTest, WhatCameFromHistoryIsCountedOnItsOwnSide) {
  constexpr uint64_t kWriters = 3, kMessages = 500, kHistory = 7;
  std::vector<std::unique_ptr<Child>> subscribers, writers;
  subscribers.push_back(StartSubscriber({.when_full = WhenFull::kOverwriteOldest, .depth = 32}, {}));
  ASSERT_NO_FATAL_FAILURE(ExpectReady(*subscribers[0]));
  for (uint64_t writer = 1; writer <= kWriters; ++writer) {
    writers.push_back(StartPublisher(writer, kMessages, {.history = kHistory}, 1));
  }
  for (auto& writer : writers) ASSERT_NO_FATAL_FAILURE(ExpectReady(*writer));
  for (auto& writer : writers) writer->channel().Send("go");
  // These join in the middle of it: what they get twice, from a history and from their queue, they deliver once.
  for (uint32_t i = 0; i < 3; ++i) {
    subscribers.push_back(StartSubscriber({.when_full = WhenFull::kDropNewest, .depth = 1000 + i}, {}));
    ASSERT_NO_FATAL_FAILURE(ExpectReady(*subscribers.back()));
  }
  for (auto& writer : writers) ASSERT_TRUE(Report(*writer));
  // This one joins while all are idle, and gets the history and nothing else before they go on.
  subscribers.push_back(StartSubscriber({.when_full = WhenFull::kDropNewest, .depth = 2000}, {}));
  ASSERT_NO_FATAL_FAILURE(ExpectReady(*subscribers.back()));
  for (auto& writer : writers) writer->channel().Send("go");
  std::vector<PublisherReport> publisher_reports;
  for (auto& writer : writers) {
    auto report = Report(*writer);
    ASSERT_TRUE(report);
    publisher_reports.push_back(*std::move(report));
  }
  flags_->stop = true;
  std::vector<SubscriberReport> subscriber_reports;
  const discovery::Snapshot domain = Domain();
  for (auto& subscriber : subscribers) {
    auto report = Report(*subscriber, domain);
    ASSERT_TRUE(report);
    subscriber_reports.push_back(*std::move(report));
  }
  ExpectBalanced(publisher_reports, subscriber_reports);
  ExpectSetsAgree(ByWriter(publisher_reports), subscriber_reports);

  const SubscriberReport& last = subscriber_reports.back();
  EXPECT_EQ(last.counts.from_history, kWriters * kHistory);
  std::set<Message> latched;
  for (const Got& got : last.got) {
    if (got.from_history) latched.insert({got.writer, got.number});
  }
  std::set<Message> expected;
  for (uint64_t writer = 1; writer <= kWriters; ++writer) {
    for (uint64_t number = kMessages - kHistory + 1; number <= kMessages; ++number) expected.insert({writer, number});
  }
  EXPECT_EQ(latched, expected);
  // The rest came through the queue, which was deep enough.
  EXPECT_EQ(last.got.size() + last.queued.size(), kWriters * (kHistory + kMessages));
  EXPECT_EQ(last.counts.missed, 0u);
  for (auto& writer : writers) Leave(*writer);
  for (auto& subscriber : subscribers) Leave(*subscriber);
}

TEST_F(AccountingTest, ADamagedMessageIsCountedAsInvalidAndNothingElseIsLost) {
  constexpr uint64_t kMessages = 100;
  auto node = Node::Create({.domain = "d", .root = root_.path()});
  ASSERT_TRUE(node.ok()) << node.status();
  auto subscriber = node->CreateSubscriber<Payload>(kTopic, {.depth = 200});
  ASSERT_TRUE(subscriber.ok()) << subscriber.status();
  auto writer = StartPublisher(1, kMessages, {}, 1);
  ASSERT_NO_FATAL_FAILURE(ExpectReady(*writer));
  writer->channel().Send("go");
  auto report = Report(*writer);
  ASSERT_TRUE(report);

  const std::vector<test::QueuedMessage> queued = test::ReadQueueOf(Domain(), getpid());
  ASSERT_EQ(queued.size(), kMessages);
  std::set<uint64_t> damaged;
  for (size_t i : {size_t{3}, size_t{4}, size_t{60}}) {
    const int file = open(queued[i].pool.c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_GE(file, 0);
    const uint64_t being_built = 0;  // the slot header's sequence
    EXPECT_EQ(pwrite(file, &being_built, sizeof(being_built), static_cast<off_t>(queued[i].header_offset)), 8);
    close(file);
    damaged.insert(queued[i].number);
  }
  std::vector<uint64_t> got;
  uint64_t invalid = 0;
  for (;;) {
    auto taken = subscriber->Take();
    if (taken.why() == Outcome::kEmpty) break;
    if (taken.why() == Outcome::kInvalid) {
      EXPECT_EQ(subscriber->last_error().code(), absl::StatusCode::kDataLoss) << subscriber->last_error();
      ++invalid;
      continue;
    }
    ASSERT_TRUE(taken);
    got.push_back(taken->value().number);
  }
  EXPECT_EQ(invalid, damaged.size());
  const SubscriberCounts counts = subscriber->counts();
  EXPECT_EQ(counts.invalid, damaged.size());
  EXPECT_EQ(report->counts.pushed + counts.from_history,
            counts.delivered + report->counts.evicted + counts.invalid + counts.duplicate + counts.queued);
  std::vector<uint64_t> expected;
  for (uint64_t number = 1; number <= kMessages; ++number) {
    if (!damaged.contains(number)) expected.push_back(number);
  }
  EXPECT_EQ(got, expected);
  Leave(*writer);
}

TEST_F(AccountingTest, ASampleThatIsWrittenToWhileItIsHeldIsCountedAsTorn) {
  auto node = Node::Create({.domain = "d", .root = root_.path()});
  ASSERT_TRUE(node.ok()) << node.status();
  auto subscriber = node->CreateSubscriber<Payload>(kTopic);
  ASSERT_TRUE(subscriber.ok()) << subscriber.status();
  auto writer = StartPublisher(1, 3, {}, 1);
  ASSERT_NO_FATAL_FAILURE(ExpectReady(*writer));
  writer->channel().Send("go");
  ASSERT_TRUE(Report(*writer));
  const std::vector<test::QueuedMessage> queued = test::ReadQueueOf(Domain(), getpid());
  ASSERT_EQ(queued.size(), 3u);
  std::vector<Sample<Payload>> samples;
  while (auto taken = subscriber->Take()) samples.push_back(*std::move(taken));
  ASSERT_EQ(samples.size(), 3u);
  EXPECT_EQ(subscriber->counts().held, 3u);
  const int file = open(queued[1].pool.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(file, 0);
  const uint64_t being_built = 0;  // the slot header's sequence
  EXPECT_EQ(pwrite(file, &being_built, sizeof(being_built), static_cast<off_t>(queued[1].header_offset)), 8);
  close(file);
  samples.clear();
  EXPECT_EQ(subscriber->counts().torn, 1u);
  EXPECT_EQ(subscriber->counts().delivered, 3u);
  EXPECT_EQ(subscriber->counts().held, 0u);
  EXPECT_EQ(subscriber->counts().queued_max, 3u);
  Leave(*writer);
}

}  // namespace
}  // namespace weir
