#include "discovery/departed.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "discovery/names.h"
#include "middleware/base/crash_point.h"
#include "middleware/base/limits.h"
#include "middleware/pool/pool_layout.h"
#include "middleware/queue/borrow_table.h"
#include "middleware/queue/queue.h"

namespace weir::discovery {
namespace {

using queue::kAcquire;
using queue::kRelaxed;
using queue::kRelease;
using queue::SystemAtomics;

// The first pages of an endpoint's file, down to its counters: all that is needed of it, and readable even if what
// comes behind is damaged. Empty if it does not begin like the file that it should be.
template <class Facts>
os::Mapping OpenCounters(const os::FileDescriptor& directory, FileKind kind, Incarnation incarnation, uint64_t magic,
                         uint64_t bytes) {
  const absl::StatusOr<os::FileDescriptor> file =
      os::OpenFile(directory.get(), EndpointFileName(kind, incarnation), os::Access::kRead);
  if (!file.ok()) return {};
  absl::StatusOr<os::Mapping> mapping = os::Mapping::Map(file->get(), bytes, os::Access::kRead);
  if (!mapping.ok()) return {};
  const Facts facts = *reinterpret_cast<const Facts*>(mapping->data());
  if (facts.magic != magic || facts.layout != kLayoutNumber || facts.incarnation != incarnation) return {};
  return *std::move(mapping);
}

// Steps 1 to 4 of departed_layout.h.
void Fold(const Tables& tables, const os::FileDescriptor& directory, const EndpointRecord& endpoint,
          const metrics::DepartedRecord& own) {
  const auto mark = [](EndpointEntry& entry) {
    // sync(departed.mark): release; pairs with the acquire fence in ReadWhole(): who sees the mark also sees the fold.
    entry.departed.store(1, kRelease, "departed.mark");
  };
  EndpointEntry& entry = tables.endpoint(endpoint.endpoint);
  if (entry.departed.load(kRelaxed) != 0) return;
  const absl::StatusOr<DepartedFile> file =
      DepartedFile::Open(directory, endpoint.topic_incarnation, os::Access::kReadWrite);
  if (!file.ok()) return;

  const uint64_t folds = file->folds();
  const metrics::DepartedRecord& old = file->record(folds);
  const uint64_t last = old.last_endpoint.value();
  if (const Incarnation incarnation = old.last_incarnation.value(); incarnation != 0 && last < kEndpointsMax) {
    EndpointEntry& before = tables.endpoint(static_cast<uint32_t>(last));
    if (before.incarnation.load(kRelaxed) == incarnation) mark(before);
    if (incarnation == endpoint.incarnation) return;  // whoever folded it in died before the mark
  }

  metrics::DepartedRecord& sum = file->record(folds + 1);
  // sync(departed.record): release fence; pairs with the acquire fence in DepartedFile::Read(): who reads something of
  // what is written now also sees that the record it began to read counts no more.
  SystemAtomics::Fence(kRelease, "departed.record");
  metrics::StoreSum(old, own, sum);
  sum.last_endpoint.Set(endpoint.endpoint);
  sum.last_incarnation.Set(endpoint.incarnation);
  WEIR_CRASH_POINT("registry.fold.written");
  // sync(departed.folds): release; pairs with the acquire in DepartedFile::folds(): the record.
  file->header().folds.store(folds + 1, kRelease, "departed.folds");
  WEIR_CRASH_POINT("registry.fold.committed");
  mark(entry);
  WEIR_CRASH_POINT("registry.fold.marked");
}

}  // namespace

absl::Status MakeDepartedFile(const os::FileDescriptor& directory, os::FileModes modes, Incarnation topic) {
  alignas(metrics::DepartedFacts) std::array<std::byte, metrics::kDepartedFileBytes> content{};
  const metrics::DepartedFacts facts = {.topic = topic, .file_bytes = content.size()};
  std::memcpy(content.data(), &facts, sizeof(facts));
  return os::CreateFileWith(directory.get(), DepartedFileName(topic), modes.shared_write, content).status();
}

void FoldPublisher(const Tables& tables, const os::FileDescriptor& directory, const EndpointRecord& publisher) {
  // Its incarnation stands in the topic from its activation until its pool is removed.
  if (tables.topic(publisher.topic).publisher_incarnation[publisher.index_in_topic].load(kRelaxed) !=
      publisher.incarnation) {
    return;
  }
  metrics::DepartedRecord own{};
  if (const os::Mapping pool = OpenCounters<pool::PoolFacts>(directory, FileKind::kPool, publisher.incarnation,
                                                             pool::kPoolMagic, pool::kPoolHistoryOffset);
      pool.data() != nullptr) {
    const auto* counters = reinterpret_cast<const metrics::PublisherCounters*>(pool.data() + pool::kPoolCountersOffset);
    metrics::StoreSum(own.published, *counters, own.published);
    own.publishers.Set(1);
  } else {
    own.unreadable.Set(1);
  }
  Fold(tables, directory, publisher, own);
}

void FoldSubscriber(const Tables& tables, const os::FileDescriptor& directory, const EndpointRecord& subscriber,
                    const queue::QueueView<SystemAtomics>* queue) {
  if (subscriber.state == EndpointState::kCreating) return;
  metrics::DepartedRecord own{};
  if (const os::Mapping table = OpenCounters<queue::TableFacts>(directory, FileKind::kTable, subscriber.incarnation,
                                                                queue::kTableMagic, queue::kTableEntriesOffset);
      table.data() != nullptr) {
    const auto* counters =
        reinterpret_cast<const metrics::SubscriberCounters*>(table.data() + queue::kTableCountersOffset);
    const auto* latency = reinterpret_cast<const metrics::Histogram*>(table.data() + queue::kTableHistogramOffset);
    metrics::StoreSum(own.received, *counters, own.received);
    metrics::StoreSum(own.latency, *latency, own.latency);
    own.subscribers.Set(1);
  } else {
    own.unreadable.Set(1);
  }
  if (queue != nullptr) {
    const uint64_t queued = queue::CountQueued(*queue);
    own.left_queued.Set(queued);
    own.removed.Set(queue->header->head.load(kRelaxed));  // relaxed: statistic
    own.received.queued_max.Set(std::max(own.received.queued_max.value(), queued));
  }
  Fold(tables, directory, subscriber, own);
}

absl::StatusOr<DepartedFile> DepartedFile::Open(const os::FileDescriptor& directory, Incarnation topic,
                                                os::Access access) {
  const std::string name = DepartedFileName(topic);
  const absl::StatusOr<os::FileDescriptor> file = os::OpenFile(directory.get(), name, access);
  if (!file.ok()) return file.status();
  const absl::StatusOr<uint64_t> bytes = os::FileBytes(file->get());
  if (!bytes.ok()) return bytes.status();
  if (*bytes != metrics::kDepartedFileBytes) {
    return absl::DataLossError(
        absl::StrCat(name, " has ", *bytes, " bytes; it should have ", metrics::kDepartedFileBytes));
  }
  absl::StatusOr<os::Mapping> mapping = os::Mapping::Map(file->get(), *bytes, access);
  if (!mapping.ok()) return mapping.status();
  DepartedFile opened;
  opened.mapping_ = *std::move(mapping);
  const metrics::DepartedFacts facts = opened.header().facts;  // a copy: checked here
  if (facts.magic != metrics::kDepartedMagic || facts.topic != topic || facts.file_bytes != *bytes) {
    return absl::DataLossError(absl::StrCat(name, " is no record of topic number ", topic));
  }
  if (facts.layout != kLayoutNumber) {
    return absl::FailedPreconditionError(
        absl::StrCat(name, " has layout number ", facts.layout, ", this program has ", kLayoutNumber));
  }
  return opened;
}

uint64_t DepartedFile::folds() const {
  // sync(departed.folds): acquire; pairs with the release in Fold(): the record that counts.
  return header().folds.load(kAcquire, "departed.folds");
}

std::optional<uint64_t> DepartedFile::Read(absl::FunctionRef<void(const metrics::DepartedRecord&)> copy) const {
  for (uint32_t round = 0; round < kReadRoundsMax; ++round) {
    const uint64_t before = folds();
    copy(record(before));
    // sync(departed.record): acquire fence; pairs with the release fence in Fold().
    SystemAtomics::Fence(kAcquire, "departed.record");
    if (header().folds.load(kRelaxed) == before) return before;
  }
  return std::nullopt;
}

}  // namespace weir::discovery
