// The registry of a domain, as one node sees it: joining and leaving, making and closing endpoints, who is there.
//
// One Registry per node. Thread-safe. It keeps the domain's directory open, the registry mapped for writing, and three
// descriptors of the registry file: one that locks it for a change, one that holds the node's lock byte for as long as
// the node lives, and one that holds nothing and asks about other nodes' bytes.
//
// What takes the registry's lock (one change at a time in a domain): Join, Leave, ReservePublisher, ActivatePublisher,
// AddSubscriber, CleanUp; and RetirePublisher, AbandonPublisher, RemoveSubscriber, which do without it if they cannot
// have it in time. Those calls block up to the domain's timeout, allocate and make system calls. Each of them first
// ends what a dead process left (see cleanup.h). CloseSubscriber, IsNodeAlive and everything in TopicView never take
// the lock.
//
// Errors common to the calls that take the lock:
//   Unavailable         somebody else has the lock and did not give it back in time; the message names who. Retry.
//   FailedPrecondition  the registry or its directory was removed or replaced underneath; or this is a forked child of
//                       the process that joined; or the node has left. What is connected goes on, nothing new is made.
#ifndef WEIR_DISCOVERY_REGISTRY_H_
#define WEIR_DISCOVERY_REGISTRY_H_

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "discovery/endpoint_files.h"
#include "discovery/liveness.h"
#include "discovery/names.h"
#include "discovery/records.h"
#include "discovery/registry_file.h"
#include "discovery/registry_layout.h"
#include "discovery/registry_lock.h"
#include "discovery/tables.h"
#include "discovery/topic_view.h"
#include "middleware/base/words.h"
#include "middleware/os/file.h"
#include "middleware/os/fork_guard.h"
#include "middleware/os/lock_byte.h"

namespace weir::discovery {

struct DomainOptions {
  std::string root;  // empty: $WEIR_ROOT, else /dev/shm/weir-<uid>
  std::string domain;
  absl::Duration timeout = absl::Seconds(1);  // for joining, and for each time the lock is taken
};

class Registry {
 public:
  // Makes or opens the domain, takes a place in it, cleans up after the dead. `node_name`: empty means the process's.
  // InvalidArgument: a name breaks the rules. ResourceExhausted: kNodesMax nodes, or no memory for the registry.
  // FailedPrecondition: made by another version of Weir (both layout numbers are named), or directory rights.
  // DataLoss: the file is not a registry.
  static absl::StatusOr<std::shared_ptr<Registry>> Join(const DomainOptions& options, std::string_view node_name,
                                                        uint32_t node_flags = 0);

  // Leaves, if Leave() was not called. In a forked child: touches nothing shared.
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // To be called when the node's last object is gone. The last node removes the domain with everything in it. If the
  // lock cannot be had in time the entry stays behind for the next comer, and the status says so; the node has left
  // anyway. Endpoints that still stand are treated as if their process had died. A second call does nothing.
  absl::Status Leave();

  // The node itself ------------------------------------------------------------------------------------------------

  const os::FileDescriptor& directory() const { return directory_; }  // of the domain; endpoint files lie in it
  os::FileModes modes() const { return modes_; }
  uint32_t node_index() const { return node_; }
  Incarnation node_incarnation() const { return node_incarnation_; }
  const std::string& node_name() const { return node_name_; }
  const std::string& domain() const { return domain_; }
  const std::string& path() const { return path_; }  // of the domain's directory, for messages

  // OK, or FailedPrecondition with the reason: forked child, left, directory or registry replaced. Makes system calls.
  absl::Status CheckUsable() const;

  // Publishers -----------------------------------------------------------------------------------------------------

  // Takes a place in the topic, which is made if it does not exist. The caller then makes the file
  // EndpointFileName(kPool, slot.incarnation) and calls ActivatePublisher(), or AbandonPublisher() if it cannot.
  // FailedPrecondition: the topic has another type (unless it is TopicSpec::compatible_with) or other options (both
  // sides are named). AlreadyExists: the topic is
  // exclusive and has a publisher (its node and pid are named). ResourceExhausted: a limit (named).
  absl::StatusOr<PublisherSlot> ReservePublisher(const TopicSpec& topic, const PublisherRecord& record);

  // The pool's file is complete: everybody may know of it.
  absl::Status ActivatePublisher(const PublisherSlot& slot, const PublisherRecord& record);

  // The publisher never went live. Removes its pool file, if it was made.
  absl::Status AbandonPublisher(const PublisherSlot& slot);

  // The publisher publishes no more. Its pool's file and its index go as soon as no queue and no borrow table names one
  // of its slots: at once, or when somebody next makes or closes something. Without the lock (see above) it is marked,
  // the rest is left to others, and the result is OK.
  absl::Status RetirePublisher(const PublisherSlot& slot);

  // Subscribers ----------------------------------------------------------------------------------------------------

  // Makes a subscriber in one go. `create_files(slot, history_total, record)` is called with the lock held and makes
  // the files EndpointFileName(kQueue / kTable, slot.incarnation); it may change `record` (table_entries), which is
  // what the others will see. `history_total` is the sum of the histories of the topic's live publishers, which is what
  // the table must have room for besides. If it fails, its status is returned and nothing remains. After the return
  // every publish that starts reaches the queue. Must not call back into this Registry. Errors: as ReservePublisher().
  using CreateFiles =
      absl::FunctionRef<absl::Status(const SubscriberSlot& slot, uint64_t history_total, SubscriberRecord& record)>;
  absl::StatusOr<SubscriberSlot> AddSubscriber(const TopicSpec& topic, SubscriberRecord record,
                                               CreateFiles create_files);

  // The subscriber takes no more, but holds samples: its queue no longer counts, its table does. The caller has set the
  // queue's state to closed before. Takes no lock, makes one system call to wake those who wait for a change.
  absl::Status CloseSubscriber(const SubscriberSlot& slot);

  // The last sample is gone (also without CloseSubscriber() before). Removes both files. Without the lock: as
  // RetirePublisher().
  absl::Status RemoveSubscriber(const SubscriberSlot& slot);

  // Looking around, without the lock -------------------------------------------------------------------------------

  // Topic() and ReadNode() do not ask whether this is a forked child: they are for the hot path, whose caller has.
  TopicView Topic(uint32_t topic) const { return TopicView(tables_, topic); }
  std::optional<TopicRecord> FindTopic(std::string_view name) const;

  // Keeps what endpoints read there with every message in memory (os::Mapping::LockRange), until the node leaves.
  absl::Status LockTopic(uint32_t topic) const;

  // The incarnation is that of a live entry and the node's lock byte is held; our own is. Two or three system calls.
  // A stopped process is alive. If the question cannot be asked (descriptor limits do not matter here, but anything
  // else), the answer is true: nobody is taken for dead by accident.
  bool IsNodeAlive(uint32_t node, Incarnation incarnation) const;

  std::optional<NodeRecord> ReadNode(uint32_t node) const { return tables_.ReadNode(node); }

  // The schema file of that hash, verified by hashing it again. NotFound; DataLoss.
  absl::StatusOr<std::string> ReadSchema(const Hash128& hash) const;

  // Cleaning up ----------------------------------------------------------------------------------------------------

  // Ends what the dead left, in the registry and in the directory (also files that nobody names). For somebody who ran
  // out of something, and for `weir doctor`; the other calls do the registry's part of it themselves.
  absl::Status CleanUp();

 private:
  class Change;  // the registry's lock, held

  Registry(const DomainOptions& options, Root root);

  // Join(), in steps. Each may find that the last node of the domain was just removing what it needs: then it returns
  // NotFound, and the next round begins from the start.
  absl::Status Open();
  absl::Status Enter(uint64_t deadline_ns, std::string_view node_name, uint32_t node_flags);
  absl::Status TakePlace(std::string_view node_name, uint32_t node_flags);

  // Takes the lock, checks that everything still is what it was, cleans up after the dead.
  absl::StatusOr<std::unique_ptr<Change>> BeginChange();

  // Parts of a change (`change` shows that the lock is held).
  absl::StatusOr<TopicRecord> FindOrMakeTopic(const Change& change, const TopicSpec& spec);
  absl::Status WriteSchema(const Change& change, const TypeSpec& type);
  absl::StatusOr<EndpointRecord> Reserve(const Change& change, const TopicRecord& topic, EndpointRecord record);
  absl::StatusOr<uint32_t> FreeIndexInTopic(const TopicRecord& topic, EndpointKind kind) const;
  void WriteEndpoint(const Change& change, const EndpointRecord& record);

  // Own endpoints, without the lock: the state, if the endpoint is in one of the states `from`, and the generation.
  absl::Status Mark(uint32_t topic, uint32_t endpoint, Incarnation incarnation,
                    std::initializer_list<EndpointState> from, EndpointState to);
  absl::Status MarkRetiredAndCleanUp(uint32_t topic, uint32_t endpoint, Incarnation incarnation);

  absl::Status CheckPlace() const;  // directory and registry are still the ones under their names
  std::string Object() const;       // "the registry of domain ...", for messages

  const DomainOptions options_;
  const Root root_;
  std::string domain_;
  std::string path_;
  os::ForkGuard guard_;
  os::FileDescriptor directory_;
  os::FileModes modes_;
  std::optional<RegistryFile> file_;  // its descriptor holds no lock and is what asks about others
  Tables tables_;
  Liveness liveness_;
  std::optional<RegistryLock> lock_;
  os::LockDescriptor life_;  // holds the node's byte
  uint32_t node_ = 0;
  Incarnation node_incarnation_ = 0;
  std::string node_name_;
  std::atomic<bool> left_{false};
};

}  // namespace weir::discovery

#endif  // WEIR_DISCOVERY_REGISTRY_H_
