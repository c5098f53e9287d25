// A pool as its publisher sees it: a growing file, slots carved out of it one after the other, and lists of free slots.
// All books are in private memory; when the publisher dies there is no allocator to repair.
//
// Thread-safety: none. Allocating from a free list and freeing touch no heap in steady state; carving a new slot may
// make a system call and allocate.
#ifndef WEIR_POOL_POOL_WRITER_H_
#define WEIR_POOL_POOL_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "middleware/base/words.h"
#include "middleware/os/file.h"
#include "middleware/os/mapping.h"
#include "middleware/pool/pool_layout.h"
#include "middleware/pool/size_classes.h"
#include "middleware/queue/history.h"
#include "middleware/queue/reclaim.h"

namespace weir::pool {

using queue::SlotId;
inline constexpr SlotId kNoSlot = ~SlotId{0};

struct PoolOptions {
  Incarnation incarnation = 0;
  PublisherIndex publisher = 0;
  uint32_t history = 0;
  uint64_t fixed_body_bytes = 0;  // 0: bodies vary
  uint64_t bytes_initial = 0;
  uint64_t bytes_max = 0;
  bool lock_memory = false;  // what is committed is locked
  bool huge_pages = false;   // commit whole huge pages and ask for them
};

// The granule of a pool that may grow to `bytes_max`: the smallest with which 24 bits reach that far. Not one byte
// further: an offset of 25 bits would change the publisher's index in the ref.
constexpr uint32_t GranuleShiftFor(uint64_t bytes_max) {
  uint32_t shift = 0;
  while (shift < kGranuleShiftMax && bytes_max > uint64_t{kGranuleBytesMin} << (kOffsetBits + shift)) ++shift;
  return shift;
}
static_assert(GranuleShiftFor(uint64_t{1} << 30) == 0 && GranuleShiftFor((uint64_t{1} << 30) + 1) == 1);
static_assert(GranuleShiftFor(kPoolBytesLimit) == kGranuleShiftMax);

class PoolWriter {
 public:
  // Makes the file `name` and commits bytes_initial. ResourceExhausted when /dev/shm is full; FailedPrecondition when
  // it is to be locked and RLIMIT_MEMLOCK does not allow it.
  static absl::StatusOr<std::unique_ptr<PoolWriter>> Create(const os::FileDescriptor& directory,
                                                            const std::string& name, os::FileModes modes,
                                                            const PoolOptions& options);

  // The page for the publisher's counters; what lies there is middleware/metrics' business.
  std::byte* counters_page() { return base() + kPoolCountersOffset; }
  queue::HistoryWriter<queue::SystemAtomics>& history() { return history_; }

  // A free slot whose body holds `body_bytes`, from the free list of its class; kNoSlot if that is empty.
  SlotId TakeFree(uint64_t body_bytes) {
    const uint32_t size_class = classes_.ClassFor(body_bytes);
    return size_class < classes_.count() ? TakeFreeOfClass(size_class) : kNoSlot;
  }
  // The same if it is known which class; the only one of a pool of plain structs is 0.
  SlotId TakeFreeOfClass(uint32_t size_class) {
    std::vector<SlotId>& free = free_[size_class];
    if (free.empty()) return kNoSlot;
    const SlotId slot = free.back();
    free.pop_back();
    bytes_in_use_ += classes_.stride(size_class);
    return slot;
  }
  // The same from any larger class; for when the pool can grow no more.
  SlotId TakeFreeLarger(uint64_t body_bytes);
  // A slot that did not exist before. Commits memory if there is none left: ResourceExhausted at the limit, or when
  // /dev/shm is full. Numbers are given in order: 0, 1, 2, ...
  absl::StatusOr<SlotId> Carve(uint64_t body_bytes);
  // A slot that nobody can see any more goes back to the front of its list: last freed is first reused.
  void Free(SlotId slot) {
    Slot& s = slots_[slot];
    free_[s.size_class].push_back(slot);
    bytes_in_use_ -= classes_.stride(s.size_class);
  }
  // The slot that TakeFree(body_bytes) would return after `ahead` others, or kNoSlot.
  SlotId NextFree(uint64_t body_bytes, size_t ahead = 0) const {
    const uint32_t size_class = classes_.ClassFor(body_bytes);
    return size_class < classes_.count() ? NextFreeOfClass(size_class, ahead) : kNoSlot;
  }
  SlotId NextFreeOfClass(uint32_t size_class, size_t ahead) const {
    const std::vector<SlotId>& free = free_[size_class];
    return free.size() > ahead ? free.end()[-1 - static_cast<ptrdiff_t>(ahead)] : kNoSlot;
  }
  size_t FreeCount(uint64_t body_bytes) const {
    const uint32_t size_class = classes_.ClassFor(body_bytes);
    return size_class < classes_.count() ? free_[size_class].size() : 0;
  }

  SlotHeader& header(SlotId slot) { return *slots_[slot].header; }
  std::byte* body(SlotId slot) { return reinterpret_cast<std::byte*>(slots_[slot].header) + kSlotHeaderBytes; }
  uint64_t capacity(SlotId slot) const { return classes_.capacity(slots_[slot].size_class); }
  uint64_t stride_for(uint64_t body_bytes) const {
    const uint32_t size_class = classes_.ClassFor(body_bytes);
    return size_class < classes_.count() ? classes_.stride(size_class) : 0;
  }
  Ref ref(SlotId slot) const { return slots_[slot].ref; }
  size_t slot_count() const { return slots_.size(); }
  uint64_t bytes_committed() const { return committed_; }
  uint64_t bytes_in_use() const { return bytes_in_use_; }  // of slots that are not free, headers included
  uint64_t bytes_max() const { return bytes_max_; }
  // The longest body that fits into the pool when nothing else is in it.
  uint64_t body_bytes_max() const;
  // Less than committed if a lock was refused when the pool grew.
  uint64_t bytes_locked() const { return mapping_.locked_bytes(); }
  // In huge pages, and the kernel's last answer to the wish for them; all of it granted if nobody asked.
  os::HugeResult huge() const { return huge_; }

  // Slots of one message hang together in a chain that starts at its first one.
  SlotId next(SlotId slot) const { return slots_[slot].next; }
  void set_next(SlotId slot, SlotId next) { slots_[slot].next = next; }

  // How many bytes at the start of the body may be other than zero. Kept here and not in the shared header, because
  // nobody else needs it: a pool has one allocator, and that dies with it.
  uint64_t dirty_bytes(SlotId slot) const { return slots_[slot].dirty_bytes; }
  void set_dirty_bytes(SlotId slot, uint64_t bytes) { slots_[slot].dirty_bytes = bytes; }
  void Zero(SlotId slot);
  // Whether whoever took the slot got it zeroed, and so knows exactly what became dirty since. Kept with the slot until
  // it is taken again.
  bool taken_clean(SlotId slot) const { return slots_[slot].taken_clean; }
  void set_taken_clean(SlotId slot, bool clean) { slots_[slot].taken_clean = clean; }

 private:
  struct Slot {
    SlotHeader* header = nullptr;  // stays where it is: the mapping is made once, for the longest the pool may get
    uint64_t dirty_bytes = 0;
    Ref ref;
    uint32_t size_class = 0;
    SlotId next = kNoSlot;
    bool taken_clean = false;
  };

  PoolWriter(os::FileDescriptor file, os::Mapping mapping, const PoolOptions& options, uint32_t granule_shift);
  std::byte* base() { return mapping_.data(); }
  absl::Status Commit(uint64_t end);
  void AskForHugePages(uint64_t from, uint64_t to);

  os::FileDescriptor file_;
  os::Mapping mapping_;
  SizeClasses classes_;
  queue::HistoryWriter<queue::SystemAtomics> history_;
  PublisherIndex publisher_;
  uint32_t granule_shift_;
  uint64_t bytes_max_;
  const bool lock_memory_;
  const bool huge_pages_;
  os::HugeResult huge_;
  uint64_t committed_ = 0;  // the file's size
  uint64_t carved_ = 0;     // where the next new slot begins
  uint64_t bytes_in_use_ = 0;
  std::vector<Slot> slots_;
  std::vector<std::vector<SlotId>> free_;  // per class
};

}  // namespace weir::pool

#endif  // WEIR_POOL_POOL_WRITER_H_
