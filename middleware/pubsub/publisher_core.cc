#include "middleware/pubsub/publisher_core.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "middleware/base/crash_point.h"
#include "middleware/base/prefetch.h"
#include "middleware/base/strings.h"
#include "middleware/base/text.h"
#include "middleware/os/fifo.h"
#include "middleware/os/futex.h"
#include "middleware/os/membarrier.h"
#include "middleware/pubsub/read_counts.h"
#include "middleware/pubsub/topic_type.h"
#include "middleware/queue/publishing.h"
#include "middleware/queue/waking.h"

namespace weir::internal {
namespace {

using pool::kNoSlot;

// No blocked publisher sleeps longer than this without asking whether the queue's owner is still alive.
constexpr uint64_t kBlockedSliceNs = 50'000'000;

// How long the first segment of a Cap'n Proto message should be is learnt: the largest message of this many.
constexpr uint64_t kHintWindow = 64;

constexpr HugePages Public(os::HugeAnswer answer) {
  switch (answer) {
    case os::HugeAnswer::kGranted:
      return HugePages::kGranted;
    case os::HugeAnswer::kUnknown:
      return HugePages::kKernelTooOld;
    case os::HugeAnswer::kForbidden:
      return HugePages::kForbidden;
    case os::HugeAnswer::kNoMemory:
      return HugePages::kNoMemory;
    case os::HugeAnswer::kBusy:
      return HugePages::kBusy;
  }
  return HugePages::kNotAsked;
}

uint64_t ToNs(absl::Duration duration) {
  return static_cast<uint64_t>(std::max<int64_t>(0, absl::ToInt64Nanoseconds(duration)));
}

absl::Status CheckOptions(const PublisherOptions& options, const MessageType& type) {
  if (absl::Status s = CheckInRange("PublisherOptions::history", options.history, 0, kHistoryMax); !s.ok()) return s;
  if (absl::Status s = CheckInRange("PublisherOptions::max_loans", options.max_loans, 1, kLoansMax); !s.ok()) return s;
  if (absl::Status s =
          CheckInRange("PublisherOptions::pool_bytes_max", options.pool_bytes_max, 64u << 10, kPoolBytesLimit);
      !s.ok()) {
    return s;
  }
  if (options.pool_bytes_initial > options.pool_bytes_max) {
    return absl::InvalidArgumentError(absl::StrCat("PublisherOptions::pool_bytes_initial is ",
                                                   options.pool_bytes_initial, ", more than pool_bytes_max, which is ",
                                                   options.pool_bytes_max));
  }
  if (options.max_block < absl::ZeroDuration() || options.max_block > absl::Hours(1)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "PublisherOptions::max_block is ", absl::FormatDuration(options.max_block), "; it must be between 0 and 1 h"));
  }
  if (absl::Status s = CheckInRange("PublisherOptions::stamp_every", options.stamp_every, 1, kStampEveryMax); !s.ok()) {
    return s;
  }
  if (options.huge_pages && options.pool_bytes_max < os::kHugePageBytes) {
    return absl::InvalidArgumentError(absl::StrCat("PublisherOptions::pool_bytes_max is ", options.pool_bytes_max,
                                                   "; with huge_pages at least ", os::kHugePageBytes));
  }
  if (absl::Status s = CheckInRange("PublisherOptions::metrics", static_cast<uint64_t>(options.metrics), 0,
                                    static_cast<uint64_t>(Metrics::kOff));
      !s.ok()) {
    return s;
  }
  // A history that fills the pool would leave no slot for a loan, and so end the publishing for good.
  const uint64_t granule = uint64_t{kGranuleBytesMin} << pool::GranuleShiftFor(options.pool_bytes_max);
  const uint64_t stride = pool::SlotStride(type.body_bytes, granule);
  const uint64_t needed = pool::SlotsOffset(options.history) + (uint64_t{options.history} + 1) * stride;
  if (needed > options.pool_bytes_max) {
    return absl::InvalidArgumentError(absl::StrCat(
        "PublisherOptions::pool_bytes_max is ", options.pool_bytes_max, "; a history of ", options.history,
        " messages and one more, of type ", Quoted(type.name), " with ", type.body_bytes, " bytes, need ", needed));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PublisherCore*> PublisherCore::Create(std::shared_ptr<NodeCore> node, std::string_view topic,
                                                     const MessageType& type, const PublisherOptions& options) {
  if (absl::Status status = node->CheckOwner(); !status.ok()) return status;
  if (absl::Status status = CheckType(type); !status.ok()) return status;
  if (absl::Status status = CheckOptions(options, type); !status.ok()) return status;

  const uint64_t fixed = type.kind == MessageKind::kPlain ? type.body_bytes : 0;
  const uint64_t granule = uint64_t{kGranuleBytesMin} << pool::GranuleShiftFor(options.pool_bytes_max);
  uint64_t initial = options.pool_bytes_initial;
  if (initial == 0) {
    initial = kReserveBytes;
    if (fixed != 0) {
      const uint64_t stride = pool::SlotStride(fixed, granule);
      initial = pool::SlotsOffset(options.history) + ReserveFor(stride) * stride;
    }
    initial = std::min(initial, options.pool_bytes_max);
  }
  const discovery::PublisherRecord record = {.history = options.history,
                                             .max_loans = options.max_loans,
                                             .granule_shift = pool::GranuleShiftFor(options.pool_bytes_max),
                                             .flags = 0,
                                             .pool_bytes_max = options.pool_bytes_max};
  discovery::Registry& registry = node->registry();
  auto slot = ReserveInTopic(registry, MakeTopicSpec(topic, type, options.topic),
                             [&](const discovery::TopicSpec& spec) { return registry.ReservePublisher(spec, record); });
  if (!slot.ok()) return slot.status();
  WEIR_CRASH_POINT("publisher.create.reserved");

  // Outside the registry's lock: committing a large pool takes long.
  auto pool = pool::PoolWriter::Create(node->registry().directory(),
                                       discovery::EndpointFileName(discovery::FileKind::kPool, slot->incarnation),
                                       node->registry().modes(),
                                       {.incarnation = slot->incarnation,
                                        .publisher = slot->index,
                                        .history = options.history,
                                        .fixed_body_bytes = fixed,
                                        .bytes_initial = initial,
                                        .bytes_max = options.pool_bytes_max,
                                        .lock_memory = options.lock_memory,
                                        .huge_pages = options.huge_pages});
  absl::Status status = pool.status();
  if (status.ok() && options.lock_memory) status = node->registry().LockTopic(slot->topic);
  if (status.ok()) {
    WEIR_CRASH_POINT("publisher.create.pool_made");
    status = node->registry().ActivatePublisher(*slot, record);
  }
  if (!status.ok()) {
    node->registry().AbandonPublisher(*slot).IgnoreError();  // else the next cleanup does it
    return absl::Status(status.code(), absl::StrCat("publisher of \"", AsAbsl(topic), "\": ", status.message()));
  }
  auto* core = new PublisherCore(std::move(node), topic, type, options, *slot, *std::move(pool));
  core->Refresh();
  if (!core->lock_status_.ok()) {
    status = core->lock_status_;
    core->Close();
    return absl::Status(status.code(), absl::StrCat("publisher of \"", AsAbsl(topic), "\": ", status.message()));
  }
  return core;
}

PublisherCore::PublisherCore(std::shared_ptr<NodeCore> node, std::string_view topic, const MessageType& type,
                             const PublisherOptions& options, discovery::PublisherSlot slot,
                             std::unique_ptr<pool::PoolWriter> pool)
    : node_(std::move(node)),
      guard_(node_->guard()),
      waker_must_fence_(node_->waker_must_fence()),
      slot_(slot),
      topic_(node_->registry().Topic(slot.topic)),
      pool_(std::move(pool)),
      counters_(reinterpret_cast<metrics::PublisherCounters*>(pool_->counters_page())),
      reclaimer_(slot.index, options.history > 0),
      topic_name_(topic),
      kind_(type.kind),
      fixed_body_bytes_(type.kind == MessageKind::kPlain ? type.body_bytes : 0),
      max_block_ns_(ToNs(options.max_block)),
      stamps_(options.metrics == Metrics::kOn || options.history > 0),
      stamp_every_(options.history > 0 ? 1 : options.stamp_every),
      lock_memory_(options.lock_memory),
      huge_pages_(options.huge_pages),
      clock_(stamps_ && os::TickClock::CounterIsKernelClock()),
      history_slots_(options.history, kNoSlot),
      loans_(std::make_unique<LoanState[]>(options.max_loans)),
      max_loans_(options.max_loans),
      body_hint_(fixed_body_bytes_ != 0 ? fixed_body_bytes_ : 1024) {
  free_loans_.reserve(max_loans_);
  for (uint32_t i = max_loans_; i-- > 0;) {
    loans_[i].core = this;
    loans_[i].capacity = fixed_body_bytes_;  // a plain struct's never change
    loans_[i].used = fixed_body_bytes_;
    free_loans_.push_back(&loans_[i]);
  }
}

void PublisherCore::Close() {
  closed_ = true;
  if (InOwner()) {
    for (auto& link : links_) link->producer.LeaveTail();
    WEIR_CRASH_POINT("publisher.close.before_retire");
    node_->registry().RetirePublisher(slot_).IgnoreError();  // what it could not do, the next cleanup does
  }
  if (loans_out() == 0) delete this;
}

// Loans
// -----------------------------------------------------------------------------------------------------------------

LoanState* PublisherCore::Loan(uint64_t body_bytes) {
  if (!InOwner()) [[unlikely]] {
    loan_failure_ = node_->CheckOwner();
    return nullptr;
  }
  if (free_loans_.empty()) [[unlikely]] {
    counters().loans_refused.Add(1);
    loan_failure_ =
        absl::ResourceExhaustedError(absl::StrCat("publisher of \"", topic_name_, "\": all ", max_loans_,
                                                  " loans (PublisherOptions::max_loans) are out; publish or drop one"));
    return nullptr;
  }
  SlotId slot = kNoSlot;
  if (fixed_body_bytes_ != 0) {
    slot = pool_->TakeFreeOfClass(0);
  } else {
    slot = pool_->TakeFree(kind_ == MessageKind::kCapnp ? std::max(body_bytes, body_hint_) : body_bytes);
  }
  if (slot == kNoSlot) [[unlikely]] {
    slot = SlotForLoan(fixed_body_bytes_ != 0 ? fixed_body_bytes_ : std::max(body_bytes, uint64_t{1}));
    if (slot == kNoSlot) return nullptr;
  }
  reclaimer_.Hold(slot);
  LoanState* loan = free_loans_.back();
  free_loans_.pop_back();

  pool::SlotHeader& header = pool_->header(slot);
  header.sequence.store(0, std::memory_order_relaxed);  // relaxed: nobody may look at the slot now
  loan->body = pool_->body(slot);
  loan->slot = slot;
  if (fixed_body_bytes_ == 0) {
    header.segment_count = 0;
    loan->capacity = std::min(pool_->capacity(slot), kBodyBytesMax);
    loan->used = body_bytes;
    if (kind_ == MessageKind::kCapnp) {
      loan->capacity = loan->capacity / 8 * 8;
      pool_->Zero(slot);                             // usually done already, after an earlier publish
      pool_->set_dirty_bytes(slot, loan->capacity);  // whatever the builder will touch, until Publish knows better
    }
  }
  counters().loans.Add(1);
  return loan;
}

PublisherCore::SlotId PublisherCore::SlotForLoan(uint64_t wanted) {
  const bool may_grow = kind_ == MessageKind::kCapnp;
  absl::StatusOr<SlotId> slot = may_grow && body_hint_ > wanted ? TakeSlotAtOnce(body_hint_) : TakeSlot(wanted);
  if (!slot.ok() && may_grow && body_hint_ > wanted) {
    // Earlier messages were that long, in several segments perhaps, and so much in one piece there is not. This one may
    // be shorter, or have several segments too.
    slot = TakeSlot(std::max(wanted, kBodyHintMin));
  }
  if (slot.ok()) return *slot;
  counters().loans_refused.Add(1);
  loan_failure_ = slot.status();
  return kNoSlot;
}

void PublisherCore::Drop(LoanState* loan) {
  loan->companion.Reset();
  loan->failure = absl::OkStatus();
  free_loans_.push_back(loan);
  if (!InOwner()) return;  // in a forked child the pool is not there
  reclaimer_.UnholdUnseen(loan->slot);
  FreeMessage(loan->slot);
  if (closed_ && loans_out() == 0) delete this;
}

// Slots
// -----------------------------------------------------------------------------------------------------------------

// After a publish, off the path from Loan to Publish: see to it that the next Loan finds a slot, and finds it clean.
inline void PublisherCore::Upkeep() {
  const SlotId ahead =
      fixed_body_bytes_ != 0 ? pool_->NextFreeOfClass(0, kPrefetchAhead) : pool_->NextFree(body_hint_, kPrefetchAhead);
  if (ahead != kNoSlot) [[likely]] {
    Prefetch(ahead);
  } else {
    UpkeepFor(body_hint_);
  }
  if (blob_hint_ != 0) UpkeepFor(blob_hint_);
  if (kind_ == MessageKind::kCapnp) {
    if (const SlotId next = pool_->NextFree(body_hint_); next != kNoSlot) pool_->Zero(next);
  }
}

// Publishing
// ------------------------------------------------------------------------------------------------------------

inline void PublisherCore::Wake(Link& link, bool fence) {
  queue::QueueHeader<Atomics>& header = link.header();
  if (queue::AnnounceChange<Atomics>(header.wake_word, header.sleepers, fence)) {
    WEIR_CRASH_POINT("publish.before_wake");
    os::FutexWake(header.wake_word.raw(), os::kWakeAll);
    counters().wakeups.Add(1);
    SignalDescriptor(link);
  }
}

// At most one write per arming, however many messages come before the subscriber gets to run.
void PublisherCore::SignalDescriptor(Link& link) {
  // relaxed: see queue::Arm().
  const uint32_t arming = link.header().arming.load(queue::kRelaxed);
  if (arming == 0 || arming == link.signalled) return;
  if (!link.wake.valid()) {
    auto wake = os::OpenFifo(node_->registry().directory().get(),
                             discovery::EndpointFileName(discovery::FileKind::kWake, link.incarnation()));
    if (!wake.ok()) return;  // out of descriptors, say: tried again with the next message
    link.wake = *std::move(wake);
  }
  link.signalled = arming;
  WEIR_CRASH_POINT("publish.before_signal");
  os::SignalFifo(link.wake.get());
}

[[gnu::always_inline]] inline bool PublisherCore::PushOnce(Link& link, Ref ref, SlotId slot, Sequence sequence,
                                                           bool evict) {
  if (!link.accepted_any) [[unlikely]] {
    // sync(queue.first): release; pairs with the acquire of the joining subscriber: which of our messages come through
    // the queue. Before the push, so that whoever has seen the push sees it.
    link.header().first_sequence[slot_.index].store(sequence, queue::kRelease, "queue.first");
  }
  const queue::PushResult pushed = link.producer.Push(ref, evict);
  if (pushed.evicted != 0) counters().evicted.Add(pushed.evicted);
  if (pushed.corrupt) [[unlikely]] {
    counters().refused_corrupt.Add(1);
    link.owner_died = true;  // as good as: nobody can take from it
  }
  if (!pushed.accepted) return false;
  link.accepted_any = true;
  reclaimer_.OnPushed(link.books, pushed.position, slot);
  counters().pushed.Add(1);
  return true;
}

inline bool PublisherCore::Push(Link& link, Ref ref, SlotId slot, Sequence sequence) {
  const bool evict = link.queue.view.when_full == queue::WhenFull::kOverwriteOldest;
  if (PushOnce(link, ref, slot, sequence, evict)) return true;
  if (!link.owner_died) counters().refused_full.Add(1);
  return false;
}

[[gnu::always_inline]] inline PublisherCore::Verdicts PublisherCore::PushToAll(Ref ref, SlotId slot,
                                                                               Sequence sequence) {
  Verdicts verdicts;
  if (links_.size() == 1 && !any_blocking_) [[likely]] {  // the same as below, without the loops
    Link& link = *links_.front();
    if (!link.owner_died) {
      verdicts.Add(Push(link, ref, slot, sequence));
      Wake(link, MustFence(link));
    }
    return verdicts;
  }
  // Queues that never make us wait come first, so that a full one delays nobody else.
  bool fence = false;
  for (auto& link : links_) {
    if (link->queue.view.when_full == queue::WhenFull::kBlock || link->owner_died) continue;
    verdicts.Add(Push(*link, ref, slot, sequence));
    fence |= MustFence(*link);
  }
  // One fence after all pushes stands between each of them and the look at its sleepers.
  for (auto& link : links_) {
    if (link->queue.view.when_full == queue::WhenFull::kBlock) continue;
    Wake(*link, fence);
    fence = false;
  }
  if (any_blocking_) verdicts.both += PushToBlocking(ref, slot, sequence).both;
  return verdicts;
}

PublisherCore::Verdicts PublisherCore::PushToBlocking(Ref ref, SlotId slot, Sequence sequence) {
  Verdicts verdicts;
  uint64_t deadline_ns = 0;  // one for all queues of this publish, read when the first wait begins
  for (auto& link : links_) {
    if (link->queue.view.when_full != queue::WhenFull::kBlock || link->owner_died) continue;
    verdicts.Add(PushBlocking(*link, ref, slot, sequence, deadline_ns));
    Wake(*link, MustFence(*link));
  }
  return verdicts;
}

absl::Status PublisherCore::WhyNotPublished(LoanState* loan) {
  absl::Status why = InOwner() ? loan->failure : node_->CheckOwner();
  Drop(loan);
  return why;
}

absl::StatusOr<Published> PublisherCore::Publish(LoanState* loan) {
  if (!InOwner() || !loan->failure.ok()) [[unlikely]] {
    return WhyNotPublished(loan);
  }
  const SlotId slot = loan->slot;
  const Ref ref = pool_->ref(slot);
  const Sequence sequence = next_sequence_++;
  pool::SlotHeader& header = pool_->header(slot);
  uint64_t total = fixed_body_bytes_;
  if (total == 0) {
    total = loan->used;
    for (SlotId s = pool_->next(slot); s != kNoSlot; s = pool_->next(s)) total += pool_->header(s).body_bytes;
    header.body_bytes = static_cast<uint32_t>(loan->used);
    header.total_bytes = total;
  }
  if (stamps_) header.published_ns = Stamp();  // else it is 0 from the beginning
  // relaxed: made visible by the release of the queue's cell or of the history's entry.
  header.sequence.store(sequence, std::memory_order_relaxed);
  WEIR_CRASH_POINT("publish.header_written");

  auto& history = pool_->history();
  const Verdicts verdicts = queue::PublishInOrder<Atomics>(
      history, sequence, ref,
      [&] {
        reclaimer_.Hold(slot);
        SlotId& place = history_slots_[sequence % history.entry_count()];
        const SlotId replaced = std::exchange(place, slot);
        if (replaced != kNoSlot) reclaimer_.Unhold(replaced);
      },
      [this] { RefreshIfChanged(); }, [&] { return PushToAll(ref, slot, sequence); });

  if (verdicts.accepted() == 0 && history.entry_count() == 0) [[unlikely]] {
    // Nobody ever saw it. Used again at once: it is warm, and the order of the slots stays that of their addresses, by
    // which the hardware knows what to fetch.
    reclaimer_.UnholdUnseen(slot);
    FreeMessage(slot);
  } else {
    reclaimer_.Unhold(slot);
  }
  if (kind_ != MessageKind::kPlain) {
    if (kind_ == MessageKind::kBytes) body_hint_ = loan->used;
    if (kind_ == MessageKind::kCapnp && ++recent_body_count_ >= kHintWindow) {
      body_hint_ = std::max(recent_body_max_, kBodyHintMin);
      recent_body_max_ = 0;
      recent_body_count_ = 0;
    }
    if (kind_ == MessageKind::kCapnp) {
      recent_body_max_ = std::max(recent_body_max_, loan->wanted);
      body_hint_ = std::max(body_hint_, loan->wanted);
    }
  }
  free_loans_.push_back(loan);
  metrics::PublisherCounters& c = counters();
  c.published.Add(1);
  c.published_bytes.Add(total);
  if (total > c.message_bytes_max.value()) [[unlikely]]
    c.message_bytes_max.Set(total);
  if (kind_ == MessageKind::kCapnp) loan->companion.Reset();
  Upkeep();
  c.pool_bytes_in_use.Set(pool_->bytes_in_use());
  return Published{.sequence = sequence, .accepted = verdicts.accepted(), .dropped = verdicts.dropped()};
}

bool PublisherCore::PushBlocking(Link& link, Ref ref, SlotId slot, Sequence sequence, uint64_t& deadline_ns) {
  if (PushOnce(link, ref, slot, sequence, /*evict=*/false)) {
    link.gave_up = false;
    return true;
  }
  queue::QueueHeader<Atomics>& header = link.header();
  const Position head = header.head.load(queue::kRelaxed);
  if (link.gave_up && head == link.gave_up_head) {  // it has not moved since we waited in vain
    counters().refused_timed_out.Add(1);
    return false;
  }
  const uint64_t begin_ns = os::MonotonicNow();
  if (deadline_ns == 0) deadline_ns = begin_ns + max_block_ns_;
  uint64_t now = begin_ns;
  bool accepted = false;
  bool closed = false;
  // Ends: the deadline. A consumer that dies between moving head and waking us costs one slice.
  while (!accepted && !closed && now < deadline_ns) {
    const uint64_t slice_end = std::min(deadline_ns, now + kBlockedSliceNs);
    queue::Sleep<Atomics>(
        header.space_word, header.blocked,
        [this, &header] {
          if (!node_->can_fence_others() || !os::GlobalExpedited()) header.force_fence.store(1, queue::kRelaxed);
        },
        [&link, &header] { return !link.producer.IsFull() || header.state.load(queue::kRelaxed) != queue::kQueueOpen; },
        [&](auto& word, uint32_t value) { SleepOn(word.raw(), value, slice_end); });
    WEIR_CRASH_POINT("publish.blocked");
    accepted = PushOnce(link, ref, slot, sequence, /*evict=*/false);
    closed = header.state.load(queue::kRelaxed) != queue::kQueueOpen || link.owner_died;
    now = os::MonotonicNow();
    if (!accepted && now >= slice_end && !node_->registry().IsNodeAlive(link.node, link.node_incarnation)) {
      link.owner_died = true;
      closed = true;
    }
  }
  counters().blocked_ns.Add(now - begin_ns);
  if (accepted) {
    link.gave_up = false;
    return true;
  }
  if (closed) return false;  // there is no subscriber any more that could miss it
  link.gave_up = true;
  link.gave_up_head = header.head.load(queue::kRelaxed);
  counters().refused_timed_out.Add(1);
  return false;
}

PublisherCounts PublisherCore::counts() {
  if (!InOwner()) return {};
  PublisherCounts counts = ReadCounts(counters());
  counts.pool_bytes_committed = pool_->bytes_committed();
  counts.pool_bytes_in_use = pool_->bytes_in_use();
  counts.queues = links_.size();
  counts.pool_bytes_huge = pool_->huge().bytes;
  if (huge_pages_) counts.huge_pages = Public(pool_->huge().answer);
  if (lock_memory_) {
    uint64_t all = pool_->bytes_committed();
    counts.bytes_locked = pool_->bytes_locked();
    const auto add = [&](const os::Mapping& mapping) {
      all += mapping.bytes();
      counts.bytes_locked += mapping.locked_bytes();
    };
    for (const auto& link : links_) add(link->queue.mapping);
    for (const Table& table : tables_) add(table.mapped.mapping);
    counts.bytes_unlocked = all - counts.bytes_locked;
  }
  return counts;
}

}  // namespace weir::internal
