#include "discovery/tables.h"

#include <array>
#include <bit>
#include <climits>
#include <cstring>
#include <utility>

#include "discovery/names.h"
#include "middleware/base/crash_point.h"
#include "middleware/os/futex.h"
#include "middleware/queue/atomics.h"

namespace weir::discovery {
namespace {

using queue::kAcquire;
using queue::kRelaxed;
using queue::kRelease;
using queue::SystemAtomics;

template <class T>
T Get(const Atomic<T>& field) {
  return field.load(kRelaxed);  // relaxed: the entry's version says whether the copy is whole
}

using NameImage = std::array<char, sizeof(SharedName)>;

NameImage GetName(const SharedName& field) {
  NameImage image;
  for (size_t i = 0; i < kNameWords; ++i) {
    const uint64_t word = Get(field[i]);
    std::memcpy(image.data() + i * sizeof(word), &word, sizeof(word));
  }
  return image;
}

// False if the name does not end within the field.
bool NameOf(const NameImage& image, std::string& name) {
  const void* end = std::memchr(image.data(), 0, image.size());
  if (end == nullptr) return false;
  name.assign(image.data(), static_cast<const char*>(end));
  return true;
}

// Copies an entry in one piece. `copy()` copies fields and state; `in_the_making(state)`: an entry of that state may
// have been left in the middle of being written, so an odd version means "not there" rather than "once more".
template <class Entry, class Copy, class InTheMaking>
ReadResult ReadWhole(const Entry& entry, Copy copy, InTheMaking in_the_making) {
  for (uint32_t round = 0; round < kReadRoundsMax; ++round) {
    // sync(entry.version): acquire; pairs with the release in EntryWrite: an even version makes the fields visible that
    // were stored before it, an odd one the state before the writing began.
    const uint32_t version = entry.version.load(kAcquire, "entry.version");
    if (version % 2 != 0) {
      if (in_the_making(entry.state.load(kRelaxed))) return ReadResult::kNotThere;
      SystemAtomics::Relax();
      continue;
    }
    copy();
    // sync(entry.fields): acquire fence; pairs with the release fence in EntryWrite: whoever read a field of a later
    // writing also sees its odd version. sync(departed.mark): acquire fence; pairs with the release in Fold().
    SystemAtomics::Fence(kAcquire, "entry.fields");
    if (entry.version.load(kRelaxed) == version) return ReadResult::kRead;
  }
  return ReadResult::kUnstable;
}

}  // namespace

EntryWrite::EntryWrite(Atomic<uint32_t>& version) : version_(version), odd_(version.load(kRelaxed) | 1) {
  // Already odd: its last writer died. The readers have skipped the entry since then and go on doing so.
  // sync(entry.version): release; pairs with the acquire in ReadWhole(): the state before this writing.
  version_.store(odd_, kRelease, "entry.version");
  // sync(entry.fields): release fence; pairs with the acquire fence in ReadWhole().
  SystemAtomics::Fence(kRelease, "entry.fields");
}

EntryWrite::~EntryWrite() {
  WEIR_CRASH_POINT("registry.entry.before_even");
  // sync(entry.version): release; pairs with the acquire in ReadWhole(): the fields.
  version_.store(odd_ + 1, kRelease, "entry.version");
}

void EndBrokenWrite(Atomic<uint32_t>& version) {
  const uint32_t now = version.load(kRelaxed);
  // sync(entry.version): release; pairs with the acquire in ReadWhole().
  if (now % 2 != 0) version.store(now + 1, kRelease, "entry.version");
}

void PutName(SharedName& field, std::string_view name) {
  NameImage image{};
  std::memcpy(image.data(), name.data(), std::min(name.size(), kNameBytesMax));
  for (size_t i = 0; i < kNameWords; ++i) {
    uint64_t word;
    std::memcpy(&word, image.data() + i * sizeof(word), sizeof(word));
    Put(field[i], word);
  }
}

void RaiseGeneration(TopicEntry& topic) {
  // sync(topic.generation): release; pairs with the acquire in Reclaimer::Pass() and of everybody who lists the topic's
  // members: the states stored before.
  topic.generation.fetch_add(1, kRelease, "topic.generation");
  WEIR_CRASH_POINT("registry.generation.before_futex");
  // sync(topic.futex): release; pairs with the acquire in TopicView::generation_futex_value().
  topic.generation_futex.fetch_add(1, kRelease, "topic.futex");
  WEIR_CRASH_POINT("registry.generation.before_wake");
  os::FutexWake(topic.generation_futex.raw(), INT_MAX);
}

Incarnation NextIncarnation(RegistryHeader& header) {
  // relaxed: changed under the lock only. 0 means "none"; it comes round only in a header of garbage.
  const Incarnation next = header.next_incarnation.fetch_add(1, kRelaxed);
  return next != 0 ? next : header.next_incarnation.fetch_add(1, kRelaxed);
}

TopicChange::TopicChange(const Tables& tables, uint32_t topic) : tables_(tables), topic_(topic) {
  // relaxed: comes before the change, because every change ends with the release of a state.
  tables_.header().dirty_topic.store(topic + 1, kRelaxed);
  WEIR_CRASH_POINT("registry.change.after_dirty");
}

TopicChange::~TopicChange() {
  WEIR_CRASH_POINT("registry.change.before_raise");
  RaiseGeneration(tables_.topic(topic_));
  WEIR_CRASH_POINT("registry.change.before_clean");
  // sync(registry.dirty): release; pairs with the acquire in Cleanup::Run(): the generation was raised.
  tables_.header().dirty_topic.store(0, kRelease, "registry.dirty");
}

ReadResult Tables::Read(uint32_t index, NodeRecord& record) const {
  if (index >= kNodesMax) return ReadResult::kInvalid;
  const NodeEntry& entry = node(index);
  uint32_t state = 0;
  NameImage name;
  const ReadResult result = ReadWhole(
      entry,
      [&] {
        state = Get(entry.state);
        record.incarnation = Get(entry.incarnation);
        record.pid = Get(entry.pid);
        record.uid = Get(entry.uid);
        record.started_ns = Get(entry.started_ns);
        record.flags = Get(entry.flags);
        name = GetName(entry.name);
      },
      [](uint32_t now) { return now == static_cast<uint32_t>(NodeState::kFree); });
  if (result != ReadResult::kRead) return result;
  if (state == static_cast<uint32_t>(NodeState::kFree)) return ReadResult::kNotThere;
  if (state != static_cast<uint32_t>(NodeState::kLive)) return ReadResult::kInvalid;
  record.index = index;
  if (record.incarnation == 0 || !NameOf(name, record.name)) return ReadResult::kInvalid;
  return ReadResult::kRead;
}

ReadResult Tables::Read(uint32_t index, TopicRecord& record) const {
  if (index >= kTopicsMax) return ReadResult::kInvalid;
  const TopicEntry& entry = topic(index);
  uint32_t state = 0;
  uint32_t exclusive = 0;
  NameImage name;
  NameImage type_name;
  const ReadResult result = ReadWhole(
      entry,
      [&] {
        state = Get(entry.state);
        record.incarnation = Get(entry.incarnation);
        exclusive = Get(entry.exclusive);
        record.max_publishers = Get(entry.max_publishers);
        record.max_subscribers = Get(entry.max_subscribers);
        record.type_kind = Get(entry.type_kind);
        record.body_align = Get(entry.body_align);
        record.type_id = Get(entry.type_id);
        record.body_bytes = Get(entry.body_bytes);
        record.schema_hash = {.high = Get(entry.schema_hash_high), .low = Get(entry.schema_hash_low)};
        record.schema_bytes = Get(entry.schema_bytes);
        record.created_ns = Get(entry.created_ns);
        name = GetName(entry.name);
        type_name = GetName(entry.type_name);
      },
      [](uint32_t now) { return now == static_cast<uint32_t>(TopicState::kFree); });
  if (result != ReadResult::kRead) return result;
  if (state == static_cast<uint32_t>(TopicState::kFree)) return ReadResult::kNotThere;
  if (state != static_cast<uint32_t>(TopicState::kLive)) return ReadResult::kInvalid;
  record.index = index;
  record.exclusive = exclusive != 0;
  const bool valid = record.incarnation != 0 && NameOf(name, record.name) && NameOf(type_name, record.type_name) &&
                     CheckTopicName(record.name).ok() && record.max_publishers <= kPublishersPerTopicMax &&
                     record.max_subscribers <= kSubscribersPerTopicMax && record.schema_bytes <= kSchemaBytesMax;
  return valid ? ReadResult::kRead : ReadResult::kInvalid;
}

namespace {

// What is no plain field of a record until it was checked.
struct UncheckedEndpoint {
  uint32_t state = 0;
  uint32_t kind = 0;
  uint32_t when_full = 0;
};

void Copy(const EndpointEntry& entry, EndpointRecord& record, UncheckedEndpoint& unchecked) {
  // acquire, because ReadLocked() has no version that would make the fields visible.
  unchecked.state = StateWord(entry.state);
  unchecked.kind = Get(entry.kind);
  unchecked.when_full = Get(entry.when_full);
  record.topic = Get(entry.topic);
  record.index_in_topic = Get(entry.index_in_topic);
  record.node = Get(entry.node);
  record.topic_incarnation = Get(entry.topic_incarnation);
  record.node_incarnation = Get(entry.node_incarnation);
  record.incarnation = Get(entry.incarnation);
  record.created_ns = Get(entry.created_ns);
  record.pid = Get(entry.pid);
  record.flags = Get(entry.flags);
  record.depth = Get(entry.depth);
  record.max_borrowed = Get(entry.max_borrowed);
  record.table_entries = Get(entry.table_entries);
  record.history = Get(entry.history);
  record.max_loans = Get(entry.max_loans);
  record.granule_shift = Get(entry.granule_shift);
  record.pool_bytes_max = Get(entry.pool_bytes_max);
  record.departed = Get(entry.departed) != 0;
}

ReadResult Check(uint32_t index, const UncheckedEndpoint& unchecked, EndpointRecord& record) {
  if (unchecked.state == static_cast<uint32_t>(EndpointState::kFree)) return ReadResult::kNotThere;
  if (unchecked.state >= kEndpointStateCount || unchecked.when_full >= queue::kWhenFullCount) {
    return ReadResult::kInvalid;
  }
  record.endpoint = index;
  record.state = static_cast<EndpointState>(unchecked.state);
  record.kind = static_cast<EndpointKind>(unchecked.kind);
  record.when_full = static_cast<queue::WhenFull>(unchecked.when_full);
  return IsWithinLimits(record) ? ReadResult::kRead : ReadResult::kInvalid;
}

}  // namespace

bool IsWithinLimits(const EndpointRecord& record) {
  if (record.incarnation == 0 || record.topic >= kTopicsMax || record.node >= kNodesMax) return false;
  switch (record.kind) {
    case EndpointKind::kPublisher:
      return record.index_in_topic < kPublishersPerTopicMax && record.history <= kHistoryMax &&
             record.max_loans <= kLoansMax && record.granule_shift <= kGranuleShiftMax &&
             record.pool_bytes_max <= kPoolBytesLimit;
    case EndpointKind::kSubscriber:
      return record.index_in_topic < kSubscribersPerTopicMax && record.depth >= 1 && record.depth <= kQueueDepthMax &&
             record.max_borrowed <= kBorrowedMax && record.table_entries <= kBorrowEntriesMax &&
             static_cast<uint32_t>(record.when_full) < queue::kWhenFullCount;
  }
  return false;
}

ReadResult Tables::Read(uint32_t index, EndpointRecord& record) const {
  if (index >= kEndpointsMax) return ReadResult::kInvalid;
  const EndpointEntry& entry = endpoint(index);
  UncheckedEndpoint unchecked;
  const ReadResult result = ReadWhole(
      entry, [&] { Copy(entry, record, unchecked); },
      [](uint32_t now) { return now <= static_cast<uint32_t>(EndpointState::kCreating); });
  return result == ReadResult::kRead ? Check(index, unchecked, record) : result;
}

ReadResult Tables::ReadLocked(uint32_t index, EndpointRecord& record) const {
  if (index >= kEndpointsMax) return ReadResult::kInvalid;
  UncheckedEndpoint unchecked;
  Copy(endpoint(index), record, unchecked);
  return Check(index, unchecked, record);
}

std::optional<TopicRecord> Tables::FindTopic(std::string_view name) const {
  if (name.empty() || name.size() > kNameBytesMax) return std::nullopt;
  NameImage wanted{};
  std::memcpy(wanted.data(), name.data(), name.size());
  uint64_t first;
  std::memcpy(&first, wanted.data(), sizeof(first));
  for (uint32_t i = 0; i < kTopicsMax; ++i) {
    // A quick look first; a name that is just being written is not a live topic's.
    const TopicEntry& entry = topic(i);
    if (Get(entry.state) != static_cast<uint32_t>(TopicState::kLive) || Get(entry.name[0]) != first) continue;
    std::optional<TopicRecord> record = ReadTopic(i);
    if (record && record->name == name) return record;
  }
  return std::nullopt;
}

EndpointState Tables::StateOf(uint32_t index, Incarnation incarnation) const {
  if (index >= kEndpointsMax) return EndpointState::kFree;
  const EndpointEntry& entry = endpoint(index);
  // sync(entry.state): acquire; pairs with the release in PutState(). The incarnation is loaded after it: an entry
  // whose state was stored for a later endpoint has that endpoint's number too.
  const uint32_t state = entry.state.load(kAcquire, "entry.state");
  if (state >= kEndpointStateCount || Get(entry.incarnation) != incarnation) return EndpointState::kFree;
  return static_cast<EndpointState>(state);
}

ReadResult Tables::ReadMember(uint32_t topic_index, EndpointKind kind, uint32_t index, EndpointRecord& record) const {
  if (topic_index >= kTopicsMax || index >= kPublishersPerTopicMax) return ReadResult::kInvalid;
  static_assert(kPublishersPerTopicMax == kSubscribersPerTopicMax);
  const TopicEntry& entry = topic(topic_index);
  // relaxed: the record is checked against where it was found.
  const uint32_t number =
      Get(kind == EndpointKind::kPublisher ? entry.publisher_endpoint[index] : entry.subscriber_endpoint[index]);
  if (number == 0) return ReadResult::kNotThere;
  const ReadResult result = Read(number - 1, record);
  if (result != ReadResult::kRead) return result;
  const bool names_back = record.kind == kind && record.topic == topic_index && record.index_in_topic == index &&
                          record.topic_incarnation == Get(entry.incarnation);
  return names_back ? ReadResult::kRead : ReadResult::kNotThere;
}

}  // namespace weir::discovery
