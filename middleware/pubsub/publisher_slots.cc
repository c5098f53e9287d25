// Where a publisher's slots come from: the half of PublisherCore that runs when the free list does not have one.
#include <algorithm>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "middleware/pubsub/publisher_core.h"

namespace weir::internal {
namespace {

using pool::kNoSlot;

// A pass frees at most this many, which bounds how long a publish can take after a slow subscriber caught up.
constexpr size_t kSlotsPerPass = 512;

// Running out of slots makes a publisher clean up after the dead, but not more often than this.
constexpr uint64_t kCleanupIntervalNs = 50'000'000;
constexpr uint64_t kCleanupRetryNs = 10'000'000'000;

}  // namespace

absl::StatusOr<std::span<std::byte>> PublisherCore::AddSlot(LoanState& loan, uint64_t bytes, bool zeroed) {
  if (!InOwner()) return node_->CheckOwner();
  // Before rounding up, which would make the largest numbers 0. What is too much, TakeSlot says.
  const uint64_t rounded = bytes > kBodyBytesMax ? bytes : (std::max<uint64_t>(bytes, 1) + 7) / 8 * 8;
  absl::StatusOr<SlotId> slot = TakeSlot(rounded);
  if (!slot.ok()) {
    counters().loans_refused.Add(1);
    return slot.status();
  }
  pool_->header(*slot).sequence.store(0, std::memory_order_relaxed);
  pool_->header(*slot).body_bytes = 0;  // until it is known to be a segment
  const uint64_t usable = zeroed ? std::min(pool_->capacity(*slot), kBodyBytesMax) / 8 * 8 : rounded;
  if (zeroed) {
    pool_->Zero(*slot);
  } else {
    std::memset(pool_->body(*slot) + bytes, 0, rounded - bytes);  // Cap'n Proto's segments are whole words
    blob_hint_ = rounded;
  }
  pool_->set_dirty_bytes(*slot, std::max(pool_->dirty_bytes(*slot), usable));
  pool_->set_taken_clean(*slot, zeroed);
  pool_->set_next(*slot, pool_->next(loan.slot));
  pool_->set_next(loan.slot, *slot);
  return std::span<std::byte>(pool_->body(*slot), zeroed ? usable : bytes);
}

bool PublisherCore::OwnsBytes(const LoanState& loan, std::span<const std::byte> bytes) {
  for (SlotId slot = pool_->next(loan.slot); slot != kNoSlot; slot = pool_->next(slot)) {
    const std::byte* body = pool_->body(slot);
    if (bytes.data() == body && bytes.size() <= pool_->capacity(slot)) return true;
  }
  return false;
}

absl::Status PublisherCore::SetSegments(LoanState& loan, std::span<const Segment> segments) {
  if (segments.empty() || segments[0].data() != loan.body) {
    return absl::InternalError("the first segment of a message is not the loan's own slot");
  }
  const size_t further = segments.size() - 1;
  if (further > kSegmentsMax) {
    return absl::ResourceExhaustedError(absl::StrCat("publisher of \"", topic_name_, "\": the message has ", further,
                                                     " further segments; at most ", kSegmentsMax));
  }
  pool::SlotHeader& header = pool_->header(loan.slot);
  loan.used = segments[0].size();
  pool_->set_dirty_bytes(loan.slot, loan.used);
  header.segment_count = static_cast<uint32_t>(further);
  pool::SegmentEntry* table = header.segments;
  if (further > pool::kInlineSegments) {
    auto body = AddSlot(loan, further * sizeof(pool::SegmentEntry), /*zeroed=*/false);
    if (!body.ok()) return body.status();
    const SlotId slot = pool_->next(loan.slot);
    pool_->header(slot).body_bytes = static_cast<uint32_t>(body->size());
    header.segments[0] = {.offset_granules = pool_->ref(slot).offset_granules(),
                          .words = static_cast<uint32_t>(body->size() / 8)};
    table = reinterpret_cast<pool::SegmentEntry*>(body->data());
  }
  for (size_t i = 0; i < further; ++i) {
    const Segment& segment = segments[i + 1];
    SlotId owner = pool_->next(loan.slot);
    while (owner != kNoSlot && pool_->body(owner) != segment.data()) owner = pool_->next(owner);
    if (owner == kNoSlot) {  // memory of the user's own: the one case in which bytes are copied
      auto copy = AddSlot(loan, segment.size(), /*zeroed=*/false);
      if (!copy.ok()) return copy.status();
      std::memcpy(copy->data(), segment.data(), segment.size());
      owner = pool_->next(loan.slot);
    }
    const uint64_t bytes = (segment.size() + 7) / 8 * 8;
    // Only of what was zeroed is it known that nothing lies behind the segment. A blob may have been adopted in part,
    // and its slot may hold a longer one's bytes from before.
    pool_->set_dirty_bytes(owner, pool_->taken_clean(owner) ? bytes : std::max(bytes, pool_->dirty_bytes(owner)));
    pool_->header(owner).body_bytes = static_cast<uint32_t>(bytes);
    table[i] = {.offset_granules = pool_->ref(owner).offset_granules(), .words = static_cast<uint32_t>(bytes / 8)};
  }
  return absl::OkStatus();
}

absl::StatusOr<PublisherCore::SlotId> PublisherCore::TakeSlotAtOnce(uint64_t body_bytes) {
  if (body_bytes > kBodyBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("publisher of \"", topic_name_, "\": ", body_bytes,
                                                   " bytes in one piece; at most ", kBodyBytesMax, " are possible"));
  }
  if (const SlotId slot = pool_->TakeFree(body_bytes); slot != kNoSlot) return slot;
  ReclaimPass();
  if (const SlotId slot = pool_->TakeFree(body_bytes); slot != kNoSlot) return slot;
  return CarveSlot(body_bytes);
}

absl::StatusOr<PublisherCore::SlotId> PublisherCore::TakeSlot(uint64_t body_bytes) {
  absl::StatusOr<SlotId> carved = TakeSlotAtOnce(body_bytes);
  if (carved.ok() || body_bytes > kBodyBytesMax) return carved;
  if (const uint64_t longest = pool_->body_bytes_max(); body_bytes > longest) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "publisher of \"", topic_name_, "\": ", body_bytes, " bytes in one piece never fit: the pool may have ",
        pool_->bytes_max(), " bytes (PublisherOptions::pool_bytes_max), in which the longest message has ", longest,
        ". Make the pool larger or the message shorter"));
  }

  // The pool cannot grow. What is missing may lie beyond what one pass frees, or in larger slots, or be held by
  // somebody dead; the last costs the registry's lock.
  ReclaimAll();
  if (const SlotId slot = pool_->TakeFreeLarger(body_bytes); slot != kNoSlot) return slot;
  if (const uint64_t now = os::MonotonicNow(); now >= next_cleanup_ns_) {
    // It is only a hope. When the registry's lock could not be had we have waited for it as long as allowed; a Loan
    // that fails should not do so every time.
    const bool cleaned = node_->registry().CleanUp().ok();
    next_cleanup_ns_ = os::MonotonicNow() + (cleaned ? kCleanupIntervalNs : kCleanupRetryNs);
    retry_connect_at_ns_ = 0;
    ReclaimAll();
    if (const SlotId slot = pool_->TakeFreeLarger(body_bytes); slot != kNoSlot) return slot;
  }
  carved = CarveSlot(body_bytes);  // /dev/shm may have room now
  if (carved.ok()) return carved;
  return Refusal(carved.status(), body_bytes);
}

absl::StatusOr<PublisherCore::SlotId> PublisherCore::CarveSlot(uint64_t body_bytes) {
  absl::StatusOr<SlotId> slot = pool_->Carve(body_bytes);
  if (slot.ok()) {
    reclaimer_.AddSlot(pool_->ref(*slot));  // gives the same number
    if (fixed_body_bytes_ != 0) {           // what stands in every header of a plain struct, and stays
      pool::SlotHeader& header = pool_->header(*slot);
      header.body_bytes = static_cast<uint32_t>(fixed_body_bytes_);
      header.total_bytes = fixed_body_bytes_;
    }
    counters().pool_bytes_committed.Set(pool_->bytes_committed());
    growth_failed_ = false;
  }
  return slot;
}

uint64_t PublisherCore::ReclaimPass() {
  counters().reclaim_passes.Add(1);
  uint64_t freed = 0;
  for (int attempt = 0; attempt < 3; ++attempt) {
    const queue::PassResult result = reclaimer_.Pass(topic_.generation(), known_generation_, connections_, table_views_,
                                                     kSlotsPerPass, [&](SlotId slot) {
                                                       FreeMessage(slot);
                                                       ++freed;
                                                     });
    if (result == queue::PassResult::kDone) break;
    RefreshIfChanged();
  }
  if (freed != 0) counters().reclaimed_slots.Add(freed);
  return freed;
}

void PublisherCore::ReclaimAll() {
  // Ends: each round but the last frees that many of the slots there are.
  while (ReclaimPass() >= kSlotsPerPass) {
  }
}

void PublisherCore::FreeFurther(SlotId first) {
  SlotId slot = pool_->next(first);
  pool_->set_next(first, kNoSlot);
  while (slot != kNoSlot) {
    const SlotId next = pool_->next(slot);
    pool_->set_next(slot, kNoSlot);
    pool_->Free(slot);
    slot = next;
  }
}

void PublisherCore::UpkeepFor(uint64_t body_bytes) {
  if (pool_->FreeCount(body_bytes) != 0) return;
  ReclaimPass();
  const uint64_t stride = pool_->stride_for(body_bytes);
  if (stride == 0) return;
  const uint64_t reserve = ReserveFor(stride);
  // Topping up after every pass would make the pool grow, a little and in the middle of things, whenever the
  // subscribers are further behind than ever before at such a moment.
  if (pool_->FreeCount(body_bytes) >= (reserve + 1) / 2) return PrefetchFirst(body_bytes);
  // A full pool may run for ever on what comes back; it is not asked at every publish whether it could grow.
  while (!growth_failed_ && pool_->FreeCount(body_bytes) < reserve) {
    absl::StatusOr<SlotId> slot = CarveSlot(body_bytes);
    if (!slot.ok()) {  // the next Loan will say so, if it still is so
      growth_failed_ = true;
      break;
    }
    pool_->Free(*slot);
  }
  PrefetchFirst(body_bytes);
}

// Those that Upkeep() prefetches come after these.
void PublisherCore::PrefetchFirst(uint64_t body_bytes) {
  for (size_t ahead = 0; ahead < kPrefetchAhead; ++ahead) {
    if (const SlotId slot = pool_->NextFree(body_bytes, ahead); slot != kNoSlot) Prefetch(slot);
  }
}

absl::Status PublisherCore::Refusal(const absl::Status& reason, uint64_t body_bytes) {
  std::string text = absl::StrCat("publisher of \"", topic_name_, "\" has no slot for ", body_bytes,
                                  " bytes: ", reason.message(), ". Of its ", pool_->slot_count(), " slots, ");
  uint64_t in_history = 0;
  for (SlotId slot : history_slots_) in_history += slot != kNoSlot;
  absl::StrAppend(&text, loans_out(), " are on loan and ", in_history, " in the history");
  for (auto& link : links_) {
    absl::StrAppend(&text, "; pid ", link->pid, " has ", queue::CountQueued(link->producer.queue()),
                    " messages queued");
    if (link->owner_died) absl::StrAppend(&text, " (and is dead)");
  }
  for (Table& table : tables_) {
    uint64_t held = 0;
    table.mapped.table.ForEach([&](Ref ref) { held += ref.publisher() == slot_.index; });
    absl::StrAppend(&text, "; pid ", table.pid, " holds ", held, " samples");
  }
  if (!connect_error_.ok()) {
    absl::StrAppend(&text, "; nothing can be reclaimed: ", connect_error_.message());
  }
  return absl::ResourceExhaustedError(text);
}

}  // namespace weir::internal
