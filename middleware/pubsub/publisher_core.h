// The publisher behind every Publisher<T>: a pool, the connections to the queues of its topic, and the books that say
// which slots may be used again.
//
// Thread-safety: none, like Publisher<T>. In steady state Loan and Publish touch: the slot, the cell, the generation,
// the wake word and sleepers of each queue, and private memory.
#ifndef WEIR_PUBSUB_PUBLISHER_CORE_H_
#define WEIR_PUBSUB_PUBLISHER_CORE_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "discovery/registry.h"
#include "middleware/base/prefetch.h"
#include "middleware/metrics/counters_layout.h"
#include "middleware/os/clock.h"
#include "middleware/os/fork_guard.h"
#include "middleware/pool/pool_writer.h"
#include "middleware/pubsub/node_core.h"
#include "middleware/queue/queue.h"
#include "middleware/queue/reclaim.h"
#include "weir/internal/raw.h"

namespace weir::internal {

class PublisherCore {
 public:
  static absl::StatusOr<PublisherCore*> Create(std::shared_ptr<NodeCore> node, std::string_view topic,
                                               const MessageType& type, const PublisherOptions& options);

  // nullptr if there is none; loan_failure() then says why.
  LoanState* Loan(uint64_t body_bytes);
  absl::Status loan_failure() const { return loan_failure_; }
  absl::StatusOr<Published> Publish(LoanState* loan);
  void Drop(LoanState* loan);
  absl::Status WaitForSubscribers(uint32_t count, absl::Duration timeout);
  PublisherCounts counts();
  std::string_view topic() const { return topic_name_; }

  absl::StatusOr<std::span<std::byte>> AddSlot(LoanState& loan, uint64_t bytes, bool zeroed);
  absl::Status SetSegments(LoanState& loan, std::span<const Segment> segments);
  bool OwnsBytes(const LoanState& loan, std::span<const std::byte> bytes);

  bool InOwner() const { return guard_.InOwner(); }

  // The Publisher object is gone. The core goes now, or with its last loan.
  void Close();

 private:
  using Atomics = queue::SystemAtomics;
  using SlotId = queue::SlotId;

  // A connected queue.
  struct Link {
    discovery::MappedQueue queue;
    queue::Producer<Atomics> producer;
    queue::Reclaimer<Atomics>::Connection books;
    uint32_t node = 0;
    Incarnation node_incarnation = 0;
    uint32_t pid = 0;
    bool accepted_any = false;
    os::FileDescriptor wake;  // the subscriber's FIFO, opened when it is first armed
    uint32_t signalled = 0;   // the arming that we have signalled
    bool owner_died = false;  // found while waiting for it; the queue is skipped until the registry drops it
    bool gave_up = false;     // a wait timed out; not again until head moves
    Position gave_up_head = 0;

    queue::QueueHeader<Atomics>& header() { return *queue.view.header; }
    Incarnation incarnation() const { return books.incarnation; }
  };

  // The borrow table of a live subscriber. It counts from before its queue is connected until its last sample is gone.
  struct Table {
    discovery::MappedTable mapped;
    Incarnation incarnation = 0;
    uint32_t pid = 0;
  };

  PublisherCore(std::shared_ptr<NodeCore> node, std::string_view topic, const MessageType& type,
                const PublisherOptions& options, discovery::PublisherSlot slot, std::unique_ptr<pool::PoolWriter> pool);
  ~PublisherCore() = default;

  // Connections (publisher_connect.cc)
  void RefreshIfChanged() {
    // sync(topic.generation): acquire; pairs with the release that raises it: the entries of that generation.
    const uint64_t generation = topic_.generation().load(queue::kAcquire, "topic.generation");
    if (generation != known_generation_) [[unlikely]] {
      RefreshUnlessFailing(generation);
    }
  }
  void RefreshUnlessFailing(uint64_t generation);
  void Refresh();
  bool HasLiveLinks(uint32_t count) const;
  absl::Status Connect(const std::vector<discovery::EndpointRecord>& subscribers);
  void Settle(os::Mapping& mapping);
  void DropAllBut(const std::vector<discovery::EndpointRecord>& subscribers);
  void CollectConnections();

  metrics::PublisherCounters& counters() { return *counters_; }

  uint32_t loans_out() const { return max_loans_ - static_cast<uint32_t>(free_loans_.size()); }

  // Slots (publisher_slots.cc)
  //
  // Slots kept free beyond the next one, so that a pass (which reads other processes' cache lines) is rare, and so that
  // a slot lies idle for long before it is written again: with fewer, the hardware's prefetching on the subscriber's
  // core runs ahead into slots that are being written and takes their lines away (32 slots: 6 M messages/s, 256: 28,
  // 512: 32).
  static constexpr uint64_t kReserveSlots = 512;
  static constexpr uint64_t kReserveBytes = 128u << 10;
  static constexpr uint64_t ReserveFor(uint64_t stride) {
    return std::clamp<uint64_t>(kReserveBytes / stride, 1, kReserveSlots);
  }
  // So many messages ahead slots are fetched into the cache for writing: a line takes 100 to 200 ns to come from
  // another core, a small message 30 ns to publish.
  static constexpr size_t kPrefetchAhead = 4;

  // What a Cap'n Proto message gets at least as its first segment.
  static constexpr uint64_t kBodyHintMin = 256;

  SlotId SlotForLoan(uint64_t wanted_bytes);  // kNoSlot if there is none; loan_failure_ then says why
  absl::StatusOr<SlotId> TakeSlot(uint64_t body_bytes);
  absl::StatusOr<SlotId> TakeSlotAtOnce(uint64_t body_bytes);  // or not at all: nothing is cleaned up for it
  absl::StatusOr<SlotId> CarveSlot(uint64_t body_bytes);
  uint64_t ReclaimPass();
  void ReclaimAll();
  void FreeMessage(SlotId first) {
    if (pool_->next(first) != pool::kNoSlot) [[unlikely]]
      FreeFurther(first);
    pool_->Free(first);
  }
  void FreeFurther(SlotId first);
  void Upkeep();
  void UpkeepFor(uint64_t body_bytes);
  // The lines of a slot that was used before were last read by a subscriber on another core. They are fetched for
  // writing some messages ahead, because that takes longer than publishing one.
  void Prefetch(SlotId slot) {
    PrefetchForWriting(&pool_->header(slot));
    PrefetchForWriting(pool_->body(slot));
  }
  void PrefetchFirst(uint64_t body_bytes);
  absl::Status Refusal(const absl::Status& reason, uint64_t body_bytes);

  // Publishing
  //
  // How many queues took a message and how many refused it. One word that stays in a register: of two halves the
  // compiler makes two stores and one load, and such a load waits until every store before it has reached the cache,
  // also those to lines that another core has. A message then costs a handoff.
  struct Verdicts {
    uint64_t both = 0;
    void Add(bool pushed) { both += pushed ? 1 : uint64_t{1} << 32; }
    uint32_t accepted() const { return static_cast<uint32_t>(both); }
    uint32_t dropped() const { return static_cast<uint32_t>(both >> 32); }
  };
  Verdicts PushToAll(Ref ref, SlotId slot, Sequence sequence);
  Verdicts PushToBlocking(Ref ref, SlotId slot, Sequence sequence);
  bool Push(Link& link, Ref ref, SlotId slot, Sequence sequence);
  bool PushOnce(Link& link, Ref ref, SlotId slot, Sequence sequence, bool evict);
  bool PushBlocking(Link& link, Ref ref, SlotId slot, Sequence sequence, uint64_t& deadline_ns);
  absl::Status WhyNotPublished(LoanState* loan);
  bool MustFence(Link& link) const { return waker_must_fence_ || link.header().force_fence.load(queue::kRelaxed) != 0; }
  void Wake(Link& link, bool fence);
  // What published_ns is to be. The counter starts at 1, so that the first message is stamped: it may be the only one.
  uint64_t Stamp() {
    if (--until_stamp_ != 0) return 0;
    until_stamp_ = stamp_every_;
    return clock_.Now();
  }
  void SignalDescriptor(Link& link);

  std::shared_ptr<NodeCore> node_;
  const os::ForkGuard guard_;    // as the node's
  const bool waker_must_fence_;  // likewise
  discovery::PublisherSlot slot_;
  discovery::TopicView topic_;
  std::unique_ptr<pool::PoolWriter> pool_;
  metrics::PublisherCounters* const counters_;  // in the pool
  queue::Reclaimer<Atomics> reclaimer_;
  std::string topic_name_;

  // Options
  MessageKind kind_;
  uint64_t fixed_body_bytes_;  // of a plain struct, else 0
  uint64_t max_block_ns_;
  const bool stamps_;
  const uint32_t stamp_every_;
  uint32_t until_stamp_ = 1;  // messages, the next one included
  bool lock_memory_;
  bool huge_pages_;
  os::TickClock clock_;

  uint64_t known_generation_ = 0;
  absl::Status lock_status_;        // why the last lock of a queue or table was refused
  absl::Status connect_error_;      // why the known generation is not the present one
  uint64_t failed_generation_ = 0;  // with which connecting failed
  uint64_t retry_connect_at_ns_ = 0;
  std::vector<std::unique_ptr<Link>> links_;
  std::vector<queue::Reclaimer<Atomics>::Connection*> connections_;  // the same, for the reclaimer
  std::vector<Table> tables_;
  std::vector<queue::BorrowTable<Atomics>> table_views_;  // the same
  bool any_blocking_ = false;

  Sequence next_sequence_ = 1;
  std::vector<SlotId> history_slots_;  // by sequence % history

  std::unique_ptr<LoanState[]> loans_;
  std::vector<LoanState*> free_loans_;
  absl::Status loan_failure_;
  uint32_t max_loans_;
  uint64_t body_hint_ = 0;        // how much a first segment should hold; grows with what was seen
  uint64_t recent_body_max_ = 0;  // of the last kHintWindow messages
  uint64_t recent_body_count_ = 0;
  uint64_t blob_hint_ = 0;  // length of the last further slot, 0 if there was none
  uint64_t next_cleanup_ns_ = 0;
  bool growth_failed_ = false;  // at the last try; not tried again off the path until a Loan has made it grow
  bool closed_ = false;
};

}  // namespace weir::internal

#endif  // WEIR_PUBSUB_PUBLISHER_CORE_H_
