// Looking at a domain from outside: who is there, what flows, how full it is, who holds what. For tools and tests.
//
//   auto inspector = weir::Inspector::Open({.domain = "lab"});
//   auto domain = inspector->Look();
//   for (const weir::SubscriberInfo& subscriber : domain->subscribers) ...
//
// Disturbs nobody. An inspector is no node: it has no entry in the registry, takes no lock, writes not one byte, opens
// every file for reading only and maps it so, and needs no more than the right to read. It holds no slot: a sample that
// somebody holds is looked at, not kept, and its content is not read. It works while a process holds the registry's
// lock, and on processes that hang, are stopped (SIGSTOP) or were killed.
//
// What it returns is a copy, whole per entry, but not all of one moment: processes go on while it looks, so numbers of
// different endpoints need not add up exactly. What vanished or is damaged under its eyes is left out, with a note.
//
// Threads: one thread at a time per Inspector. Blocks: never; makes system calls (about two per node and four per
// endpoint, six per topic, and all of them again if an endpoint left meanwhile) and allocates. Lifetime: results are
// plain values. Fork: an Inspector made before must not be used in the child.
#ifndef WEIR_INSPECT_H_
#define WEIR_INSPECT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "weir/counts.h"
#include "weir/internal/export.h"
#include "weir/latency_histogram.h"
#include "weir/message.h"
#include "weir/options.h"

namespace weir {

// An `id` below is an incarnation: a number that is never used again within its domain. Two looks that see the same id
// saw the same node, topic or endpoint.

struct NodeInfo {
  uint64_t id = 0;
  std::string name = {};
  uint32_t pid = 0;  // in the node's own pid namespace
  uint32_t uid = 0;
  uint64_t started_ns = 0;  // [ns, CLOCK_REALTIME]
  // False: its process is gone, and nobody has cleaned up after it yet; it costs memory and nothing else. A process
  // that hangs or is stopped is alive: there is no heartbeat that could say otherwise.
  bool alive = false;
};

// What a set of endpoints of one topic counted, added up. Of `message_bytes_max` and `queued_max` the largest.
struct TopicCounts {
  uint64_t publishers = 0;  // endpoints whose counts are in it
  uint64_t subscribers = 0;
  uint64_t unreadable = 0;  // endpoints whose counts are not, because their file was damaged when they went
  PublisherCounts published = {};
  SubscriberCounts received = {};
  LatencyHistogram latency = {};

  friend bool operator==(const TopicCounts&, const TopicCounts&) = default;
};

struct TopicInfo {
  uint64_t id = 0;
  std::string name = {};
  MessageKind kind = MessageKind::kBytes;
  std::string type_name = {};
  uint64_t type_id = 0;          // Cap'n Proto's, else 0
  uint64_t body_bytes = 0;       // of a plain struct, else 0
  uint32_t body_align = 0;       // [bytes]
  std::string schema_hash = {};  // 32 hex digits; equal hashes are equal schemas. Empty if there is none
  uint64_t schema_bytes = 0;     // see Inspector::ReadSchema
  TopicOptions options = {};
  uint64_t generation = 0;   // rises whenever an endpoint of the topic comes or goes
  uint64_t created_ns = 0;   // [ns, CLOCK_REALTIME]
  uint32_t publishers = 0;   // live ones of living nodes
  uint32_t subscribers = 0;  // likewise
  // Of the endpoints that are gone, closed or killed, since the topic was made: what they counted goes into the topic's
  // record before their files are removed. Levels are 0, but for `received.queued`: messages that were still in their
  // queues, which nobody will take. The record goes with its topic, that is with the last endpoint.
  TopicCounts departed = {};
  // Of all endpoints that the topic ever had: `departed` and those that are there. Every endpoint is in it exactly
  // once, so between two looks at the same topic no count goes back (levels do). A note in DomainSnapshot::notes or at
  // the endpoint says if something could not be read.
  TopicCounts total = {};
};

enum class EndpointState : uint8_t {
  kCreating = 1,  // being made, or its maker died meanwhile
  kLive = 2,
  kClosing = 3,  // a subscriber that is closed but still holds samples
  kRetired = 4,  // done; a publisher's pool stays while somebody holds or has queued one of its messages
};

constexpr const char* EndpointStateName(EndpointState state) {
  constexpr const char* kNames[] = {"?", "creating", "live", "closing", "retired"};
  return kNames[static_cast<uint8_t>(state) < 5 ? static_cast<uint8_t>(state) : 0];
}

// What publishers and subscribers have in common. An endpoint counts only while it is live and its node is alive; the
// others wait to be cleaned up.
struct EndpointInfo {
  uint64_t id = 0;
  std::string topic = {};  // empty if the topic's entry is gone already
  uint64_t topic_id = 0;
  std::string node = {};  // name; empty if the node's entry is gone already
  uint64_t node_id = 0;
  uint32_t pid = 0;
  bool node_alive = false;
  EndpointState state = EndpointState::kCreating;
  uint32_t index = 0;       // among the topic's publishers or subscribers; used again after the endpoint is gone
  uint64_t created_ns = 0;  // [ns, CLOCK_REALTIME]
  // Its counts are in its topic's `departed` already: it is gone but for its files.
  bool departed = false;
  // Its files could be read. If not, what comes from them (counts, fill, samples) is zero, and `note` says why: the
  // endpoint was just closing, or a file is damaged.
  bool readable = false;
  std::string note = {};
};

struct PublisherInfo : EndpointInfo {
  uint32_t history = 0;
  uint32_t max_loans = 0;
  uint64_t pool_bytes_max = 0;
  uint64_t pool_bytes_committed = 0;  // memory that the pool takes now
  uint32_t history_fill = 0;          // messages in the history now
  PublisherCounts counts = {};        // `queues`: the topic's live subscribers, connected or about to be
};

// A message that a subscriber holds.
struct HeldSample {
  uint32_t publisher = 0;     // index in the topic
  uint64_t publisher_id = 0;  // whose pool its slot lies in; 0 if the registry does not know it
  uint64_t sequence = 0;      // the message's number at its publisher; 0 if it could not be read
  uint64_t bytes = 0;         // of the message, all segments
  uint64_t slot_offset = 0;   // [bytes] in the publisher's pool
  // [ns, CLOCK_MONOTONIC] When the message was published. Taking writes no time, so this is the earliest moment since
  // which it can be held: "held for at most now - published_ns". 0 if its publisher did not stamp it (Metrics::kOff,
  // stamp_every).
  uint64_t published_ns = 0;
};

struct SubscriberInfo : EndpointInfo {
  uint32_t depth = 0;
  uint32_t max_borrowed = 0;
  WhenFull when_full = WhenFull::kOverwriteOldest;
  uint32_t table_entries = 0;  // max_borrowed and room for histories
  SubscriberCounts counts = {};
  LatencyHistogram latency = {};      // from Publish to Take; empty if it does not measure (Metrics::kOff)
  bool asleep = false;                // waits in the kernel for a message
  uint32_t blocked_publishers = 0;    // wait for room in its queue (WhenFull::kBlock)
  std::vector<HeldSample> held = {};  // a dead node's samples hold no slot any more
};

struct DomainSnapshot {
  std::string name = {};
  std::string path = {};
  uint64_t created_ns = 0;       // [ns, CLOCK_REALTIME]
  uint64_t looked_ns = 0;        // [ns, CLOCK_MONOTONIC] when the look began, to compare with published_ns
  uint32_t lock_holder_pid = 0;  // who changes the registry at this moment; 0: nobody. After a death a wrong hint
  std::vector<NodeInfo> nodes = {};
  std::vector<TopicInfo> topics = {};
  std::vector<PublisherInfo> publishers = {};
  std::vector<SubscriberInfo> subscribers = {};
  // For how many the registry has room; publishers and subscribers share the endpoints'.
  uint32_t nodes_max = 0;
  uint32_t topics_max = 0;
  uint32_t endpoints_max = 0;
  std::vector<std::string> notes = {};  // what was damaged or changed too fast to be read
};

struct InspectorOptions {
  std::string domain = "default";
  std::string root = {};  // as NodeOptions::root
};

class WEIR_EXPORT Inspector {
 public:
  // NotFound: there is no such domain at this moment; nobody is in it. PermissionDenied or FailedPrecondition: the
  // directory's owner or mode, or another layout number. DataLoss: its registry is damaged.
  static absl::StatusOr<Inspector> Open(const InspectorOptions& options = {});

  Inspector(Inspector&&) noexcept;
  Inspector& operator=(Inspector&&) noexcept;
  ~Inspector();

  // How things are. If the domain was removed and made anew since the last call, the new one; NotFound if it is gone.
  absl::StatusOr<DomainSnapshot> Look();

  // The type's schema as it lies with the topic. Cap'n Proto: a CodeGeneratorRequest as a message, what MCAP calls
  // encoding "capnproto". Plain structs described by WEIR_STRUCT: that description. NotFound: no such topic, or it has
  // no schema (bytes, other plain structs). DataLoss: damaged.
  absl::StatusOr<std::string> ReadSchema(std::string_view topic);

 private:
  struct Impl;
  explicit Inspector(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The names of the domains under a root (as NodeOptions::root), sorted. NotFound if there is no such root, as is the
// case for the default one while no node is there. Otherwise as Inspector::Open. Looks at nothing but names and rights.
WEIR_EXPORT absl::StatusOr<std::vector<std::string>> ListDomains(std::string_view root = {});

}  // namespace weir

#endif  // WEIR_INSPECT_H_
