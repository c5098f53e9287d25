#include "discovery/cleanup.h"

#include <algorithm>
#include <string>

#include "absl/status/statusor.h"
#include "discovery/departed.h"
#include "discovery/endpoint_files.h"
#include "discovery/names.h"
#include "middleware/base/crash_point.h"
#include "middleware/os/directory.h"
#include "middleware/os/futex.h"
#include "middleware/queue/queue.h"

namespace weir::discovery {
namespace {

using queue::kAcquire;
using queue::kRelaxed;
using queue::kRelease;
using queue::SystemAtomics;

// How often to look again at a head that must have moved, because the cell behind it was written over.
constexpr uint32_t kHeadRoundsMax = 1000;

void RemoveByName(const os::FileDescriptor& directory, const std::string& name) {
  // A file that cannot be removed costs memory and nothing else: its number is never used again, and
  // RemoveOrphanFiles() tries again.
  os::RemoveFile(directory.get(), name).IgnoreError();
}

// Wakes publishers that wait for room in the queue; `sleepers_gone`: nobody can say how many of the counted are dead.
void WakeBlocked(queue::SystemQueueHeader& header, bool sleepers_gone) {
  // relaxed, both: a living publisher that is about to sleep and gets uncounted here by accident sleeps for no longer
  // than its own bound (50 ms); one that sleeps is woken and counts itself again.
  if (sleepers_gone) header.blocked.store(0, kRelaxed);
  header.space_word.fetch_add(1, kRelaxed);
  os::FutexWake(header.space_word.raw(), os::kWakeAll);
}

// Adds the publishers that have refs in the queue. False if the words are not a queue's, or move too fast to say.
//
// Everything that a retired publisher pushed lies in [head, head + cells): it pushed no more than `depth` beyond a head
// that was not later than the one loaded here.
template <class Found>
bool ForEachQueued(const queue::QueueView<SystemAtomics>& queue, Found found) {
  // sync(queue.head): acquire; pairs with the release in Consumer::Take(): the borrow entry of what head has passed.
  Position head = queue.header->head.load(kAcquire, "queue.head");
  const Position end = head + queue.cell_mask + 1;
  uint32_t rounds = 0;
  for (Position position = head; position != end;) {
    // sync(queue.cell): acquire; pairs with the release in Push().
    const uint64_t cell = queue.cell(position).load(kAcquire, "queue.cell");
    const int32_t distance = queue::LapDistance(queue::LapOf(cell), queue.lap(position));
    if (distance > 0 && static_cast<int64_t>(head - position) <= 0) {
      // Written over, so head has passed it. The borrow entry is certain to be visible only when that move of head is.
      // sync(queue.head): acquire; as above.
      head = queue.header->head.load(kAcquire, "queue.head");
      if (++rounds > kHeadRoundsMax) return false;
      continue;
    }
    if (distance == 0) found(queue::RefOf(cell));
    ++position;  // distance < 0: not filled. Goes on to the ring's end, because what follows may have been filled since
  }
  return true;
}

}  // namespace

void Cleanup::Run() {
  FinishDirtyTopic();
  FindLiveNodes();
  topic_has_endpoints_.fill(false);
  retired_.clear();
  EndEndpoints();
  RemoveUnusedPublishers();
  FreeDeadNodes();
  FreeEmptyTopics();
}

void Cleanup::FinishDirtyTopic() {
  Atomic<uint32_t>& dirty = tables_.header().dirty_topic;
  // sync(registry.dirty): acquire; pairs with the release in ~TopicChange(): if it is 0, the generation was raised.
  const uint32_t number = dirty.load(kAcquire, "registry.dirty");
  if (number == 0) return;
  // The holder died in the middle. What it left is found by its state, below; that others look again is up to this
  // raise.
  if (number <= kTopicsMax) RaiseGeneration(tables_.topic(number - 1));
  WEIR_CRASH_POINT("registry.cleanup.before_clean");
  // sync(registry.dirty): release; as in ~TopicChange().
  dirty.store(0, kRelease, "registry.dirty");
}

void Cleanup::FindLiveNodes() {
  lives_.fill(false);
  for (uint32_t i = 0; i < kNodesMax; ++i) {
    if (StateWord(tables_.node(i).state) == static_cast<uint32_t>(NodeState::kFree)) continue;
    lives_[i] = i == self_ || liveness_.IsHeld(i);
  }
}

bool Cleanup::OwnerLives(const EndpointRecord& record) const {
  return lives_[record.node] && tables_.node(record.node).incarnation.load(kRelaxed) == record.node_incarnation;
}

void Cleanup::EndEndpoints() {
  EndpointRecord record;
  for (uint32_t i = 0; i < kEndpointsMax; ++i) {
    // Most are free; not copying those makes this a walk over one word per entry.
    if (StateWord(tables_.endpoint(i).state) == static_cast<uint32_t>(EndpointState::kFree)) continue;
    switch (tables_.ReadLocked(i, record)) {
      case ReadResult::kNotThere:
        continue;
      case ReadResult::kRead:
        break;
      case ReadResult::kInvalid:
      case ReadResult::kUnstable:
        FreeGarbage(i);
        continue;
    }
    const TopicEntry& topic = tables_.topic(record.topic);
    if (StateWord(topic.state) != static_cast<uint32_t>(TopicState::kLive) ||
        topic.incarnation.load(kRelaxed) != record.topic_incarnation) {
      FreeGarbage(i);  // a topic is freed after its last endpoint
      continue;
    }
    const bool owner_lives = OwnerLives(record);
    if (record.kind == EndpointKind::kSubscriber) {
      // `creating` is over before the lock is given back, unless its maker died.
      const bool stays =
          owner_lives && (record.state == EndpointState::kLive || record.state == EndpointState::kClosing);
      if (stays) {
        topic_has_endpoints_[record.topic] = true;
      } else {
        RemoveSubscriber(record);
      }
      continue;
    }
    if (!owner_lives && record.state != EndpointState::kRetired) {
      RetireDeadPublisher(record);
      record.state = EndpointState::kRetired;
    }
    if (record.state == EndpointState::kRetired) {
      retired_.push_back(record);
    } else {
      topic_has_endpoints_[record.topic] = true;
    }
  }
}

void Cleanup::FreeGarbage(uint32_t endpoint) {
  // Nobody can say what it was; what it named in its topic is ignored, because the entry does not name it back.
  PutState(tables_.endpoint(endpoint).state, EndpointState::kFree);
}

void Cleanup::RemoveSubscriber(const EndpointRecord& record) {
  const TopicChange change(tables_, record.topic);
  const absl::StatusOr<MappedQueue> queue = OpenQueue(directory_, record.incarnation, os::Access::kReadWrite);
  if (queue.ok()) {
    // relaxed: nothing is made visible by it. Who misses it pushes into a queue that nobody reads.
    queue->view.header->state.store(queue::kQueueClosed, kRelaxed);
    WakeBlocked(*queue->view.header, /*sleepers_gone=*/false);
  }
  WEIR_CRASH_POINT("registry.cleanup.subscriber_closed");
  FoldSubscriber(tables_, directory_, record, queue.ok() ? &queue->view : nullptr);
  RemoveByName(directory_, EndpointFileName(FileKind::kQueue, record.incarnation));
  WEIR_CRASH_POINT("registry.cleanup.queue_removed");
  RemoveByName(directory_, EndpointFileName(FileKind::kWake, record.incarnation));
  RemoveByName(directory_, EndpointFileName(FileKind::kTable, record.incarnation));
  WEIR_CRASH_POINT("registry.cleanup.table_removed");
  Atomic<uint32_t>& number = tables_.topic(record.topic).subscriber_endpoint[record.index_in_topic];
  if (number.load(kRelaxed) == record.endpoint + 1) Put(number, 0);
  PutState(tables_.endpoint(record.endpoint).state, EndpointState::kFree);
}

void Cleanup::RetireDeadPublisher(const EndpointRecord& record) {
  const TopicChange change(tables_, record.topic);
  // Before "retired", because a death in between must not leave it undone; waking once too often does no harm.
  if (record.state == EndpointState::kLive) RecountBlocked(record.topic);
  WEIR_CRASH_POINT("registry.cleanup.publisher_recounted");
  EndBrokenWrite(tables_.endpoint(record.endpoint).version);  // it may have died while it was activated
  PutState(tables_.endpoint(record.endpoint).state, EndpointState::kRetired);
}

void Cleanup::RecountBlocked(uint32_t topic) {
  for (const EndpointRecord& subscriber : SubscribersOf(topic)) {
    if (subscriber.state != EndpointState::kLive || subscriber.when_full != queue::WhenFull::kBlock) continue;
    if (absl::StatusOr<MappedQueue> queue = OpenQueue(directory_, subscriber.incarnation, os::Access::kReadWrite);
        queue.ok()) {
      WakeBlocked(*queue->view.header, /*sleepers_gone=*/true);
    }
  }
}

std::vector<EndpointRecord> Cleanup::SubscribersOf(uint32_t topic) const {
  std::vector<EndpointRecord> found;
  EndpointRecord record;
  for (uint32_t i = 0; i < kSubscribersPerTopicMax; ++i) {
    const uint32_t number = tables_.topic(topic).subscriber_endpoint[i].load(kRelaxed);
    if (number == 0 || tables_.ReadLocked(number - 1, record) != ReadResult::kRead) continue;
    if (record.kind != EndpointKind::kSubscriber || record.topic != topic || record.index_in_topic != i) continue;
    if (record.state == EndpointState::kLive || record.state == EndpointState::kClosing) found.push_back(record);
  }
  return found;
}

std::optional<Cleanup::Publishers> Cleanup::PublishersInUse(uint32_t topic) {
  Publishers in_use;
  const auto note = [&in_use](Ref ref) { in_use.set(ref.publisher()); };
  const std::vector<EndpointRecord> subscribers = SubscribersOf(topic);
  // sync(history.join): seq_cst; pairs with the fence in BorrowFromHistory(). Prevents the tables from being read
  // before "retired" is visible: a reader of the history whose borrow entry is not seen here sees "retired" and lets
  // go.
  SystemAtomics::Fence(queue::kSeqCst, "history.join");
  // Queues first: a ref moves from queue to table, never back. A closing subscriber takes no more, so what its queue
  // still holds nobody will read.
  for (const EndpointRecord& subscriber : subscribers) {
    if (subscriber.state != EndpointState::kLive) continue;
    // Not to be opened (no descriptors left, or its name was removed): its owner may still take from it.
    absl::StatusOr<MappedQueue> queue = OpenQueue(directory_, subscriber.incarnation, os::Access::kRead);
    if (!queue.ok() || !ForEachQueued(queue->view, note)) return std::nullopt;
  }
  for (const EndpointRecord& subscriber : subscribers) {
    absl::StatusOr<MappedTable> table = OpenTable(directory_, subscriber.incarnation, os::Access::kRead);
    if (!table.ok()) return std::nullopt;
    table->table.ForEach(note);
  }
  return in_use;
}

void Cleanup::RemoveUnusedPublishers() {
  // Entries are found by endpoint number; one look at a topic serves all its retired publishers.
  std::sort(retired_.begin(), retired_.end(),
            [](const EndpointRecord& a, const EndpointRecord& b) { return a.topic < b.topic; });
  std::optional<Publishers> in_use;
  for (size_t i = 0; i < retired_.size(); ++i) {
    const EndpointRecord& publisher = retired_[i];
    if (i == 0 || retired_[i - 1].topic != publisher.topic) in_use = PublishersInUse(publisher.topic);
    if (in_use && !in_use->test(publisher.index_in_topic)) {
      RemovePublisher(publisher);
    } else {
      topic_has_endpoints_[publisher.topic] = true;
    }
  }
}

void Cleanup::RemovePublisher(const EndpointRecord& record) {
  const TopicChange change(tables_, record.topic);
  TopicEntry& topic = tables_.topic(record.topic);
  FoldPublisher(tables_, directory_, record);
  RemoveByName(directory_, EndpointFileName(FileKind::kPool, record.incarnation));
  WEIR_CRASH_POINT("registry.cleanup.pool_removed");
  Atomic<uint64_t>& incarnation = topic.publisher_incarnation[record.index_in_topic];
  if (incarnation.load(kRelaxed) == record.incarnation) {
    // sync(topic.publisher): release; pairs with the acquire in TopicView::publisher_incarnation(). Only takes away.
    incarnation.store(0, kRelease, "topic.publisher");
  }
  WEIR_CRASH_POINT("registry.cleanup.incarnation_cleared");
  Atomic<uint32_t>& number = topic.publisher_endpoint[record.index_in_topic];
  if (number.load(kRelaxed) == record.endpoint + 1) Put(number, 0);
  PutState(tables_.endpoint(record.endpoint).state, EndpointState::kFree);
}

void Cleanup::FreeDeadNodes() {
  for (uint32_t i = 0; i < kNodesMax; ++i) {
    if (lives_[i] || StateWord(tables_.node(i).state) == static_cast<uint32_t>(NodeState::kFree)) continue;
    WEIR_CRASH_POINT("registry.cleanup.before_node_free");
    PutState(tables_.node(i).state, NodeState::kFree);
  }
}

void Cleanup::FreeEmptyTopics() {
  std::vector<Hash128> schemas;  // of topics that went
  for (uint32_t i = 0; i < kTopicsMax; ++i) {
    TopicEntry& topic = tables_.topic(i);
    if (topic_has_endpoints_[i] || StateWord(topic.state) == static_cast<uint32_t>(TopicState::kFree)) continue;
    const bool has_schema = topic.schema_bytes.load(kRelaxed) != 0;
    const Hash128 hash{.high = topic.schema_hash_high.load(kRelaxed), .low = topic.schema_hash_low.load(kRelaxed)};
    const Incarnation incarnation = topic.incarnation.load(kRelaxed);
    PutState(topic.state, TopicState::kFree);
    WEIR_CRASH_POINT("registry.cleanup.topic_freed");
    RemoveByName(directory_, DepartedFileName(incarnation));
    WEIR_CRASH_POINT("registry.cleanup.departed_removed");
    if (has_schema) schemas.push_back(hash);
  }
  // One walk for all of them: reading an entry of garbage takes long, and there may be a thousand.
  TopicRecord other;
  for (uint32_t i = 0; i < kTopicsMax && !schemas.empty(); ++i) {
    if (tables_.Read(i, other) == ReadResult::kRead && other.schema_bytes != 0) std::erase(schemas, other.schema_hash);
  }
  for (const Hash128& hash : schemas) RemoveByName(directory_, SchemaFileName(hash));
}

absl::Status Cleanup::RemoveOrphanFiles() {
  std::vector<Incarnation> endpoints;
  for (uint32_t i = 0; i < kEndpointsMax; ++i) {
    EndpointRecord record;
    if (tables_.ReadLocked(i, record) == ReadResult::kRead) endpoints.push_back(record.incarnation);
  }
  std::vector<Incarnation> topics;
  std::vector<Hash128> schemas;
  for (uint32_t i = 0; i < kTopicsMax; ++i) {
    TopicRecord record;
    if (tables_.Read(i, record) != ReadResult::kRead) continue;
    topics.push_back(record.incarnation);
    if (record.schema_bytes != 0) schemas.push_back(record.schema_hash);
  }
  std::sort(endpoints.begin(), endpoints.end());

  const absl::StatusOr<std::vector<std::string>> names = os::ListDirectory(directory_.get());
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const ParsedFileName parsed = ParseFileName(name);
    bool orphan = false;
    switch (parsed.what) {
      case ParsedFileName::What::kEndpoint:
        orphan = !std::binary_search(endpoints.begin(), endpoints.end(), parsed.incarnation);
        break;
      case ParsedFileName::What::kSchema:
        orphan = std::find(schemas.begin(), schemas.end(), parsed.hash) == schemas.end();
        break;
      case ParsedFileName::What::kDeparted:
        orphan = std::find(topics.begin(), topics.end(), parsed.incarnation) == topics.end();
        break;
      case ParsedFileName::What::kRegistry:
      case ParsedFileName::What::kOther:  // not ours to judge
        break;
    }
    if (orphan) RemoveByName(directory_, name);
    if (orphan) WEIR_CRASH_POINT("registry.cleanup.orphan_removed");
  }
  return absl::OkStatus();
}

absl::Status Cleanup::RemoveAllFiles() {
  const absl::StatusOr<std::vector<std::string>> names = os::ListDirectory(directory_.get());
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const ParsedFileName::What what = ParseFileName(name).what;
    if (what == ParsedFileName::What::kRegistry || what == ParsedFileName::What::kOther) continue;
    RemoveByName(directory_, name);
    WEIR_CRASH_POINT("registry.cleanup.file_removed");
  }
  // Last: until then whoever comes waits for its lock, and cannot have made files of its own.
  return os::RemoveFile(directory_.get(), kRegistryFileName);
}

}  // namespace weir::discovery
