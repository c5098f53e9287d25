#include "discovery/snapshot.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "middleware/os/directory.h"

namespace weir::discovery {
namespace {

template <class Record>
std::vector<Record> ReadAll(const Tables& tables, uint32_t count, uint32_t* unreadable) {
  std::vector<Record> found;
  Record record;
  for (uint32_t i = 0; i < count; ++i) {
    const ReadResult result = tables.Read(i, record);
    if (result == ReadResult::kRead) found.push_back(record);
    if (unreadable != nullptr && (result == ReadResult::kUnstable || result == ReadResult::kInvalid)) ++*unreadable;
  }
  return found;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ListDomains(std::string_view given_root) {
  const absl::StatusOr<Root> root = ResolveRoot(given_root);
  if (!root.ok()) return root.status();
  absl::StatusOr<os::FileDescriptor> directory = os::OpenRootDirectory(root->path);
  if (!directory.ok()) return directory.status();
  absl::StatusOr<std::vector<std::string>> names = os::ListDirectory(directory->get());
  if (!names.ok()) return names.status();
  std::erase_if(*names, [&](const std::string& name) {
    if (!CheckDomainName(name).ok()) return true;
    const auto domain = os::OpenDomainDirectory(root->path, name, os::IfMissing::kFail);
    // An empty directory is what is left for a moment of a domain that is being made or removed. A registry that may
    // not be opened is one too.
    return !domain.ok() ||
           absl::IsNotFound(os::OpenFile(domain->dir.get(), kRegistryFileName, os::Access::kRead).status());
  });
  std::sort(names->begin(), names->end());
  return names;
}

absl::StatusOr<Snapshot> Snapshot::Open(std::string_view given_root, std::string_view domain) {
  if (absl::Status status = CheckDomainName(domain); !status.ok()) return status;
  const absl::StatusOr<Root> root = ResolveRoot(given_root);
  if (!root.ok()) return root.status();
  absl::StatusOr<os::DomainDirectory> directory = os::OpenDomainDirectory(root->path, domain, os::IfMissing::kFail);
  if (!directory.ok()) return directory.status();
  Snapshot snapshot;
  snapshot.root_ = root->path;
  snapshot.domain_ = std::string(domain);
  snapshot.path_ = absl::StrCat(root->path, "/", snapshot.domain_);
  snapshot.directory_ = std::move(directory->dir);
  absl::StatusOr<RegistryFile> file = OpenRegistryFile(snapshot.directory_.get(), os::Access::kRead, snapshot.path_);
  if (!file.ok()) return file.status();
  snapshot.file_ = *std::move(file);
  snapshot.tables_ = snapshot.file_.tables;
  snapshot.liveness_ = Liveness(snapshot.tables_, snapshot.file_.file.get());
  return snapshot;
}

std::vector<Snapshot::Node> Snapshot::Nodes(uint32_t* unreadable) const {
  std::vector<Node> found;
  for (NodeRecord& record : ReadAll<NodeRecord>(tables_, kNodesMax, unreadable)) {
    Node node;
    static_cast<NodeRecord&>(node) = std::move(record);
    node.alive = liveness_.IsAlive(node.index, node.incarnation);
    found.push_back(std::move(node));
  }
  return found;
}

std::vector<TopicRecord> Snapshot::Topics(uint32_t* unreadable) const {
  return ReadAll<TopicRecord>(tables_, kTopicsMax, unreadable);
}

std::vector<EndpointRecord> Snapshot::Endpoints(uint32_t* unreadable) const {
  return ReadAll<EndpointRecord>(tables_, kEndpointsMax, unreadable);
}

bool Snapshot::IsCurrent() const {
  // By the path, as everybody else finds it: the directory may have been moved away with the registry in it.
  const absl::StatusOr<os::DomainDirectory> now = os::OpenDomainDirectory(root_, domain_, os::IfMissing::kFail);
  return now.ok() && os::SameFile(file_.file.get(), now->dir.get(), kRegistryFileName).value_or(false);
}

}  // namespace weir::discovery
