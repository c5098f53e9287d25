// Ending what the dead left behind. The dead are ignored by everybody, so nothing here is urgent: it gives back
// entries, indices and memory. It runs at the start of every change of the registry, by whoever makes the change, with
// the lock held.
//
// It looks at the state of the tables and does what is missing, in an order in which a death at any point leaves a
// state that the next run carries on from. There is no log. Per thing, from left to right:
//
//   subscriber of a dead node, or retired:   queue closed -> counted -> files removed -> entry free -> generation
//                                            raised
//   publisher of a dead node:                retired, generation raised -> (blocked publishers counted anew)
//   retired publisher, once no ref names it: counted -> pool removed -> its incarnation in the topic 0 -> entry free ->
//                                            raised
//   dead node, after all its endpoints:      entry free
//   topic without endpoints:                 entry free -> record of the departed removed, schema file too if no other
//                                            topic has it
//
// "Counted": its counters are added to the topic's record of the departed (departed.h).
//
// An entry outlives its files, so files that no entry names come only from a registry that was removed by hand, or from
// a death between the last two steps of a topic; RemoveOrphanFiles() looks for those.
#ifndef WEIR_DISCOVERY_CLEANUP_H_
#define WEIR_DISCOVERY_CLEANUP_H_

#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "discovery/liveness.h"
#include "discovery/records.h"
#include "discovery/tables.h"
#include "middleware/os/file.h"

namespace weir::discovery {

// One run; used by one thread, which holds the registry's lock all the time. Makes system calls, allocates a little.
class Cleanup {
 public:
  // `self`: the node that cleans up, which lives; kNoNode: none of the nodes is. `directory` must outlive this.
  static constexpr uint32_t kNoNode = kNodesMax;
  Cleanup(const Tables& tables, const os::FileDescriptor& directory, const Liveness& liveness, uint32_t self)
      : tables_(tables), directory_(directory), liveness_(liveness), self_(self) {}

  // Everything in the registry, and the files that go with it.
  void Run();

  // Removes files of endpoints and topics that no entry names.
  absl::Status RemoveOrphanFiles();

  // Removes the files of the domain, the registry last. For the last node.
  absl::Status RemoveAllFiles();

  // The last step of making an endpoint that came to nothing: takes it out again.
  void RemoveSubscriber(const EndpointRecord& record);

 private:
  using Publishers = std::bitset<kPublishersPerTopicMax>;

  void FinishDirtyTopic();
  void FindLiveNodes();
  void EndEndpoints();
  void RemoveUnusedPublishers();
  void FreeDeadNodes();
  void FreeEmptyTopics();

  bool OwnerLives(const EndpointRecord& record) const;
  void RetireDeadPublisher(const EndpointRecord& record);
  void RemovePublisher(const EndpointRecord& record);
  void FreeGarbage(uint32_t endpoint);
  void RecountBlocked(uint32_t topic);
  std::optional<Publishers> PublishersInUse(uint32_t topic);
  std::vector<EndpointRecord> SubscribersOf(uint32_t topic) const;

  const Tables tables_;
  const os::FileDescriptor& directory_;
  const Liveness liveness_;
  const uint32_t self_;
  std::array<bool, kNodesMax> lives_{};
  std::array<bool, kTopicsMax> topic_has_endpoints_{};
  std::vector<EndpointRecord> retired_;  // publishers
};

}  // namespace weir::discovery

#endif  // WEIR_DISCOVERY_CLEANUP_H_
