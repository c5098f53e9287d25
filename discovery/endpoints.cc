// Registry: publishers and subscribers, from taking a place in a topic to giving it back.
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "discovery/change.h"
#include "discovery/cleanup.h"
#include "discovery/registry.h"
#include "middleware/base/crash_point.h"
#include "middleware/base/limits.h"
#include "middleware/base/text.h"
#include "middleware/os/process.h"

namespace weir::discovery {
namespace {

const char* NameOf(EndpointKind kind) {
  return kind == EndpointKind::kPublisher ? "publisher" : "subscriber";
}

bool CountsForLimits(EndpointState state) {
  return state == EndpointState::kCreating || state == EndpointState::kLive;
}

EndpointRecord RecordOf(const PublisherRecord& publisher) {
  EndpointRecord record;
  record.kind = EndpointKind::kPublisher;
  record.flags = publisher.flags;
  record.history = publisher.history;
  record.max_loans = publisher.max_loans;
  record.granule_shift = publisher.granule_shift;
  record.pool_bytes_max = publisher.pool_bytes_max;
  return record;
}

EndpointRecord RecordOf(const SubscriberRecord& subscriber) {
  EndpointRecord record;
  record.kind = EndpointKind::kSubscriber;
  record.flags = subscriber.flags;
  record.depth = subscriber.depth;
  record.max_borrowed = subscriber.max_borrowed;
  record.table_entries = subscriber.table_entries;
  record.when_full = subscriber.when_full;
  return record;
}

// Whether others would accept the options (the rest of the record is filled in with what will do).
absl::Status CheckRecord(EndpointRecord record) {
  record.incarnation = 1;
  record.topic = 0;
  record.index_in_topic = 0;
  record.node = 0;
  if (IsWithinLimits(record)) return absl::OkStatus();
  if (record.kind == EndpointKind::kPublisher) {
    return absl::InvalidArgumentError(
        absl::StrCat("a publisher with history ", record.history, " (at most ", kHistoryMax, "), ", record.max_loans,
                     " loans (at most ", kLoansMax, "), granules of 64 << ", record.granule_shift,
                     " bytes (at most 64 << ", kGranuleShiftMax, ") and a pool of ", record.pool_bytes_max,
                     " bytes (at most ", kPoolBytesLimit, ") is not possible"));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("a subscriber with depth ", record.depth, " (1 to ", kQueueDepthMax, "), max_borrowed ",
                   record.max_borrowed, " (at most ", kBorrowedMax, "), ", record.table_entries,
                   " borrow entries (at most ", kBorrowEntriesMax, ") and when_full ",
                   static_cast<uint32_t>(record.when_full), " (below ", queue::kWhenFullCount, ") is not possible"));
}

}  // namespace

// An index that no entry claims. Indices of retired publishers are still in use; there are always as many as refs can
// name, whatever the topic's own maximum is.
absl::StatusOr<uint32_t> Registry::FreeIndexInTopic(const TopicRecord& topic, EndpointKind kind) const {
  const bool publisher = kind == EndpointKind::kPublisher;
  static_assert(kPublishersPerTopicMax == kSubscribersPerTopicMax);
  std::optional<uint32_t> free;
  uint32_t count = 0;
  uint32_t waiting = 0;
  EndpointRecord other;
  for (uint32_t i = 0; i < kPublishersPerTopicMax; ++i) {
    const ReadResult result =
        publisher ? tables_.ReadPublisher(topic.index, i, other) : tables_.ReadSubscriber(topic.index, i, other);
    if (result == ReadResult::kNotThere && !free) free = i;
    if (result != ReadResult::kRead) continue;
    if (!CountsForLimits(other.state)) {
      ++waiting;
      continue;
    }
    ++count;
    if (publisher && topic.exclusive) {
      const std::optional<NodeRecord> node = tables_.ReadNode(other.node);
      return absl::AlreadyExistsError(
          absl::StrCat("topic ", Quoted(topic.name), " is exclusive and has a publisher: node ",
                       node ? Quoted(node->name) : "?", ", process ", other.pid, ". It must close first"));
    }
  }
  const uint32_t most = publisher ? topic.max_publishers : topic.max_subscribers;
  if (count < most && free) return *free;
  return absl::ResourceExhaustedError(absl::StrCat(
      "topic ", Quoted(topic.name), " has ", count, " ", NameOf(kind), "s, and ", waiting,
      " closed ones with messages that are still held; it may have ", most, " (",
      publisher ? "max_publishers" : "max_subscribers", "), and ", kPublishersPerTopicMax, " with the closed ones"));
}

void Registry::WriteEndpoint(const Change&, const EndpointRecord& record) {
  EndpointEntry& entry = tables_.endpoint(record.endpoint);
  const EntryWrite write(entry.version);
  Put(entry.kind, record.kind);
  Put(entry.topic, record.topic);
  Put(entry.index_in_topic, record.index_in_topic);
  Put(entry.node, record.node);
  Put(entry.topic_incarnation, record.topic_incarnation);
  Put(entry.node_incarnation, record.node_incarnation);
  Put(entry.incarnation, record.incarnation);
  Put(entry.created_ns, record.created_ns);
  Put(entry.pid, record.pid);
  Put(entry.flags, record.flags);
  WEIR_CRASH_POINT("registry.endpoint.half_written");
  Put(entry.depth, record.depth);
  Put(entry.max_borrowed, record.max_borrowed);
  Put(entry.table_entries, record.table_entries);
  Put(entry.when_full, record.when_full);
  Put(entry.history, record.history);
  Put(entry.max_loans, record.max_loans);
  Put(entry.granule_shift, record.granule_shift);
  Put(entry.pool_bytes_max, record.pool_bytes_max);
  Put(entry.departed, 0);
}

// A place in the topic for an endpoint in state `creating`.
absl::StatusOr<EndpointRecord> Registry::Reserve(const Change& change, const TopicRecord& topic,
                                                 EndpointRecord record) {
  const absl::StatusOr<uint32_t> index = FreeIndexInTopic(topic, record.kind);
  if (!index.ok()) return index.status();
  uint32_t endpoint = 0;
  while (endpoint < kEndpointsMax &&
         StateWord(tables_.endpoint(endpoint).state) != static_cast<uint32_t>(EndpointState::kFree)) {
    ++endpoint;
  }
  if (endpoint == kEndpointsMax) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "domain ", path_, " has ", kEndpointsMax, " publishers and subscribers, and more are not possible; this ",
        NameOf(record.kind), " of topic ", Quoted(topic.name), " was not made"));
  }
  record.endpoint = endpoint;
  record.state = EndpointState::kCreating;
  record.topic = topic.index;
  record.index_in_topic = *index;
  record.node = node_;
  record.topic_incarnation = topic.incarnation;
  record.node_incarnation = node_incarnation_;
  record.incarnation = NextIncarnation(tables_.header());
  record.created_ns = static_cast<uint64_t>(absl::GetCurrentTimeNanos());
  record.pid = static_cast<uint32_t>(os::Pid());

  TopicEntry& entry = tables_.topic(topic.index);
  // First the topic's number, then the entry it leads to: an entry in use is always found through its topic.
  if (record.kind == EndpointKind::kPublisher) {
    Put(entry.publisher_endpoint[*index], endpoint + 1);
  } else {
    Put(entry.subscriber_endpoint[*index], endpoint + 1);
  }
  WEIR_CRASH_POINT("registry.endpoint.after_index");
  WriteEndpoint(change, record);
  WEIR_CRASH_POINT("registry.endpoint.before_creating");
  PutState(tables_.endpoint(endpoint).state, EndpointState::kCreating);
  WEIR_CRASH_POINT("registry.endpoint.after_creating");
  return record;
}

absl::StatusOr<PublisherSlot> Registry::ReservePublisher(const TopicSpec& spec, const PublisherRecord& publisher) {
  if (absl::Status status = CheckRecord(RecordOf(publisher)); !status.ok()) return status;
  const absl::StatusOr<std::unique_ptr<Change>> change = BeginChange();
  if (!change.ok()) return change.status();
  const absl::StatusOr<TopicRecord> topic = FindOrMakeTopic(**change, spec);
  if (!topic.ok()) return topic.status();
  // No generation is raised: nobody looks for publishers that are not live yet.
  const absl::StatusOr<EndpointRecord> record = Reserve(**change, *topic, RecordOf(publisher));
  if (!record.ok()) {
    Cleanup(tables_, directory_, liveness_, node_).Run();  // the topic, if it was made for this
    return record.status();
  }
  return PublisherSlot{.topic = record->topic,
                       .endpoint = record->endpoint,
                       .index = static_cast<PublisherIndex>(record->index_in_topic),
                       .exclusive = topic->exclusive,
                       .incarnation = record->incarnation};
}

absl::Status Registry::ActivatePublisher(const PublisherSlot& slot, const PublisherRecord& publisher) {
  if (absl::Status status = CheckRecord(RecordOf(publisher)); !status.ok()) return status;
  const absl::StatusOr<std::unique_ptr<Change>> change = BeginChange();
  if (!change.ok()) return change.status();
  EndpointRecord there;
  if (tables_.Read(slot.endpoint, there) != ReadResult::kRead || there.incarnation != slot.incarnation ||
      there.state != EndpointState::kCreating || there.topic != slot.topic || there.index_in_topic != slot.index) {
    return absl::FailedPreconditionError("the publisher was given up or activated before");
  }
  const TopicChange raise(tables_, there.topic);
  EndpointRecord record = RecordOf(publisher);
  record.endpoint = there.endpoint;
  record.topic = there.topic;
  record.index_in_topic = there.index_in_topic;
  record.node = there.node;
  record.topic_incarnation = there.topic_incarnation;
  record.node_incarnation = there.node_incarnation;
  record.incarnation = there.incarnation;
  record.created_ns = there.created_ns;
  record.pid = there.pid;
  WriteEndpoint(**change, record);
  WEIR_CRASH_POINT("registry.publisher.before_incarnation");
  // sync(topic.publisher): release; pairs with the acquire in TopicView::publisher_incarnation(): the pool's header.
  tables_.topic(record.topic)
      .publisher_incarnation[record.index_in_topic]
      .store(record.incarnation, queue::kRelease, "topic.publisher");
  WEIR_CRASH_POINT("registry.publisher.before_live");
  PutState(tables_.endpoint(record.endpoint).state, EndpointState::kLive);
  WEIR_CRASH_POINT("registry.publisher.after_live");
  return absl::OkStatus();
}

absl::StatusOr<SubscriberSlot> Registry::AddSubscriber(const TopicSpec& spec, SubscriberRecord subscriber,
                                                       CreateFiles create_files) {
  if (absl::Status status = CheckRecord(RecordOf(subscriber)); !status.ok()) return status;
  const absl::StatusOr<std::unique_ptr<Change>> change = BeginChange();
  if (!change.ok()) return change.status();
  const absl::StatusOr<TopicRecord> topic = FindOrMakeTopic(**change, spec);
  if (!topic.ok()) return topic.status();
  const absl::StatusOr<EndpointRecord> reserved = Reserve(**change, *topic, RecordOf(subscriber));
  if (!reserved.ok()) {
    Cleanup(tables_, directory_, liveness_, node_).Run();  // the topic, if it was made for this
    return reserved.status();
  }

  uint64_t history_total = 0;
  EndpointRecord publisher;
  for (uint32_t i = 0; i < kPublishersPerTopicMax; ++i) {
    if (tables_.ReadPublisher(topic->index, i, publisher) == ReadResult::kRead &&
        publisher.state == EndpointState::kLive) {
      history_total += publisher.history;
    }
  }
  const SubscriberSlot slot{.topic = reserved->topic,
                            .endpoint = reserved->endpoint,
                            .index = reserved->index_in_topic,
                            .exclusive = topic->exclusive,
                            .incarnation = reserved->incarnation};
  absl::Status made = create_files(slot, history_total, subscriber);
  WEIR_CRASH_POINT("registry.subscriber.after_files");
  if (made.ok()) made = CheckRecord(RecordOf(subscriber));
  if (!made.ok()) {
    // `creating` after its making is over: cleanup removes it, with the files that there are, and the topic if it is
    // empty.
    Cleanup(tables_, directory_, liveness_, node_).Run();
    return made;
  }

  const TopicChange raise(tables_, reserved->topic);
  EndpointRecord record = RecordOf(subscriber);
  record.endpoint = reserved->endpoint;
  record.topic = reserved->topic;
  record.index_in_topic = reserved->index_in_topic;
  record.node = reserved->node;
  record.topic_incarnation = reserved->topic_incarnation;
  record.node_incarnation = reserved->node_incarnation;
  record.incarnation = reserved->incarnation;
  record.created_ns = reserved->created_ns;
  record.pid = reserved->pid;
  WriteEndpoint(**change, record);
  WEIR_CRASH_POINT("registry.subscriber.before_live");
  PutState(tables_.endpoint(record.endpoint).state, EndpointState::kLive);
  WEIR_CRASH_POINT("registry.subscriber.after_live");
  return slot;
}

absl::Status Registry::Mark(uint32_t topic, uint32_t endpoint, Incarnation incarnation,
                            std::initializer_list<EndpointState> from, EndpointState to) {
  if (absl::Status status = guard_.Check(); !status.ok()) return status;
  if (topic >= kTopicsMax) return absl::InvalidArgumentError(absl::StrCat("there is no topic number ", topic));
  // While the owner lives, nobody else changes the state of an endpoint that is not retired.
  const EndpointState now = tables_.StateOf(endpoint, incarnation);
  if (std::find(from.begin(), from.end(), now) == from.end()) {
    return absl::FailedPreconditionError(
        absl::StrCat("endpoint number ", incarnation, " was closed before, or its node has left"));
  }
  PutState(tables_.endpoint(endpoint).state, to);
  WEIR_CRASH_POINT("registry.mark.before_raise");
  RaiseGeneration(tables_.topic(topic));
  WEIR_CRASH_POINT("registry.mark.after_raise");
  return absl::OkStatus();
}

absl::Status Registry::MarkRetiredAndCleanUp(uint32_t topic, uint32_t endpoint, Incarnation incarnation) {
  if (absl::Status status =
          Mark(topic, endpoint, incarnation, {EndpointState::kCreating, EndpointState::kLive, EndpointState::kClosing},
               EndpointState::kRetired);
      !status.ok()) {
    return status;
  }
  // The rest is what cleanup does with anything retired. Without the lock, or in a domain that was replaced, it is up
  // to the next comer: that is no error of this call.
  BeginChange().status().IgnoreError();
  return absl::OkStatus();
}

absl::Status Registry::AbandonPublisher(const PublisherSlot& slot) {
  return MarkRetiredAndCleanUp(slot.topic, slot.endpoint, slot.incarnation);
}

absl::Status Registry::RetirePublisher(const PublisherSlot& slot) {
  return MarkRetiredAndCleanUp(slot.topic, slot.endpoint, slot.incarnation);
}

absl::Status Registry::CloseSubscriber(const SubscriberSlot& slot) {
  return Mark(slot.topic, slot.endpoint, slot.incarnation, {EndpointState::kLive}, EndpointState::kClosing);
}

absl::Status Registry::RemoveSubscriber(const SubscriberSlot& slot) {
  return MarkRetiredAndCleanUp(slot.topic, slot.endpoint, slot.incarnation);
}

}  // namespace weir::discovery
