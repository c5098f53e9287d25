// The subscriber behind every Subscriber<T>: a queue, a borrow table, and the pools of the publishers it has heard
// from.
//
// Thread-safety: as Subscriber<T>: Take and Close by one thread at a time, Interrupt and Release (of a sample) by any.
//
// How long it lives. Samples may be dropped on any thread after the Subscriber object is gone, and the last of them
// must end the registration. Counting them would put a locked instruction into every take and every release. Instead
// each sample has a byte ("phase") that says "handed out" (2) or "being released right now" (1), and closing works like
// a hazard pointer with an asymmetric fence:
//
//   release: phase = 1; BARRIER; orphaned? -> phase = 2, slow path; clear the borrow entry; phase = 0
//   close:   orphaned = 1; FENCE ALL THREADS; wait until no phase is 1; count those that are not 0
//
// After the fence every release either was seen (phase 1, waited for) or sees `orphaned` and takes the slow path, under
// a mutex, where the last one deletes the core. A fast release touches nothing of the core after its last store.
#ifndef WEIR_PUBSUB_SUBSCRIBER_CORE_H_
#define WEIR_PUBSUB_SUBSCRIBER_CORE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "discovery/registry.h"
#include "middleware/metrics/counters_layout.h"
#include "middleware/metrics/histogram.h"
#include "middleware/os/clock.h"
#include "middleware/pool/pool_reader.h"
#include "middleware/pubsub/node_core.h"
#include "middleware/queue/borrow_table.h"
#include "middleware/queue/joining.h"
#include "middleware/queue/queue.h"
#include "weir/internal/raw.h"

namespace weir::internal {

// Who refers to a subscriber and must let go of it when it is closed.
class SubscriberWatcher {
 public:
  virtual void Closing(SubscriberCore& subscriber) = 0;

 protected:
  ~SubscriberWatcher() = default;
};

class SubscriberCore {
 public:
  static absl::StatusOr<SubscriberCore*> Create(std::shared_ptr<NodeCore> node, std::string_view topic,
                                                const MessageType& type, const SubscriberOptions& options);

  RawTaken Take();
  RawTaken TakeUntil(uint64_t deadline_ns, const WaitStrategy& strategy);
  void Interrupt();

  // The descriptor for poll(), made at the first call.
  absl::StatusOr<int> Descriptor();
  // Without taking it.
  bool HasMessage() const { return latched_next_ < latched_.size() || consumer_.HasMessage(); }
  // Told once when the subscriber is closed, before anything else happens. By the subscriber's thread.
  void AddWatcher(SubscriberWatcher& watcher) { watchers_.push_back(&watcher); }
  void RemoveWatcher(SubscriberWatcher& watcher) { std::erase(watchers_, &watcher); }

  absl::Status last_error() const { return last_error_; }
  SubscriberCounts counts();
  LatencyHistogram latency();
  std::string_view topic() const { return topic_name_; }

  // The Subscriber object is gone. The core goes now, or with its last sample.
  void Close();

  static void Release(SampleState* sample);

 private:
  using Atomics = queue::SystemAtomics;

  // What a sample is doing. The borrow table says which entries are in use too, but it lies in shared memory: closing
  // believes what is here, or bytes that went astray could end the core under a sample.
  enum Phase : uint8_t { kIdle = 0, kReleasing = 1, kHeld = 2 };

  // A sample's state and what only this file needs to know of it.
  struct Held : SampleState {
    std::atomic<uint8_t> phase{kIdle};
    const pool::SlotHeader* header = nullptr;
    uint64_t total_bytes = 0;           // of all segments
    std::vector<Segment> further;       // keeps its memory from sample to sample
    std::unique_ptr<std::byte[]> copy;  // copy_before_read
    uint64_t copy_capacity = 0;
  };

  // A publisher we have heard from, at its index in the topic.
  struct Source {
    pool::PoolReader pool;
    queue::Progress progress;
  };

  // A message borrowed from a history, not yet delivered.
  struct Latched {
    PublisherIndex publisher;
    uint32_t entry;  // of the borrow table
    Ref ref;
    Sequence sequence;
    uint64_t published_ns;
  };

  SubscriberCore(std::shared_ptr<NodeCore> node, std::string_view topic, const MessageType& type,
                 const SubscriberOptions& options);
  ~SubscriberCore() = default;

  absl::Status MakeFiles(const discovery::SubscriberSlot& slot, uint64_t history_total,
                         discovery::SubscriberRecord& record);
  void ReadHistories();
  void ReadHistory(const discovery::EndpointRecord& publisher);
  bool NextLatched(RawTaken& taken);

  metrics::SubscriberCounters& counters() { return *counters_; }
  uint32_t FindEntry();
  Source* FindSource(PublisherIndex index) {
    Source* source = sources_[index].get();
    const Incarnation incarnation = topic_.publisher_incarnation(index);
    if (source != nullptr && source->pool.incarnation() == incarnation) [[likely]]
      return source;
    return OpenSource(index, incarnation);
  }
  Source* OpenSource(PublisherIndex index, Incarnation incarnation);
  void Prefetch(Ref ref) const {
    if (const Source* source = sources_[ref.publisher()].get(); source != nullptr) source->pool.Prefetch(ref);
  }
  Held& HeldAt(uint32_t entry);
  bool Open(Held& held, Source& source, Ref ref);
  bool OpenFailed(Ref ref, const pool::SlotHeader* header, Sequence sequence, uint32_t body_bytes);
  bool OpenSegments(Held& held, Source& source, const pool::SlotHeader& header, uint32_t segment_count);
  bool Copy(Held& held);
  RawTaken Invalid(absl::Status why);
  void NoteQueueLength(Position position);
  void NoteLatency(uint64_t published_ns);
  void AnnounceSpace();
  void HeavyFence();
  void Arm();
  void Disarm();
  bool RearmAndLook();
  void FollowPublishers();
  void MapPools();
  absl::Status LockStatus() const;

  bool CheckTorn(const Held& held);
  void ReleaseFast(Held& held);
  void ReleaseOrphan(Held& held);
  void Finish();

  std::shared_ptr<NodeCore> node_;
  const os::ForkGuard guard_;     // as the node's
  const bool can_fence_threads_;  // likewise
  std::string topic_name_;
  const uint64_t fixed_body_bytes_;
  const SubscriberOptions options_;
  discovery::SubscriberSlot slot_;
  discovery::TopicView topic_;

  os::Mapping queue_file_;
  os::Mapping table_file_;
  metrics::SubscriberCounters* counters_ = nullptr;  // in the table's file
  metrics::Histogram* histogram_ = nullptr;          // likewise
  const bool measures_;                              // latencies and the queue's length
  os::TickClock clock_;
  queue::Consumer<Atomics> consumer_;
  queue::BorrowTable<Atomics> table_;
  uint32_t next_entry_ = 0;                  // where to look for a free one first
  std::vector<std::unique_ptr<Held>> held_;  // by entry; those for histories only where used
  std::unique_ptr<Source> sources_[kPublishersPerTopicMax];
  std::vector<Latched> latched_;  // in the order of delivery
  size_t latched_next_ = 0;
  uint64_t seen_generation_ = 0;
  os::FileDescriptor wake_;  // the FIFO behind Descriptor()
  bool armed_ = false;
  std::vector<SubscriberWatcher*> watchers_;
  absl::Status last_error_;
  std::atomic<uint32_t> interrupted_{0};

  // Closing, see above.
  std::atomic<uint32_t> orphaned_{0};
  std::mutex orphan_mutex_;
  uint32_t orphans_ = 0;  // samples still held; guarded by orphan_mutex_
};

}  // namespace weir::internal

#endif  // WEIR_PUBSUB_SUBSCRIBER_CORE_H_
