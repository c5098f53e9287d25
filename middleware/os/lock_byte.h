// Locks on single bytes of a file, which the kernel gives back when their holder dies, however it dies. They are how
// one process knows that another is alive, and how the registry is changed by one process at a time.
//
// Open-file-description locks (F_OFD_*), not the older POSIX ones: those belong to the process, so that two nodes of
// one process would not exclude each other, and they all vanish when *any* descriptor of the file is closed anywhere in
// the process, by a library that never heard of us. An OFD lock belongs to what open() made, goes with its last
// descriptor, is right across pid namespaces, and knows nothing of pids that are used again. The byte need not exist in
// the file.
//
// The price: a descriptor that a forked child inherited keeps the lock. LockDescriptor sees to that.
//
// Threads: any. Blocking: LockUntil() only. Allocation: opening, and error texts.
#ifndef WEIR_OS_LOCK_BYTE_H_
#define WEIR_OS_LOCK_BYTE_H_

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "middleware/os/fork_guard.h"

namespace weir::os {

// Whether somebody holds the byte. `fd` may be read-only and must itself hold no lock: a description does not see its
// own locks. The answer can be old by the time it is read; "not held" of a byte that is taken once in its holder's life
// is final.
absl::StatusOr<bool> Probe(int fd, uint64_t offset);

// A descriptor that may hold locks: move-only, with an open file description of its own.
//
// In a forked child it is closed by the library's fork handler before fork() returns there; were it not, a surviving
// child would hold the locks of a parent long dead. The object is then empty. Between being made and running for the
// first time the child does hold them, so a parent killed in that moment looks alive a little longer. A child made
// behind the C library's back (_Fork, clone) keeps the descriptor until it execs or ends.
//
// Destruction unlocks first and then closes, so that a copy of the descriptor somewhere else holds nothing. In a child
// it never unlocks: the lock is the parent's.
class LockDescriptor {
 public:
  // Empty.
  LockDescriptor();

  // Opens `name` once more, for reading and writing, as OpenFile() does and with its errors. If same_as_fd is not -1,
  // the name must still lead to the file which that is open on (FailedPrecondition otherwise).
  static absl::StatusOr<LockDescriptor> Open(int dir_fd, std::string_view name, int same_as_fd = -1);

  LockDescriptor(LockDescriptor&&) noexcept;
  LockDescriptor& operator=(LockDescriptor&&) noexcept;
  LockDescriptor(const LockDescriptor&) = delete;
  LockDescriptor& operator=(const LockDescriptor&) = delete;
  ~LockDescriptor();

  int get() const;  // -1 if empty, as it is in a child
  bool valid() const { return get() >= 0; }

  // Takes the byte if nobody else has it: true if it is ours now (or was already), false if somebody holds it.
  // ResourceExhausted if the kernel has no more locks; FailedPrecondition if empty, or in a child.
  absl::StatusOr<bool> TryLock(uint64_t offset);

  // Tries until it succeeds or MonotonicNow() >= deadline_ns; at least once. It polls, from 20 us up to every 1 ms,
  // because the blocking call (F_OFD_SETLKW) knows no deadline and alarm signals are not a library's to use.
  absl::StatusOr<bool> LockUntil(uint64_t offset, uint64_t deadline_ns);

  // Gives the byte back. Giving back one that is not held is not an error.
  absl::Status Unlock(uint64_t offset);

 private:
  struct State;

  explicit LockDescriptor(std::unique_ptr<State> state);
  absl::Status Check() const;
  void Close();

  std::unique_ptr<State> state_;
};

}  // namespace weir::os

#endif  // WEIR_OS_LOCK_BYTE_H_
