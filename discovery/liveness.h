// Who is alive: each node holds, from before its entry goes live until it ends, a lock on one byte of the registry
// file. The kernel gives the byte back when the process is gone, however it went. Nothing else is ever taken for death:
// no missing heartbeat (a stopped process is alive), no pid (it is used again, and means something else in another
// namespace), no missing file.
#ifndef WEIR_DISCOVERY_LIVENESS_H_
#define WEIR_DISCOVERY_LIVENESS_H_

#include <cstdint>

#include "discovery/tables.h"
#include "middleware/base/words.h"

namespace weir::discovery {

// Lock bytes need not exist in the file; these lie far behind any size it could have.
inline constexpr uint64_t kChangeLockByte = uint64_t{1} << 40;
constexpr uint64_t NodeLockByte(uint32_t node) {
  return kChangeLockByte + 1 + node;
}

// Asks about other nodes' bytes, through a descriptor of the registry that itself holds none. Copyable; does not own
// the descriptor. Any thread; two or three system calls at most.
class Liveness {
 public:
  Liveness() = default;
  Liveness(const Tables& tables, int probe_fd) : tables_(tables), probe_fd_(probe_fd) {}

  // Whether the byte of node `index` is held. True if the kernel would not say: nobody is taken for dead by accident.
  bool IsHeld(uint32_t index) const;

  // Whether node `index` still is that incarnation and its byte is held.
  bool IsAlive(uint32_t index, Incarnation incarnation) const;

 private:
  bool IsThatNode(uint32_t index, Incarnation incarnation) const;

  Tables tables_;
  int probe_fd_ = -1;
};

}  // namespace weir::discovery

#endif  // WEIR_DISCOVERY_LIVENESS_H_
