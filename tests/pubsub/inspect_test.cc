// A domain seen from outside: right about the living, the stopped and the dead, and without leaving a trace.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weir/capnp.h>
#include <weir/inspect.h>
#include <weir/messages/imu.capnp.h>
#include <weir/weir.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "discovery/liveness.h"
#include "discovery/registry_layout.h"
#include "gmock/gmock.h"
#include "middleware/os/clock.h"
#include "middleware/os/lock_byte.h"
#include "middleware/queue/borrow_table.h"
#include "schema/schema_blob.h"
#include "tests/pubsub/payload.h"
#include "tests/support/child.h"
#include "tests/support/random.h"
#include "tests/support/test_root.h"
#include "tests/support/wait.h"

namespace weir {
namespace {

using test::Channel;
using test::Child;
using test::ChildEnd;
using test::Payload;
using ::testing::AnyOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class InspectTest : public testing::Test {
 protected:
  NodeOptions Options(const std::string& name = "node") const {
    return {.name = name, .domain = "d", .root = root_.path()};
  }
  InspectorOptions Domain() const { return {.domain = "d", .root = root_.path()}; }
  std::string Path(const std::string& file = "") const { return root_.path() + "/d/" + file; }

  DomainSnapshot Look() const {
    auto inspector = Inspector::Open(Domain());
    EXPECT_TRUE(inspector.ok()) << inspector.status();
    if (!inspector.ok()) return {};
    auto domain = inspector->Look();
    EXPECT_TRUE(domain.ok()) << domain.status();
    return domain.ok() ? *std::move(domain) : DomainSnapshot{};
  }

  static void Publish(Publisher<Payload>& publisher, uint64_t number) {
    auto loan = publisher.Loan();
    ASSERT_TRUE(loan.ok()) << loan.status();
    loan->value().Fill(1, number);
    auto sent = publisher.Publish(*std::move(loan));
    ASSERT_TRUE(sent.ok()) << sent.status();
  }

  // What a trace would be left in: names, contents, sizes, times of change.
  struct FileState {
    std::string content;
    int64_t modified_ns = 0;
    int64_t changed_ns = 0;
    mode_t mode = 0;
    friend bool operator==(const FileState&, const FileState&) = default;
  };
  std::map<std::string, FileState> FileStates() const {
    std::map<std::string, FileState> states;
    std::vector<std::string> names = root_.Contents();
    names.push_back("");
    for (const std::string& name : names) {
      FileState& state = states[name];
      struct stat info;
      EXPECT_EQ(stat((root_.path() + "/" + name).c_str(), &info), 0);
      state.modified_ns = info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec;
      state.changed_ns = info.st_ctim.tv_sec * 1'000'000'000 + info.st_ctim.tv_nsec;
      state.mode = info.st_mode;
      if (!S_ISREG(info.st_mode)) continue;
      std::ifstream file(root_.path() + "/" + name, std::ios::binary);
      state.content.assign(std::istreambuf_iterator<char>(file), {});
    }
    return states;
  }

  test::TestRoot root_;
};

TEST_F(InspectTest, ShowsWhatTheEndpointsSayOfThemselves) {
  auto node = Node::Create(Options("sensor"));
  ASSERT_TRUE(node.ok()) << node.status();
  const TopicOptions topic_options = {.exclusive = true, .max_publishers = 1, .max_subscribers = 5};
  auto publisher = node->CreatePublisher<Payload>(
      "scan", {.topic = topic_options, .history = 3, .max_loans = 7, .pool_bytes_max = 1u << 20});
  auto block = node->CreateSubscriber<Payload>("scan", {.depth = 9, .max_borrowed = 4, .when_full = WhenFull::kBlock});
  auto overwrite = node->CreateSubscriber<Payload>("scan", {.depth = 2});
  auto imu = node->CreatePublisher<msg::Imu>("imu");
  ASSERT_TRUE(publisher.ok() && block.ok() && overwrite.ok() && imu.ok());
  for (uint64_t number = 1; number <= 5; ++number) Publish(*publisher, number);
  auto held = block->Take();
  ASSERT_TRUE(held);

  const DomainSnapshot domain = Look();
  EXPECT_EQ(domain.name, "d");
  EXPECT_EQ(domain.path + "/", Path());
  EXPECT_THAT(domain.notes, IsEmpty());
  EXPECT_EQ(domain.lock_holder_pid, 0u);
  ASSERT_THAT(domain.nodes, SizeIs(1));
  const NodeInfo& shown = domain.nodes[0];
  EXPECT_EQ(shown.name, "sensor");
  EXPECT_EQ(shown.pid, static_cast<uint32_t>(getpid()));
  EXPECT_EQ(shown.uid, geteuid());
  EXPECT_TRUE(shown.alive);

  ASSERT_THAT(domain.topics, SizeIs(2));
  const TopicInfo& scan = domain.topics[0].name == "scan" ? domain.topics[0] : domain.topics[1];
  const TopicInfo& imu_topic = domain.topics[0].name == "imu" ? domain.topics[0] : domain.topics[1];
  EXPECT_EQ(scan.kind, MessageKind::kPlain);
  EXPECT_EQ(scan.type_name, "weir::test::Payload");
  EXPECT_EQ(scan.body_bytes, sizeof(Payload));
  EXPECT_EQ(scan.body_align, alignof(Payload));
  EXPECT_EQ(scan.options, topic_options);
  EXPECT_EQ(scan.publishers, 1u);
  EXPECT_EQ(scan.subscribers, 2u);
  EXPECT_EQ(scan.schema_hash, "");
  EXPECT_EQ(imu_topic.kind, MessageKind::kCapnp);
  EXPECT_EQ(imu_topic.type_name, "Imu");
  EXPECT_EQ(imu_topic.type_id, capnp::typeId<msg::Imu>());
  EXPECT_THAT(imu_topic.schema_hash, SizeIs(32));

  ASSERT_THAT(domain.publishers, SizeIs(2));
  const PublisherInfo& sender = domain.publishers[0].topic == "scan" ? domain.publishers[0] : domain.publishers[1];
  EXPECT_TRUE(sender.readable) << sender.note;
  EXPECT_EQ(sender.topic_id, scan.id);
  EXPECT_EQ(sender.node, "sensor");
  EXPECT_EQ(sender.node_id, shown.id);
  EXPECT_TRUE(sender.node_alive);
  EXPECT_EQ(sender.state, EndpointState::kLive);
  EXPECT_EQ(sender.history, 3u);
  EXPECT_EQ(sender.history_fill, 3u);
  EXPECT_EQ(sender.max_loans, 7u);
  EXPECT_EQ(sender.pool_bytes_max, 1u << 20);
  const PublisherCounts own = publisher->counts();
  EXPECT_EQ(sender.pool_bytes_committed, own.pool_bytes_committed);
  EXPECT_TRUE(sender.counts == own);
  EXPECT_EQ(sender.counts.published, 5u);

  ASSERT_THAT(domain.subscribers, SizeIs(2));
  const SubscriberInfo& blocking = domain.subscribers[domain.subscribers[0].depth == 9 ? 0 : 1];
  const SubscriberInfo& overwriting = domain.subscribers[domain.subscribers[0].depth == 9 ? 1 : 0];
  EXPECT_EQ(blocking.when_full, WhenFull::kBlock);
  EXPECT_EQ(blocking.max_borrowed, 4u);
  EXPECT_EQ(blocking.table_entries, 7u);  // and three of the history
  const SubscriberCounts blocking_own = block->counts();
  EXPECT_TRUE(blocking.counts == blocking_own);
  EXPECT_EQ(blocking.counts.queued, 4u);
  EXPECT_EQ(overwriting.counts.queued, 2u);
  EXPECT_FALSE(blocking.asleep);
  EXPECT_THAT(overwriting.held, IsEmpty());
  ASSERT_THAT(blocking.held, SizeIs(1));
  const HeldSample& sample = blocking.held[0];
  EXPECT_EQ(sample.publisher_id, sender.id);
  EXPECT_EQ(sample.publisher, sender.index);
  EXPECT_EQ(sample.sequence, held->info().sequence);
  EXPECT_EQ(sample.published_ns, held->info().published_ns);
  EXPECT_LE(sample.published_ns, domain.looked_ns);
  EXPECT_EQ(sample.bytes, sizeof(Payload));
  EXPECT_GT(sample.slot_offset, 0u);
  EXPECT_LT(sample.slot_offset, sender.pool_bytes_committed);
}

TEST_F(InspectTest, GivesTheSchemaThatLiesWithATopic) {
  auto node = Node::Create(Options());
  auto imu = node->CreatePublisher<msg::Imu>("imu");
  auto bytes = node->CreatePublisher<Bytes>("bytes");
  ASSERT_TRUE(imu.ok() && bytes.ok());
  auto inspector = Inspector::Open(Domain());
  ASSERT_TRUE(inspector.ok());
  auto schema = inspector->ReadSchema("imu");
  ASSERT_TRUE(schema.ok()) << schema.status();
  auto described = schema::Describe(capnp::Schema::from<msg::Imu>());
  ASSERT_TRUE(described.ok());
  EXPECT_EQ(*schema, described->blob);
  EXPECT_TRUE(absl::IsNotFound(inspector->ReadSchema("bytes").status()));
  EXPECT_TRUE(absl::IsNotFound(inspector->ReadSchema("nothing").status()));
}

TEST_F(InspectTest, AStoppedProcessIsAliveAndAKilledOneIsDeadWithTheSamplesItHeld) {
  auto node = Node::Create(Options("publisher"));
  auto publisher = node->CreatePublisher<Payload>("t");
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  const auto subscribe_and_hold = [this](const std::string& name, size_t count) {
    return [this, name, count](Channel& parent) {
      auto mine = Node::Create(Options(name));
      auto subscriber = mine->CreateSubscriber<Payload>("t", {.max_borrowed = 4});
      ASSERT_TRUE(subscriber.ok()) << subscriber.status();
      parent.Send("ready");
      std::vector<Taken<Payload>> held;
      while (held.size() < count) {
        if (auto sample = subscriber->TakeFor(absl::Seconds(30))) held.push_back(std::move(sample));
      }
      parent.Send("holding");
      parent.ReceiveText(std::chrono::hours(1));
    };
  };
  Child stopped(subscribe_and_hold("stopped", 1));
  Child killed(subscribe_and_hold("killed", 2));
  ASSERT_EQ(stopped.channel().ReceiveText(), "ready");
  ASSERT_EQ(killed.channel().ReceiveText(), "ready");
  for (uint64_t number = 1; number <= 3; ++number) Publish(*publisher, number);
  ASSERT_EQ(stopped.channel().ReceiveText(), "holding");
  ASSERT_EQ(killed.channel().ReceiveText(), "holding");
  stopped.Stop();
  killed.Kill();
  killed.Wait();

  for (int look = 0; look < 3; ++look) {  // nothing is cleaned up by looking
    const DomainSnapshot domain = Look();
    std::map<std::string, bool> alive;
    for (const NodeInfo& info : domain.nodes) alive[info.name] = info.alive;
    EXPECT_EQ(alive, (std::map<std::string, bool>{{"publisher", true}, {"stopped", true}, {"killed", false}}));
    ASSERT_THAT(domain.topics, SizeIs(1));
    EXPECT_EQ(domain.topics[0].subscribers, 1u);
    ASSERT_THAT(domain.subscribers, SizeIs(2));
    for (const SubscriberInfo& subscriber : domain.subscribers) {
      const bool dead = subscriber.node == "killed";
      EXPECT_EQ(subscriber.node_alive, !dead);
      EXPECT_EQ(subscriber.pid, static_cast<uint32_t>(dead ? killed.pid() : stopped.pid()));
      EXPECT_TRUE(subscriber.readable) << subscriber.note;
      EXPECT_EQ(subscriber.counts.queued, dead ? 1u : 2u);
      ASSERT_THAT(subscriber.held, SizeIs(dead ? 2 : 1));
      for (size_t i = 0; i < subscriber.held.size(); ++i) EXPECT_EQ(subscriber.held[i].sequence, i + 1);
    }
  }
  stopped.Continue();
  stopped.channel().Send("go");
  EXPECT_EQ(stopped.Wait(), ChildEnd::Exited(0));
}

TEST_F(InspectTest, LeavesNoTrace) {
  // Everybody stands still, so whatever changes was the inspector.
  Child other([this](Channel& parent) {
    auto node = Node::Create(Options());
    auto publisher = node->CreatePublisher<Payload>("t", {.history = 2});
    auto imu = node->CreatePublisher<msg::Imu>("imu");
    auto subscriber = node->CreateSubscriber<Payload>("t");
    ASSERT_TRUE(publisher.ok() && imu.ok() && subscriber.ok());
    for (uint64_t number = 1; number <= 4; ++number) Publish(*publisher, number);
    auto held = subscriber->Take();
    parent.Send("ready");
    parent.ReceiveText();
  });
  ASSERT_EQ(other.channel().ReceiveText(), "ready");
  other.Stop();
  const auto before = FileStates();
  EXPECT_EQ(before.size(), 10u);  // root, domain, registry, two pools, queue, table, schema, two of the departed
  for (int look = 0; look < 20; ++look) {
    auto inspector = Inspector::Open(Domain());
    ASSERT_TRUE(inspector.ok()) << inspector.status();
    ASSERT_TRUE(inspector->Look().ok());
    ASSERT_TRUE(inspector->Look().ok());
    ASSERT_TRUE(inspector->ReadSchema("imu").ok());
    ASSERT_TRUE(ListDomains(root_.path()).ok());
  }
  const auto after = FileStates();
  ASSERT_EQ(after.size(), before.size());
  for (const auto& [name, state] : before) EXPECT_TRUE(after.at(name) == state) << "changed: '" << name << "'";
  other.Continue();
  other.channel().Send("go");
  EXPECT_EQ(other.Wait(), ChildEnd::Exited(0));
}

TEST_F(InspectTest, WorksWhileAProcessHoldsTheRegistrysLock) {
  auto node = Node::Create(Options());
  auto subscriber = node->CreateSubscriber<Payload>("t");
  ASSERT_TRUE(subscriber.ok()) << subscriber.status();
  Child holder([this](Channel& parent) {
    const int directory = open(Path().c_str(), O_RDONLY | O_DIRECTORY);
    auto lock = os::LockDescriptor::Open(directory, discovery::kRegistryFileName);
    ASSERT_TRUE(lock.ok()) << lock.status();
    auto locked = lock->TryLock(discovery::kChangeLockByte);
    ASSERT_TRUE(locked.ok() && *locked);
    parent.Send("locked");
    parent.ReceiveText();
  });
  ASSERT_EQ(holder.channel().ReceiveText(), "locked");
  holder.Stop();
  NodeOptions impatient = Options("late");
  impatient.registry_timeout = absl::Milliseconds(20);
  EXPECT_TRUE(absl::IsUnavailable(Node::Create(impatient).status()));
  const DomainSnapshot domain = Look();
  EXPECT_THAT(domain.nodes, SizeIs(1));
  EXPECT_THAT(domain.subscribers, SizeIs(1));
  holder.Continue();
  holder.channel().Send("go");
  EXPECT_EQ(holder.Wait(), ChildEnd::Exited(0));
}

// Rights are nothing to root, so the child is somebody else.
TEST_F(InspectTest, NeedsNoMoreThanTheRightToRead) {
  constexpr uid_t kNobody = 65534;
  const bool is_root = geteuid() == 0;
  if (is_root) {
    ASSERT_EQ(chown(root_.path().c_str(), kNobody, kNobody), 0);
  }
  Child child([&](Channel&) {
    if (is_root) {
      ASSERT_TRUE(setresgid(kNobody, kNobody, kNobody) == 0 && setresuid(kNobody, kNobody, kNobody) == 0);
    }
    {
      auto node = Node::Create(Options());
      ASSERT_TRUE(node.ok()) << node.status();
      auto publisher = node->CreatePublisher<Payload>("t");
      auto subscriber = node->CreateSubscriber<Payload>("t");
      ASSERT_TRUE(publisher.ok() && subscriber.ok());
      Publish(*publisher, 1);
      auto held = subscriber->Take();
      const auto set_mode = [&](mode_t files, mode_t directories) {
        for (const std::string& name : root_.Contents()) {
          const std::string path = root_.path() + "/" + name;
          if (!name.ends_with('/')) {
            ASSERT_EQ(chmod(path.c_str(), files), 0);
          }
        }
        ASSERT_EQ(chmod(Path().c_str(), directories), 0);
        ASSERT_EQ(chmod(root_.path().c_str(), directories), 0);
      };
      set_mode(0400, 0500);
      const DomainSnapshot domain = Look();
      ASSERT_TRUE(domain.publishers.size() == 1 && domain.subscribers.size() == 1);
      EXPECT_TRUE(domain.publishers[0].readable) << domain.publishers[0].note;
      EXPECT_TRUE(domain.subscribers[0].readable) << domain.subscribers[0].note;
      EXPECT_THAT(domain.subscribers[0].held, SizeIs(1));
      EXPECT_TRUE(domain.nodes[0].alive);
      EXPECT_THAT(*ListDomains(root_.path()), ElementsAre("d"));
      struct stat info;
      ASSERT_EQ(stat(Path().c_str(), &info), 0);
      EXPECT_EQ(info.st_mode & 07777u, 0500u);
      set_mode(0600, 0700);
    }
    EXPECT_TRUE(root_.IsEmpty());
  });
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
}

TEST_F(InspectTest, ADomainThatDoesNotExistIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(Inspector::Open(Domain()).status()));
  EXPECT_TRUE(absl::IsNotFound(Inspector::Open({.domain = "d", .root = root_.path() + "/none"}).status()));
  EXPECT_TRUE(absl::IsNotFound(ListDomains(root_.path() + "/none").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Inspector::Open({.domain = "../d", .root = root_.path()}).status()));
  EXPECT_TRUE(root_.IsEmpty());
}

TEST_F(InspectTest, ListsTheDomainsOfARoot) {
  EXPECT_THAT(*ListDomains(root_.path()), IsEmpty());
  auto b = Node::Create({.domain = "b", .root = root_.path()});
  auto a = Node::Create({.domain = "a", .root = root_.path()});
  ASSERT_TRUE(a.ok() && b.ok());
  ASSERT_EQ(mkdir((root_.path() + "/empty").c_str(), 0700), 0);
  std::ofstream(root_.path() + "/file");
  EXPECT_THAT(*ListDomains(root_.path()), ElementsAre("a", "b"));
}

TEST_F(InspectTest, FollowsADomainThatWentAndCameBack) {
  auto node = Node::Create(Options("first"));
  ASSERT_TRUE(node.ok());
  auto inspector = Inspector::Open(Domain());
  ASSERT_TRUE(inspector.ok());
  node = absl::CancelledError();
  auto gone = inspector->Look();
  EXPECT_TRUE(absl::IsNotFound(gone.status())) << gone.status();
  EXPECT_THAT(std::string(gone.status().message()), HasSubstr("\"d\""));
  EXPECT_TRUE(root_.IsEmpty());
  node = Node::Create(Options("second"));
  auto again = inspector->Look();
  ASSERT_TRUE(again.ok()) << again.status();
  ASSERT_THAT(again->nodes, SizeIs(1));
  EXPECT_EQ(again->nodes[0].name, "second");
}

TEST_F(InspectTest, FilesThatAreMissingShortOrGarbageAreNotedAndTheRestIsShown) {
  // Whoever made them is gone: a file that is cut under a process that uses it kills that process.
  Child dead([this](Channel&) {
    auto node = Node::Create(Options("dead"));
    auto publisher = node->CreatePublisher<Payload>("t");
    auto other = node->CreatePublisher<Payload>("t");
    auto subscriber = node->CreateSubscriber<Payload>("t");
    auto second = node->CreateSubscriber<Payload>("t");
    ASSERT_TRUE(publisher.ok() && other.ok() && subscriber.ok() && second.ok());
    Publish(*publisher, 1);
    auto held = subscriber->Take();
    auto held_too = second->Take();
    kill(getpid(), SIGKILL);
  });
  dead.Wait();
  std::vector<std::string> pools, queues, tables;
  for (const std::string& name : root_.Contents()) {
    if (name.starts_with("d/pool.")) pools.push_back(root_.path() + "/" + name);
    if (name.starts_with("d/queue.")) queues.push_back(root_.path() + "/" + name);
    if (name.starts_with("d/table.")) tables.push_back(root_.path() + "/" + name);
  }
  ASSERT_TRUE(pools.size() == 2 && queues.size() == 2 && tables.size() == 2);

  ASSERT_EQ(unlink(pools[0].c_str()), 0);
  ASSERT_EQ(truncate(queues[0].c_str(), 4096), 0);
  {
    // Refs that lead nowhere.
    std::fstream table(tables[1], std::ios::in | std::ios::out | std::ios::binary);
    const uint32_t refs[] = {0xffff'ffff, 0x0000'0001, 0x01ff'ffff};
    table.seekp(queue::kTableEntriesOffset);
    table.write(reinterpret_cast<const char*>(refs), sizeof(refs));
  }
  DomainSnapshot domain = Look();
  ASSERT_THAT(domain.publishers, SizeIs(2));
  ASSERT_THAT(domain.subscribers, SizeIs(2));
  EXPECT_FALSE(domain.publishers[0].readable);
  EXPECT_THAT(domain.publishers[0].note, HasSubstr("gone"));
  EXPECT_TRUE(domain.publishers[1].readable);
  EXPECT_FALSE(domain.subscribers[0].readable);
  EXPECT_THAT(domain.subscribers[0].note, HasSubstr("4096 bytes"));
  EXPECT_TRUE(domain.subscribers[1].readable);
  EXPECT_THAT(domain.subscribers[1].held, SizeIs(3));
  for (const HeldSample& sample : domain.subscribers[1].held) EXPECT_EQ(sample.sequence, 0u);

  for (const std::string& path : {pools[1], queues[1], tables[1]}) {
    const auto bytes = static_cast<size_t>(std::ifstream(path, std::ios::ate | std::ios::binary).tellg());
    std::fstream(path, std::ios::in | std::ios::out | std::ios::binary) << std::string(bytes, 'x');
  }
  ASSERT_EQ(unlink(queues[0].c_str()), 0);
  ASSERT_EQ(symlink("/etc/passwd", queues[0].c_str()), 0);
  domain = Look();
  EXPECT_FALSE(domain.publishers[1].readable);
  EXPECT_FALSE(domain.subscribers[0].readable);
  EXPECT_THAT(domain.subscribers[0].note, HasSubstr("symbolic link"));
  EXPECT_FALSE(domain.subscribers[1].readable);
  EXPECT_THAT(domain.subscribers[1].note, Not(IsEmpty()));
}

TEST_F(InspectTest, ARegistryIntoWhichSomebodyWroteGarbageIsShownAsFarAsItCanBeRead) {
  Child dead([this](Channel&) {
    auto node = Node::Create(Options());
    auto publisher = node->CreatePublisher<Payload>("t", {.history = 3});
    auto subscriber = node->CreateSubscriber<Payload>("t");
    ASSERT_TRUE(publisher.ok() && subscriber.ok());
    Publish(*publisher, 1);
    auto held = subscriber->Take();
    kill(getpid(), SIGKILL);
  });
  dead.Wait();
  std::fstream file(Path("registry"), std::ios::in | std::ios::out | std::ios::binary);
  std::string good(discovery::kRegistryFileBytes, '\0');
  file.read(good.data(), static_cast<std::streamsize>(good.size()));
  ASSERT_TRUE(file);
  auto random = test::SeededRandom("registry garbage");
  bool noted = false;
  for (int round = 0; round < 200; ++round) {
    std::string bad = good;
    for (int i = 0; i < 20; ++i) {
      // Mostly in the first entries of each table, which are the ones in use.
      const uint64_t tables[] = {discovery::kNodesOffset, discovery::kTopicsOffset, discovery::kEndpointsOffset};
      const uint64_t at = tables[random() % 3] + random() % 5000;
      bad[at] = static_cast<char>(random() % 4 == 0 ? 0xff : random());
    }
    file.seekp(0);
    file.write(bad.data(), static_cast<std::streamsize>(bad.size())).flush();
    noted |= !Look().notes.empty();
  }
  EXPECT_TRUE(noted);
}

TEST_F(InspectTest, SeesWholeEntriesWhileEndpointsComeAndGo) {
  Child churn([this](Channel& parent) {
    auto node = Node::Create(Options("churn"));
    auto keeper = node->CreateSubscriber<Payload>("t", {.depth = 3});
    ASSERT_TRUE(keeper.ok());
    parent.Send("ready");
    while (!parent.ReceiveText(std::chrono::milliseconds(0)).has_value()) {
      auto publisher = node->CreatePublisher<Payload>("t", {.history = 2});
      auto subscriber = node->CreateSubscriber<Payload>("t", {.depth = 3});
      ASSERT_TRUE(publisher.ok() && subscriber.ok());
      for (uint64_t number = 1; number <= 3; ++number) Publish(*publisher, number);
      auto held = subscriber->Take();
      subscriber = absl::CancelledError();
    }
  });
  ASSERT_EQ(churn.channel().ReceiveText(), "ready");
  auto inspector = Inspector::Open(Domain());
  ASSERT_TRUE(inspector.ok());
  size_t most_endpoints = 0;
  for (int look = 0; look < 300; ++look) {
    auto domain = inspector->Look();
    ASSERT_TRUE(domain.ok()) << domain.status();
    // Nothing else may be wrong. This one is true where looking is slow and coming and going is not.
    EXPECT_THAT(domain->notes, Each(HasSubstr("endpoints left all the time")));
    ASSERT_THAT(domain->nodes, SizeIs(1));
    EXPECT_TRUE(domain->nodes[0].alive);
    ASSERT_THAT(domain->topics, SizeIs(1));
    most_endpoints = std::max(most_endpoints, domain->publishers.size() + domain->subscribers.size());
    for (const SubscriberInfo& subscriber : domain->subscribers) {
      EXPECT_EQ(subscriber.topic, "t");
      EXPECT_EQ(subscriber.depth, 3u);
      EXPECT_LE(subscriber.counts.queued, 3u);
      if (!subscriber.readable) {
        EXPECT_THAT(subscriber.note, AnyOf(HasSubstr("gone"), "being made"));
      }
      for (const HeldSample& sample : subscriber.held) EXPECT_LE(sample.sequence, 3u);
    }
    for (const PublisherInfo& publisher : domain->publishers) {
      EXPECT_LE(publisher.counts.published, 3u);
      if (!publisher.readable) {
        EXPECT_THAT(publisher.note, AnyOf(HasSubstr("gone"), "being made"));
      }
    }
  }
  EXPECT_GT(most_endpoints, 1u);
  churn.channel().Send("stop");
  EXPECT_EQ(churn.Wait(), ChildEnd::Exited(0));
}

TEST_F(InspectTest, AForkedChildMustOpenItsOwn) {
  auto node = Node::Create(Options());
  auto inspector = Inspector::Open(Domain());
  ASSERT_TRUE(inspector.ok());
  Child child([&](Channel&) {
    EXPECT_TRUE(absl::IsFailedPrecondition(inspector->Look().status()));
    EXPECT_THAT(Look().nodes, SizeIs(1));
  });
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
}

}  // namespace
}  // namespace weir
