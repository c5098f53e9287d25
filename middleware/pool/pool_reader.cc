#include "middleware/pool/pool_reader.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "middleware/base/strings.h"

namespace weir::pool {

absl::StatusOr<PoolReader> PoolReader::Open(const os::FileDescriptor& directory, const std::string& name,
                                            Incarnation incarnation, PublisherIndex publisher, Populate populate) {
  absl::StatusOr<os::FileDescriptor> file = os::OpenFile(directory.get(), name, os::Access::kRead);
  if (!file.ok()) return file.status();
  absl::StatusOr<uint64_t> bytes = os::FileBytes(file->get());
  if (!bytes.ok()) return bytes.status();
  if (*bytes < SlotsOffset(0)) {
    return absl::DataLossError(absl::StrCat(name, " is ", *bytes, " bytes long; a pool has at least ", SlotsOffset(0)));
  }
  // First only the page with the facts: how long the rest may get stands there.
  absl::StatusOr<os::Mapping> head = os::Mapping::Map(file->get(), kPageBytes, os::Access::kRead);
  if (!head.ok()) return head.status();
  const PoolFacts facts = *reinterpret_cast<const PoolFacts*>(head->data());  // one copy; the checked one is used
  if (facts.magic != kPoolMagic || facts.incarnation != incarnation || facts.publisher_index != publisher) {
    return absl::DataLossError(absl::StrCat(name, " is not the pool of publisher ", publisher, ", incarnation ",
                                            absl::Hex(incarnation, absl::kZeroPad16)));
  }
  if (facts.layout != kLayoutNumber) {
    return absl::FailedPreconditionError(
        absl::StrCat(name, " has layout number ", facts.layout, "; this program's is ", kLayoutNumber));
  }
  if (facts.granule_shift > kGranuleShiftMax || facts.history_count > kHistoryMax ||
      facts.bytes_max > kPoolBytesLimit || facts.bytes_max < *bytes ||
      facts.slots_offset != SlotsOffset(facts.history_count) || facts.slots_offset > *bytes) {
    return absl::DataLossError(absl::StrCat(name, " has a damaged header: granule shift ", facts.granule_shift,
                                            ", history ", facts.history_count, ", at most ", facts.bytes_max,
                                            " bytes, slots from ", facts.slots_offset, ", ", *bytes, " bytes long"));
  }
  absl::StatusOr<os::Mapping> mapping =
      os::Mapping::Map(file->get(), facts.bytes_max, os::Access::kRead, os::PastEnd::kAllow);
  if (!mapping.ok()) return mapping.status();

  PoolReader pool;
  pool.file_ = *std::move(file);
  pool.mapping_ = *std::move(mapping);
  pool.incarnation_ = incarnation;
  pool.granule_shift_ = facts.granule_shift;
  pool.slots_offset_ = facts.slots_offset;
  pool.bytes_max_ = facts.bytes_max;
  pool.populate_ = populate;
  pool.Know(*bytes);
  pool.history_ = {reinterpret_cast<const HistoryEntry*>(pool.base() + kPoolHistoryOffset), facts.history_count};
  return pool;
}

// The file is so long now.
void PoolReader::Know(uint64_t bytes) {
  if (populate_ != Populate::kNo) {
    mapping_.Populate(known_bytes_, bytes - known_bytes_)
        .IgnoreError();  // or else the first touch of a page costs more
  }
  if (populate_ == Populate::kAndLock) lock_status_ = mapping_.LockFirst(bytes);
  known_bytes_ = bytes;
}

absl::Status PoolReader::Segments(const SlotHeader& header, uint32_t segment_count,
                                  std::vector<std::span<const std::byte>>& segments) {
  if (segment_count > kSegmentsMax) {
    return absl::DataLossError(
        absl::StrCat("a message has ", segment_count, " further segments; at most ", kSegmentsMax));
  }
  const SegmentEntry* table = header.segments;
  if (segment_count > kInlineSegments) {  // the table is in a slot of its own
    const SegmentEntry at = header.segments[0];
    const SlotHeader* table_header = FindAt(at.offset_granules);
    const std::byte* body =
        table_header == nullptr ? nullptr : Body(*table_header, uint64_t{segment_count} * sizeof(SegmentEntry));
    if (body == nullptr) return absl::DataLossError("a message's segment table lies outside its pool");
    table = reinterpret_cast<const SegmentEntry*>(body);
  }
  for (uint32_t i = 0; i < segment_count; ++i) {
    const SegmentEntry entry = table[i];  // a copy: what is checked is what is used
    const SlotHeader* slot = FindAt(entry.offset_granules);
    const uint64_t bytes = uint64_t{entry.words} * 8;
    const std::byte* body = slot == nullptr ? nullptr : Body(*slot, bytes);
    if (body == nullptr) {
      return absl::DataLossError(absl::StrCat("segment ", i + 1, " of a message lies outside its pool: granule ",
                                              entry.offset_granules, ", ", entry.words, " words"));
    }
    segments.push_back({body, bytes});
  }
  return absl::OkStatus();
}

bool PoolReader::CoversAfterRefresh(uint64_t begin, uint64_t bytes) {
  absl::StatusOr<uint64_t> now = os::FileBytes(file_.get());
  if (!now.ok() || *now <= known_bytes_ || *now > bytes_max_) return false;
  Know(*now);
  return begin <= known_bytes_ && bytes <= known_bytes_ - begin;
}

}  // namespace weir::pool
