#include "discovery/registry_file.h"

#include <cstdint>
#include <new>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "discovery/names.h"
#include "middleware/base/crash_point.h"
#include "middleware/base/strings.h"
#include "middleware/os/process.h"

namespace weir::discovery {
namespace {

// What this program makes and accepts, but for the time of making.
constexpr RegistryFacts OurFacts() {
  RegistryFacts facts;
  facts.header_bytes = sizeof(RegistryHeader);
  facts.node_bytes = sizeof(NodeEntry);
  facts.topic_bytes = sizeof(TopicEntry);
  facts.endpoint_bytes = sizeof(EndpointEntry);
  facts.nodes_offset = kNodesOffset;
  facts.topics_offset = kTopicsOffset;
  facts.endpoints_offset = kEndpointsOffset;
  facts.file_bytes = kRegistryFileBytes;
  return facts;
}

absl::Status NotARegistry(const std::string& path, std::string_view why) {
  return absl::DataLossError(absl::StrCat(path, "/", kRegistryFileName, " is not a registry of Weir: ", AsAbsl(why),
                                          ". If no process uses this domain, remove its directory"));
}

}  // namespace

absl::Status CreateRegistryFile(int dir_fd, mode_t mode) {
  absl::StatusOr<os::FileDescriptor> file = os::CreateUnnamedFile(dir_fd, mode, kRegistryFileBytes);
  if (!file.ok()) return file.status();
  absl::StatusOr<os::Mapping> mapping = os::Mapping::Map(file->get(), kPageBytes, os::Access::kReadWrite);
  if (!mapping.ok()) return mapping.status();
  // Everything else is right as zeros.
  auto* header = reinterpret_cast<RegistryHeader*>(mapping->data());
  header->facts = OurFacts();
  header->facts.created_ns = static_cast<uint64_t>(absl::GetCurrentTimeNanos());
  header->next_incarnation.store(os::RandomBits(), queue::kRelaxed);
  mapping->Reset();
  WEIR_CRASH_POINT("registry.create.before_link");
  absl::Status linked = os::LinkFile(file->get(), dir_fd, kRegistryFileName);
  WEIR_CRASH_POINT("registry.create.after_link");
  return linked;
}

absl::StatusOr<RegistryFile> OpenRegistryFile(int dir_fd, os::Access access, const std::string& path) {
  absl::StatusOr<os::FileDescriptor> file = os::OpenFile(dir_fd, kRegistryFileName, access);
  if (!file.ok()) {
    return absl::Status(file.status().code(), absl::StrCat("domain ", path, ": ", file.status().message()));
  }
  const absl::StatusOr<uint64_t> bytes = os::FileBytes(file->get());
  if (!bytes.ok()) return bytes.status();
  if (*bytes < kPageBytes) return NotARegistry(path, absl::StrCat("it has only ", *bytes, " bytes"));

  RegistryFacts facts;
  {
    const absl::StatusOr<os::Mapping> first = os::Mapping::Map(file->get(), kPageBytes, os::Access::kRead);
    if (!first.ok()) return first.status();
    facts = reinterpret_cast<const RegistryHeader*>(first->data())->facts;
  }
  if (facts.magic != kRegistryMagic) return NotARegistry(path, "it does not begin like one");
  if (facts.layout != kLayoutNumber) {
    return absl::FailedPreconditionError(
        absl::StrCat("the domain in ", path, " was made by a version of Weir with layout number ", facts.layout,
                     "; this program has ", kLayoutNumber, ". All programs of a domain must use the same layout"));
  }
  RegistryFacts expected = OurFacts();
  expected.created_ns = facts.created_ns;
  if (facts != expected) return NotARegistry(path, "its table sizes are not those of its layout number");
  if (*bytes != kRegistryFileBytes) {
    return NotARegistry(path, absl::StrCat("it has ", *bytes, " bytes instead of ", kRegistryFileBytes));
  }

  absl::StatusOr<os::Mapping> mapping = os::Mapping::Map(file->get(), kRegistryFileBytes, access);
  if (!mapping.ok()) return mapping.status();
  // Joining looks at all entries. One call for all pages instead of a fault for each: 1,500 faults take 3 to 10 ms.
  if (absl::Status status = mapping->Populate(0, kRegistryFileBytes); !status.ok()) return status;
  const Tables tables(mapping->data());
  return RegistryFile{.file = *std::move(file), .mapping = *std::move(mapping), .tables = tables};
}

absl::StatusOr<std::string> ReadSchemaFile(int dir_fd, const Hash128& hash) {
  const std::string name = SchemaFileName(hash);
  absl::StatusOr<os::FileDescriptor> file = os::OpenFile(dir_fd, name, os::Access::kRead);
  if (!file.ok()) return file.status();
  absl::StatusOr<std::string> content = os::ReadFile(file->get(), kSchemaBytesMax);
  if (!content.ok()) return content.status();
  if (HashBytes(std::as_bytes(std::span(*content))) != hash) {
    return absl::DataLossError(absl::StrCat(name, ", ", content->size(), " bytes, does not have the hash in its name"));
  }
  return content;
}

}  // namespace weir::discovery
