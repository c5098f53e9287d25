#include "discovery/endpoint_files.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "discovery/names.h"
#include "middleware/base/limits.h"

namespace weir::discovery {
namespace {

using queue::SystemAtomics;

struct Opened {
  os::Mapping mapping;
  std::string name;
};

// The whole file, if it is at least as long as its header and not longer than the limits allow.
absl::StatusOr<Opened> OpenWhole(const os::FileDescriptor& directory, FileKind kind, Incarnation incarnation,
                                 os::Access access, uint64_t bytes_min, uint64_t bytes_max) {
  Opened opened{.mapping = {}, .name = EndpointFileName(kind, incarnation)};
  absl::StatusOr<os::FileDescriptor> file = os::OpenFile(directory.get(), opened.name, access);
  if (!file.ok()) return file.status();
  absl::StatusOr<uint64_t> bytes = os::FileBytes(file->get());
  if (!bytes.ok()) return bytes.status();
  if (*bytes < bytes_min || *bytes > bytes_max) {
    return absl::DataLossError(
        absl::StrCat(opened.name, " has ", *bytes, " bytes; it should have ", bytes_min, " to ", bytes_max));
  }
  absl::StatusOr<os::Mapping> mapping = os::Mapping::Map(file->get(), *bytes, access);
  if (!mapping.ok()) return mapping.status();
  opened.mapping = *std::move(mapping);
  return opened;
}

// What both kinds of file say first.
template <class Facts>
absl::Status CheckIdentity(const std::string& name, const Facts& facts, uint64_t magic, Incarnation incarnation,
                           uint64_t bytes) {
  if (facts.magic != magic) return absl::DataLossError(absl::StrCat(name, " does not begin like such a file"));
  if (facts.layout != kLayoutNumber) {
    return absl::FailedPreconditionError(
        absl::StrCat(name, " has layout number ", facts.layout, ", this program has ", kLayoutNumber));
  }
  if (facts.incarnation != incarnation || facts.file_bytes != bytes) {
    return absl::DataLossError(absl::StrCat(name, " says that it is number ", facts.incarnation, " with ",
                                            facts.file_bytes, " bytes, but it has ", bytes, " bytes"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<MappedQueue> OpenQueue(const os::FileDescriptor& directory, Incarnation incarnation, os::Access access) {
  absl::StatusOr<Opened> opened = OpenWhole(directory, FileKind::kQueue, incarnation, access, queue::QueueFileBytes(1),
                                            queue::QueueFileBytes(kQueueDepthMax));
  if (!opened.ok()) return opened.status();
  std::byte* const data = opened->mapping.data();
  auto* header = reinterpret_cast<queue::SystemQueueHeader*>(data);
  const queue::QueueFacts facts = header->facts;  // a copy: checked here, used from here
  if (absl::Status status =
          CheckIdentity(opened->name, facts, queue::kQueueMagic, incarnation, opened->mapping.bytes());
      !status.ok()) {
    return status;
  }
  const bool valid =
      facts.depth >= 1 && facts.depth <= kQueueDepthMax && facts.cell_count == queue::CellCount(facts.depth) &&
      facts.cells_offset == queue::kQueueCellsOffset && facts.file_bytes == queue::QueueFileBytes(facts.depth) &&
      static_cast<uint32_t>(facts.when_full) < queue::kWhenFullCount && facts.exclusive_producer <= 1;
  if (!valid) {
    return absl::DataLossError(absl::StrCat(opened->name, " has depth ", facts.depth, ", ", facts.cell_count,
                                            " cells at ", facts.cells_offset, " in ", facts.file_bytes,
                                            " bytes, which do not fit together"));
  }
  auto* cells = reinterpret_cast<SystemAtomics::Atomic<uint64_t>*>(data + queue::kQueueCellsOffset);
  return MappedQueue{.mapping = std::move(opened->mapping),
                     .view = queue::MakeQueueView<SystemAtomics>(header, cells, facts.depth, facts.when_full,
                                                                 facts.exclusive_producer != 0)};
}

absl::StatusOr<MappedTable> OpenTable(const os::FileDescriptor& directory, Incarnation incarnation, os::Access access) {
  absl::StatusOr<Opened> opened = OpenWhole(directory, FileKind::kTable, incarnation, access, queue::TableFileBytes(1),
                                            queue::TableFileBytes(kBorrowEntriesMax));
  if (!opened.ok()) return opened.status();
  std::byte* const data = opened->mapping.data();
  const queue::TableFacts facts = *reinterpret_cast<const queue::TableFacts*>(data);
  if (absl::Status status =
          CheckIdentity(opened->name, facts, queue::kTableMagic, incarnation, opened->mapping.bytes());
      !status.ok()) {
    return status;
  }
  const bool valid = facts.entry_count >= 1 && facts.entry_count <= kBorrowEntriesMax &&
                     facts.entries_offset == queue::kTableEntriesOffset &&
                     facts.file_bytes == queue::TableFileBytes(facts.entry_count);
  if (!valid) {
    return absl::DataLossError(absl::StrCat(opened->name, " has ", facts.entry_count, " entries at ",
                                            facts.entries_offset, " in ", facts.file_bytes,
                                            " bytes, which do not fit together"));
  }
  auto* entries = reinterpret_cast<queue::BorrowTable<SystemAtomics>::Entry*>(data + queue::kTableEntriesOffset);
  return MappedTable{.mapping = std::move(opened->mapping),
                     .table = queue::BorrowTable<SystemAtomics>(entries, facts.entry_count)};
}

}  // namespace weir::discovery
