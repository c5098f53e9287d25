// Round after round a process that publishes and subscribes is killed in the middle of it, while two others, the
// survivors, go on. After each round the survivors must have gone on, everything they took must have been right, no
// slot of the surviving publisher may be lost, and after a cleanup only the files of the living may be there.
//
// Topics: on "shared" everybody publishes and subscribes; "exclusive" belongs to the surviving publisher; on "relay",
// an exclusive topic too, each victim's publisher is the successor of the one that was killed before. With the three
// policies on each that is every form of a queue, on the side of the survivors and on that of the victims.
#ifndef WEIR_TESTS_PUBSUB_DEATH_ROUNDS_H_
#define WEIR_TESTS_PUBSUB_DEATH_ROUNDS_H_

#include <gtest/gtest.h>
#include <unistd.h>
#include <weir/weir.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "middleware/pool/pool_layout.h"
#include "middleware/pool/size_classes.h"
#include "tests/pubsub/payload.h"
#include "tests/pubsub/shared_page.h"
#include "tests/support/child.h"
#include "tests/support/crash_at.h"
#include "tests/support/random.h"
#include "tests/support/test_root.h"
#include "tests/support/wait.h"

namespace weir::test {

inline constexpr char kTopicNames[][10] = {"shared", "exclusive", "relay"};
enum TopicNumber { kShared = 0, kExclusive = 1, kRelay = 2 };

inline TopicOptions OptionsOf(int topic) {
  return {.exclusive = topic != kShared};
}

inline constexpr uint64_t kSurvivor = 1;  // the writer's number in its messages
inline constexpr uint32_t kSurvivorHistory = 3;
// Of the survivors' queues on one topic a slot can be in 3 + 4 + 5 places, they hold 3 x (3 + 1 + history); of each of
// two victims' two queues 8 + 3 + 1 + history; the history, a loan. That is at most 100, and the victim of the round
// before may not have been cleaned up. A Loan of the survivor is never refused.
inline constexpr uint64_t kSurvivorSlots = 120;
inline constexpr uint32_t kDepths[] = {4, 5, 3};  // by policy
inline constexpr uint32_t kSurvivorBorrowed = 3;

// What the processes of a test tell each other while they run.
struct Stage {
  std::atomic<uint64_t> published[2] = {};  // by the surviving publisher, on "shared" and on "exclusive"
  std::atomic<uint64_t> taken[2] = {};      // of these, by the surviving subscriber that misses nothing

  // Pausing, in the order in which they are set: the test asks; the publisher stops; both subscribers have drained
  // their queues and hold nothing; the test wants the slots counted; they have been.
  std::atomic<bool> pause{false};
  std::atomic<bool> publisher_paused{false};
  std::atomic<int> subscribers_paused{0};
  std::atomic<bool> count_slots{false};
  std::atomic<bool> slots_counted{false};
  std::atomic<bool> publisher_leaves{false};
  std::atomic<bool> subscribers_leave{false};

  // The first thing that was wrong, in any process.
  std::atomic<uint32_t> failures{0};
  std::atomic<bool> failure_written{false};
  char failure[1000] = {};

  void Fail(const std::string& text) {
    if (failures.fetch_add(1) != 0) return;
    std::strncpy(failure, text.c_str(), sizeof(failure) - 1);
    failure_written = true;
  }
};

// At a crash point, now and then, as if the process had been preempted there.
inline void DawdleAtCrashPoints() {
  g_crash_hook.store([](const char*) {
    thread_local std::minstd_rand random(static_cast<uint32_t>(getpid()));
    const auto dice = random() % 256;
    if (dice == 0) usleep(static_cast<useconds_t>(random() % 300));
    if (dice < 8) std::this_thread::yield();
  });
}
// Often, and long, in the middle of a take.
inline void DawdleWhenTaking() {
  g_crash_hook.store([](const char* point) {
    thread_local std::minstd_rand random(static_cast<uint32_t>(getpid()));
    if (std::string_view(point).starts_with("queue.take.") && random() % 8 == 0) {
      usleep(static_cast<useconds_t>(random() % 500));
    }
  });
}

// A subscriber that checks all it gets.
class Taker {
 public:
  Taker(Stage& stage, Node& node, int topic, const SubscriberOptions& options, std::string name)
      : stage_(stage), topic_(topic), max_borrowed_(options.max_borrowed), name_(std::move(name)) {
    SubscriberOptions all = options;
    all.topic = OptionsOf(topic);
    auto made = node.CreateSubscriber<Payload>(kTopicNames[topic], all);
    if (!made.ok()) {
      stage_.Fail(name_ + " cannot subscribe: " + made.status().ToString());
      return;
    }
    subscriber_.emplace(*std::move(made));
    misses_nothing_ = options.when_full == WhenFull::kBlock;
  }
  ~Taker() {
    CheckTorn();
    subscriber_.reset();  // with samples held
    while (!held_.empty()) Drop(0);
  }
  Taker(const Taker&) = delete;
  Taker& operator=(const Taker&) = delete;

  bool blocks_publishers() const { return misses_nothing_; }

  // Takes one and keeps it; drops an older one if it must. False if there was none.
  bool Step(std::minstd_rand& random, absl::Duration wait = absl::ZeroDuration()) {
    if (!subscriber_) return false;
    while (held_.size() >= max_borrowed_ || (!held_.empty() && random() % 4 == 0)) Drop(random() % held_.size());
    auto taken = wait == absl::ZeroDuration() ? subscriber_->Take() : subscriber_->TakeFor(wait);
    if (taken.why() == Outcome::kEmpty || taken.why() == Outcome::kTimedOut) return false;
    if (!taken) {
      stage_.Fail(
          absl::StrCat(name_, " took nothing: ", OutcomeName(taken.why()), ", ", subscriber_->last_error().ToString()));
      return false;
    }
    Check(taken->value(), taken->info());
    const uint64_t writer = taken->value().writer, number = taken->value().number;
    held_.push_back({*std::move(taken), writer, number});
    return true;
  }

  void DropAll() {
    while (!held_.empty()) Drop(0);
  }

 private:
  struct Held {
    Sample<Payload> sample;
    uint64_t writer;
    uint64_t number;
  };

  void Check(const Payload& payload, const SampleInfo& info) {
    const auto wrong = [&](const char* what) {
      stage_.Fail(absl::StrCat(
          name_, ": ", what, ": message ", payload.number, " of writer ", payload.writer, ", sequence ", info.sequence,
          ", publisher ", info.publisher, ", ", info.missed_before, " missed before, last ", last_[info.publisher_id],
          info.from_history ? ", from history" : "", "; on ", kTopicNames[topic_], ", sample ",
          subscriber_->counts().delivered, " of which from history ", subscriber_->counts().from_history));
    };
    if (!payload.IsWhole()) return wrong("the payload's checksum is wrong");
    if (payload.number != info.sequence) return wrong("another message's header");
    uint64_t& last = last_[info.publisher_id];
    if (last != 0 && info.sequence <= last) return wrong("out of order, or twice");
    if (last != 0 && info.missed_before != info.sequence - last - 1) return wrong("missed_before is wrong");
    const uint64_t before = std::exchange(last, info.sequence);
    if (payload.writer != kSurvivor || topic_ == kRelay || !misses_nothing_) return;
    // A history may have moved on while it was read; what comes through the queue has no gap.
    if (last_queued_ != 0 && info.sequence != last_queued_ + 1) {
      last = before;
      return wrong("the survivor's messages have a gap");
    }
    if (!info.from_history) last_queued_ = info.sequence;
    if (counts_for_stage_) stage_.taken[topic_].fetch_add(1);
  }

  void Drop(size_t which) {
    const Held& held = held_[which];
    if (!held.sample.value().IsWhole() || held.sample.value().writer != held.writer ||
        held.sample.value().number != held.number) {
      stage_.Fail(absl::StrCat(name_, ": message ", held.number, " of writer ", held.writer, " changed to ",
                               held.sample.value().number, " of ", held.sample.value().writer, " while it was held"));
    }
    held_.erase(held_.begin() + static_cast<ptrdiff_t>(which));
  }

  void CheckTorn() {
    if (subscriber_ && subscriber_->counts().torn != 0) stage_.Fail(name_ + ": a sample was written to");
  }

  Stage& stage_;
  const int topic_;
  const size_t max_borrowed_;
  const std::string name_;
  std::optional<Subscriber<Payload>> subscriber_;
  bool misses_nothing_ = false;
  std::map<uint64_t, uint64_t> last_;  // by publisher_id
  uint64_t last_queued_ = 0;           // of the survivor
  std::deque<Held> held_;

 public:
  bool counts_for_stage_ = false;
};

class Writer {
 public:
  Writer(Stage& stage, Node& node, int topic, PublisherOptions options, uint64_t writer)
      : stage_(stage), writer_(writer), name_(absl::StrCat("writer ", writer, " on ", kTopicNames[topic])) {
    options.topic = OptionsOf(topic);
    auto made = node.CreatePublisher<Payload>(kTopicNames[topic], options);
    if (!made.ok()) {
      stage_.Fail(name_ + " cannot be made: " + made.status().ToString());
      return;
    }
    publisher_.emplace(*std::move(made));
  }

  void Publish() {
    if (!publisher_) return;
    auto loan = publisher_->Loan();
    if (!loan.ok()) return stage_.Fail(name_ + " gets no loan: " + loan.status().ToString());
    loan->value().Fill(writer_, ++number_);
    auto sent = publisher_->Publish(*std::move(loan));
    if (!sent.ok()) return stage_.Fail(name_ + " cannot publish: " + sent.status().ToString());
    if (sent->sequence != number_) return stage_.Fail(name_ + " lost its count");
  }
  void LoanAndDrop() {
    if (publisher_) auto loan = publisher_->Loan();
  }
  Publisher<Payload>& publisher() { return *publisher_; }

 private:
  Stage& stage_;
  const uint64_t writer_;
  const std::string name_;
  std::optional<Publisher<Payload>> publisher_;
  uint64_t number_ = 0;
};

class DeathRounds {
 public:
  DeathRounds() : stage_(*page_) { Seed(); }

  // Starts the survivors. There are two subscribers: one whose queues make the publisher wait for it, and one that is
  // slow and that nobody waits for, so that slots come round while it is in the middle of taking them.
  void Start() {
    prompt_.emplace([this](Channel& parent) {
      DawdleAtCrashPoints();
      Subscribe(parent, "prompt", {WhenFull::kBlock});
    });
    slow_.emplace([this](Channel& parent) {
      DawdleWhenTaking();
      Subscribe(parent, "slow", {WhenFull::kOverwriteOldest, WhenFull::kDropNewest});
    });
    for (Child* subscriber : {&*prompt_, &*slow_}) {
      ASSERT_EQ(subscriber->channel().ReceiveText(), "ready") << FirstFailure();
    }
    publisher_.emplace([this](Channel& parent) { Publish(parent); });
    ASSERT_EQ(publisher_->channel().ReceiveText(), "ready") << FirstFailure();
  }

  // All crash points that victims come by.
  std::set<std::string> FindCrashPoints(int victims) {
    std::set<std::string> points;
    for (int i = 0; i < victims; ++i) {
      const uint64_t seed = random_();
      Child victim([&](Channel& parent) {
        RecordCrashPoints();
        BeVictim(seed, 150);
        std::string all;
        for (const std::string& point : RecordedCrashPoints()) all += point + "\n";
        parent.Send(all);
      });
      const auto names = victim.channel().ReceiveText();
      EXPECT_TRUE(names);
      EXPECT_EQ(victim.Wait(), ChildEnd::Exited(0));
      std::string point;
      for (char c : names.value_or("")) {
        if (c != '\n') {
          point += c;
        } else {
          points.insert(std::exchange(point, ""));
        }
      }
    }
    return points;
  }

  // One round; the victim is killed after some time,
  void KillAtSomeTime() {
    const uint64_t seed = random_();
    const auto time = std::chrono::microseconds(random_() % 12'000);
    SCOPED_TRACE(absl::StrCat("killed after ", time.count(), " us"));
    Child victim([&](Channel&) {
      DawdleAtCrashPoints();
      BeVictim(seed, 100'000);
    });
    std::this_thread::sleep_for(time);
    victim.Kill();
    const ChildEnd end = victim.Wait();
    EXPECT_EQ(end, ChildEnd::KilledBy(SIGKILL));
    ++killed_;
    FinishRound();
  }
  // or kills itself at the nth time that it comes by a crash point ("": any).
  void KillAt(const std::string& point, int nth) {
    const uint64_t seed = random_();
    SCOPED_TRACE(absl::StrCat("killed at \"", point, "\", time ", nth));
    Child victim([&](Channel&) {
      CrashAt(point, nth);
      BeVictim(seed, 400);
    });
    const ChildEnd end = victim.Wait();
    EXPECT_TRUE(end == ChildEnd::KilledBy(SIGKILL) || end == ChildEnd::Exited(0)) << end;  // it may not have come by
    if (end == ChildEnd::KilledBy(SIGKILL)) ++killed_;
    FinishRound();
  }

  // The survivors leave; nothing is left.
  void Finish() {
    stage_.pause = false;  // a failed round may have left it
    stage_.publisher_leaves = true;
    EXPECT_EQ(publisher_->Wait(), ChildEnd::Exited(0));
    stage_.subscribers_leave = true;
    for (Child* subscriber : {&*prompt_, &*slow_}) EXPECT_EQ(subscriber->Wait(), ChildEnd::Exited(0));
    EXPECT_EQ(stage_.failures, 0u) << FirstFailure();
    EXPECT_TRUE(root_.IsEmpty());
  }

  int rounds() const { return rounds_; }
  int killed() const { return killed_; }

 private:
  static constexpr std::chrono::seconds kStall{20};

  std::string FirstFailure() const { return stage_.failure_written ? stage_.failure : ""; }

  absl::StatusOr<Node> MakeNode(const std::string& name) {
    auto node =
        Node::Create({.name = name, .domain = "d", .root = root_.path(), .registry_timeout = absl::Seconds(10)});
    if (!node.ok()) stage_.Fail(name + " cannot join: " + node.status().ToString());
    return node;
  }

  // The surviving publisher.
  void Publish(Channel& parent) {
    DawdleAtCrashPoints();
    auto node = MakeNode("survivor-publisher");
    ASSERT_TRUE(node.ok());
    const uint64_t bytes_max =
        pool::SlotsOffset(kSurvivorHistory) + kSurvivorSlots * pool::SlotStride(sizeof(Payload), kGranuleBytesMin);
    const PublisherOptions options = {.history = kSurvivorHistory,
                                      .max_loans = kLoansMax,
                                      .pool_bytes_max = bytes_max,
                                      .max_block = absl::Seconds(60)};
    Writer writers[] = {{stage_, *node, kShared, options, kSurvivor}, {stage_, *node, kExclusive, options, kSurvivor}};
    parent.Send("ready");
    std::minstd_rand random(static_cast<uint32_t>(getpid()));
    while (!stage_.publisher_leaves) {
      if (stage_.pause) {
        stage_.publisher_paused = true;
        if (stage_.count_slots && !stage_.slots_counted) {
          for (Writer& writer : writers) CountSlots(writer.publisher());
          stage_.slots_counted = true;
        }
        usleep(50);
        continue;
      }
      stage_.publisher_paused = false;
      for (size_t topic : {size_t{0}, size_t{1}}) {
        const auto burst = 1 + random() % 20;
        for (auto i = burst; i > 0; --i) {
          writers[topic].Publish();
          ++stage_.published[topic];
        }
        if (random() % 4 == 0) writers[topic].LoanAndDrop();
      }
      if (random() % 8 == 0) usleep(static_cast<useconds_t>(random() % 200));
    }
  }

  // All slots of the pool can be had, except those in the history: none is lost. What a dead process still holds comes
  // back when the publisher runs out and cleans up, which it does at most every 50 ms.
  void CountSlots(Publisher<Payload>& publisher) {
    const size_t expected = kSurvivorSlots - kSurvivorHistory;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    for (;;) {
      std::vector<Loan<Payload>> loans;
      absl::Status refused;
      while (loans.size() <= expected) {
        auto loan = publisher.Loan();
        refused = loan.status();
        if (!loan.ok()) break;
        loans.push_back(*std::move(loan));
      }
      if (loans.size() == expected) return;
      if (loans.size() > expected || std::chrono::steady_clock::now() > deadline) {
        return stage_.Fail(absl::StrCat("of ", expected, " slots ", loans.size(), " are left: ", refused.ToString()));
      }
      loans.clear();
      usleep(10'000);
    }
  }

  // A surviving subscriber, on all topics with each of `policies`.
  void Subscribe(Channel& parent, const std::string& name, const std::vector<WhenFull>& policies) {
    auto node = MakeNode(name);
    ASSERT_TRUE(node.ok());
    std::vector<std::unique_ptr<Taker>> takers;
    for (int topic : {kShared, kExclusive, kRelay}) {
      for (WhenFull when_full : policies) {
        const SubscriberOptions options = {.depth = kDepths[static_cast<size_t>(when_full)],
                                           .max_borrowed = kSurvivorBorrowed,
                                           .when_full = when_full};
        takers.push_back(std::make_unique<Taker>(stage_, *node, topic, options, name + " survivor"));
        takers.back()->counts_for_stage_ = topic != kRelay && when_full == WhenFull::kBlock;
      }
    }
    parent.Send("ready");
    std::minstd_rand random(static_cast<uint32_t>(getpid()));
    while (!stage_.subscribers_leave) {
      const bool nobody_publishes = stage_.pause && stage_.publisher_paused;  // what is not found now will not come
      bool took = false;
      for (auto& taker : takers) {
        for (int i = 0; i < 4; ++i) took |= taker->Step(random);
      }
      // Sleep, for one queue as if there were no others: for whom we sleep may die before it wakes us.
      if (!took && !stage_.pause) takers[random() % takers.size()]->Step(random, absl::Milliseconds(3));
      if (took || !nobody_publishes) continue;
      for (auto& taker : takers) taker->DropAll();
      ++stage_.subscribers_paused;
      while (stage_.pause) usleep(50);
      --stage_.subscribers_paused;
    }
  }

  // Joins, publishes, subscribes, takes, holds, closes, at random. Ends by itself after so many steps.
  void BeVictim(uint64_t seed, int steps) {
    std::minstd_rand random(static_cast<uint32_t>(seed));
    const uint64_t name = 1000 + seed % 1'000'000;  // of the writer; unique enough
    std::optional<Node> node;
    std::unique_ptr<Writer> shared, relay;
    std::vector<std::unique_ptr<Taker>> takers;
    for (int step = 0; step < steps; ++step) {
      if (stage_.failures != 0) return;
      if (!node) {
        auto made = MakeNode("victim");
        if (!made.ok()) return;
        node.emplace(*std::move(made));
      }
      switch (random() % 16) {
        case 0:
          shared.reset();
          if (random() % 4 != 0) {
            shared = std::make_unique<Writer>(stage_, *node, kShared,
                                              PublisherOptions{.history = static_cast<uint32_t>(random() % 4),
                                                               .max_block = absl::Milliseconds(random() % 3)},
                                              name);
          }
          break;
        case 1:
          relay.reset();  // first: the topic is exclusive
          if (random() % 4 != 0) {
            relay = std::make_unique<Writer>(
                stage_, *node, kRelay, PublisherOptions{.history = 1, .max_block = absl::Milliseconds(random() % 3)},
                name);
          }
          break;
        case 2:
          if (takers.size() == 2) takers.erase(takers.begin() + static_cast<ptrdiff_t>(random() % 2));
          takers.push_back(
              std::make_unique<Taker>(stage_, *node, static_cast<int>(random() % 3),
                                      SubscriberOptions{.depth = 1 + static_cast<uint32_t>(random() % 8),
                                                        .max_borrowed = 1 + static_cast<uint32_t>(random() % 3),
                                                        .when_full = static_cast<WhenFull>(random() % 3)},
                                      "victim"));
          break;
        case 3:
          if (random() % 8 == 0) node.reset();  // the endpoints stay
          if (random() % 8 == 0) takers.clear();
          break;
        case 4:
        case 5:
        case 6:
          for (auto* writer : {shared.get(), relay.get()}) {
            for (auto i = random() % 30; writer != nullptr && i > 0; --i) writer->Publish();
          }
          break;
        case 7:
          if (shared) shared->LoanAndDrop();
          for (auto& taker : takers) taker->DropAll();
          break;
        default:
          for (auto& taker : takers) {
            for (int i = 0; i < 8; ++i) taker->Step(random);
          }
          break;
      }
      // One that blocks its publishers owes it to them to take what there is.
      for (auto& taker : takers) {
        for (int i = 0; taker->blocks_publishers() && i < 20 && taker->Step(random); ++i) {
        }
      }
    }
  }

  void FinishRound() {
    ++rounds_;
    ASSERT_EQ(stage_.failures, 0u) << FirstFailure();
    // Nobody stalls.
    uint64_t published[2], taken[2];
    for (int i : {0, 1}) published[i] = stage_.published[i], taken[i] = stage_.taken[i];
    const bool went_on = WaitUntilTrue(
        [&] {
          bool all = true;
          for (int i : {0, 1}) all &= stage_.published[i] >= published[i] + 30 && stage_.taken[i] >= taken[i] + 30;
          return all || stage_.failures != 0;
        },
        kStall);
    ASSERT_EQ(stage_.failures, 0u) << FirstFailure();
    ASSERT_TRUE(went_on) << "published since: " << stage_.published[0] - published[0] << " and "
                         << stage_.published[1] - published[1] << "; taken: " << stage_.taken[0] - taken[0] << " and "
                         << stage_.taken[1] - taken[1];

    // Half of the time somebody passes by and cleans up; otherwise it is up to the publisher, when it runs out.
    stage_.pause = true;
    ASSERT_TRUE(WaitUntilTrue([&] { return stage_.subscribers_paused == 2 || stage_.failures != 0; }, kStall));
    if (rounds_ % 2 == 0) PassBy();
    stage_.count_slots = true;
    ASSERT_TRUE(WaitUntilTrue([&] { return stage_.slots_counted.load() || stage_.failures != 0; }, kStall));
    ASSERT_EQ(stage_.failures, 0u) << FirstFailure();
    if (rounds_ % 2 != 0) PassBy();
    ExpectOnlyTheLivingsFiles();
    stage_.count_slots = false;
    stage_.slots_counted = false;
    stage_.pause = false;
    ASSERT_TRUE(WaitUntilTrue([&] { return stage_.subscribers_paused == 0 && !stage_.publisher_paused; }, kStall));
  }

  void PassBy() {
    auto node = MakeNode("passer-by");
    ASSERT_TRUE(node.ok()) << node.status();
  }

  void ExpectOnlyTheLivingsFiles() {
    std::map<std::string, int> files;
    std::string all;
    for (const std::string& name : root_.Contents()) {
      ++files[name.substr(0, name.find('.'))];
      all += name + "\n";
    }
    const std::map<std::string, int> expected = {{"d/", 1},     {"d/registry", 1}, {"d/departed", 3},
                                                 {"d/pool", 2}, {"d/queue", 9},    {"d/table", 9}};
    ASSERT_EQ(files, expected) << all;
  }

  TestRoot root_;
  SharedPage<Stage> page_;
  Stage& stage_;
  std::optional<Child> publisher_;
  std::optional<Child> prompt_;
  std::optional<Child> slow_;
  std::mt19937_64 random_ = SeededRandom("rounds");
  int rounds_ = 0;
  int killed_ = 0;
};

}  // namespace weir::test

#endif  // WEIR_TESTS_PUBSUB_DEATH_ROUNDS_H_
