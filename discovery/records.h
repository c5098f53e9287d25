// What is read from the registry and what is asked of it, as plain values: copies that no other process can change.
#ifndef WEIR_DISCOVERY_RECORDS_H_
#define WEIR_DISCOVERY_RECORDS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "discovery/registry_layout.h"
#include "middleware/base/hash.h"
#include "middleware/base/limits.h"
#include "middleware/base/words.h"
#include "middleware/queue/queue_layout.h"

namespace weir::discovery {

// Asked of the registry --------------------------------------------------------------------------------------------

struct TypeSpec {
  uint32_t kind = 0;  // the caller's enumeration; equal numbers mean the same kind
  std::string name;   // 1 to kNameBytesMax bytes
  uint64_t id = 0;
  uint64_t body_bytes = 0;
  uint32_t body_align = 0;
  Hash128 schema_hash;           // of schema_blob; zero if there is none
  std::string_view schema_blob;  // needed during the call only; empty: no schema file
};

struct TopicSpec {
  std::string name;
  TypeSpec type;
  // All three at these values mean "no opinion": whatever an existing topic has is taken. Anything else must be what
  // the topic has.
  bool exclusive = false;
  uint32_t max_publishers = 16;
  uint32_t max_subscribers = 64;
  // The incarnation of a topic that the caller found to have another type that will do: a topic's type never changes,
  // and incarnations are never used again. 0: the type must be equal.
  Incarnation compatible_with = 0;
};

struct PublisherRecord {
  uint32_t history = 0;
  uint32_t max_loans = 0;
  uint32_t granule_shift = 0;
  uint32_t flags = 0;
  uint64_t pool_bytes_max = 0;
};

struct SubscriberRecord {
  uint32_t depth = 0;
  uint32_t max_borrowed = 0;
  uint32_t table_entries = 0;
  queue::WhenFull when_full = queue::WhenFull::kOverwriteOldest;
  uint32_t flags = 0;
};

// A publisher's place: what it needs to name itself and its file.
struct PublisherSlot {
  uint32_t topic = 0;        // index of the topic in the registry
  uint32_t endpoint = 0;     // index of the endpoint in the registry
  PublisherIndex index = 0;  // in the topic; goes into refs
  bool exclusive = false;    // the topic's; decides the form of its queues
  Incarnation incarnation = 0;
};

struct SubscriberSlot {
  uint32_t topic = 0;
  uint32_t endpoint = 0;
  uint32_t index = 0;      // in the topic
  bool exclusive = false;  // the topic's; decides the form of the queue
  Incarnation incarnation = 0;
};

// Read from the registry. Every index and count in it has been checked against its limit. -----------------------------

struct NodeRecord {
  uint32_t index = 0;
  Incarnation incarnation = 0;
  uint32_t pid = 0;
  uint32_t uid = 0;
  uint64_t started_ns = 0;
  uint32_t flags = 0;
  std::string name;
};

struct TopicRecord {
  uint32_t index = 0;
  Incarnation incarnation = 0;
  std::string name;
  uint32_t type_kind = 0;
  std::string type_name;
  uint64_t type_id = 0;
  uint64_t body_bytes = 0;
  uint32_t body_align = 0;
  Hash128 schema_hash;
  uint64_t schema_bytes = 0;
  bool exclusive = false;
  uint32_t max_publishers = 0;
  uint32_t max_subscribers = 0;
  uint64_t created_ns = 0;
};

struct EndpointRecord {
  uint32_t endpoint = 0;  // its index in the registry
  EndpointState state = EndpointState::kFree;
  EndpointKind kind = EndpointKind::kPublisher;
  uint32_t topic = 0;
  uint32_t index_in_topic = 0;
  uint32_t node = 0;
  Incarnation topic_incarnation = 0;
  Incarnation node_incarnation = 0;
  Incarnation incarnation = 0;
  uint64_t created_ns = 0;
  uint32_t pid = 0;
  uint32_t flags = 0;
  // Subscriber:
  uint32_t depth = 0;
  uint32_t max_borrowed = 0;
  uint32_t table_entries = 0;
  queue::WhenFull when_full = queue::WhenFull::kOverwriteOldest;
  // Publisher:
  uint32_t history = 0;
  uint32_t max_loans = 0;
  uint32_t granule_shift = 0;
  uint64_t pool_bytes_max = 0;
  // Its counters are in its topic's record. Not all of those that are there say so: see discovery/departed.h.
  bool departed = false;
};

}  // namespace weir::discovery

#endif  // WEIR_DISCOVERY_RECORDS_H_
