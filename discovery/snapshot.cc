#include "discovery/snapshot.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "middleware/base/strings.h"
#include "middleware/os/directory.h"

namespace weir::discovery {
namespace {

template <class Record>
std::vector<Record> ReadAll(const Tables& tables, uint32_t count) {
  std::vector<Record> found;
  Record record;
  for (uint32_t i = 0; i < count; ++i) {
    if (tables.Read(i, record) == ReadResult::kRead) found.push_back(record);
  }
  return found;
}

}  // namespace

absl::StatusOr<Snapshot> Snapshot::Open(std::string_view given_root, std::string_view domain) {
  if (absl::Status status = CheckDomainName(domain); !status.ok()) return status;
  const Root root = ResolveRoot(given_root);
  absl::StatusOr<os::DomainDirectory> directory = os::OpenDomainDirectory(root.path, domain, os::IfMissing::kFail);
  if (!directory.ok()) return directory.status();
  Snapshot snapshot;
  snapshot.path_ = absl::StrCat(root.path, "/", AsAbsl(domain));
  snapshot.directory_ = std::move(directory->dir);
  absl::StatusOr<RegistryFile> file = OpenRegistryFile(snapshot.directory_.get(), os::Access::kRead, snapshot.path_);
  if (!file.ok()) return file.status();
  snapshot.file_ = *std::move(file);
  snapshot.tables_ = snapshot.file_.tables;
  snapshot.liveness_ = Liveness(snapshot.tables_, snapshot.file_.file.get());
  return snapshot;
}

std::vector<Snapshot::Node> Snapshot::Nodes() const {
  std::vector<Node> found;
  for (NodeRecord& record : ReadAll<NodeRecord>(tables_, kNodesMax)) {
    Node node;
    static_cast<NodeRecord&>(node) = std::move(record);
    node.alive = liveness_.IsAlive(node.index, node.incarnation);
    found.push_back(std::move(node));
  }
  return found;
}

std::vector<TopicRecord> Snapshot::Topics() const {
  return ReadAll<TopicRecord>(tables_, kTopicsMax);
}

std::vector<EndpointRecord> Snapshot::Endpoints() const {
  return ReadAll<EndpointRecord>(tables_, kEndpointsMax);
}

bool Snapshot::IsCurrent() const {
  const absl::StatusOr<bool> same = os::SameFile(file_.file.get(), directory_.get(), kRegistryFileName);
  return same.ok() && *same;
}

}  // namespace weir::discovery
