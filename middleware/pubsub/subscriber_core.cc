#include "middleware/pubsub/subscriber_core.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "middleware/base/crash_point.h"
#include "middleware/base/strings.h"
#include "middleware/os/clock.h"
#include "middleware/os/futex.h"
#include "middleware/os/membarrier.h"
#include "middleware/os/process.h"
#include "middleware/pubsub/read_counts.h"
#include "middleware/pubsub/topic_type.h"
#include "middleware/queue/history.h"
#include "middleware/queue/joining.h"
#include "middleware/queue/waking.h"

namespace weir::internal {
namespace {

// So many messages ahead the cache is asked for their slots, because a line takes 100 to 200 ns to come from another
// core and a small message 30 ns to take.
constexpr uint32_t kPrefetchAhead = 8;

absl::Status CheckOptions(const SubscriberOptions& options) {
  if (absl::Status s = CheckInRange("SubscriberOptions::depth", options.depth, 1, kQueueDepthMax); !s.ok()) return s;
  if (absl::Status s = CheckInRange("SubscriberOptions::max_borrowed", options.max_borrowed, 1, kBorrowedMax);
      !s.ok()) {
    return s;
  }
  if (absl::Status s = CheckInRange("SubscriberOptions::metrics", static_cast<uint64_t>(options.metrics), 0,
                                    static_cast<uint64_t>(Metrics::kOff));
      !s.ok()) {
    return s;
  }
  return CheckInRange("SubscriberOptions::when_full", static_cast<uint64_t>(options.when_full), 0,
                      queue::kWhenFullCount - 1);
}

}  // namespace

absl::StatusOr<SubscriberCore*> SubscriberCore::Create(std::shared_ptr<NodeCore> node, std::string_view topic,
                                                       const MessageType& type, const SubscriberOptions& options) {
  if (absl::Status status = node->CheckOwner(); !status.ok()) return status;
  if (absl::Status status = CheckType(type); !status.ok()) return status;
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  discovery::Registry& registry = node->registry();
  struct Deleter {
    void operator()(SubscriberCore* core) const { delete core; }
  };
  std::unique_ptr<SubscriberCore, Deleter> core(new SubscriberCore(std::move(node), topic, type, options));
  const discovery::SubscriberRecord record = {.depth = options.depth,
                                              .max_borrowed = options.max_borrowed,
                                              .table_entries = 0,
                                              .when_full = static_cast<queue::WhenFull>(options.when_full),
                                              .flags = 0};
  const auto make_files = [&core](const discovery::SubscriberSlot& s, uint64_t history_total,
                                  discovery::SubscriberRecord& r) -> absl::Status {
    const absl::Status made = core->MakeFiles(s, history_total, r);
    if (made.ok()) return made;
    return absl::Status(made.code(), absl::StrCat("subscriber of \"", core->topic_name_, "\": ", made.message()));
  };
  auto slot = ReserveInTopic(
      registry, MakeTopicSpec(topic, type, options.topic),
      [&](const discovery::TopicSpec& spec) { return registry.AddSubscriber(spec, record, make_files); });
  if (!slot.ok()) return slot.status();
  WEIR_CRASH_POINT("subscriber.create.live");
  core->slot_ = *slot;
  core->topic_ = registry.Topic(slot->topic);
  core->ReadHistories();
  if (!options.lock_memory) return core.release();
  core->MapPools();
  absl::Status locked = registry.LockTopic(slot->topic);
  locked.Update(core->LockStatus());
  if (locked.ok()) return core.release();
  core.release()->Close();
  return absl::Status(locked.code(), absl::StrCat("subscriber of \"", AsAbsl(topic), "\": ", locked.message()));
}

SubscriberCore::SubscriberCore(std::shared_ptr<NodeCore> node, std::string_view topic, const MessageType& type,
                               const SubscriberOptions& options)
    : node_(std::move(node)),
      guard_(node_->guard()),
      can_fence_threads_(node_->can_fence_threads()),
      topic_name_(topic),
      fixed_body_bytes_(type.kind == MessageKind::kPlain ? type.body_bytes : 0),
      options_(options),
      measures_(options.metrics == Metrics::kOn),
      clock_(measures_ && os::TickClock::CounterIsKernelClock()) {}

absl::Status SubscriberCore::MakeFiles(const discovery::SubscriberSlot& slot, uint64_t history_total,
                                       discovery::SubscriberRecord& record) {
  const os::FileDescriptor& directory = node_->registry().directory();
  const os::FileModes modes = node_->registry().modes();
  const auto make = [&](discovery::FileKind kind, mode_t mode, uint64_t bytes) -> absl::StatusOr<os::Mapping> {
    const std::string name = discovery::EndpointFileName(kind, slot.incarnation);
    auto file = os::CreateFile(directory.get(), name, mode, bytes);
    if (!file.ok()) return file.status();
    auto mapping = os::Mapping::Map(file->get(), bytes, os::Access::kReadWrite);
    if (!mapping.ok()) return mapping.status();
    if (absl::Status status = mapping->Populate(0, bytes); !status.ok()) return status;
    if (!options_.lock_memory) return mapping;
    if (absl::Status status = mapping->LockFirst(bytes); !status.ok()) {
      return absl::Status(status.code(),
                          absl::StrCat("subscriber of \"", topic_name_, "\": ", name, ": ", status.message()));
    }
    return mapping;
  };

  const auto when_full = static_cast<queue::WhenFull>(options_.when_full);
  const uint64_t queue_bytes = queue::QueueFileBytes(options_.depth);
  auto queue_file = make(discovery::FileKind::kQueue, modes.shared_write, queue_bytes);
  if (!queue_file.ok()) return queue_file.status();
  WEIR_CRASH_POINT("subscriber.create.queue_made");
  const auto entry_count =
      static_cast<uint32_t>(std::min<uint64_t>(options_.max_borrowed + history_total, kBorrowEntriesMax));
  const uint64_t table_bytes = queue::TableFileBytes(entry_count);
  auto table_file = make(discovery::FileKind::kTable, modes.owner_write, table_bytes);
  if (!table_file.ok()) return table_file.status();
  WEIR_CRASH_POINT("subscriber.create.table_made");
  queue_file_ = *std::move(queue_file);
  table_file_ = *std::move(table_file);
  counters_ = reinterpret_cast<metrics::SubscriberCounters*>(table_file_.data() + queue::kTableCountersOffset);
  histogram_ = reinterpret_cast<metrics::Histogram*>(table_file_.data() + queue::kTableHistogramOffset);

  auto* header = reinterpret_cast<queue::SystemQueueHeader*>(queue_file_.data());
  new (&header->facts) queue::QueueFacts{};
  header->facts.exclusive_producer = slot.exclusive ? 1 : 0;
  header->facts.incarnation = slot.incarnation;
  header->facts.when_full = when_full;
  header->facts.depth = options_.depth;
  header->facts.cell_count = queue::CellCount(options_.depth);
  header->facts.cells_offset = queue::kQueueCellsOffset;
  header->facts.file_bytes = queue_bytes;
  auto* cells = reinterpret_cast<Atomics::Atomic<uint64_t>*>(queue_file_.data() + queue::kQueueCellsOffset);
  const auto view = queue::MakeQueueView<Atomics>(header, cells, options_.depth, when_full, slot.exclusive);
  queue::InitializeQueue(view);
  if (!node_->can_fence_others()) header->force_fence.store(1, queue::kRelaxed);
  consumer_ = queue::Consumer<Atomics>(view);

  auto* facts = new (table_file_.data()) queue::TableFacts{};
  facts->entry_count = entry_count;
  facts->incarnation = slot.incarnation;
  facts->file_bytes = table_bytes;
  using Entry = queue::BorrowTable<Atomics>::Entry;
  table_ = queue::BorrowTable<Atomics>(reinterpret_cast<Entry*>(table_file_.data() + queue::kTableEntriesOffset),
                                       entry_count);
  held_.resize(entry_count);
  for (uint32_t i = 0; i < options_.max_borrowed; ++i) HeldAt(i);
  record.table_entries = entry_count;
  return absl::OkStatus();
}

SubscriberCore::Held& SubscriberCore::HeldAt(uint32_t entry) {
  std::unique_ptr<Held>& held = held_[entry];
  if (held == nullptr) {
    held = std::make_unique<Held>();
    held->core = this;
    held->entry = entry;
  }
  return *held;
}

// Taking
// ----------------------------------------------------------------------------------------------------------------

RawTaken SubscriberCore::Invalid(absl::Status why) {
  last_error_ = std::move(why);
  return {.sample = {}, .why = Outcome::kInvalid};
}

// A free borrow entry for a message from the queue; max_borrowed if there is none. An entry is free when it is clear
// *and* its sample is idle: the release that cleared it is over, or its phase would be reset under the next release of
// the same entry, and Close() would not wait for that one.
inline uint32_t SubscriberCore::FindEntry() {
  const uint32_t count = options_.max_borrowed;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t entry = next_entry_ + i < count ? next_entry_ + i : next_entry_ + i - count;
    // sync(sample.phase): acquire; pairs with the release in ReleaseFast().
    if (table_.IsFree(entry) && held_[entry]->phase.load(std::memory_order_acquire) == kIdle) {
      next_entry_ = entry;
      return entry;
    }
  }
  return count;
}

// Checks what the header says, from one copy of it, and fills in the sample. False with last_error_ set.
[[gnu::always_inline]] inline bool SubscriberCore::Open(Held& held, Source& source, Ref ref) {
  const pool::SlotHeader* header = source.pool.Find(ref);
  if (header == nullptr) [[unlikely]]
    return OpenFailed(ref, nullptr, 0, 0);
  // relaxed: made visible by the acquire of the queue's cell or of the history's entry.
  const Sequence sequence = header->sequence.load(std::memory_order_relaxed);
  const uint32_t body_bytes = header->body_bytes;
  const uint32_t segment_count = header->segment_count;
  const std::byte* body = source.pool.Body(*header, body_bytes);
  if (sequence == 0 || body == nullptr || (fixed_body_bytes_ != 0 && body_bytes != fixed_body_bytes_)) [[unlikely]] {
    return OpenFailed(ref, header, sequence, body_bytes);
  }
  held.header = header;
  held.body = body;
  held.bytes = body_bytes;
  held.total_bytes = body_bytes;
  held.segment_count = 0;
  if (segment_count != 0 && !OpenSegments(held, source, *header, segment_count)) [[unlikely]]
    return false;
  if (fixed_body_bytes_ == 0) {
    constexpr uint64_t kTraversalBytesMin = 64u << 20;
    held.traversal_limit_words =
        (options_.traversal_limit_bytes != 0 ? options_.traversal_limit_bytes
                                             : std::max(held.total_bytes * 8, kTraversalBytesMin)) /
        8;
  }
  held.info.sequence = sequence;
  held.info.published_ns = header->published_ns;
  held.info.publisher_id = source.pool.incarnation();
  held.info.publisher = ref.publisher();
  return true;
}

// While there is nothing to do: unmaps the pools of publishers that are gone, and maps those of new ones if no message
// is to wait for it. A publisher's number leaves the registry only when none of our entries names a slot of it.
inline void SubscriberCore::FollowPublishers() {
  const uint64_t generation = topic_.generation().load(queue::kRelaxed);  // relaxed: only a reason to look
  if (generation == seen_generation_) return;
  seen_generation_ = generation;
  for (uint32_t i = 0; i < kPublishersPerTopicMax; ++i) {
    if (sources_[i] == nullptr) continue;
    if (topic_.publisher_incarnation(static_cast<PublisherIndex>(i)) != sources_[i]->pool.incarnation())
      sources_[i].reset();
  }
  if (options_.lock_memory) MapPools();
}

RawTaken SubscriberCore::Take() {
  if (!guard_.InOwner()) return Invalid(node_->CheckOwner());
  RawTaken taken;
  if (latched_next_ < latched_.size() && NextLatched(taken)) return taken;
  // Ends: each round takes a message that its history had already brought.
  for (;;) {
    const uint32_t entry = FindEntry();
    if (entry == options_.max_borrowed) {
      counters().refused_held.Add(1);
      return {.sample = {}, .why = Outcome::kTooManyHeld};
    }
    const queue::TakeResult result = consumer_.Take(table_, entry, [this](Ref ref) { Prefetch(ref); });
    if (result.status == queue::TakeStatus::kEmpty) {
      FollowPublishers();
      if (wake_.valid() && RearmAndLook()) continue;
      return {.sample = {}, .why = Outcome::kEmpty};
    }
    if (result.status == queue::TakeStatus::kCorrupt) {
      return Invalid(absl::DataLossError(absl::StrCat("the queue of \"", topic_name_, "\" is damaged at position ",
                                                      result.position, "; close this subscriber and make a new one")));
    }
    counters().taken.Add(1);
    if (consumer_.queue().when_full == queue::WhenFull::kBlock) AnnounceSpace();
    WEIR_CRASH_POINT("take.after_take");
    if (armed_) [[unlikely]]
      Disarm();

    Held& held = *held_[entry];
    Source* source = FindSource(result.ref.publisher());
    if (source == nullptr || !Open(held, *source, result.ref)) {
      counters().invalid.Add(1);
      table_.Clear(entry);
      return {.sample = {}, .why = Outcome::kInvalid};
    }
    const Sequence sequence = held.info.sequence;
    if (!source->progress.WantsFromQueue(sequence)) {  // it was in flight when we read the history
      counters().duplicate.Add(1);
      table_.Clear(entry);
      continue;
    }
    held.info.missed_before = source->progress.DeliverFromQueue(sequence, [&] {
      // sync(queue.first): acquire; pairs with the release of the publisher: our first message from it ought to be that
      // one.
      return consumer_.queue().header->first_sequence[result.ref.publisher()].load(queue::kAcquire, "queue.first");
    });
    if (held.info.missed_before != 0) counters().missed.Add(held.info.missed_before);
    held.info.from_history = false;
    if (options_.copy_before_read && !Copy(held)) {
      counters().invalid.Add(1);
      table_.Clear(entry);
      return {.sample = {}, .why = Outcome::kInvalid};
    }
    consumer_.LookAhead(result.position, kPrefetchAhead, [this](Ref ref) { Prefetch(ref); });
    counters().delivered.Add(1);
    counters().taken_bytes.Add(held.total_bytes);
    if (measures_) {
      NoteQueueLength(result.position);
      // Last, because reading the clock waits for what was loaded before.
      if (held.info.published_ns != 0) NoteLatency(held.info.published_ns);
    }
    held.phase.store(kHeld, std::memory_order_relaxed);  // whoever releases it got it from us
    return {.sample = RawSample(&held), .why = Outcome::kSample};
  }
}

// If the queue was longer than ever when `position` was taken, the cell that far behind it is filled. Mostly it is not,
// and then nobody has written to it since it was taken a lap ago: its line is still in this core's cache, and reading
// it takes nothing from the publishers.
inline void SubscriberCore::NoteQueueLength(Position position) {
  const queue::QueueView<Atomics>& queue = consumer_.queue();
  uint64_t longest = counters().queued_max.value();
  const auto reaches_further = [&] {
    if (longest >= queue.depth) return false;
    const Position behind = position + longest;
    // relaxed: nothing is dereferenced by it
    return queue::LapDistance(queue::LapOf(queue.cell(behind).load(queue::kRelaxed)), queue.lap(behind)) == 0;
  };
  if (!reaches_further()) [[likely]]
    return;
  do ++longest;
  while (reaches_further());
  counters().queued_max.Set(longest);
}

inline void SubscriberCore::NoteLatency(uint64_t published_ns) {
  const uint64_t now_ns = clock_.NowAfterLoads();
  // The clocks of two processes may differ by their error: what comes out negative was short.
  histogram_->Record(now_ns > published_ns ? now_ns - published_ns : 0);
}

// The pool behind a publisher's index, or nullptr with last_error_ set.
SubscriberCore::Source* SubscriberCore::OpenSource(PublisherIndex index, Incarnation incarnation) {
  std::unique_ptr<Source>& source = sources_[index];
  // A publisher's index is not given to another one while a ref in our table names it, so what the registry says now is
  // whose message this is.
  if (incarnation == 0) {
    last_error_ = absl::DataLossError(absl::StrCat("a message of \"", topic_name_, "\" names publisher ", index,
                                                   ", which the registry does not know"));
    return nullptr;
  }
  auto pool = pool::PoolReader::Open(
      node_->registry().directory(), discovery::EndpointFileName(discovery::FileKind::kPool, incarnation), incarnation,
      index, options_.lock_memory ? pool::PoolReader::Populate::kAndLock : pool::PoolReader::Populate::kYes);
  if (!pool.ok()) {
    last_error_ =
        absl::Status(pool.status().code(), absl::StrCat("a message of \"", topic_name_, "\" from publisher ", index,
                                                        ", whose pool cannot be used: ", pool.status().message()));
    return nullptr;
  }
  source = std::make_unique<Source>();
  source->pool = *std::move(pool);
  return source.get();
}

// Those of all live publishers, before they have sent anything. One that cannot be mapped now gets its chance, and its
// error, with its first message.
void SubscriberCore::MapPools() {
  auto publishers = topic_.Publishers();
  if (!publishers.ok()) return;  // entries that change all the time: the next change of the generation brings us back
  const absl::Status last_error = last_error_;
  for (const discovery::EndpointRecord& publisher : *publishers) {
    FindSource(static_cast<PublisherIndex>(publisher.index_in_topic));
  }
  last_error_ = last_error;
}

// Why the pool of some publisher could not be locked, if it could not.
absl::Status SubscriberCore::LockStatus() const {
  for (const auto& source : sources_) {
    if (source == nullptr || source->pool.lock_status().ok()) continue;
    return absl::Status(source->pool.lock_status().code(),
                        absl::StrCat("a publisher's pool: ", source->pool.lock_status().message()));
  }
  return absl::OkStatus();
}

bool SubscriberCore::OpenSegments(Held& held, Source& source, const pool::SlotHeader& header, uint32_t segment_count) {
  held.further.clear();
  if (absl::Status status = source.pool.Segments(header, segment_count, held.further); !status.ok()) {
    last_error_ = absl::Status(status.code(), absl::StrCat("topic \"", topic_name_, "\": ", status.message()));
    return false;
  }
  for (const Segment& segment : held.further) held.total_bytes += segment.size();
  held.segments = held.further.data();
  held.segment_count = segment_count;
  return true;
}

bool SubscriberCore::OpenFailed(Ref ref, const pool::SlotHeader* header, Sequence sequence, uint32_t body_bytes) {
  if (header == nullptr) {
    last_error_ = absl::DataLossError(absl::StrCat("a message of \"", topic_name_, "\" lies outside its pool: granule ",
                                                   ref.offset_granules(), " of publisher ", ref.publisher()));
  } else {
    last_error_ =
        absl::DataLossError(absl::StrCat("a message of \"", topic_name_, "\" from publisher ", ref.publisher(),
                                         " has a damaged header: sequence ", sequence, ", ", body_bytes, " bytes"));
  }
  return false;
}

// copy_before_read: all segments into one private run of memory.
bool SubscriberCore::Copy(Held& held) {
  constexpr uint64_t kAlign = kCacheLineBytes;
  const auto padded = [](uint64_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; };
  uint64_t bytes = padded(held.bytes) + kAlign;
  for (const Segment& segment : held.further) bytes += padded(segment.size());
  if (held.copy_capacity < bytes) {
    held.copy.reset(new (std::nothrow) std::byte[bytes]);
    held.copy_capacity = held.copy == nullptr ? 0 : bytes;
    if (held.copy == nullptr) {
      last_error_ = absl::ResourceExhaustedError(
          absl::StrCat("no memory to copy a message of ", bytes, " bytes of \"", topic_name_, "\""));
      return false;
    }
  }
  auto* to = reinterpret_cast<std::byte*>(padded(reinterpret_cast<uintptr_t>(held.copy.get())));
  std::memcpy(to, held.body, held.bytes);
  held.body = to;
  to += padded(held.bytes);
  for (uint32_t i = 0; i < held.segment_count; ++i) {
    std::memcpy(to, held.further[i].data(), held.further[i].size());
    held.further[i] = {to, held.further[i].size()};
    to += padded(held.further[i].size());
  }
  if (!CheckTorn(held)) return true;
  last_error_ = absl::DataLossError(absl::StrCat("publisher ", held.info.publisher, " of \"", topic_name_,
                                                 "\" wrote to message ", held.info.sequence, " while it was copied"));
  return false;
}

void SubscriberCore::AnnounceSpace() {
  queue::QueueHeader<Atomics>& header = *consumer_.queue().header;
  const bool fence = node_->waker_must_fence() || header.force_fence.load(queue::kRelaxed) != 0;
  if (queue::AnnounceChange<Atomics>(header.space_word, header.blocked, fence)) {
    os::FutexWake(header.space_word.raw(), os::kWakeAll);
  }
}

// History
// ---------------------------------------------------------------------------------------------------------------

void SubscriberCore::ReadHistories() {
  queue::FenceAfterJoining<Atomics>();
  auto publishers = topic_.Publishers();
  if (!publishers.ok()) return;  // entries that change all the time: nobody is idle, and who publishes is in the queue
  for (const discovery::EndpointRecord& publisher : *publishers) {
    if (publisher.history != 0) ReadHistory(publisher);
  }
  std::stable_sort(latched_.begin(), latched_.end(),
                   [](const Latched& a, const Latched& b) { return a.published_ns < b.published_ns; });
}

void SubscriberCore::ReadHistory(const discovery::EndpointRecord& publisher) {
  const auto index = static_cast<PublisherIndex>(publisher.index_in_topic);
  const Incarnation incarnation = topic_.publisher_incarnation(index);
  if (incarnation != publisher.incarnation) return;
  // A history goes with a publisher that is dead, also when nobody has cleaned up yet.
  if (!node_->registry().IsNodeAlive(publisher.node, publisher.node_incarnation)) return;
  Source* source = FindSource(index);
  if (source == nullptr) return;

  std::vector<Latched> found;
  queue::HistoryOrder<Atomics> order;
  queue::BorrowNewestFirst<Atomics>(
      source->pool.history(), table_, order,
      [this] { return table_.FindFree(options_.max_borrowed, table_.entry_count(), 0); },
      [&] {
        return topic_.publisher_incarnation(index) == incarnation &&
               topic_.StateOf(publisher.endpoint, incarnation) == discovery::EndpointState::kLive;
      },
      [&](Ref ref, uint32_t entry, uint32_t number) {
        Held& held = HeldAt(entry);
        if (ref.publisher() != index || !Open(held, *source, ref)) return false;
        if (static_cast<uint32_t>(held.info.sequence) != number) return false;
        found.push_back({.publisher = index,
                         .entry = entry,
                         .ref = ref,
                         .sequence = held.info.sequence,
                         .published_ns = held.info.published_ns});
        return true;
      });
  // By number within the publisher; stamps of one publisher do not go back, so the later stable sort by stamp keeps
  // that.
  latched_.insert(latched_.end(), found.rbegin(), found.rend());
}

// Delivers the next message of the histories; false when there is none left.
bool SubscriberCore::NextLatched(RawTaken& taken) {
  while (latched_next_ < latched_.size()) {
    const Latched latched = latched_[latched_next_++];
    // sync(queue.first): acquire; pairs with the release of the publisher, before its first push to us. From this
    // number on its messages come through the queue, and only there is their order kept.
    const Sequence first =
        consumer_.queue().header->first_sequence[latched.publisher].load(queue::kAcquire, "queue.first");
    Source* source = FindSource(latched.publisher);
    Held& held = *held_[latched.entry];
    if (!queue::Progress::WantsFromHistory(latched.sequence, first) || source == nullptr ||
        !Open(held, *source, latched.ref)) {
      table_.Clear(latched.entry);
      continue;
    }
    held.info.from_history = true;
    held.info.missed_before = source->progress.DeliverFromHistory(latched.sequence);
    if (held.info.missed_before != 0) counters().missed.Add(held.info.missed_before);
    if (options_.copy_before_read && !Copy(held)) {  // not counted as invalid: that is of what was taken from the queue
      table_.Clear(latched.entry);
      taken.why = Outcome::kInvalid;
      return true;
    }
    counters().delivered.Add(1);
    counters().from_history.Add(1);
    counters().taken_bytes.Add(held.total_bytes);
    held.phase.store(kHeld, std::memory_order_relaxed);  // whoever releases it got it from us
    taken.sample = RawSample(&held);
    taken.why = Outcome::kSample;
    return true;
  }
  return false;
}

// Releasing and closing
// -------------------------------------------------------------------------------------------------

// True, and counted, if the publisher has written to the slot since it was taken.
bool SubscriberCore::CheckTorn(const Held& held) {
  // relaxed: on a healthy slot nothing changes; on a torn one any difference will do.
  if (held.header->sequence.load(std::memory_order_relaxed) == held.info.sequence) return false;
  counters().torn.Add(1);
  return true;
}

void SubscriberCore::Release(SampleState* sample) {
  auto* held = static_cast<Held*>(sample);
  SubscriberCore* core = held->core;
  held->companion.Reset();
  if (!core->guard_.InOwner()) return;  // in a forked child the table is not there
  held->phase.store(kReleasing, std::memory_order_relaxed);
  if (core->can_fence_threads_) {
    // sync(sample.orphan): seq_cst; pairs with the fence in Close(). For the compiler only: Close() makes this core
    // fence.
    std::atomic_signal_fence(std::memory_order_seq_cst);
  } else {
    // sync(sample.orphan): seq_cst; pairs with the fence in Close(). Prevents the load from being done before the
    // store.
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  if (core->orphaned_.load(std::memory_order_relaxed) == 0) {
    core->ReleaseFast(*held);
  } else {
    core->ReleaseOrphan(*held);
  }
}

void SubscriberCore::ReleaseFast(Held& held) {
  if (!options_.copy_before_read) CheckTorn(held);
  WEIR_CRASH_POINT("release.before_clear");
  table_.Clear(held.entry);
  WEIR_CRASH_POINT("release.after_clear");
  // sync(sample.phase): release; pairs with the acquire in Close(): this release is over, and touches nothing any more.
  held.phase.store(kIdle, std::memory_order_release);
}

void SubscriberCore::ReleaseOrphan(Held& held) {
  held.phase.store(kHeld, std::memory_order_relaxed);  // Close() may be waiting for it, with the mutex in its hand
  bool last = false;
  {
    std::lock_guard lock(orphan_mutex_);
    if (!options_.copy_before_read) CheckTorn(held);
    table_.Clear(held.entry);
    last = --orphans_ == 0;
  }
  if (last) Finish();
}

void SubscriberCore::Close() {
  if (!guard_.InOwner()) {
    // A child's copy. Samples it inherited may still point into it, so it stays; the child has its own memory to lose.
    return;
  }
  while (!watchers_.empty()) {  // one that is told may remove others
    SubscriberWatcher* watcher = watchers_.back();
    watchers_.pop_back();
    watcher->Closing(*this);
  }
  queue::QueueHeader<Atomics>& header = *consumer_.queue().header;
  // relaxed: a hint that ends waiting early. What counts is the registry's entry.
  header.state.store(queue::kQueueClosed, queue::kRelaxed);
  header.space_word.fetch_add(1, queue::kRelaxed);
  os::FutexWake(header.space_word.raw(), os::kWakeAll);  // blocked publishers need not wait for us any longer
  for (; latched_next_ < latched_.size(); ++latched_next_) table_.Clear(latched_[latched_next_].entry);
  WEIR_CRASH_POINT("subscriber.close.queue_closed");

  bool last = false;
  {
    std::lock_guard lock(orphan_mutex_);
    orphaned_.store(1, std::memory_order_relaxed);
    // sync(sample.orphan): seq_cst; pairs with the barrier or fence in Release(): afterwards every release that did not
    // see `orphaned` shows its phase.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (can_fence_threads_) os::PrivateExpedited();
    for (auto& held : held_) {
      // sync(sample.phase): acquire; pairs with the release in ReleaseFast(). Ends: a release is a few instructions
      // long, and one that takes the slow path says "held" again before it waits for our mutex.
      while (held != nullptr && held->phase.load(std::memory_order_acquire) == kReleasing) {
        os::CpuRelax();
      }
    }
    // relaxed: who releases from now on sees `orphaned`, and stays counted until it has our mutex.
    for (auto& held : held_) orphans_ += held != nullptr && held->phase.load(std::memory_order_relaxed) != kIdle;
    last = orphans_ == 0;
    WEIR_CRASH_POINT("subscriber.close.counted");
    // With the mutex held: as soon as it is not, the last sample may end this object. If it fails, publishers go on
    // pushing to a queue that nobody reads.
    if (!last) node_->registry().CloseSubscriber(slot_).IgnoreError();
  }
  if (last) Finish();
}

void SubscriberCore::Finish() {
  node_->registry().RemoveSubscriber(slot_).IgnoreError();  // what it could not do, the next cleanup does
  delete this;
}

SubscriberCounts SubscriberCore::counts() {
  if (!guard_.InOwner()) return {};
  SubscriberCounts counts = ReadCounts(counters(), consumer_.queue(), table_);
  if (options_.lock_memory) {
    uint64_t all = queue_file_.bytes() + table_file_.bytes();
    counts.bytes_locked = queue_file_.locked_bytes() + table_file_.locked_bytes();
    for (const auto& source : sources_) {
      if (source == nullptr) continue;
      all += source->pool.known_bytes();
      counts.bytes_locked += source->pool.locked_bytes();
    }
    counts.bytes_unlocked = all - counts.bytes_locked;
  }
  return counts;
}

LatencyHistogram SubscriberCore::latency() {
  if (!guard_.InOwner()) return {};
  return ReadLatency(*histogram_);
}

}  // namespace weir::internal
