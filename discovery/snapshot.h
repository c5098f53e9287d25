// A domain seen from outside: for tools that only look. Maps the registry read-only, takes no lock, needs no place in
// it, leaves no trace. What it returns is whole entry by entry, not all entries of one moment.
//
// Thread-safe. Every call copies and allocates. It stays on the registry it was opened on: if that was removed, moved
// away or replaced, IsCurrent() is false, and a new one is to be opened.
#ifndef WEIR_DISCOVERY_SNAPSHOT_H_
#define WEIR_DISCOVERY_SNAPSHOT_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "discovery/liveness.h"
#include "discovery/names.h"
#include "discovery/records.h"
#include "discovery/registry_file.h"
#include "discovery/tables.h"
#include "discovery/topic_view.h"
#include "middleware/os/file.h"

namespace weir::discovery {

// The names under `root` that are a domain's, sorted: directories that have a registry. NotFound: no such root.
absl::StatusOr<std::vector<std::string>> ListDomains(std::string_view root);

class Snapshot {
 public:
  // `root`: as DomainOptions::root. NotFound: there is no such domain. Otherwise as Registry::Join().
  static absl::StatusOr<Snapshot> Open(std::string_view root, std::string_view domain);

  const std::string& path() const { return path_; }
  const os::FileDescriptor& directory() const { return directory_; }

  struct Node : NodeRecord {
    bool alive = false;
  };
  // `unreadable` is raised by the number of entries that are neither free nor could be read: garbage, or changing all
  // the time.
  std::vector<Node> Nodes(uint32_t* unreadable = nullptr) const;
  std::vector<TopicRecord> Topics(uint32_t* unreadable = nullptr) const;
  // In all states. An endpoint counts only if its node is alive.
  std::vector<EndpointRecord> Endpoints(uint32_t* unreadable = nullptr) const;

  std::optional<TopicRecord> FindTopic(std::string_view name) const { return tables_.FindTopic(name); }
  TopicView Topic(uint32_t topic) const { return TopicView(tables_, topic); }  // topic < kTopicsMax
  bool IsNodeAlive(uint32_t node, Incarnation incarnation) const { return liveness_.IsAlive(node, incarnation); }
  absl::StatusOr<std::string> ReadSchema(const Hash128& hash) const { return ReadSchemaFile(directory_.get(), hash); }

  bool IsCurrent() const;
  uint64_t created_ns() const { return tables_.header().facts.created_ns; }  // CLOCK_REALTIME
  // 0: nobody changes the registry at the moment.
  uint32_t lock_holder_pid() const { return tables_.header().lock_holder_pid.load(queue::kRelaxed); }

 private:
  Snapshot() = default;

  std::string root_;
  std::string domain_;
  std::string path_;
  os::FileDescriptor directory_;
  RegistryFile file_;
  Tables tables_;
  Liveness liveness_;
};

}  // namespace weir::discovery

#endif  // WEIR_DISCOVERY_SNAPSHOT_H_
