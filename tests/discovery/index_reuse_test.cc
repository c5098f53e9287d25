// A publisher's index and pool are given away only after no queue and no borrow table names them.
#include <string>
#include <vector>

#include "discovery/registry.h"
#include "middleware/queue/history.h"
#include "middleware/queue/queue.h"
#include "tests/discovery/registry_fixture.h"
#include "tests/support/child.h"

namespace weir::discovery {
namespace {

using queue::WhenFull;
using testing::ElementsAre;

struct Case {
  bool exclusive;
  WhenFull when_full;
  Position start;
};

class IndexReuseTest : public RegistryTest, public testing::WithParamInterface<Case> {
 protected:
  void SetUp() override {
    publisher_node_ = Join("publisher");
    subscriber_node_ = Join("subscriber");
    spec_ = Spec("t", GetParam().exclusive);
    absl::StatusOr<SubscriberSlot> subscriber =
        AddSubscriber(*subscriber_node_, spec_, Depth(4, GetParam().when_full), nullptr, GetParam().start);
    ASSERT_OK(subscriber.status());
    subscriber_ = *subscriber;
    absl::StatusOr<MappedQueue> queue =
        OpenQueue(subscriber_node_->directory(), subscriber_.incarnation, os::Access::kReadWrite);
    ASSERT_OK(queue.status());
    queue_ = *std::move(queue);
    absl::StatusOr<MappedTable> table =
        OpenTable(subscriber_node_->directory(), subscriber_.incarnation, os::Access::kReadWrite);
    ASSERT_OK(table.status());
    table_ = *std::move(table);
    consumer_ = queue::Consumer<SystemAtomics>(queue_.view);
  }

  PublisherSlot NewPublisher() {
    absl::StatusOr<PublisherSlot> slot = AddPublisher(*publisher_node_, spec_);
    EXPECT_OK(slot.status());
    return slot.value_or(PublisherSlot());
  }

  void Push(const PublisherSlot& slot, uint32_t offset) {
    queue::Producer<SystemAtomics> producer(queue_.view);
    EXPECT_TRUE(producer.Push(Ref(slot.index, offset), GetParam().when_full == WhenFull::kOverwriteOldest).accepted);
  }

  // The publisher's pool and index are still there after somebody cleaned up.
  bool IsKept(const PublisherSlot& slot) {
    EXPECT_OK(subscriber_node_->CleanUp());
    const bool has_file = HasFile(FileKind::kPool, slot.incarnation);
    const bool has_index = subscriber_node_->Topic(slot.topic).publisher_incarnation(slot.index) == slot.incarnation;
    const bool has_entry =
        subscriber_node_->Topic(slot.topic).StateOf(slot.endpoint, slot.incarnation) != EndpointState::kFree;
    EXPECT_EQ(has_file, has_index);
    EXPECT_EQ(has_file, has_entry);
    return has_file;
  }

  std::shared_ptr<Registry> publisher_node_;
  std::shared_ptr<Registry> subscriber_node_;
  TopicSpec spec_;
  SubscriberSlot subscriber_;
  MappedQueue queue_;
  MappedTable table_;
  queue::Consumer<SystemAtomics> consumer_;
};

TEST_P(IndexReuseTest, APublisherWithoutRefsGoesAtOnce) {
  const PublisherSlot first = NewPublisher();
  Push(first, 1);
  ASSERT_EQ(consumer_.Take(table_.table, 0).status, queue::TakeStatus::kTaken);
  table_.table.Clear(0);
  ASSERT_OK(publisher_node_->RetirePublisher(first));
  EXPECT_FALSE(IsKept(first));
  EXPECT_EQ(NewPublisher().index, first.index);
}

TEST_P(IndexReuseTest, ARefInAQueueAndThenInATableKeepsIndexAndPool) {
  const PublisherSlot first = NewPublisher();
  Push(first, 1);
  ASSERT_OK(publisher_node_->RetirePublisher(first));
  EXPECT_TRUE(IsKept(first));
  const PublisherSlot second = NewPublisher();
  EXPECT_NE(second.index, first.index);
  Push(second, 1);

  ASSERT_EQ(consumer_.Take(table_.table, 0).ref.publisher(), first.index);
  EXPECT_TRUE(IsKept(first));
  ASSERT_EQ(consumer_.Take(table_.table, 1).ref.publisher(), second.index);
  EXPECT_TRUE(IsKept(first));
  table_.table.Clear(0);
  EXPECT_FALSE(IsKept(first));
  ASSERT_OK(publisher_node_->RetirePublisher(second));
  EXPECT_TRUE(IsKept(second));
  table_.table.Clear(1);
  EXPECT_FALSE(IsKept(second));
}

TEST_P(IndexReuseTest, AClosingSubscribersTableCountsItsQueueDoesNot) {
  const PublisherSlot first = NewPublisher();
  Push(first, 1);
  const PublisherSlot second = [&] {
    EXPECT_OK(publisher_node_->RetirePublisher(first));
    return NewPublisher();
  }();
  Push(second, 1);
  ASSERT_OK(publisher_node_->RetirePublisher(second));
  ASSERT_EQ(consumer_.Take(table_.table, 0).ref.publisher(), first.index);
  EXPECT_TRUE(IsKept(first));
  EXPECT_TRUE(IsKept(second));
  ASSERT_OK(subscriber_node_->CloseSubscriber(subscriber_));
  EXPECT_TRUE(IsKept(first));
  EXPECT_FALSE(IsKept(second));
  ASSERT_OK(subscriber_node_->RemoveSubscriber(subscriber_));
  EXPECT_THAT(Files(), ElementsAre("registry"));
}

TEST_P(IndexReuseTest, AFullQueueOfADeadPublisherIsSearchedToItsEnd) {
  const PublisherSlot last = [&] {
    const PublisherSlot many = NewPublisher();
    for (uint32_t i = 1; i <= 3; ++i) Push(many, i);
    EXPECT_OK(publisher_node_->RetirePublisher(many));
    return NewPublisher();
  }();
  Push(last, 1);
  ASSERT_OK(publisher_node_->RetirePublisher(last));
  EXPECT_TRUE(IsKept(last));
  // A tail that its dead mover left behind is no end.
  if (!GetParam().exclusive) queue_.view.header->tail.store(GetParam().start, queue::kRelaxed);
  EXPECT_TRUE(IsKept(last));
  for (uint32_t i = 0; i < 4; ++i) {
    ASSERT_EQ(consumer_.Take(table_.table, 0).status, queue::TakeStatus::kTaken);
    table_.table.Clear(0);
  }
  EXPECT_FALSE(IsKept(last));
}

TEST_P(IndexReuseTest, AQueueThatCannotBeOpenedKeepsEverything) {
  const PublisherSlot first = NewPublisher();
  const std::string name = EndpointFileName(FileKind::kQueue, subscriber_.incarnation);
  ASSERT_OK(os::RemoveFile(subscriber_node_->directory().get(), name));
  ASSERT_OK(publisher_node_->RetirePublisher(first));
  EXPECT_TRUE(IsKept(first));
  // Its owner is gone: now nobody reads it.
  ASSERT_OK(subscriber_node_->RemoveSubscriber(subscriber_));
  EXPECT_FALSE(HasFile(FileKind::kPool, first.incarnation));
}

TEST_P(IndexReuseTest, ADeadSubscribersRefsCountNoMore) {
  const PublisherSlot first = NewPublisher();
  test::Child child([&](test::Channel& parent) {
    auto node = Join("dies");
    const absl::StatusOr<SubscriberSlot> slot =
        AddSubscriber(*node, spec_, Depth(4, GetParam().when_full), nullptr, GetParam().start);
    ASSERT_OK(slot.status());
    absl::StatusOr<MappedQueue> queue = OpenQueue(node->directory(), slot->incarnation, os::Access::kReadWrite);
    ASSERT_OK(queue.status());
    absl::StatusOr<MappedTable> table = OpenTable(node->directory(), slot->incarnation, os::Access::kReadWrite);
    ASSERT_OK(table.status());
    queue::Producer<SystemAtomics> producer(queue->view);
    queue::Consumer<SystemAtomics> consumer(queue->view);
    EXPECT_TRUE(producer.Push(Ref(first.index, 1), false).accepted);
    EXPECT_TRUE(producer.Push(Ref(first.index, 2), false).accepted);
    EXPECT_EQ(consumer.Take(table->table, 0).status, queue::TakeStatus::kTaken);
    parent.Send(slot->incarnation);
    parent.ReceiveText();
  });
  const std::optional<Incarnation> dead = child.channel().Receive<Incarnation>();
  ASSERT_TRUE(dead.has_value());
  ASSERT_OK(publisher_node_->RetirePublisher(first));
  EXPECT_TRUE(IsKept(first));
  child.Stop();
  EXPECT_TRUE(IsKept(first));  // stopped is not dead
  child.Kill();
  EXPECT_EQ(child.Wait(), test::ChildEnd::KilledBy(SIGKILL));
  EXPECT_FALSE(IsKept(first));
  EXPECT_FALSE(HasFile(FileKind::kQueue, *dead));
  EXPECT_FALSE(HasFile(FileKind::kTable, *dead));
}

INSTANTIATE_TEST_SUITE_P(Forms, IndexReuseTest,
                         testing::Values(Case{false, WhenFull::kOverwriteOldest, 0},
                                         Case{false, WhenFull::kDropNewest, 0},
                                         Case{true, WhenFull::kOverwriteOldest, 0}, Case{true, WhenFull::kBlock, 0},
                                         // Just below the wrap of the lap, and in the middle of the ring.
                                         Case{false, WhenFull::kOverwriteOldest, (uint64_t{1} << 38) - 2},
                                         Case{true, WhenFull::kDropNewest, (uint64_t{1} << 38) - 2},
                                         Case{false, WhenFull::kBlock, 37}));

TEST_F(RegistryTest, ABlockedPublisherIsWokenAndCountedAnewWhenAnotherDies) {
  auto node = Join("subscriber");
  const absl::StatusOr<SubscriberSlot> slot = AddSubscriber(*node, Spec("t"), Depth(4, WhenFull::kBlock));
  ASSERT_OK(slot.status());
  absl::StatusOr<MappedQueue> queue = OpenQueue(node->directory(), slot->incarnation, os::Access::kReadWrite);
  ASSERT_OK(queue.status());
  test::Child child([&](test::Channel& parent) {
    auto dying = Join("publisher");
    ASSERT_OK(AddPublisher(*dying, Spec("t")).status());
    parent.Send("there");
    parent.ReceiveText();
  });
  ASSERT_TRUE(child.channel().ReceiveText().has_value());
  queue->view.header->blocked.store(1, queue::kRelaxed);  // as if it had died asleep
  const uint32_t word = queue->view.header->space_word.load(queue::kRelaxed);
  child.Kill();
  child.Wait();
  ASSERT_OK(node->CleanUp());
  EXPECT_EQ(queue->view.header->blocked.load(queue::kRelaxed), 0u);
  EXPECT_NE(queue->view.header->space_word.load(queue::kRelaxed), word);
  EXPECT_EQ(queue->view.header->state.load(queue::kRelaxed), queue::kQueueOpen);
}

TEST_F(RegistryTest, AHistoryReaderSeesARetiredPublisherGo) {
  auto node = Join();
  const absl::StatusOr<SubscriberSlot> subscriber = AddSubscriber(*node, Spec("t"));
  ASSERT_OK(subscriber.status());
  const absl::StatusOr<PublisherSlot> publisher = AddPublisher(*node, Spec("t"), {.history = 1});
  ASSERT_OK(publisher.status());
  absl::StatusOr<MappedTable> table = OpenTable(node->directory(), subscriber->incarnation, os::Access::kReadWrite);
  ASSERT_OK(table.status());
  const TopicView topic = node->Topic(publisher->topic);
  const auto still_there = [&] {
    return topic.StateOf(publisher->endpoint, publisher->incarnation) == EndpointState::kLive;
  };
  SystemAtomics::Atomic<uint64_t> entry;
  entry.store(queue::HistoryWord(1, Ref(publisher->index, 1)), queue::kRelaxed);
  EXPECT_TRUE(queue::BorrowFromHistory(entry, table->table, 0, still_there));
  ASSERT_OK(node->RetirePublisher(*publisher));
  EXPECT_TRUE(HasFile(FileKind::kPool, publisher->incarnation));  // the borrow keeps it
  EXPECT_FALSE(queue::BorrowFromHistory(entry, table->table, 1, still_there));
  table->table.Clear(0);
  ASSERT_OK(node->CleanUp());
  EXPECT_FALSE(HasFile(FileKind::kPool, publisher->incarnation));
}

}  // namespace
}  // namespace weir::discovery
