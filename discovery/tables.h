// The registry's tables in memory: where the entries lie, and how an entry is read and written.
//
// Readers take no lock and see no mixture. Writer (holding the registry's lock) and reader of an entry:
//
//   writer: version = odd; FENCE release; fields, relaxed; version = even, release; state, release, as the last store
//   reader: version, acquire; fields and state, relaxed; FENCE acquire; version again: the same and even, or once more
//
// An entry is only written while its state is free or creating, so a live entry never has an odd version, and an entry
// whose writer died or was stopped in the middle reads as "not there".
#ifndef WEIR_DISCOVERY_TABLES_H_
#define WEIR_DISCOVERY_TABLES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "discovery/records.h"
#include "discovery/registry_layout.h"

namespace weir::discovery {

// A reader gives up after this many rounds in which a writer was faster or in the middle. A writer needs well under a
// microsecond for an entry, so this means that the entry is garbage.
inline constexpr uint32_t kReadRoundsMax = 1u << 12;

enum class ReadResult : uint8_t {
  kRead,
  kNotThere,  // free, or being made
  kUnstable,  // changed all the time
  kInvalid,   // an index, count or name is beyond its limit: somebody wrote garbage
};

// Whether an endpoint could be so; for what is read from the registry and for what is to be written there.
bool IsWithinLimits(const EndpointRecord& record);

// Does not own the memory, which is kRegistryFileBytes long and was checked by CheckRegistryFacts(). Cheap to copy.
class Tables {
 public:
  Tables() = default;
  explicit Tables(std::byte* base) : base_(base) {}

  RegistryHeader& header() const { return *reinterpret_cast<RegistryHeader*>(base_); }
  NodeEntry& node(uint32_t index) const { return At<NodeEntry>(kNodesOffset, index); }
  TopicEntry& topic(uint32_t index) const { return At<TopicEntry>(kTopicsOffset, index); }
  EndpointEntry& endpoint(uint32_t index) const { return At<EndpointEntry>(kEndpointsOffset, index); }

  // Copies of entries; an index beyond the table's end is kInvalid. An endpoint is also read while it is `creating`.
  ReadResult Read(uint32_t index, NodeRecord& record) const;
  ReadResult Read(uint32_t index, TopicRecord& record) const;
  ReadResult Read(uint32_t index, EndpointRecord& record) const;

  std::optional<NodeRecord> ReadNode(uint32_t index) const { return Optional<NodeRecord>(index); }
  std::optional<TopicRecord> ReadTopic(uint32_t index) const { return Optional<TopicRecord>(index); }
  std::optional<EndpointRecord> ReadEndpoint(uint32_t index) const { return Optional<EndpointRecord>(index); }

  // For the lock's holder: nobody else writes the fields, so the version is not asked. Also reads an endpoint whose
  // writer died in the middle: while it is `creating`, what it belongs to is written again with the same values only.
  ReadResult ReadLocked(uint32_t index, EndpointRecord& record) const;

  // The live topic of that name.
  std::optional<TopicRecord> FindTopic(std::string_view name) const;

  EndpointState StateOf(uint32_t endpoint, Incarnation incarnation) const;

  // The endpoint that stands in publisher_endpoint[index] (subscriber_endpoint[index]) of the topic, if that endpoint
  // says the same of itself.
  ReadResult ReadPublisher(uint32_t topic, uint32_t index, EndpointRecord& record) const {
    return ReadMember(topic, EndpointKind::kPublisher, index, record);
  }
  ReadResult ReadSubscriber(uint32_t topic, uint32_t index, EndpointRecord& record) const {
    return ReadMember(topic, EndpointKind::kSubscriber, index, record);
  }

 private:
  template <class Entry>
  Entry& At(uint64_t offset, uint32_t index) const {
    return *reinterpret_cast<Entry*>(base_ + offset + uint64_t{index} * sizeof(Entry));
  }
  template <class Record>
  std::optional<Record> Optional(uint32_t index) const {
    std::optional<Record> record(std::in_place);
    if (Read(index, *record) != ReadResult::kRead) record.reset();
    return record;
  }
  ReadResult ReadMember(uint32_t topic, EndpointKind kind, uint32_t index, EndpointRecord& record) const;

  std::byte* base_ = nullptr;
};

// Marks an entry as being written for as long as it lives. For the lock's holder; the entry is free or creating.
class EntryWrite {
 public:
  explicit EntryWrite(Atomic<uint32_t>& version);
  ~EntryWrite();
  EntryWrite(const EntryWrite&) = delete;
  EntryWrite& operator=(const EntryWrite&) = delete;

 private:
  Atomic<uint32_t>& version_;
  uint32_t odd_;
};

// An entry whose writer died in the middle, and which is not to be written anew but kept as it is.
void EndBrokenWrite(Atomic<uint32_t>& version);

// Fields of an entry, stored within an EntryWrite.
template <class T, class Value>
void Put(Atomic<T>& field, Value value) {
  field.store(static_cast<T>(value), queue::kRelaxed);  // relaxed: the entry's version makes it visible
}
void PutName(SharedName& field, std::string_view name);  // at most kNameBytesMax bytes

// The last store of a change of an entry.
template <class State>
void PutState(Atomic<uint32_t>& field, State state) {
  // sync(entry.state): release; pairs with the acquire in Tables::StateOf() and, through the version, with
  // Tables::Read(): what belongs to the state (fields, files) was there before.
  field.store(static_cast<uint32_t>(state), queue::kRelease, "entry.state");
}

inline uint32_t StateWord(const Atomic<uint32_t>& state) {
  // sync(entry.state): acquire; pairs with the release in PutState().
  return state.load(queue::kAcquire, "entry.state");
}

// A number for a node, topic or endpoint that was never given out before. By the lock's holder.
Incarnation NextIncarnation(RegistryHeader& header);

// Whatever the members of the topic were known for is to be looked up anew. By the lock's holder or by an endpoint that
// marks itself closed. Also wakes those who wait for it.
void RaiseGeneration(TopicEntry& topic);

// A change of a topic's members, by the lock's holder: notes the topic as dirty first, raises its generation last. Who
// finds a dirty topic raises its generation on behalf of the dead holder (cleanup.h).
class TopicChange {
 public:
  TopicChange(const Tables& tables, uint32_t topic);
  ~TopicChange();
  TopicChange(const TopicChange&) = delete;
  TopicChange& operator=(const TopicChange&) = delete;

 private:
  const Tables tables_;
  const uint32_t topic_;
};

}  // namespace weir::discovery

#endif  // WEIR_DISCOVERY_TABLES_H_
