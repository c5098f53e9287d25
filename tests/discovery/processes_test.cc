// Several processes, some of which stop, die or fork.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "discovery/registry.h"
#include "middleware/os/clock.h"
#include "middleware/os/futex.h"
#include "tests/discovery/registry_fixture.h"
#include "tests/support/child.h"
#include "tests/support/random.h"
#include "tests/support/wait.h"

namespace weir::discovery {
namespace {

using absl::StatusCode;
using test::Channel;
using test::Child;
using test::ChildEnd;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

using ProcessesTest = RegistryTest;

TEST_F(ProcessesTest, ManyWhoComeAtOnceShareOneRegistry) {
  for (int round = 0; round < 10; ++round) {
    std::vector<std::unique_ptr<Child>> children;
    for (int i = 0; i < 4; ++i) {
      children.push_back(std::make_unique<Child>([&](Channel& parent) {
        parent.ReceiveText();
        auto node = Join();
        parent.Send(node->node_incarnation());
        parent.ReceiveText();
      }));
    }
    for (auto& child : children) child->channel().Send("go");
    std::vector<Incarnation> incarnations;
    for (auto& child : children) {
      const std::optional<Incarnation> incarnation = child->channel().Receive<Incarnation>();
      ASSERT_TRUE(incarnation.has_value());
      incarnations.push_back(*incarnation);
    }
    EXPECT_THAT(Look().Nodes(), SizeIs(4));
    EXPECT_THAT(Files(), ElementsAre("registry"));
    std::sort(incarnations.begin(), incarnations.end());
    EXPECT_EQ(std::unique(incarnations.begin(), incarnations.end()), incarnations.end());
    for (auto& child : children) child->channel().Send("leave");
    for (auto& child : children) EXPECT_EQ(child->Wait(), ChildEnd::Exited(0));
    EXPECT_TRUE(root_.IsEmpty());
  }
}

TEST_F(ProcessesTest, JoiningAndLeavingRaceWithoutAnError) {
  std::vector<std::unique_ptr<Child>> children;
  for (int i = 0; i < 3; ++i) {
    children.push_back(std::make_unique<Child>([&](Channel&) {
      for (int round = 0; round < 60; ++round) {
        absl::StatusOr<std::shared_ptr<Registry>> node = Registry::Join(Options(absl::Seconds(30)), "n");
        ASSERT_OK(node.status());
        if (round % 3 == 0) {
          const absl::StatusOr<SubscriberSlot> slot = AddSubscriber(**node, Spec("t"));
          ASSERT_OK(slot.status());
        }
        ASSERT_OK((*node)->Leave());
      }
    }));
  }
  for (auto& child : children) EXPECT_EQ(child->Wait(std::chrono::minutes(2)), ChildEnd::Exited(0));
  EXPECT_TRUE(root_.IsEmpty());
}

TEST_F(ProcessesTest, WhoHoldsTheLockTooLongIsNamed) {
  Child child([&](Channel& parent) {
    auto node = Join("slow");
    const absl::Status status =
        node->AddSubscriber(Spec("t"), Depth(4),
                            [&](const SubscriberSlot&, uint64_t, SubscriberRecord&) -> absl::Status {
                              parent.Send("inside");
                              parent.ReceiveText();
                              return absl::OkStatus();
                            })
            .status();
    EXPECT_OK(status);
    parent.Send("done");
    parent.ReceiveText();
  });
  ASSERT_TRUE(child.channel().ReceiveText().has_value());
  child.Stop();
  EXPECT_EQ(Look().lock_holder_pid(), static_cast<uint32_t>(child.pid()));
  const uint64_t start_ns = os::MonotonicNow();
  EXPECT_TRUE(IsError(Registry::Join(Options(absl::Milliseconds(200)), "n").status(), StatusCode::kUnavailable,
                      {"process " + std::to_string(child.pid()) + " (", "200ms", root_.path()}));
  EXPECT_GE(os::MonotonicNow() - start_ns, 200'000'000u);
  child.Continue();
  child.channel().Send("go on");
  ASSERT_TRUE(child.channel().ReceiveText().has_value());
  EXPECT_OK(Registry::Join(Options(), "n").status());
  EXPECT_EQ(Look().lock_holder_pid(), 0u);
}

TEST_F(ProcessesTest, AStoppedNodeLivesAKilledOneIsCleanedUpAfter) {
  auto node = Join("observer");
  Child child([&](Channel& parent) {
    auto victim = Join("victim");
    TopicSpec spec = Spec("only here");
    spec.type = WithSchema(spec.type, "schema of the victim");
    ASSERT_OK(AddPublisher(*victim, spec).status());
    ASSERT_OK(AddSubscriber(*victim, Spec("t")).status());
    ASSERT_OK(victim->ReservePublisher(Spec("t"), {}).status());
    const absl::StatusOr<SubscriberSlot> closing = AddSubscriber(*victim, Spec("t"));
    ASSERT_OK(victim->CloseSubscriber(*closing));
    parent.Send(victim->node_index());
    parent.Send(victim->node_incarnation());
    parent.ReceiveText();
  });
  const uint32_t index = child.channel().Receive<uint32_t>().value();
  const Incarnation incarnation = child.channel().Receive<Incarnation>().value();
  EXPECT_TRUE(node->IsNodeAlive(index, incarnation));
  child.Stop();
  EXPECT_TRUE(node->IsNodeAlive(index, incarnation));
  EXPECT_OK(node->CleanUp());
  EXPECT_THAT(Look().Endpoints(), SizeIs(4));
  EXPECT_THAT(Look().Nodes(), SizeIs(2));
  child.Kill();
  child.Wait();
  EXPECT_FALSE(node->IsNodeAlive(index, incarnation));
  EXPECT_THAT(Look().Nodes(), SizeIs(2));  // still there, until somebody comes by
  EXPECT_FALSE(Look().IsNodeAlive(index, incarnation));
  auto newcomer = Join("newcomer");
  EXPECT_THAT(Look().Nodes(), SizeIs(2));
  EXPECT_THAT(Look().Endpoints(), IsEmpty());
  EXPECT_THAT(Look().Topics(), IsEmpty());
  EXPECT_THAT(Files(), ElementsAre("registry"));
  // The place is used again, and is not mistaken for the dead.
  EXPECT_EQ(newcomer->node_index(), index);
  EXPECT_FALSE(node->IsNodeAlive(index, incarnation));
  EXPECT_TRUE(node->IsNodeAlive(index, newcomer->node_incarnation()));
}

TEST_F(ProcessesTest, ADomainWhoseLastProcessWasKilledIsCleanAfterTheNextStart) {
  Child child([&](Channel& parent) {
    auto victim = Join("victim");
    ASSERT_OK(AddPublisher(*victim, Spec("t")).status());
    ASSERT_OK(AddSubscriber(*victim, Spec("t")).status());
    parent.Send("there");
    parent.ReceiveText();
  });
  ASSERT_TRUE(child.channel().ReceiveText().has_value());
  child.Kill();
  child.Wait();
  EXPECT_THAT(Files(), SizeIs(5));  // registry, pool, queue, table, the topic's record of the departed
  auto node = Join();
  EXPECT_THAT(Files(), ElementsAre("registry"));
  EXPECT_OK(node->Leave());
  EXPECT_TRUE(root_.IsEmpty());
}

TEST_F(ProcessesTest, ARaisedGenerationWakesAProcessThatWaits) {
  auto node = Join();
  const absl::StatusOr<SubscriberSlot> anchor = AddSubscriber(*node, Spec("t"));
  ASSERT_OK(anchor.status());
  const TopicView topic = node->Topic(anchor->topic);
  const uint32_t word = topic.generation_futex_value();
  Child child([&](Channel&) {
    auto other = Join("other");
    ASSERT_OK(AddPublisher(*other, Spec("t")).status());
  });
  while (topic.generation_futex_value() == word) {
    ASSERT_NE(os::FutexWait(topic.generation_futex(), word, os::MonotonicNow() + 20'000'000'000u),
              os::FutexResult::kTimedOut);
  }
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
}

TEST_F(ProcessesTest, AForkedChildCanDoNothingAndDoesNotKeepTheNodeAlive) {
  auto observer = Join("observer");
  Child child([&](Channel& parent) {
    auto node = Join("forks");
    const absl::StatusOr<SubscriberSlot> slot = AddSubscriber(*node, Spec("t"));
    ASSERT_OK(slot.status());
    int go[2];
    ASSERT_EQ(pipe(go), 0);
    const pid_t grandchild = fork();
    if (grandchild == 0) {
      close(go[1]);
      char byte;
      const bool lives_on = read(go[0], &byte, 1) == 0;  // returns when the parent is gone
      const bool ok = lives_on && absl::IsFailedPrecondition(node->CleanUp()) &&
                      absl::IsFailedPrecondition(node->ReservePublisher(Spec("t"), {}).status()) &&
                      absl::IsFailedPrecondition(AddSubscriber(*node, Spec("t")).status()) &&
                      absl::IsFailedPrecondition(node->CloseSubscriber(*slot)) &&
                      absl::IsFailedPrecondition(node->RemoveSubscriber(*slot)) &&
                      absl::IsFailedPrecondition(node->Leave()) && !node->FindTopic("t").has_value() &&
                      absl::IsFailedPrecondition(node->CheckUsable());
      node.reset();
      parent.Send(uint32_t{ok});
      parent.ReceiveText();
      _exit(0);
    }
    parent.Send(node->node_incarnation());
    parent.Send(node->node_index());
    raise(SIGKILL);
  });
  const Incarnation incarnation = child.channel().Receive<Incarnation>().value();
  const uint32_t index = child.channel().Receive<uint32_t>().value();
  EXPECT_EQ(child.Wait(), ChildEnd::KilledBy(SIGKILL));
  // The grandchild is there, with copies of all objects.
  EXPECT_TRUE(child.channel().Receive<uint32_t>().value_or(0) == 1);
  EXPECT_FALSE(observer->IsNodeAlive(index, incarnation));
  EXPECT_OK(observer->CleanUp());
  EXPECT_THAT(Files(), ElementsAre("registry"));
  child.channel().Send("end");
}

TEST_F(ProcessesTest, AForkedChildCanJoinOnItsOwn) {
  auto node = Join("parent");
  const pid_t pid = fork();
  if (pid == 0) {
    absl::StatusOr<std::shared_ptr<Registry>> own = Registry::Join(Options(), "child");
    const bool ok = own.ok() && AddPublisher(**own, Spec("t")).ok() && (*own)->Leave().ok();
    _exit(ok ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
  EXPECT_THAT(Look().Nodes(), SizeIs(1));
}

TEST_F(ProcessesTest, ARemovedDirectoryEndsNewThingsOnly) {
  auto node = Join();
  const absl::StatusOr<SubscriberSlot> slot = AddSubscriber(*node, Spec("t"));
  ASSERT_OK(slot.status());
  absl::StatusOr<MappedQueue> queue = OpenQueue(node->directory(), slot->incarnation, os::Access::kReadWrite);
  ASSERT_OK(queue.status());
  test::RemoveTree(root_.path() + "/" + kDomain);
  EXPECT_TRUE(IsError(node->ReservePublisher(Spec("t"), {}).status(), StatusCode::kFailedPrecondition,
                      {"removed or replaced"}));
  EXPECT_TRUE(IsError(node->CheckUsable(), StatusCode::kFailedPrecondition));
  EXPECT_TRUE(node->IsNodeAlive(node->node_index(), node->node_incarnation()));
  EXPECT_EQ((*node->Topic(slot->topic).Subscribers()).size(), 1u);
  EXPECT_EQ(queue->view.depth, 4u);

  auto successor = Join("successor");  // another domain, as it were
  EXPECT_THAT(Look().Nodes(), SizeIs(1));
  EXPECT_TRUE(IsError(node->CleanUp(), StatusCode::kFailedPrecondition));
  EXPECT_OK(node->RemoveSubscriber(*slot));
  EXPECT_OK(node->Leave());
  EXPECT_THAT(Files(), ElementsAre("registry"));
  EXPECT_OK(successor->CleanUp());
}

TEST_F(ProcessesTest, AReplacedRegistryIsNoticed) {
  auto node = Join("old");
  auto other_old = Join("other old");
  ASSERT_EQ(unlink((node->path() + "/registry").c_str()), 0);
  auto successor = Join("new");
  EXPECT_TRUE(IsError(node->CleanUp(), StatusCode::kFailedPrecondition, {"removed or replaced"}));
  EXPECT_TRUE(node->IsNodeAlive(other_old->node_index(), other_old->node_incarnation()));
  EXPECT_OK(other_old->Leave());
  EXPECT_OK(node->Leave());
  EXPECT_THAT(Files(), ElementsAre("registry"));
  EXPECT_OK(successor->CleanUp());
  EXPECT_OK(successor->Leave());
  EXPECT_TRUE(root_.IsEmpty());
}

TEST_F(ProcessesTest, NodesKilledAtRandomTimesLeaveAUsableDomain) {
  std::mt19937_64 random = test::SeededRandom("kill times");
  auto observer = Join("observer");
  for (int round = 0; round < 40; ++round) {
    std::vector<std::unique_ptr<Child>> children;
    for (int i = 0; i < 2; ++i) {
      children.push_back(std::make_unique<Child>([&](Channel& parent) {
        parent.Send("starts");
        for (;;) {
          absl::StatusOr<std::shared_ptr<Registry>> node = Registry::Join(Options(), "victim");
          ASSERT_OK(node.status());
          for (int n = 0; n < 3; ++n) {
            const absl::StatusOr<PublisherSlot> publisher = AddPublisher(**node, Spec("a"));
            ASSERT_OK(publisher.status());
            const absl::StatusOr<SubscriberSlot> subscriber = AddSubscriber(**node, Spec(n == 1 ? "a" : "b"));
            ASSERT_OK(subscriber.status());
            ASSERT_OK((*node)->RetirePublisher(*publisher));
            ASSERT_OK((*node)->CloseSubscriber(*subscriber));
            if (n == 2) continue;
            ASSERT_OK((*node)->RemoveSubscriber(*subscriber));
          }
        }
      }));
    }
    for (auto& child : children) ASSERT_TRUE(child->channel().ReceiveText().has_value());
    for (auto& child : children) {
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 8000));
      child->Kill();
    }
    for (auto& child : children) ASSERT_EQ(child->Wait(), ChildEnd::KilledBy(SIGKILL));
    ASSERT_OK(observer->CleanUp());
    ASSERT_THAT(Files(), ElementsAre("registry"));
    ASSERT_THAT(Look().Endpoints(), IsEmpty());
    ASSERT_THAT(Look().Topics(), IsEmpty());
    ASSERT_THAT(Look().Nodes(), SizeIs(1));
  }
}

}  // namespace
}  // namespace weir::discovery
