// What endpoints have counted outlives them: it goes into their topic's record, whole and once, however they end and
// wherever whoever cleans up after them is killed.
// weir-test: crashable timeout=120
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <weir/inspect.h>
#include <weir/weir.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "middleware/base/limits.h"
#include "tests/pubsub/payload.h"
#include "tests/pubsub/shared_page.h"
#include "tests/support/child.h"
#include "tests/support/crash_at.h"
#include "tests/support/random.h"
#include "tests/support/test_root.h"

namespace weir {
namespace {

using test::Channel;
using test::Child;
using test::ChildEnd;
using test::Payload;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kTopic[] = "t";

class DepartedTest : public testing::Test {
 protected:
  absl::StatusOr<Node> Join() const { return Node::Create({.domain = "d", .root = root_.path()}); }

  DomainSnapshot Look() const {
    auto inspector = Inspector::Open({.domain = "d", .root = root_.path()});
    EXPECT_TRUE(inspector.ok()) << inspector.status();
    auto domain = inspector->Look();
    EXPECT_TRUE(domain.ok()) << domain.status();
    return *std::move(domain);
  }
  TopicInfo LookAtTopic() const {
    const DomainSnapshot domain = Look();
    EXPECT_THAT(domain.notes, IsEmpty());
    EXPECT_THAT(domain.topics, SizeIs(1));
    return domain.topics.at(0);
  }

  static void Publish(Publisher<Payload>& publisher, uint64_t messages) {
    for (uint64_t i = 1; i <= messages; ++i) {
      auto loan = publisher.Loan();
      ASSERT_TRUE(loan.ok()) << loan.status();
      loan->value().Fill(1, i);
      ASSERT_TRUE(publisher.Publish(*std::move(loan)).ok());
    }
  }

  // Publishes three messages, takes two of them from its own queue, and ends one way or the other.
  enum class Ending { kClosed, kKilled };
  void LiveALife(Ending ending, const std::function<void(Subscriber<Payload>&)>& meanwhile = {}) const {
    auto node = Join();
    ASSERT_TRUE(node.ok()) << node.status();
    auto publisher = node->CreatePublisher<Payload>(kTopic);
    auto subscriber = node->CreateSubscriber<Payload>(kTopic);
    ASSERT_TRUE(publisher.ok() && subscriber.ok()) << publisher.status() << subscriber.status();
    Publish(*publisher, 3);
    ASSERT_TRUE(subscriber->Take());
    ASSERT_TRUE(subscriber->Take());
    if (meanwhile) meanwhile(*subscriber);
    if (ending == Ending::kKilled) kill(getpid(), SIGKILL);
  }

  // What so many victims counted that made so many pushes.
  static void ExpectCountsOf(uint64_t victims, uint64_t pushes, const TopicCounts& counts) {
    EXPECT_EQ(counts.unreadable, 0u);
    EXPECT_EQ(counts.published.published, 3 * victims);
    EXPECT_EQ(counts.published.published_bytes, 3 * victims * sizeof(Payload));
    EXPECT_EQ(counts.published.pushed, pushes);
    EXPECT_EQ(counts.published.loans, 3 * victims);
    EXPECT_EQ(counts.published.message_bytes_max, sizeof(Payload));
  }

  std::string PathOf(const char* kind, uint64_t id) const {
    char name[64];
    std::snprintf(name, sizeof(name), "/d/%s.%016llx", kind, static_cast<unsigned long long>(id));
    return root_.path() + name;
  }
  static void Overwrite(const std::string& path, off_t offset) {
    const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_GE(file, 0) << path;
    const uint64_t garbage = 0x6761726261676521;
    EXPECT_EQ(pwrite(file, &garbage, sizeof(garbage), offset), 8);
    close(file);
  }

  test::TestRoot root_;
};

TEST_F(DepartedTest, NothingIsLostOrCountedTwiceWhereverACleanerIsKilled) {
  auto node = Join();
  ASSERT_TRUE(node.ok()) << node.status();
  auto subscriber = node->CreateSubscriber<Payload>(kTopic, {.depth = 10});
  ASSERT_TRUE(subscriber.ok()) << subscriber.status();
  uint64_t victims = 0, pushes = 0, taken = 0, own_taken = 0;
  bool over = false;
  std::map<uint64_t, int> ends;  // by how many endpoints of the first one were counted when the cleaner was killed
  for (int nth = 1; !over; ++nth) {
    SCOPED_TRACE("crash point " + std::to_string(nth));
    ASSERT_LT(nth, 1000);
    // One dies before the cleaner; the other one after it, so that the next cleaner finds endpoints to count between
    // those that the first one may not have marked.
    Child second([&](Channel& parent) {
      LiveALife(Ending::kKilled, [&](Subscriber<Payload>& own) {
        parent.Send("lives");
        ASSERT_EQ(parent.ReceiveText(), "drain");
        while (own.Take()) {
        }
        parent.Send("drained");
        parent.ReceiveText();
      });
    });
    ASSERT_EQ(second.channel().ReceiveText(), "lives");
    Child first([&](Channel&) { LiveALife(Ending::kKilled); });
    ASSERT_EQ(first.Wait(), ChildEnd::KilledBy(SIGKILL));
    victims += 2;
    taken += 2 + (2 + 1 + 3);
    pushes += 3 * (2 + 3);  // the second has our queue and its own, the first also the second's
    // Nothing shall keep the first one's pool.
    second.channel().Send("drain");
    ASSERT_EQ(second.channel().ReceiveText(), "drained");
    while (subscriber->Take()) ++own_taken;
    Child cleaner([&](Channel&) {
      test::CrashAt("", nth);
      auto own = Join();
    });
    const ChildEnd end = cleaner.Wait();
    over = end == ChildEnd::Exited(0);
    ASSERT_TRUE(over || end == ChildEnd::KilledBy(SIGKILL)) << end;

    // In the middle of it.
    const TopicInfo between = LookAtTopic();
    ExpectCountsOf(victims, pushes, between.total);
    EXPECT_EQ(between.total.received.delivered, own_taken + taken);
    EXPECT_EQ(between.total.latency.count(), own_taken + taken);
    EXPECT_EQ(between.total.published.pushed, between.total.received.taken + between.total.received.queued);
    const uint64_t counted = between.departed.publishers + between.departed.subscribers - 2 * (victims - 2);
    ends[counted] += 1;

    second.channel().Send("die");
    ASSERT_EQ(second.Wait(), ChildEnd::KilledBy(SIGKILL));
    ASSERT_TRUE(Join().ok());  // cleans up
    const TopicInfo after = LookAtTopic();
    EXPECT_EQ(after.departed.publishers, victims);
    EXPECT_EQ(after.departed.subscribers, victims);
    ExpectCountsOf(victims, pushes, after.departed);
    EXPECT_EQ(after.departed.received.taken, taken);
    EXPECT_EQ(after.departed.received.removed, taken);
    EXPECT_EQ(after.departed.received.queued, victims / 2);  // one by each first, which nobody will take
    EXPECT_EQ(after.departed.received.queued_max, 4u);
    EXPECT_EQ(after.total.published.pushed, after.total.received.taken + after.total.received.queued);
    EXPECT_EQ(after.departed.received.held, 0u);
    EXPECT_EQ(after.departed.latency.count(), taken);
    ExpectCountsOf(victims, pushes, after.total);
    EXPECT_EQ(after.total.subscribers, victims + 1);
    EXPECT_EQ(after.total.received.delivered, own_taken + taken);
    if (testing::Test::HasFailure()) break;
  }
  EXPECT_EQ(own_taken, 3 * victims);
  EXPECT_GE(ends[0], 5);
  EXPECT_GE(ends[1], 5);
  EXPECT_GE(ends[2], 5);
}

TEST_F(DepartedTest, AnEndpointThatClosesIsCountedLikeOneThatIsKilled) {
  auto node = Join();
  ASSERT_TRUE(node.ok()) << node.status();
  auto subscriber = node->CreateSubscriber<Payload>(kTopic, {.depth = 10});
  ASSERT_TRUE(subscriber.ok()) << subscriber.status();
  Child leaver([&](Channel&) { LiveALife(Ending::kClosed); });
  ASSERT_EQ(leaver.Wait(), ChildEnd::Exited(0));
  // The publisher's pool is still there, for its messages are in our queue.
  TopicInfo topic = LookAtTopic();
  EXPECT_EQ(topic.departed.publishers, 0u);
  EXPECT_EQ(topic.departed.subscribers, 1u);
  ExpectCountsOf(1, 6, topic.total);
  EXPECT_EQ(topic.total.publishers, 1u);
  while (subscriber->Take()) {
  }
  ASSERT_TRUE(Join().ok());
  topic = LookAtTopic();
  ExpectCountsOf(1, 6, topic.departed);
  EXPECT_EQ(topic.departed.publishers, 1u);
  EXPECT_EQ(topic.departed.received.delivered, 2u);
  EXPECT_EQ(topic.total.received.delivered, 5u);

  // With the topic goes its record.
  subscriber = absl::CancelledError();
  EXPECT_THAT(root_.Contents(), ElementsAre("d/", "d/registry"));
}

TEST_F(DepartedTest, AFileThatIsDamagedCostsItsOwnCountsAndNothingElse) {
  auto node = Join();
  ASSERT_TRUE(node.ok()) << node.status();
  auto subscriber = node->CreateSubscriber<Payload>(kTopic, {.depth = 10});
  ASSERT_TRUE(subscriber.ok()) << subscriber.status();
  // The publisher's and the subscriber's counters in turn; then the queue's file, without which the counters are still
  // there.
  for (const char* kind : {"pool", "table", "queue"}) {
    const TopicCounts before = LookAtTopic().departed;
    Child victim([&](Channel&) { LiveALife(Ending::kKilled); });
    ASSERT_EQ(victim.Wait(), ChildEnd::KilledBy(SIGKILL));
    const DomainSnapshot domain = Look();
    ASSERT_THAT(domain.publishers, SizeIs(1));
    ASSERT_THAT(domain.subscribers, SizeIs(2));
    const SubscriberInfo& dead = domain.subscribers[domain.subscribers[0].node_alive ? 1 : 0];
    Overwrite(PathOf(kind, kind == std::string("pool") ? domain.publishers[0].id : dead.id), 0);
    while (subscriber->Take() || subscriber->counts().queued != 0) {
    }
    ASSERT_TRUE(Join().ok());
    const TopicCounts after = LookAtTopic().departed;
    EXPECT_EQ(after.unreadable - before.unreadable, kind == std::string("queue") ? 0u : 1u) << kind;
    EXPECT_EQ(after.published.published - before.published.published, kind == std::string("pool") ? 0u : 3u) << kind;
    EXPECT_EQ(after.received.delivered - before.received.delivered, kind == std::string("table") ? 0u : 2u) << kind;
    EXPECT_EQ(after.received.queued - before.received.queued, kind == std::string("queue") ? 0u : 1u) << kind;
    // Nothing is left of the dead.
    EXPECT_THAT(root_.Contents(), SizeIs(5));  // the domain, registry, departed, and our queue and table
  }
}

TEST_F(DepartedTest, ADamagedRecordGetsANoteAndKeepsNobodyFromLeaving) {
  auto node = Join();
  ASSERT_TRUE(node.ok()) << node.status();
  auto subscriber = node->CreateSubscriber<Payload>(kTopic, {.depth = 10});
  ASSERT_TRUE(subscriber.ok()) << subscriber.status();
  const std::string path = PathOf("departed", LookAtTopic().id);
  Overwrite(path, 0);
  Child leaver([&](Channel&) { LiveALife(Ending::kClosed); });
  ASSERT_EQ(leaver.Wait(), ChildEnd::Exited(0));
  EXPECT_THAT(Look().notes, ElementsAre(HasSubstr("topic \"t\"")));
  ASSERT_EQ(truncate(path.c_str(), 100), 0);
  EXPECT_THAT(Look().notes, ElementsAre(HasSubstr("100 bytes")));
  while (subscriber->Take()) {
  }
  ASSERT_TRUE(Join().ok());
  ASSERT_EQ(unlink(path.c_str()), 0);
  EXPECT_THAT(Look().notes, SizeIs(1));
  subscriber = absl::CancelledError();
  EXPECT_THAT(root_.Contents(), ElementsAre("d/", "d/registry"));
}

// Endpoints come and go all the time, some of them are killed, and somebody looks.
TEST_F(DepartedTest, TotalsNeverGoBack) {
  struct Progress {
    std::atomic<uint64_t> published{0};
    std::atomic<bool> stop{false};
  };
  test::SharedPage<Progress> progress;
  auto node = Join();
  ASSERT_TRUE(node.ok()) << node.status();
  auto keeper = node->CreatePublisher<Payload>(kTopic);  // of the topic
  ASSERT_TRUE(keeper.ok()) << keeper.status();
  std::vector<std::unique_ptr<Child>> crowd;
  for (int i = 0; i < 3; ++i) {
    crowd.push_back(std::make_unique<Child>([&, i](Channel&) {
      for (int round = 0; !progress->stop; ++round) {
        if (round % 4 == i) {
          Child victim([&](Channel&) { LiveALife(Ending::kKilled); });
          ASSERT_EQ(victim.Wait(), ChildEnd::KilledBy(SIGKILL));
        } else {
          ASSERT_NO_FATAL_FAILURE(LiveALife(Ending::kClosed));
        }
        progress->published += 3;
      }
    }));
  }
  auto inspector = Inspector::Open({.domain = "d", .root = root_.path()});
  ASSERT_TRUE(inspector.ok()) << inspector.status();
  TopicCounts before;
  int consistent_looks = 0;
  uint64_t departed_seen = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  while (std::chrono::steady_clock::now() < end && !testing::Test::HasFailure()) {
    const uint64_t at_least = progress->published;
    auto domain = inspector->Look();
    ASSERT_TRUE(domain.ok()) << domain.status();
    if (!domain->notes.empty()) continue;  // too much going on: it says so
    ++consistent_looks;
    const TopicCounts& now = domain->topics.at(0).total;
    EXPECT_GE(now.published.published, at_least);
    EXPECT_GE(now.published.published, before.published.published);
    EXPECT_GE(now.published.loans, before.published.loans);
    EXPECT_GE(now.received.taken, before.received.taken);
    EXPECT_GE(now.received.taken_bytes, before.received.taken_bytes);
    EXPECT_GE(now.received.removed, before.received.removed);
    EXPECT_GE(now.received.queued_max, before.received.queued_max);
    EXPECT_GE(now.latency.sum_ns, before.latency.sum_ns);
    for (size_t i = 0; i < now.latency.buckets.size(); ++i) {
      EXPECT_GE(now.latency.buckets[i], before.latency.buckets[i]);
    }
    EXPECT_EQ(now.unreadable, 0u);
    before = now;
    departed_seen = domain->topics.at(0).departed.publishers;
  }
  progress->stop = true;
  for (auto& child : crowd) EXPECT_EQ(child->Wait(), ChildEnd::Exited(0));
  ASSERT_TRUE(Join().ok());
  const TopicInfo last = LookAtTopic();
  EXPECT_EQ(last.departed.published.published, progress->published.load());
  EXPECT_EQ(last.departed.publishers * 3, progress->published.load());
  EXPECT_EQ(last.departed.subscribers, last.departed.publishers);
  EXPECT_EQ(last.departed.received.delivered, 2 * last.departed.subscribers);
  EXPECT_GT(consistent_looks, 10);
  EXPECT_GT(departed_seen, 10u);
}

}  // namespace
}  // namespace weir
