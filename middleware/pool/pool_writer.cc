#include "middleware/pool/pool_writer.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "middleware/base/crash_point.h"
#include "middleware/base/strings.h"

namespace weir::pool {
namespace {

constexpr uint64_t RoundUp(uint64_t value, uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

// The file grows by half of itself, within these, so that growing is rare and a small pool stays small.
constexpr uint64_t kGrowBytesMin = 64u << 10;
constexpr uint64_t kGrowBytesMax = 16u << 20;

constexpr uint64_t CommitUnit(bool huge_pages) {
  return huge_pages ? os::kHugePageBytes : kPageBytes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PoolWriter>> PoolWriter::Create(const os::FileDescriptor& directory,
                                                               const std::string& name, os::FileModes modes,
                                                               const PoolOptions& options) {
  const uint32_t granule_shift = GranuleShiftFor(options.bytes_max);
  const uint64_t slots_offset = SlotsOffset(options.history);
  const uint64_t initial = std::min(RoundUp(slots_offset + options.bytes_initial, CommitUnit(options.huge_pages)),
                                    RoundUp(options.bytes_max, kPageBytes));
  absl::StatusOr<os::FileDescriptor> file = os::CreateFile(directory.get(), name, modes.owner_write, initial);
  if (!file.ok()) return file.status();
  WEIR_CRASH_POINT("pool.create.after_file");
  absl::StatusOr<os::Mapping> mapping = os::Mapping::Map(file->get(), RoundUp(options.bytes_max, kPageBytes),
                                                         os::Access::kReadWrite, os::PastEnd::kAllow);
  if (!mapping.ok()) {
    os::RemoveFile(directory.get(), name).IgnoreError();
    return mapping.status();
  }
  // Huge pages first: where they are not granted, trying may have taken pages out of the page table again.
  os::HugeResult huge;
  if (options.huge_pages) huge = mapping->Collapse(0, initial);
  absl::Status status = mapping->Populate(0, initial);
  if (status.ok() && options.lock_memory) {
    status = mapping->LockFirst(initial);
    if (!status.ok()) status = absl::Status(status.code(), absl::StrCat("the pool ", name, ": ", status.message()));
  }
  if (!status.ok()) {
    os::RemoveFile(directory.get(), name).IgnoreError();
    return status;
  }
  auto* facts = new (mapping->data()) PoolFacts;
  facts->granule_shift = granule_shift;
  facts->incarnation = options.incarnation;
  facts->bytes_max = RoundUp(options.bytes_max, kPageBytes);
  facts->history_count = options.history;
  facts->publisher_index = options.publisher;
  facts->slots_offset = slots_offset;
  std::unique_ptr<PoolWriter> pool(new PoolWriter(*std::move(file), *std::move(mapping), options, granule_shift));
  pool->committed_ = initial;
  pool->huge_ = huge;
  pool->carved_ = slots_offset;
  return pool;
}

PoolWriter::PoolWriter(os::FileDescriptor file, os::Mapping mapping, const PoolOptions& options, uint32_t granule_shift)
    : file_(std::move(file)),
      mapping_(std::move(mapping)),
      classes_(options.fixed_body_bytes, uint64_t{kGranuleBytesMin} << granule_shift, options.bytes_max),
      publisher_(options.publisher),
      granule_shift_(granule_shift),
      bytes_max_(options.bytes_max),
      lock_memory_(options.lock_memory),
      huge_pages_(options.huge_pages),
      free_(classes_.count()) {
  using History = queue::HistoryWriter<queue::SystemAtomics>;
  history_ = History(reinterpret_cast<History::Entry*>(base() + kPoolHistoryOffset), options.history);
}

uint64_t PoolWriter::body_bytes_max() const {
  const uint64_t first =
      RoundUp(SlotsOffset(static_cast<uint32_t>(history_.entry_count())), uint64_t{kGranuleBytesMin} << granule_shift_);
  for (uint32_t size_class = classes_.count(); size_class-- > 0;) {
    if (first + classes_.stride(size_class) <= bytes_max_) {
      return std::min(classes_.capacity(size_class), kBodyBytesMax);
    }
  }
  return 0;
}

SlotId PoolWriter::TakeFreeLarger(uint64_t body_bytes) {
  for (uint32_t size_class = classes_.ClassFor(body_bytes); size_class < classes_.count(); ++size_class) {
    if (free_[size_class].empty()) continue;
    const SlotId slot = free_[size_class].back();
    free_[size_class].pop_back();
    bytes_in_use_ += classes_.stride(size_class);
    return slot;
  }
  return kNoSlot;
}

absl::StatusOr<SlotId> PoolWriter::Carve(uint64_t body_bytes) {
  const uint32_t size_class = classes_.ClassFor(body_bytes);
  const uint64_t stride = size_class < classes_.count() ? classes_.stride(size_class) : 0;
  const uint64_t granule = uint64_t{kGranuleBytesMin} << granule_shift_;
  const uint64_t begin = RoundUp(carved_, granule);
  if (stride == 0 || stride > bytes_max_ || begin > bytes_max_ - stride) {
    return absl::ResourceExhaustedError(absl::StrCat("a message of ", body_bytes, " bytes needs a new slot, but ",
                                                     begin, " of the pool's at most ", bytes_max_,
                                                     " bytes (PublisherOptions::pool_bytes_max) are in use"));
  }
  if (begin + stride > committed_) {
    if (absl::Status status = Commit(begin + stride); !status.ok()) return status;
  }
  slots_.push_back({.header = new (base() + begin) SlotHeader{},
                    .dirty_bytes = 0,
                    .ref = Ref(publisher_, static_cast<uint32_t>(begin >> (6 + granule_shift_))),
                    .size_class = size_class,
                    .next = kNoSlot,
                    .taken_clean = false});
  carved_ = begin + stride;
  bytes_in_use_ += stride;
  const auto slot = static_cast<SlotId>(slots_.size() - 1);
  // Freeing must not allocate: each class has room for all slots there are.
  if (free_[size_class].capacity() < slots_.size()) free_[size_class].reserve(std::max<size_t>(64, slots_.size() * 2));
  return slot;
}

absl::Status PoolWriter::Commit(uint64_t end) {
  const uint64_t needed = RoundUp(end, kPageBytes);
  const uint64_t limit = RoundUp(bytes_max_, kPageBytes);
  const uint64_t step = std::clamp(committed_ / 2, kGrowBytesMin, kGrowBytesMax);
  uint64_t target = std::min(RoundUp(std::max(needed, committed_ + step), CommitUnit(huge_pages_)), limit);
  absl::Status status = os::GrowFile(file_.get(), committed_, target);
  if (!status.ok() && target > needed) {  // perhaps there is room for just this one
    target = needed;
    status = os::GrowFile(file_.get(), committed_, target);
  }
  if (!status.ok()) {
    return absl::Status(status.code(), absl::StrCat("the pool cannot grow from ", committed_, " to ", needed,
                                                    " bytes: ", status.message()));
  }
  if (huge_pages_) AskForHugePages(committed_, target);
  // Without it the first touch of each page costs a microsecond more, and that is all.
  mapping_.Populate(committed_, target - committed_).IgnoreError();
  // The memory is there, and a message waits for it. That it could not be locked is no reason to lose one:
  // bytes_locked() shows it, and each further growth tries the whole rest again.
  if (lock_memory_) mapping_.LockFirst(target).IgnoreError();
  committed_ = target;
  return absl::OkStatus();
}

// The pool so far ends at a huge page's, but for one that had no room for a whole one; that stays in small pages.
void PoolWriter::AskForHugePages(uint64_t from, uint64_t to) {
  const os::HugeResult more = mapping_.Collapse(from, to - from);
  huge_.bytes += more.bytes;
  huge_.answer = more.answer;
}

void PoolWriter::Zero(SlotId slot) {
  Slot& s = slots_[slot];
  if (s.dirty_bytes == 0) return;
  std::memset(body(slot), 0, s.dirty_bytes);
  s.dirty_bytes = 0;
}

}  // namespace weir::pool
