// What the tests of discovery/ share: nodes in a domain of their own, and endpoints with real queue and table files but
// without publish/subscribe.
#ifndef WEIR_TESTS_DISCOVERY_REGISTRY_FIXTURE_H_
#define WEIR_TESTS_DISCOVERY_REGISTRY_FIXTURE_H_

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "discovery/endpoint_files.h"
#include "discovery/names.h"
#include "discovery/registry.h"
#include "discovery/snapshot.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "middleware/os/file.h"
#include "tests/support/test_root.h"

namespace weir::discovery {

using queue::SystemAtomics;

inline constexpr char kDomain[] = "test";

inline testing::AssertionResult IsOk(const absl::Status& status) {
  if (status.ok()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << status;
}

// EXPECT_TRUE(IsError(status, absl::StatusCode::kUnavailable, {"process 12", "1s"})): the code, and all of the texts.
inline testing::AssertionResult IsError(const absl::Status& status, absl::StatusCode code,
                                        const std::vector<std::string>& texts = {}) {
  if (status.code() != code) return testing::AssertionFailure() << status;
  for (const std::string& text : texts) {
    if (std::string(status.message()).find(text) == std::string::npos) {
      return testing::AssertionFailure() << "no \"" << text << "\" in: " << status;
    }
  }
  return testing::AssertionSuccess();
}

#define ASSERT_OK(expression) ASSERT_TRUE(::weir::discovery::IsOk(expression))
#define EXPECT_OK(expression) EXPECT_TRUE(::weir::discovery::IsOk(expression))

inline TopicSpec Spec(std::string name, bool exclusive = false) {
  TopicSpec spec;
  spec.name = std::move(name);
  spec.type = {
      .kind = 1, .name = "Scan", .id = 7, .body_bytes = 24, .body_align = 8, .schema_hash = {}, .schema_blob = {}};
  spec.exclusive = exclusive;
  return spec;
}

inline TypeSpec WithSchema(TypeSpec type, std::string_view blob) {
  type.schema_blob = blob;
  type.schema_hash = HashBytes(std::as_bytes(std::span(blob)));
  return type;
}

inline absl::Status MakePoolFile(const Registry& registry, Incarnation incarnation) {
  return os::CreateFile(registry.directory().get(), EndpointFileName(FileKind::kPool, incarnation),
                        registry.modes().owner_write, kPageBytes)
      .status();
}

inline absl::Status MakeQueueFile(const Registry& registry, const SubscriberSlot& slot, const SubscriberRecord& record,
                                  Position start = 0) {
  const uint64_t bytes = queue::QueueFileBytes(record.depth);
  absl::StatusOr<os::FileDescriptor> file =
      os::CreateFile(registry.directory().get(), EndpointFileName(FileKind::kQueue, slot.incarnation),
                     registry.modes().shared_write, bytes);
  if (!file.ok()) return file.status();
  absl::StatusOr<os::Mapping> mapping = os::Mapping::Map(file->get(), bytes, os::Access::kReadWrite);
  if (!mapping.ok()) return mapping.status();
  auto* header = reinterpret_cast<queue::SystemQueueHeader*>(mapping->data());
  queue::QueueFacts facts;
  facts.exclusive_producer = slot.exclusive ? 1 : 0;
  facts.incarnation = slot.incarnation;
  facts.when_full = record.when_full;
  facts.depth = record.depth;
  facts.cell_count = queue::CellCount(record.depth);
  facts.cells_offset = queue::kQueueCellsOffset;
  facts.file_bytes = bytes;
  header->facts = facts;
  auto* cells = reinterpret_cast<SystemAtomics::Atomic<uint64_t>*>(mapping->data() + queue::kQueueCellsOffset);
  queue::InitializeQueue(
      queue::MakeQueueView<SystemAtomics>(header, cells, record.depth, record.when_full, slot.exclusive), start);
  return absl::OkStatus();
}

inline absl::Status MakeTableFile(const Registry& registry, const SubscriberSlot& slot, uint32_t entries) {
  const uint64_t bytes = queue::TableFileBytes(entries);
  absl::StatusOr<os::FileDescriptor> file =
      os::CreateFile(registry.directory().get(), EndpointFileName(FileKind::kTable, slot.incarnation),
                     registry.modes().owner_write, bytes);
  if (!file.ok()) return file.status();
  absl::StatusOr<os::Mapping> mapping = os::Mapping::Map(file->get(), kPageBytes, os::Access::kReadWrite);
  if (!mapping.ok()) return mapping.status();
  queue::TableFacts facts;
  facts.entry_count = entries;
  facts.incarnation = slot.incarnation;
  facts.file_bytes = bytes;
  *reinterpret_cast<queue::TableFacts*>(mapping->data()) = facts;
  return absl::OkStatus();
}

inline absl::StatusOr<PublisherSlot> AddPublisher(Registry& registry, const TopicSpec& spec,
                                                  const PublisherRecord& record = {}) {
  absl::StatusOr<PublisherSlot> slot = registry.ReservePublisher(spec, record);
  if (!slot.ok()) return slot;
  if (absl::Status status = MakePoolFile(registry, slot->incarnation); !status.ok()) return status;
  if (absl::Status status = registry.ActivatePublisher(*slot, record); !status.ok()) return status;
  return slot;
}

inline SubscriberRecord Depth(uint32_t depth, queue::WhenFull when_full = queue::WhenFull::kOverwriteOldest) {
  SubscriberRecord record;
  record.depth = depth;
  record.max_borrowed = 4;
  record.table_entries = 5;
  record.when_full = when_full;
  return record;
}

inline absl::StatusOr<SubscriberSlot> AddSubscriber(Registry& registry, const TopicSpec& spec,
                                                    const SubscriberRecord& options = Depth(4),
                                                    uint64_t* history_total = nullptr, Position start = 0) {
  return registry.AddSubscriber(
      spec, options, [&](const SubscriberSlot& slot, uint64_t total, SubscriberRecord& record) -> absl::Status {
        if (history_total != nullptr) *history_total = total;
        record.table_entries = static_cast<uint32_t>(record.max_borrowed + 1 + total);
        if (absl::Status status = MakeQueueFile(registry, slot, record, start); !status.ok()) return status;
        return MakeTableFile(registry, slot, record.table_entries);
      });
}

class RegistryTest : public testing::Test {
 protected:
  DomainOptions Options(absl::Duration timeout = absl::Seconds(10)) const {
    return {.root = root_.path(), .domain = kDomain, .timeout = timeout};
  }

  // A node; the test ends here if there is none.
  std::shared_ptr<Registry> Join(std::string_view name = "node") const {
    absl::StatusOr<std::shared_ptr<Registry>> registry = Registry::Join(Options(), name);
    if (!registry.ok()) {
      ADD_FAILURE() << registry.status();
      std::abort();
    }
    return *std::move(registry);
  }

  Snapshot Look() const {
    absl::StatusOr<Snapshot> snapshot = Snapshot::Open(root_.path(), kDomain);
    if (!snapshot.ok()) {
      ADD_FAILURE() << snapshot.status();
      std::abort();
    }
    return *std::move(snapshot);
  }

  // "registry" and what else is there, without the domain's name.
  std::vector<std::string> Files() const {
    std::vector<std::string> files;
    const std::string prefix = std::string(kDomain) + "/";
    for (const std::string& path : root_.Contents()) {
      if (path.size() > prefix.size() && path.compare(0, prefix.size(), prefix) == 0) {
        files.push_back(path.substr(prefix.size()));
      }
    }
    return files;
  }

  bool HasFile(FileKind kind, Incarnation incarnation) const {
    const std::vector<std::string> files = Files();
    return std::find(files.begin(), files.end(), EndpointFileName(kind, incarnation)) != files.end();
  }

  test::TestRoot root_;
};

}  // namespace weir::discovery

#endif  // WEIR_TESTS_DISCOVERY_REGISTRY_FIXTURE_H_
