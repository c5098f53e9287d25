// What happens around fork(): the library's one piece of global state. Private to this folder.
//
// One mutex, taken before every fork and given back on both sides after it. While it is held, no lock descriptor is in
// the state "open but not listed", so a child knows all that it has to close.
//
// Threads: any. Blocking: fork() waits for a thread that is opening a lock descriptor (microseconds). A signal handler
// must not fork: like malloc's, our mutex may be held by the thread that it interrupts.
#ifndef WEIR_OS_FORK_HANDLER_H_
#define WEIR_OS_FORK_HANDLER_H_

#include <mutex>

#include "absl/status/status.h"

namespace weir::os::internal {

// A descriptor that no child may keep. Linked, so that there is no limit and nothing to allocate in a handler.
struct ClosedInChild {
  int fd = -1;  // -1 in a child, as soon as fork() has returned there
  ClosedInChild* previous = nullptr;
  ClosedInChild* next = nullptr;
};

std::mutex& ForkMutex();

// With ForkMutex() held.
void ListLocked(ClosedInChild& entry);
void UnlistLocked(ClosedInChild& entry);

// OK if the handlers are installed, which is done when the library is loaded.
absl::Status ForkHandlersInstalled();

}  // namespace weir::os::internal

#endif  // WEIR_OS_FORK_HANDLER_H_
