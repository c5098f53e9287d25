#include "discovery/liveness.h"

#include "absl/status/statusor.h"
#include "middleware/os/lock_byte.h"

namespace weir::discovery {

bool Liveness::IsHeld(uint32_t index) const {
  const absl::StatusOr<bool> held = os::Probe(probe_fd_, NodeLockByte(index));
  return !held.ok() || *held;
}

bool Liveness::IsThatNode(uint32_t index, Incarnation incarnation) const {
  const NodeEntry& entry = tables_.node(index);
  // sync(entry.state): acquire; pairs with the release in PutState(): the incarnation that goes with "live".
  return entry.state.load(queue::kAcquire, "entry.state") == static_cast<uint32_t>(NodeState::kLive) &&
         entry.incarnation.load(queue::kRelaxed) == incarnation;
}

bool Liveness::IsAlive(uint32_t index, Incarnation incarnation) const {
  if (index >= kNodesMax || !IsThatNode(index, incarnation) || !IsHeld(index)) return false;
  // Once more: between the two the entry may have been freed and the byte taken by the entry's next node. An entry is
  // freed before its byte can be taken again, so "still that node" means that the byte was that node's.
  return IsThatNode(index, incarnation);
}

}  // namespace weir::discovery
