// weir-test: crashable slow
//
// A process is killed at each crash point that it comes by, in turn: the 1st, the 2nd, ... until it reaches its end.
// After each death the next comer must find, or make, a clean domain, and whoever was there must be able to go on.
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "discovery/registry.h"
#include "tests/discovery/registry_fixture.h"
#include "tests/support/child.h"
#include "tests/support/crash_at.h"
#include "tests/support/random.h"

namespace weir::discovery {
namespace {

using test::Channel;
using test::Child;
using test::ChildEnd;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr int kPointsMax = 2000;

class CrashTest : public RegistryTest {
 protected:
  // Runs `body` in a child that dies at the n-th crash point. True if it came to its end.
  static bool RunsToItsEnd(int nth, const std::function<void()>& body) {
    Child child([&](Channel&) {
      test::CrashAt("", nth);
      body();
    });
    const ChildEnd end = child.Wait();
    if (end == ChildEnd::KilledBy(SIGKILL)) return false;
    EXPECT_EQ(end, ChildEnd::Exited(0));
    return true;
  }

  // What a publisher of the topic goes by.
  struct View {
    uint64_t generation = 0;
    std::vector<Incarnation> members;
  };
  static View Watch(const TopicView& topic) {
    View view;
    view.generation = topic.generation().load(queue::kAcquire);
    for (const auto& list : {topic.Publishers(), topic.Subscribers()}) {
      EXPECT_OK(list.status());
      for (const EndpointRecord& record : *list) view.members.push_back(record.incarnation);
    }
    return view;
  }

  // Files that no entry names: as in a domain whose registry was removed by hand.
  static void MakeOrphanFiles(const Registry& node) {
    for (const std::string& name :
         {EndpointFileName(FileKind::kTable, 77), SchemaFileName({.high = 7, .low = 7}), DepartedFileName(77)}) {
      EXPECT_OK(os::CreateFile(node.directory().get(), name, 0600, kPageBytes).status());
    }
  }

  // Everything that changes a registry, by one node among others.
  void LiveALife() const {
    auto node = Join("victim");
    TopicSpec own = Spec("own");
    own.type = WithSchema(own.type, "the victim's schema");
    const absl::StatusOr<PublisherSlot> publisher = AddPublisher(*node, own, {.history = 2});
    ASSERT_OK(publisher.status());
    const absl::StatusOr<PublisherSlot> shared = AddPublisher(*node, Spec("t"));
    ASSERT_OK(shared.status());
    const absl::StatusOr<PublisherSlot> given_up = node->ReservePublisher(Spec("t"), {});
    ASSERT_OK(given_up.status());
    ASSERT_OK(MakePoolFile(*node, given_up->incarnation));
    ASSERT_OK(node->AbandonPublisher(*given_up));
    const absl::StatusOr<SubscriberSlot> subscriber = AddSubscriber(*node, Spec("t"));
    ASSERT_OK(subscriber.status());
    ASSERT_FALSE(node->AddSubscriber(Spec("t"), Depth(4),
                                     [&](const SubscriberSlot& slot, uint64_t, SubscriberRecord& record) {
                                       EXPECT_OK(MakeQueueFile(*node, slot, record));
                                       return absl::CancelledError("no table");
                                     })
                     .ok());
    ASSERT_OK(node->CloseSubscriber(*subscriber));
    ASSERT_OK(node->RemoveSubscriber(*subscriber));
    ASSERT_OK(node->RetirePublisher(*publisher));
    ASSERT_OK(AddSubscriber(*node, Spec("left behind")).status());
    ASSERT_OK(node->RetirePublisher(*shared));
    MakeOrphanFiles(*node);  // the last node removes them too
    ASSERT_OK(node->Leave());
  }

  // A node with all kinds of endpoints in topics "t" and "own", dead.
  void MakeADeadNode() const {
    Child child([&](Channel& parent) {
      auto node = Join("dead");
      TopicSpec own = Spec("own");
      own.type = WithSchema(own.type, "the dead one's schema");
      ASSERT_OK(AddPublisher(*node, own).status());
      ASSERT_OK(AddPublisher(*node, Spec("t")).status());
      ASSERT_OK(node->ReservePublisher(Spec("t"), {}).status());
      ASSERT_OK(AddSubscriber(*node, own).status());
      const absl::StatusOr<SubscriberSlot> closing = AddSubscriber(*node, Spec("t"));
      ASSERT_OK(node->CloseSubscriber(*closing));
      ASSERT_OK(AddSubscriber(*node, Spec("t"), Depth(9)).status());
      MakeOrphanFiles(*node);
      parent.Send("done");
      parent.ReceiveText();
    });
    ASSERT_EQ(child.channel().ReceiveText(), "done");
    child.Kill();
    ASSERT_EQ(child.Wait(), ChildEnd::KilledBy(SIGKILL));
  }
};

TEST_F(CrashTest, ADeathAtAnyPointOfALifeIsCleanedUpByThoseWhoGoOn) {
  auto observer = Join("observer");
  const absl::StatusOr<SubscriberSlot> subscriber =
      AddSubscriber(*observer, Spec("t"), Depth(4, queue::WhenFull::kBlock));
  ASSERT_OK(subscriber.status());
  const absl::StatusOr<PublisherSlot> publisher = AddPublisher(*observer, Spec("t"));
  ASSERT_OK(publisher.status());
  const std::vector<std::string> files = Files();
  ASSERT_THAT(files, SizeIs(5));  // registry, pool, queue, table, the topic's record of the departed
  const TopicView topic = observer->Topic(subscriber->topic);
  bool over = false;
  for (int nth = 1; !over; ++nth) {
    SCOPED_TRACE("crash point " + std::to_string(nth));
    ASSERT_LT(nth, kPointsMax);
    const View before = Watch(topic);
    over = RunsToItsEnd(nth, [&] { LiveALife(); });
    const View after_death = Watch(topic);
    // Alternately by somebody who is there, and by a newcomer.
    if (nth % 2 == 0) {
      ASSERT_OK(observer->CleanUp());
    } else {
      ASSERT_OK(Join("newcomer")->Leave());
    }
    const View after = Watch(topic);
    ASSERT_EQ(after.members, before.members);
    if (after_death.members != after.members) {
      ASSERT_NE(after_death.generation, after.generation);
    }
    ASSERT_EQ(Files(), files);
    ASSERT_THAT(Look().Nodes(), SizeIs(1));
    ASSERT_THAT(Look().Topics(), SizeIs(1));
    ASSERT_THAT(Look().Endpoints(), SizeIs(2));
    // Life goes on.
    const absl::StatusOr<PublisherSlot> another = AddPublisher(*observer, Spec("own"));
    ASSERT_OK(another.status());
    ASSERT_OK(observer->RetirePublisher(*another));
  }
  absl::StatusOr<MappedQueue> queue = OpenQueue(observer->directory(), subscriber->incarnation, os::Access::kRead);
  ASSERT_OK(queue.status());
  EXPECT_EQ(queue->view.header->state.load(queue::kRelaxed), queue::kQueueOpen);
  ASSERT_OK(observer->Leave());
  EXPECT_TRUE(root_.IsEmpty());
}

TEST_F(CrashTest, ADeathAtAnyPointOfTheOnlyNodesLifeLeavesADomainThatCanBeUsed) {
  bool over = false;
  for (int nth = 1; !over; ++nth) {
    SCOPED_TRACE("crash point " + std::to_string(nth));
    ASSERT_LT(nth, kPointsMax);
    over = RunsToItsEnd(nth, [&] { LiveALife(); });
    if (over) {
      EXPECT_TRUE(root_.IsEmpty());
    }
    auto next = Join("next");
    ASSERT_THAT(Files(), ElementsAre("registry"));
    ASSERT_THAT(Look().Nodes(), SizeIs(1));
    ASSERT_THAT(Look().Topics(), IsEmpty());
    ASSERT_THAT(Look().Endpoints(), IsEmpty());
    ASSERT_OK(AddSubscriber(*next, Spec("t")).status());
    ASSERT_OK(next->Leave());
    ASSERT_TRUE(root_.IsEmpty());
  }
}

TEST_F(CrashTest, ADeathAtAnyPointOfCleaningUpIsCleanedUpToo) {
  auto observer = Join("observer");
  const absl::StatusOr<SubscriberSlot> subscriber =
      AddSubscriber(*observer, Spec("t"), Depth(4, queue::WhenFull::kBlock));
  ASSERT_OK(subscriber.status());
  const std::vector<std::string> files = Files();
  const TopicView topic = observer->Topic(subscriber->topic);
  const View alone = Watch(topic);
  bool over = false;
  for (int nth = 1; !over; ++nth) {
    SCOPED_TRACE("crash point " + std::to_string(nth));
    ASSERT_LT(nth, kPointsMax);
    MakeADeadNode();
    const View with_the_dead = Watch(topic);
    ASSERT_THAT(with_the_dead.members, SizeIs(alone.members.size() + 3));
    over = RunsToItsEnd(nth, [&] { Join("cleaner"); });
    ASSERT_OK(observer->CleanUp());
    const View after = Watch(topic);
    ASSERT_EQ(after.members, alone.members);
    ASSERT_GT(after.generation, with_the_dead.generation);
    ASSERT_EQ(Files(), files);
    ASSERT_THAT(Look().Nodes(), SizeIs(1));
    ASSERT_THAT(Look().Topics(), SizeIs(1));
  }
}

TEST_F(CrashTest, TwoDeathsInARowAreCleanedUpToo) {
  std::mt19937_64 random = test::SeededRandom("two deaths");
  auto observer = Join("observer");
  const absl::StatusOr<SubscriberSlot> subscriber = AddSubscriber(*observer, Spec("t"));
  ASSERT_OK(subscriber.status());
  const std::vector<std::string> files = Files();
  const TopicView topic = observer->Topic(subscriber->topic);
  for (int round = 0; round < 100; ++round) {
    const View alone = Watch(topic);
    if (round % 2 == 0) MakeADeadNode();
    const int first = 1 + static_cast<int>(random() % 150);
    const int second = 1 + static_cast<int>(random() % 60);
    SCOPED_TRACE("crash points " + std::to_string(first) + " and " + std::to_string(second));
    RunsToItsEnd(first, [&] { LiveALife(); });
    const View between = Watch(topic);
    RunsToItsEnd(second, [&] { Join("cleaner"); });
    ASSERT_OK(Join("newcomer")->Leave());
    const View after = Watch(topic);
    ASSERT_EQ(after.members, alone.members);
    if (between.members != after.members) {
      ASSERT_GT(after.generation, between.generation);
    }
    ASSERT_EQ(Files(), files);
    ASSERT_THAT(Look().Nodes(), SizeIs(1));
    ASSERT_THAT(Look().Topics(), SizeIs(1));
    ASSERT_THAT(Look().Endpoints(), SizeIs(1));
  }
}

// A publisher goes by the generation alone. If a cleaner dies after it freed a member's entry and before it said so,
// the next one finds nothing to clean up, but must say it.
TEST_F(CrashTest, AMemberThatWentIsAlwaysFollowedByAHigherGeneration) {
  auto observer = Join("observer");
  const absl::StatusOr<SubscriberSlot> subscriber = AddSubscriber(*observer, Spec("t"));
  ASSERT_OK(subscriber.status());
  const TopicView topic = observer->Topic(subscriber->topic);
  int gone_but_not_raised = 0;
  bool over = false;
  for (int nth = 1; !over; ++nth) {
    SCOPED_TRACE("crash point " + std::to_string(nth));
    ASSERT_LT(nth, kPointsMax);
    Child dead([&](Channel&) {
      auto node = Join("dead");
      ASSERT_OK(AddSubscriber(*node, Spec("t")).status());
      raise(SIGKILL);
    });
    ASSERT_EQ(dead.Wait(), ChildEnd::KilledBy(SIGKILL));
    const View known = Watch(topic);
    ASSERT_THAT(known.members, SizeIs(2));
    over = RunsToItsEnd(nth, [&] { Join("cleaner"); });
    const View after_death = Watch(topic);
    if (after_death.members != known.members && after_death.generation == known.generation) ++gone_but_not_raised;
    ASSERT_OK(Join("newcomer")->Leave());
    const View after = Watch(topic);
    ASSERT_THAT(after.members, SizeIs(1));
    ASSERT_GT(after.generation, known.generation);
  }
  EXPECT_GE(gone_but_not_raised, 1);
}

}  // namespace
}  // namespace weir::discovery
