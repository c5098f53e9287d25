// The shared file of a domain, "registry": who is there.
//
//          0 +--------------------------------+
//            | RegistryHeader                 |  limits and offsets, lock holder, dirty topic, next incarnation
//       4096 +--------------------------------+
//            | NodeEntry[kNodesMax]           |
//    331,776 +--------------------------------+
//            | TopicEntry[kTopicsMax]         |
//  5,181,440 +--------------------------------+
//            | EndpointEntry[kEndpointsMax]   |
//  6,230,016 +--------------------------------+
//
// It is built under a temporary name and linked into place, so that nobody ever sees half of it. The same file carries
// the locks, as OFD locks of single bytes far behind its end (lock_bytes.h): one for changing it, one per node for
// being alive.
//
// Who writes: whoever holds the registry's lock; and without the lock an endpoint's owner its own entry's state (to
// mark itself closed) and the generation of that entry's topic. Everybody reads, without a lock: an entry's fields are
// relaxed atomics under a version (tables.h), so a reader never sees a mixture. `state` is the last store of every
// change. A death between two stores leaves the version odd in an entry whose state still says free: readers skip it,
// the next writer of the entry goes on from there.
#ifndef WEIR_DISCOVERY_REGISTRY_LAYOUT_H_
#define WEIR_DISCOVERY_REGISTRY_LAYOUT_H_

#include <cstddef>
#include <cstdint>

#include "middleware/base/limits.h"
#include "middleware/queue/atomics.h"

namespace weir::discovery {

inline constexpr uint64_t kRegistryMagic = 0x3147455252494557;  // "WEIRREG1" in memory
inline constexpr char kRegistryFileName[] = "registry";

template <class T>
using Atomic = queue::SystemAtomics::Atomic<T>;

inline constexpr size_t kNameWords = (kNameBytesMax + 1) / sizeof(uint64_t);

// A name in shared memory: at most kNameBytesMax bytes, then zeros. Atomic words, because a reader may look while it is
// written; the entry's version tells it to look again.
using SharedName = Atomic<uint64_t>[kNameWords];

// Where everything lies, and how much of it there may be. Written before the file has its name, never again. A process
// whose own numbers differ refuses the domain.
struct RegistryFacts {
  uint64_t magic = kRegistryMagic;
  uint32_t layout = kLayoutNumber;
  uint32_t header_bytes = 0;
  uint32_t node_count = kNodesMax;
  uint32_t node_bytes = 0;
  uint32_t topic_count = kTopicsMax;
  uint32_t topic_bytes = 0;
  uint32_t endpoint_count = kEndpointsMax;
  uint32_t endpoint_bytes = 0;
  uint64_t nodes_offset = 0;
  uint64_t topics_offset = 0;
  uint64_t endpoints_offset = 0;
  uint64_t file_bytes = 0;
  uint64_t created_ns = 0;  // CLOCK_REALTIME

  friend constexpr bool operator==(const RegistryFacts&, const RegistryFacts&) = default;
};

struct RegistryHeader {
  RegistryFacts facts;

  // Writer: the lock's holder, its pid after it got the lock, 0 before it releases it. A hint for messages; nothing is
  // decided by it. A death leaves the pid of the dead holder; the next holder overwrites it.
  alignas(kIsolationBytes) Atomic<uint32_t> lock_holder_pid;
  // Writer: the lock's holder: topic index + 1 before the first store of a change that concerns a topic, 0 after its
  // generation was raised. A death leaves it set: whoever takes the lock next raises that topic's generation, and the
  // cleanup that always follows ends what was half made.
  Atomic<uint32_t> dirty_topic;
  uint32_t reserved[2];
  // Writer: the lock's holder, +1 for each number given out. Starts at a random number, so that a later registry under
  // the same name does not repeat the file names of an earlier one, whose processes may still be there. (Not at the
  // time: that can be set back.) A death wastes a number.
  Atomic<uint64_t> next_incarnation;
};

enum class NodeState : uint32_t { kFree = 0, kLive = 1 };

// Writer of every field: the lock's holder; the node itself when it joins, and whoever frees it.
struct NodeEntry {
  Atomic<uint32_t> version;  // odd: being written
  // free -> live as the last store of joining, after the lock byte is held; live -> free as the last store of leaving
  // or of the cleanup of a dead node. live does not mean alive: that is what the lock byte says.
  Atomic<uint32_t> state;
  Atomic<uint64_t> incarnation;
  Atomic<uint32_t> pid;  // in the node's own pid namespace: for messages and tools, never for deciding who lives
  Atomic<uint32_t> uid;
  Atomic<uint64_t> started_ns;  // CLOCK_REALTIME
  Atomic<uint32_t> flags;       // the caller's (pubsub: registered for membarrier)
  Atomic<uint32_t> reserved;
  Atomic<uint64_t> reserved_too[3];
  SharedName name;
};

enum class TopicState : uint32_t { kFree = 0, kLive = 1 };

struct TopicEntry {
  Atomic<uint32_t> version;  // odd: being written
  // Writer: the lock's holder. live as the last store of making the topic; free when its last endpoint is gone. A death
  // may leave a live topic without endpoints, which the next holder of the lock frees.
  Atomic<uint32_t> state;
  Atomic<uint64_t> incarnation;

  // Writers: the lock's holder, and without the lock an endpoint that marks itself closed; always +1 by fetch_add. A
  // reader that sees the same number twice concludes: no endpoint joined or left in between. Never set back, also not
  // when the topic's entry is used for another topic.
  Atomic<uint64_t> generation;
  // Writers: the same, +1 after each raise of `generation`, then all sleepers are woken. A death in between leaves a
  // sleeper asleep until its own deadline or the next raise; sleeps are bounded to 1 s.
  Atomic<uint32_t> generation_futex;
  Atomic<uint32_t> exclusive;  // bool. From here to type_name: written once, when the topic is made

  Atomic<uint32_t> max_publishers;
  Atomic<uint32_t> max_subscribers;
  Atomic<uint32_t> type_kind;
  Atomic<uint32_t> body_align;
  Atomic<uint64_t> type_id;
  Atomic<uint64_t> body_bytes;
  Atomic<uint64_t> schema_hash_high;
  Atomic<uint64_t> schema_hash_low;
  Atomic<uint64_t> schema_bytes;  // 0: no schema file
  Atomic<uint64_t> created_ns;    // CLOCK_REALTIME
  Atomic<uint64_t> reserved[4];
  SharedName name;
  SharedName type_name;

  // Writer: the lock's holder. [i] is the incarnation of publisher i from its activation until its pool was removed,
  // else 0. A subscriber compares it after each take with that of the pool it mapped. 0 or another number: the ref is
  // not of that pool. A death leaves the number; the next cleanup clears it together with the entry.
  Atomic<uint64_t> publisher_incarnation[kPublishersPerTopicMax];
  // Writer: the lock's holder. [i] is the endpoint index + 1 of publisher (subscriber) i, or 0. Stored before the
  // endpoint's entry is more than free, so a death can leave a number whose entry does not name this topic and this i
  // back: such a number counts as 0 everywhere.
  Atomic<uint32_t> publisher_endpoint[kPublishersPerTopicMax];
  Atomic<uint32_t> subscriber_endpoint[kSubscribersPerTopicMax];
};

enum class EndpointKind : uint32_t { kPublisher = 1, kSubscriber = 2 };

//  publisher:   free -> creating -> live -> retired -> free      (creating -> retired when it is given up)
//  subscriber:  free -> creating -> live -> closing -> retired -> free
enum class EndpointState : uint32_t {
  kFree = 0,
  kCreating = 1,  // has its number and index; its file is being made
  kLive = 2,
  kClosing = 3,  // subscriber only: its queue is closed, its table still counts because samples are held
  kRetired =
      4,  // the owner is done. A publisher's pool and index stay until no ref names them; a subscriber's files go
};
inline constexpr uint32_t kEndpointStateCount = 5;

struct EndpointEntry {
  Atomic<uint32_t> version;  // odd: being written
  // Writers: the lock's holder; the owner without the lock: live -> closing, live/closing/creating -> retired, and
  // never again after retired, because from then on the entry may be freed and given to somebody else. A reader
  // concludes "live" or "closing" only together with a living owner (its node's lock byte). A death leaves any state;
  // the next cleanup takes it from there.
  Atomic<uint32_t> state;
  // All others: written by the lock's holder on behalf of the owner while the state is free or creating.
  Atomic<uint32_t> kind;
  Atomic<uint32_t> topic;
  Atomic<uint32_t> index_in_topic;
  Atomic<uint32_t> node;
  Atomic<uint64_t> topic_incarnation;
  Atomic<uint64_t> node_incarnation;
  Atomic<uint64_t> incarnation;  // also in the names and headers of its files
  Atomic<uint64_t> created_ns;   // CLOCK_REALTIME
  Atomic<uint32_t> pid;
  Atomic<uint32_t> flags;  // the caller's
  // Subscriber:
  Atomic<uint32_t> depth;
  Atomic<uint32_t> max_borrowed;
  Atomic<uint32_t> table_entries;
  Atomic<uint32_t> when_full;  // queue::WhenFull
  // Publisher:
  Atomic<uint32_t> history;
  Atomic<uint32_t> max_loans;
  Atomic<uint32_t> granule_shift;
  // Writer: the lock's holder, 0 when the endpoint is made, 1 when its counters have been added to its topic's record
  // (middleware/metrics/departed_layout.h), after which its files go. Outside the version, like `state`. A death may
  // leave a 0 although they were added: then the record names the endpoint.
  Atomic<uint32_t> departed;
  Atomic<uint64_t> pool_bytes_max;
  Atomic<uint64_t> reserved_too[3];
};

inline constexpr uint64_t kNodesOffset = kPageBytes;
inline constexpr uint64_t kTopicsOffset = kNodesOffset + uint64_t{kNodesMax} * sizeof(NodeEntry);
inline constexpr uint64_t kEndpointsOffset = kTopicsOffset + uint64_t{kTopicsMax} * sizeof(TopicEntry);
inline constexpr uint64_t kRegistryFileBytes = kEndpointsOffset + uint64_t{kEndpointsMax} * sizeof(EndpointEntry);

static_assert(sizeof(RegistryFacts) == 80);
static_assert(offsetof(RegistryHeader, lock_holder_pid) == 128);
static_assert(offsetof(RegistryHeader, dirty_topic) == 132);
static_assert(offsetof(RegistryHeader, next_incarnation) == 144);
static_assert(sizeof(RegistryHeader) <= kNodesOffset);
static_assert(sizeof(SharedName) == 256);
static_assert(sizeof(NodeEntry) == 320);
static_assert(offsetof(NodeEntry, name) == 64);
static_assert(sizeof(TopicEntry) == 4736 && sizeof(TopicEntry) % kIsolationBytes == 0);
static_assert(offsetof(TopicEntry, generation) == 16);
static_assert(offsetof(TopicEntry, name) == 128);
static_assert(offsetof(TopicEntry, publisher_incarnation) == 640);
static_assert(offsetof(TopicEntry, publisher_endpoint) == 2688);
static_assert(offsetof(TopicEntry, subscriber_endpoint) == 3712);
static_assert(sizeof(EndpointEntry) == 128);
static_assert(kTopicsOffset == 331'776);
static_assert(kEndpointsOffset == 5'181'440);
static_assert(kRegistryFileBytes == 6'230'016);

}  // namespace weir::discovery

#endif  // WEIR_DISCOVERY_REGISTRY_LAYOUT_H_
