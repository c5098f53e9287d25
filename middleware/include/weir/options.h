// What can be chosen at run time, with its default and its limits. A value outside its limits is refused by the call
// that gets it (InvalidArgument, naming the option, the value and the limit); nothing is silently rounded.
#ifndef WEIR_OPTIONS_H_
#define WEIR_OPTIONS_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace weir {

struct NodeOptions {
  // 1 to 255 bytes of UTF-8 without control characters. Empty: the program's name. Need not be unique.
  std::string name = {};
  // Everything in one domain sees each other. 1 to 127 bytes of [A-Za-z0-9._-], not beginning with a dot.
  std::string domain = "default";
  // The directory that holds the domains, as an absolute path. Empty: $WEIR_ROOT, which must be absolute too, else
  // /dev/shm/weir-<uid>. A group domain, that is one
  // whose members run as different users, needs an explicit root with mode 2770.
  std::string root = {};
  // How long creating and closing may wait for the registry's lock.
  absl::Duration registry_timeout = absl::Seconds(1);
  // Whether this process registers for membarrier, which takes a fence off every publish. Its price: another process
  // that goes to sleep interrupts the cores that run this one, for about a microsecond. Switch it off for isolated
  // cores.
  bool membarrier = true;
};

// Fixed by the first endpoint of a topic. An endpoint that leaves all fields at their defaults has no opinion and takes
// the topic as it is, but if it is the first, it makes the topic with the defaults; any other value must equal the
// topic's. So say it on both sides if either may come first.
struct TopicOptions {
  // One publisher at a time, which makes a push a plain store.
  bool exclusive = false;
  uint32_t max_publishers = 16;   // 1 to 256
  uint32_t max_subscribers = 64;  // 1 to 256

  friend bool operator==(const TopicOptions&, const TopicOptions&) = default;
};

// What a publisher does when a subscriber's queue is full; the subscriber chooses.
enum class WhenFull : uint8_t {
  kOverwriteOldest = 0,  // the oldest message makes room: the subscriber sees the newest `depth` messages
  kDropNewest = 1,       // the new message is dropped: the subscriber sees the oldest ones
  kBlock = 2,            // the publisher waits, at most PublisherOptions::max_block, then drops the new message
};

// Counters (counts()) are always kept; this is about what costs more than adding a number. A latency is only known
// where both sides have it on.
enum class Metrics : uint8_t {
  // A publisher stamps its messages with the time of their publication. A subscriber reads the clock for each stamped
  // message that it takes from its queue, and counts the latency (latency()); and each take looks how long the queue is
  // (SubscriberCounts::queued_max).
  kOn = 0,
  // A publisher stamps nothing (SampleInfo::published_ns is 0), unless it has a history. A subscriber does neither.
  kOff = 1,
};

struct PublisherOptions {
  TopicOptions topic = {};
  // Messages kept for subscribers that join later: 0 to 1,024. 1 is a latched value.
  uint32_t history = 0;
  // Loans that may exist at the same time: 1 to 256.
  uint32_t max_loans = 4;
  // Shared memory committed at once. 0: as much as a publisher keeps free anyway, about 128 KiB, or one message if that
  // is longer.
  uint64_t pool_bytes_initial = 0;
  // The pool never grows beyond this: 64 KiB to 64 GiB, and no less than the history and one message need. Address
  // space is reserved for it, memory is not.
  uint64_t pool_bytes_max = uint64_t{1} << 30;
  // How long one Publish may wait for subscribers that chose kBlock: 0 to 1 h.
  absl::Duration max_block = absl::Milliseconds(100);
  Metrics metrics = Metrics::kOn;
  // Sampling: the first message is stamped, and then each stamp_every-th; the others have published_ns 0. 1 to 65,536.
  // More than 1 saves the clock's reading on both sides, and the latencies are those of the stamped messages. Without
  // effect with Metrics::kOff, and with a history, whose messages are always stamped.
  uint32_t stamp_every = 1;
  // Keeps the pool, and the queues and borrow tables this publisher maps, in memory (mlock; docs/realtime.md): they are
  // never swapped out. FailedPrecondition at creation, naming the bytes and the limit, where RLIMIT_MEMLOCK is less and
  // the process has no CAP_IPC_LOCK. Later nothing is refused for it: what a growing pool or a new subscriber adds and
  // the limit does not allow is used unlocked, and shows in PublisherCounts::bytes_unlocked.
  bool lock_memory = false;
  // Asks the kernel to back the pool with huge pages, here and at the subscribers (docs/realtime.md): fewer misses of
  // the address translation in large pools. The pool is committed in steps of 2 MiB then, and each step takes
  // milliseconds: give pool_bytes_initial what the pool will need. pool_bytes_max must be at least 2 MiB. A wish: what
  // came of it stands in PublisherCounts::pool_bytes_huge and huge_pages.
  bool huge_pages = false;
};

struct SubscriberOptions {
  TopicOptions topic = {};
  // Messages that wait in the queue: 1 to 65,536. Exact, also when it is no power of two.
  uint32_t depth = 16;
  // Samples that may be held at the same time: 1 to 4,096.
  uint32_t max_borrowed = 16;
  WhenFull when_full = WhenFull::kOverwriteOldest;
  // Take copies each message into private memory first. Costs the copy; protects against a publisher that goes on
  // writing after it published (see SECURITY.md).
  bool copy_before_read = false;
  // Cap'n Proto: how many bytes one sample's readers may visit before their getters throw. Every get counts again, also
  // of the same field. 0: eight times the message, at least 64 MiB.
  uint64_t traversal_limit_bytes = 0;
  Metrics metrics = Metrics::kOn;
  // As PublisherOptions::lock_memory, for the queue, the borrow table and the pools this subscriber maps. Those of the
  // publishers there are it then maps at creation, those of later ones when it next finds its queue empty: before
  // their first message, if it can, and not with it.
  bool lock_memory = false;
};

}  // namespace weir

#endif  // WEIR_OPTIONS_H_
