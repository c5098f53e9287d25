// What a registry does when everybody lives: joining, leaving, topics, endpoints, limits.
#include "discovery/registry.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/discovery/registry_fixture.h"

namespace weir::discovery {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(RegistryTest, TheFirstNodeMakesTheDomainAndTheLastRemovesIt) {
  auto first = Join("one");
  EXPECT_THAT(Files(), ElementsAre("registry"));
  auto second = Join("two");
  EXPECT_NE(first->node_index(), second->node_index());
  EXPECT_NE(first->node_incarnation(), second->node_incarnation());
  EXPECT_OK(first->Leave());
  EXPECT_THAT(Files(), ElementsAre("registry"));
  EXPECT_OK(second->Leave());
  EXPECT_TRUE(root_.IsEmpty());
}

TEST_F(RegistryTest, LeavingTwiceDoesNothingAndDestructionLeaves) {
  auto first = Join();
  EXPECT_OK(first->Leave());
  EXPECT_OK(first->Leave());
  Join().reset();
  EXPECT_TRUE(root_.IsEmpty());
}

TEST_F(RegistryTest, TheDefaultRootIsMadeAndRemoved) {
  // Not with $WEIR_ROOT, which is somebody's decision; so this test uses the user's real default root, in a domain of
  // its own, and other domains there must survive.
  unsetenv("WEIR_ROOT");
  const std::string domain = "weir-test-" + std::to_string(getpid());
  const std::string root = ResolveRoot("")->path;
  struct stat before;
  const bool existed = stat(root.c_str(), &before) == 0;
  absl::StatusOr<std::shared_ptr<Registry>> node = Registry::Join({.root = "", .domain = domain}, "n");
  ASSERT_OK(node.status());
  EXPECT_EQ((*node)->path(), root + "/" + domain);
  EXPECT_OK((*node)->Leave());
  struct stat after;
  EXPECT_NE(stat((root + "/" + domain).c_str(), &after), 0);
  if (!existed) {
    EXPECT_NE(stat(root.c_str(), &after), 0);
  }
}

TEST_F(RegistryTest, ARootWithoutParentIsSaidSoSoon) {
  const absl::Time start = absl::Now();
  DomainOptions options = Options(absl::Minutes(5));
  options.root = root_.path() + "/no/such/place";
  EXPECT_FALSE(Registry::Join(options, "n").ok());
  EXPECT_LT(absl::Now() - start, absl::Minutes(1));
}

TEST_F(RegistryTest, ANodeIsSeenWithWhatItSaidOfItself) {
  absl::StatusOr<std::shared_ptr<Registry>> node = Registry::Join(Options(), "lidar", 5);
  ASSERT_OK(node.status());
  const std::vector<Snapshot::Node> nodes = Look().Nodes();
  ASSERT_THAT(nodes, SizeIs(1));
  EXPECT_EQ(nodes[0].name, "lidar");
  EXPECT_EQ(nodes[0].flags, 5u);
  EXPECT_EQ(nodes[0].pid, static_cast<uint32_t>(getpid()));
  EXPECT_EQ(nodes[0].uid, geteuid());
  EXPECT_TRUE(nodes[0].alive);
  EXPECT_GT(nodes[0].started_ns, 1'600'000'000'000'000'000u);
  EXPECT_TRUE((*node)->IsNodeAlive(nodes[0].index, nodes[0].incarnation));
  EXPECT_FALSE((*node)->IsNodeAlive(nodes[0].index, nodes[0].incarnation + 1));
  EXPECT_FALSE((*node)->IsNodeAlive(kNodesMax, nodes[0].incarnation));
}

TEST_F(RegistryTest, ANodeWithoutANameHasThatOfItsProcess) {
  absl::StatusOr<std::shared_ptr<Registry>> node = Registry::Join(Options(), "");
  ASSERT_OK(node.status());
  EXPECT_FALSE((*node)->node_name().empty());
  EXPECT_TRUE(IsError(Registry::Join(Options(), "a\nb").status(), StatusCode::kInvalidArgument, {"a\\nb"}));
  DomainOptions bad = Options();
  bad.domain = "../x";
  EXPECT_TRUE(IsError(Registry::Join(bad, "n").status(), StatusCode::kInvalidArgument, {"../x"}));
}

TEST_F(RegistryTest, APublisherIsSeenOnceItIsActive) {
  auto node = Join("lidar");
  PublisherRecord record{.history = 3, .max_loans = 2, .granule_shift = 1, .flags = 9, .pool_bytes_max = 1 << 20};
  absl::StatusOr<PublisherSlot> slot = node->ReservePublisher(Spec("scan/front"), record);
  ASSERT_OK(slot.status());
  const TopicView topic = node->Topic(slot->topic);
  EXPECT_THAT(*topic.Publishers(), IsEmpty());
  EXPECT_EQ(topic.publisher_incarnation(slot->index), 0u);
  const uint64_t generation = topic.generation().load(queue::kAcquire);
  const uint32_t word = topic.generation_futex_value();

  ASSERT_OK(MakePoolFile(*node, slot->incarnation));
  record.granule_shift = 2;
  ASSERT_OK(node->ActivatePublisher(*slot, record));
  EXPECT_GT(topic.generation().load(queue::kAcquire), generation);
  EXPECT_NE(topic.generation_futex_value(), word);
  EXPECT_EQ(topic.publisher_incarnation(slot->index), slot->incarnation);
  const std::vector<EndpointRecord> publishers = *topic.Publishers();
  ASSERT_THAT(publishers, SizeIs(1));
  EXPECT_EQ(publishers[0].state, EndpointState::kLive);
  EXPECT_EQ(publishers[0].incarnation, slot->incarnation);
  EXPECT_EQ(publishers[0].node, node->node_index());
  EXPECT_EQ(publishers[0].node_incarnation, node->node_incarnation());
  EXPECT_EQ(publishers[0].history, 3u);
  EXPECT_EQ(publishers[0].granule_shift, 2u);
  EXPECT_EQ(publishers[0].flags, 9u);
  EXPECT_EQ(publishers[0].pool_bytes_max, 1u << 20);
  EXPECT_TRUE(IsError(node->ActivatePublisher(*slot, record), StatusCode::kFailedPrecondition));

  EXPECT_OK(node->RetirePublisher(*slot));
  EXPECT_THAT(*topic.Publishers(), IsEmpty());
  EXPECT_EQ(topic.publisher_incarnation(slot->index), 0u);
  EXPECT_THAT(Files(), ElementsAre("registry"));
  EXPECT_FALSE(node->FindTopic("scan/front").has_value());
  EXPECT_TRUE(IsError(node->RetirePublisher(*slot), StatusCode::kFailedPrecondition));
}

TEST_F(RegistryTest, AnAbandonedPublisherLeavesNothing) {
  auto node = Join();
  absl::StatusOr<PublisherSlot> slot = node->ReservePublisher(Spec("t"), {});
  ASSERT_OK(slot.status());
  ASSERT_OK(MakePoolFile(*node, slot->incarnation));
  EXPECT_OK(node->AbandonPublisher(*slot));
  EXPECT_THAT(Files(), ElementsAre("registry"));
  EXPECT_THAT(Look().Endpoints(), IsEmpty());
  EXPECT_THAT(Look().Topics(), IsEmpty());
}

TEST_F(RegistryTest, ASubscriberClosesAtOnceAndGoesWithItsLastSample) {
  auto node = Join();
  absl::StatusOr<SubscriberSlot> slot = AddSubscriber(*node, Spec("t"), Depth(7, queue::WhenFull::kBlock));
  ASSERT_OK(slot.status());
  const TopicView topic = node->Topic(slot->topic);
  std::vector<EndpointRecord> subscribers = *topic.Subscribers();
  ASSERT_THAT(subscribers, SizeIs(1));
  EXPECT_EQ(subscribers[0].state, EndpointState::kLive);
  EXPECT_EQ(subscribers[0].depth, 7u);
  EXPECT_EQ(subscribers[0].table_entries, 5u);
  EXPECT_EQ(subscribers[0].when_full, queue::WhenFull::kBlock);
  EXPECT_OK(OpenQueue(node->directory(), slot->incarnation, os::Access::kReadWrite).status());
  EXPECT_OK(OpenTable(node->directory(), slot->incarnation, os::Access::kRead).status());

  const uint64_t generation = topic.generation().load(queue::kAcquire);
  EXPECT_OK(node->CloseSubscriber(*slot));
  EXPECT_GT(topic.generation().load(queue::kAcquire), generation);
  subscribers = *topic.Subscribers();
  ASSERT_THAT(subscribers, SizeIs(1));
  EXPECT_EQ(subscribers[0].state, EndpointState::kClosing);
  EXPECT_EQ(topic.StateOf(slot->endpoint, slot->incarnation), EndpointState::kClosing);
  EXPECT_TRUE(IsError(node->CloseSubscriber(*slot), StatusCode::kFailedPrecondition));

  EXPECT_OK(node->RemoveSubscriber(*slot));
  EXPECT_EQ(topic.StateOf(slot->endpoint, slot->incarnation), EndpointState::kFree);
  EXPECT_THAT(Files(), ElementsAre("registry"));
}

TEST_F(RegistryTest, ASubscriberWhoseFilesCannotBeMadeLeavesNothing) {
  auto node = Join();
  const absl::StatusOr<SubscriberSlot> slot = node->AddSubscriber(
      Spec("t"), Depth(4), [&](const SubscriberSlot& made, uint64_t, SubscriberRecord& record) -> absl::Status {
        EXPECT_OK(MakeQueueFile(*node, made, record));
        return absl::ResourceExhaustedError("no room for the table");
      });
  EXPECT_TRUE(IsError(slot.status(), StatusCode::kResourceExhausted, {"no room for the table"}));
  EXPECT_THAT(Files(), ElementsAre("registry"));
  EXPECT_THAT(Look().Endpoints(), IsEmpty());
  EXPECT_THAT(Look().Topics(), IsEmpty());
}

TEST_F(RegistryTest, ASubscriberIsToldTheSumOfHistories) {
  auto node = Join();
  ASSERT_OK(AddPublisher(*node, Spec("t"), {.history = 3}).status());
  absl::StatusOr<PublisherSlot> second = AddPublisher(*node, Spec("t"), {.history = 10});
  ASSERT_OK(second.status());
  ASSERT_OK(node->ReservePublisher(Spec("t"), {.history = 100}).status());  // not live yet
  uint64_t total = 0;
  ASSERT_OK(AddSubscriber(*node, Spec("t"), Depth(4), &total).status());
  EXPECT_EQ(total, 13u);
  ASSERT_OK(node->RetirePublisher(*second));
  ASSERT_OK(AddSubscriber(*node, Spec("t"), Depth(4), &total).status());
  EXPECT_EQ(total, 3u);
}

TEST_F(RegistryTest, AnotherTypeIsRefusedAndBothAreNamed) {
  auto node = Join();
  ASSERT_OK(AddPublisher(*node, Spec("t")).status());
  TopicSpec other = Spec("t");
  other.type.name = "Pose";
  other.type.body_bytes = 48;
  EXPECT_TRUE(IsError(AddSubscriber(*node, other).status(), StatusCode::kFailedPrecondition,
                      {"\"t\"", "\"Scan\"", "24 bytes", "\"Pose\"", "48 bytes"}));
  TopicSpec with_schema = Spec("t");
  with_schema.type = WithSchema(with_schema.type, "blob");
  EXPECT_TRUE(IsError(AddSubscriber(*node, with_schema).status(), StatusCode::kFailedPrecondition,
                      {HexOf(with_schema.type.schema_hash)}));
}

TEST_F(RegistryTest, TopicOptionsMustAgreeUnlessThereIsNoOpinion) {
  auto node = Join();
  TopicSpec spec = Spec("t", /*exclusive=*/true);
  spec.max_subscribers = 2;
  absl::StatusOr<PublisherSlot> publisher = AddPublisher(*node, spec);
  ASSERT_OK(publisher.status());
  EXPECT_TRUE(publisher->exclusive);
  absl::StatusOr<SubscriberSlot> subscriber = AddSubscriber(*node, Spec("t"));  // no opinion
  ASSERT_OK(subscriber.status());
  EXPECT_TRUE(subscriber->exclusive);
  spec.max_subscribers = 3;
  EXPECT_TRUE(IsError(AddSubscriber(*node, spec).status(), StatusCode::kFailedPrecondition,
                      {"exclusive", "16 publishers and 2 subscribers", "16 publishers and 3 subscribers"}));
  spec.max_subscribers = 0;
  EXPECT_TRUE(IsError(AddSubscriber(*node, spec).status(), StatusCode::kInvalidArgument, {"0 subscribers"}));
  spec.max_subscribers = 257;
  EXPECT_TRUE(IsError(AddSubscriber(*node, spec).status(), StatusCode::kInvalidArgument, {"257"}));
}

TEST_F(RegistryTest, AnExclusiveTopicHasOnePublisherAtATime) {
  auto node = Join("first");
  auto other = Join("second");
  absl::StatusOr<PublisherSlot> publisher = node->ReservePublisher(Spec("t", true), {});
  ASSERT_OK(publisher.status());
  EXPECT_TRUE(IsError(other->ReservePublisher(Spec("t", true), {}).status(), StatusCode::kAlreadyExists,
                      {"\"t\"", "\"first\"", std::to_string(getpid())}));
  ASSERT_OK(node->AbandonPublisher(*publisher));
  EXPECT_OK(other->ReservePublisher(Spec("t", true), {}).status());
}

TEST_F(RegistryTest, EachLimitIsResourceExhaustedAndNamed) {
  auto node = Join();
  TopicSpec spec = Spec("t");
  spec.max_publishers = 2;
  spec.max_subscribers = 1;
  absl::StatusOr<SubscriberSlot> subscriber = AddSubscriber(*node, spec);
  ASSERT_OK(subscriber.status());
  EXPECT_TRUE(
      IsError(AddSubscriber(*node, spec).status(), StatusCode::kResourceExhausted, {"\"t\"", "1 (max_subscribers)"}));
  ASSERT_OK(AddPublisher(*node, spec).status());
  ASSERT_OK(AddPublisher(*node, spec).status());
  EXPECT_TRUE(IsError(AddPublisher(*node, spec).status(), StatusCode::kResourceExhausted, {"2 (max_publishers)"}));
  // One that is closing no longer counts.
  ASSERT_OK(node->CloseSubscriber(*subscriber));
  EXPECT_OK(AddSubscriber(*node, spec).status());
}

TEST_F(RegistryTest, OptionsBeyondTheLimitsAreInvalid) {
  auto node = Join();
  EXPECT_TRUE(IsError(AddSubscriber(*node, Spec("t"), Depth(0)).status(), StatusCode::kInvalidArgument, {"depth 0"}));
  EXPECT_TRUE(
      IsError(AddSubscriber(*node, Spec("t"), Depth(kQueueDepthMax + 1)).status(), StatusCode::kInvalidArgument));
  EXPECT_TRUE(IsError(node->ReservePublisher(Spec("t"), {.history = kHistoryMax + 1}).status(),
                      StatusCode::kInvalidArgument, {"history 1025"}));
  EXPECT_THAT(Look().Topics(), IsEmpty());
}

TEST_F(RegistryTest, AnotherTypeIsAcceptedForExactlyTheTopicItWasFoundCompatibleWith) {
  auto node = Join();
  TopicSpec first = Spec("t");
  first.type = WithSchema(first.type, "one version");
  absl::StatusOr<SubscriberSlot> slot = AddSubscriber(*node, first);
  ASSERT_OK(slot.status());
  TopicSpec second = Spec("t");
  second.type = WithSchema(second.type, "another version");
  EXPECT_TRUE(IsError(AddSubscriber(*node, second).status(), StatusCode::kFailedPrecondition));
  second.compatible_with = node->FindTopic("t")->incarnation;
  absl::StatusOr<SubscriberSlot> other = AddSubscriber(*node, second);
  ASSERT_OK(other.status());
  EXPECT_EQ(node->FindTopic("t")->schema_hash, first.type.schema_hash);
  // A topic of the same name and type that was made later has not been looked at.
  ASSERT_OK(node->RemoveSubscriber(*slot));
  ASSERT_OK(node->RemoveSubscriber(*other));
  ASSERT_OK(AddSubscriber(*node, first).status());
  EXPECT_TRUE(IsError(AddSubscriber(*node, second).status(), StatusCode::kFailedPrecondition));
}

TEST_F(RegistryTest, TheSchemaLiesBesideTheTopicUntilNobodyNamesIt) {
  auto node = Join();
  const std::string blob(100'000, 's');
  TopicSpec a = Spec("a");
  a.type = WithSchema(a.type, blob);
  TopicSpec b = Spec("b");
  b.type = a.type;
  absl::StatusOr<SubscriberSlot> in_a = AddSubscriber(*node, a);
  ASSERT_OK(in_a.status());
  absl::StatusOr<SubscriberSlot> in_b = AddSubscriber(*node, b);
  ASSERT_OK(in_b.status());
  EXPECT_EQ(node->FindTopic("a")->schema_hash, a.type.schema_hash);
  EXPECT_EQ(*node->ReadSchema(a.type.schema_hash), blob);
  EXPECT_EQ(*Look().ReadSchema(a.type.schema_hash), blob);
  ASSERT_OK(node->RemoveSubscriber(*in_a));
  EXPECT_OK(node->ReadSchema(a.type.schema_hash).status());
  ASSERT_OK(node->RemoveSubscriber(*in_b));
  EXPECT_TRUE(IsError(node->ReadSchema(a.type.schema_hash).status(), StatusCode::kNotFound));
}

TEST_F(RegistryTest, ADamagedSchemaFileIsNoticedAndMadeAnew) {
  auto node = Join();
  TopicSpec spec = Spec("t");
  spec.type = WithSchema(spec.type, "the schema");
  const std::string path = node->path() + "/" + SchemaFileName(spec.type.schema_hash);
  const int fd = open(path.c_str(), O_CREAT | O_WRONLY, 0600);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(write(fd, "something", 9), 9);
  close(fd);
  EXPECT_TRUE(IsError(node->ReadSchema(spec.type.schema_hash).status(), StatusCode::kDataLoss));
  ASSERT_OK(AddSubscriber(*node, spec).status());
  EXPECT_EQ(*node->ReadSchema(spec.type.schema_hash), "the schema");
  spec.type.schema_blob = "another schema";
  EXPECT_TRUE(IsError(AddSubscriber(*node, spec).status(), StatusCode::kInvalidArgument));
}

TEST_F(RegistryTest, LeavingEndsTheEndpointsThatStillStand) {
  auto node = Join("stays");
  auto leaver = Join("leaves");
  absl::StatusOr<SubscriberSlot> kept = AddSubscriber(*node, Spec("t"));
  ASSERT_OK(kept.status());
  ASSERT_OK(AddPublisher(*leaver, Spec("t")).status());
  ASSERT_OK(AddSubscriber(*leaver, Spec("t")).status());
  ASSERT_OK(AddPublisher(*leaver, Spec("other")).status());
  EXPECT_OK(leaver->Leave());
  EXPECT_THAT(Look().Nodes(), SizeIs(1));
  EXPECT_THAT(Look().Topics(), SizeIs(1));
  EXPECT_THAT(Look().Endpoints(), SizeIs(1));
  EXPECT_THAT(Files(), SizeIs(4));  // registry, queue, table, the topic's record of the departed
  EXPECT_TRUE(IsError(leaver->ReservePublisher(Spec("t"), {}).status(), StatusCode::kFailedPrecondition, {"has left"}));
}

TEST_F(RegistryTest, FilesThatNobodyNamesGoOthersStay) {
  auto node = Join();
  absl::StatusOr<SubscriberSlot> slot = AddSubscriber(*node, Spec("t"));
  ASSERT_OK(slot.status());
  for (const char* name : {"/pool.0000000000000001", "/schema.00000000000000000000000000000001",
                           "/departed.0000000000000001", "/notes.txt"}) {
    const int fd = open((node->path() + name).c_str(), O_CREAT | O_WRONLY, 0600);
    ASSERT_GE(fd, 0);
    close(fd);
  }
  EXPECT_OK(node->CleanUp());
  EXPECT_THAT(Files(), ElementsAre(DepartedFileName(node->FindTopic("t")->incarnation), "notes.txt",
                                   EndpointFileName(FileKind::kQueue, slot->incarnation), "registry",
                                   EndpointFileName(FileKind::kTable, slot->incarnation)));
}

TEST_F(RegistryTest, FullTablesAreResourceExhausted) {
  auto node = Join();
  // Topics: each with one publisher that stays reserved.
  std::vector<PublisherSlot> slots;
  for (uint32_t i = 0; i < kTopicsMax; ++i) {
    absl::StatusOr<PublisherSlot> slot = node->ReservePublisher(Spec(absl::StrCat("t", i)), {});
    ASSERT_OK(slot.status());
    slots.push_back(*slot);
  }
  EXPECT_TRUE(IsError(node->ReservePublisher(Spec("one more"), {}).status(), StatusCode::kResourceExhausted,
                      {"1024 topics", "one more"}));
  EXPECT_OK(node->ReservePublisher(Spec("t0"), {}).status());  // an existing one is no problem
  EXPECT_OK(node->AbandonPublisher(slots[7]));
  EXPECT_OK(node->ReservePublisher(Spec("one more"), {}).status());
}

TEST_F(RegistryTest, TheEndpointTableIsBoundedToo) {
  auto node = Join();
  const absl::StatusOr<PublisherSlot> first = node->ReservePublisher(Spec("t"), {});
  ASSERT_OK(first.status());
  // As if the node had made the others too; one by one they would take seconds.
  absl::StatusOr<RegistryFile> file = OpenRegistryFile(node->directory().get(), os::Access::kReadWrite, node->path());
  ASSERT_OK(file.status());
  const EndpointRecord like = *file->tables.ReadEndpoint(first->endpoint);
  for (uint32_t i = first->endpoint + 1; i < kEndpointsMax - 1; ++i) {
    EndpointEntry& entry = file->tables.endpoint(i);
    {
      const EntryWrite write(entry.version);
      Put(entry.kind, like.kind);
      Put(entry.topic, like.topic);
      Put(entry.topic_incarnation, like.topic_incarnation);
      Put(entry.node, like.node);
      Put(entry.node_incarnation, like.node_incarnation);
      Put(entry.incarnation, like.incarnation);
    }
    PutState(entry.state, EndpointState::kLive);
  }
  const absl::StatusOr<PublisherSlot> last = node->ReservePublisher(Spec("t"), {});
  ASSERT_OK(last.status());
  EXPECT_EQ(last->endpoint, kEndpointsMax - 1);
  EXPECT_TRUE(IsError(node->ReservePublisher(Spec("u"), {}).status(), StatusCode::kResourceExhausted, {"8192"}));
  EXPECT_FALSE(node->FindTopic("u").has_value());
  ASSERT_OK(node->AbandonPublisher(*last));
  EXPECT_OK(node->ReservePublisher(Spec("u"), {}).status());
}

TEST_F(RegistryTest, ThreadsOfOneNodeTakeTurns) {
  auto node = Join();
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) {
        absl::StatusOr<SubscriberSlot> slot = AddSubscriber(*node, Spec(absl::StrCat("t", t % 2)));
        if (!slot.ok() || !node->CloseSubscriber(*slot).ok() || !node->RemoveSubscriber(*slot).ok()) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_THAT(Files(), ElementsAre("registry"));
}

TEST_F(RegistryTest, ALockThatAnotherThreadHoldsIsUnavailableInTime) {
  absl::StatusOr<std::shared_ptr<Registry>> node = Registry::Join(Options(absl::Milliseconds(50)), "n");
  ASSERT_OK(node.status());
  absl::Status inner;
  const absl::StatusOr<SubscriberSlot> slot = (*node)->AddSubscriber(
      Spec("t"), Depth(4), [&](const SubscriberSlot&, uint64_t, SubscriberRecord&) -> absl::Status {
        std::thread([&] { inner = (*node)->CleanUp(); }).join();
        return absl::CancelledError("that was all");
      });
  EXPECT_TRUE(IsError(slot.status(), StatusCode::kCancelled));
  EXPECT_TRUE(IsError(inner, StatusCode::kUnavailable, {"another thread of this process", "50ms"}));
}

TEST_F(RegistryTest, NodesOfOneProcessExcludeEachOther) {
  auto holder = Join("holder");
  absl::StatusOr<std::shared_ptr<Registry>> other = Registry::Join(Options(absl::Milliseconds(50)), "other");
  ASSERT_OK(other.status());
  absl::StatusOr<PublisherSlot> publisher = AddPublisher(**other, Spec("t"));
  ASSERT_OK(publisher.status());
  absl::Status inner;
  absl::Status closing;
  ASSERT_TRUE(IsError(holder
                          ->AddSubscriber(Spec("t"), Depth(4),
                                          [&](const SubscriberSlot&, uint64_t, SubscriberRecord&) -> absl::Status {
                                            inner = (*other)->CleanUp();
                                            closing = (*other)->RetirePublisher(*publisher);
                                            return absl::CancelledError("that was all");
                                          })
                          .status(),
                      StatusCode::kCancelled));
  EXPECT_TRUE(IsError(inner, StatusCode::kUnavailable, {"process " + std::to_string(getpid()), "50ms", "domain"}));
  // Closing goes without the lock; the rest was left to the holder, whose failed change cleaned up.
  EXPECT_OK(closing);
  EXPECT_THAT(Files(), ElementsAre("registry"));
}

}  // namespace
}  // namespace weir::discovery
