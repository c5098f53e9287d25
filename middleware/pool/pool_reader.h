// A pool as everybody but its publisher sees it: mapped read-only, over the length it may grow to. What it says is
// checked against the file's committed size before it is touched; a reader can neither run past the end (SIGBUS) nor
// make the kernel allocate a page for a hole.
//
// Thread-safety: none; each subscriber has its own. Makes a system call only to ask for the file's size, when a ref
// lies beyond what it knew.
#ifndef WEIR_POOL_POOL_READER_H_
#define WEIR_POOL_POOL_READER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "middleware/base/prefetch.h"
#include "middleware/base/words.h"
#include "middleware/os/file.h"
#include "middleware/os/mapping.h"
#include "middleware/pool/pool_layout.h"
#include "middleware/queue/atomics.h"

namespace weir::pool {

class PoolReader {
 public:
  using HistoryEntry = queue::SystemAtomics::Atomic<uint64_t>;

  // Whether the pages that exist are entered into the page table at once, for whoever will read many of them, and
  // locked in memory beyond that; the same happens to those by which the pool grows. What cannot be locked is used
  // unlocked.
  enum class Populate : uint8_t { kNo, kYes, kAndLock };

  PoolReader() = default;
  // NotFound: the publisher is gone. DataLoss: the file is no pool, or not that publisher's. FailedPrecondition:
  // another layout number.
  static absl::StatusOr<PoolReader> Open(const os::FileDescriptor& directory, const std::string& name,
                                         Incarnation incarnation, PublisherIndex publisher,
                                         Populate populate = Populate::kYes);

  Incarnation incarnation() const { return incarnation_; }
  std::span<const HistoryEntry> history() const { return history_; }
  const std::byte* counters_page() const { return base() + kPoolCountersOffset; }
  uint64_t known_bytes() const { return known_bytes_; }  // how long the file was when last asked
  uint64_t locked_bytes() const { return mapping_.locked_bytes(); }
  // Why the last lock was refused, if it was.
  const absl::Status& lock_status() const { return lock_status_; }

  // Asks for the lines in which a small message lies. Any ref will do, also a wrong one.
  void Prefetch(Ref ref) const {
    const std::byte* header = base() + (uint64_t{ref.offset_granules()} << (6 + granule_shift_));
    PrefetchForReading(header);
    PrefetchForReading(header + kSlotHeaderBytes);
  }
  // The header that `ref` names; nullptr if it lies outside the pool. What the header says is still unchecked.
  const SlotHeader* Find(Ref ref) { return FindAt(ref.offset_granules()); }
  // Where in the file the slot lies, if it does.
  uint64_t OffsetOf(Ref ref) const { return uint64_t{ref.offset_granules()} << (6 + granule_shift_); }
  // The slot's body, if its `body_bytes` lies inside the pool.
  const std::byte* Body(const SlotHeader& header, uint64_t body_bytes) {
    const uint64_t begin = OffsetOf(header) + kSlotHeaderBytes;
    return Covers(begin, body_bytes) ? base() + begin : nullptr;
  }
  // Appends the further segments of a message to `segments`, from a checked copy of the table. DataLoss if one of them
  // lies outside the pool.
  absl::Status Segments(const SlotHeader& header, uint32_t segment_count,
                        std::vector<std::span<const std::byte>>& segments);

 private:
  const std::byte* base() const { return mapping_.data(); }
  uint64_t OffsetOf(const SlotHeader& header) const {
    return static_cast<uint64_t>(reinterpret_cast<const std::byte*>(&header) - base());
  }
  const SlotHeader* FindAt(uint32_t offset_granules) {
    const uint64_t offset = uint64_t{offset_granules} << (6 + granule_shift_);
    if (offset < slots_offset_ || !Covers(offset, kSlotHeaderBytes)) return nullptr;
    return reinterpret_cast<const SlotHeader*>(base() + offset);
  }
  bool Covers(uint64_t begin, uint64_t bytes) {
    return (begin <= known_bytes_ && bytes <= known_bytes_ - begin) || CoversAfterRefresh(begin, bytes);
  }
  bool CoversAfterRefresh(uint64_t begin, uint64_t bytes);
  void Know(uint64_t bytes);

  os::FileDescriptor file_;
  os::Mapping mapping_;
  std::span<const HistoryEntry> history_;
  Incarnation incarnation_ = 0;
  uint32_t granule_shift_ = 0;
  uint64_t slots_offset_ = 0;
  uint64_t bytes_max_ = 0;
  uint64_t known_bytes_ = 0;  // the file was at least this long; pools do not shrink
  Populate populate_ = Populate::kNo;
  absl::Status lock_status_;
};

}  // namespace weir::pool

#endif  // WEIR_POOL_POOL_READER_H_
