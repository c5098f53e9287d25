// The registry's lock: one change at a time in a domain. Held by a thread of a process; given back by the kernel if the
// process dies.
//
// Two parts, because an OFD lock excludes other descriptors, not other threads that use the same one: a flag among the
// threads of this node, then one byte of the file. Both are tried up to the same deadline; nothing waits for ever for
// a holder that was stopped.
//
// Threads: any. Blocks: Lock(), up to its timeout. Lifetime: not to be destroyed while locked.
#ifndef WEIR_DISCOVERY_REGISTRY_LOCK_H_
#define WEIR_DISCOVERY_REGISTRY_LOCK_H_

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "discovery/registry_layout.h"
#include "middleware/os/lock_byte.h"

namespace weir::discovery {

// `timeout` from now, on MonotonicNow()'s clock; an infinite one is a century.
uint64_t DeadlineAfter(absl::Duration timeout);

class RegistryLock {
 public:
  // `descriptor`: of the registry file, with no other use. `header`: of the mapped registry. `object`: what it is, for
  // messages.
  RegistryLock(os::LockDescriptor descriptor, RegistryHeader& header, std::string object, absl::Duration timeout)
      : descriptor_(std::move(descriptor)), header_(header), object_(std::move(object)), timeout_(timeout) {}

  // Unavailable: not in time; the message names the object, the holder and the timeout.
  absl::Status Lock() { return LockBefore(DeadlineAfter(timeout_)); }
  // For somebody who has spent part of the timeout on something else.
  absl::Status LockBefore(uint64_t deadline_ns);
  void Unlock();

 private:
  void EndBusy();

  // Not absl::Mutex: Debian's Abseil is built without ThreadSanitizer, which then does not see that it excludes.
  std::mutex mutex_;
  std::condition_variable no_longer_busy_;
  bool busy_ = false;  // under mutex_; who made it true may use descriptor_
  os::LockDescriptor descriptor_;
  RegistryHeader& header_;
  const std::string object_;
  const absl::Duration timeout_;
};

}  // namespace weir::discovery

#endif  // WEIR_DISCOVERY_REGISTRY_LOCK_H_
