#include "middleware/os/fork_handler.h"

#include <pthread.h>
#include <unistd.h>

#include "middleware/os/status.h"

namespace weir::os::internal {
namespace {

constinit std::mutex fork_mutex;
constinit ClosedInChild* first = nullptr;  // guarded by fork_mutex

void BeforeFork() {
  fork_mutex.lock();
}

void AfterForkInParent() {
  fork_mutex.unlock();
}

// Only what a signal handler may do: other threads of the parent may have held malloc's locks.
void AfterForkInChild() {
  for (ClosedInChild* entry = first; entry != nullptr; entry = entry->next) {
    ::close(entry->fd);
    entry->fd = -1;
  }
  fork_mutex.unlock();
}

// At load time and not at first use, because a fork in one thread while another is at its first use would leave the
// child with a half-done installation that nobody there finishes. Nothing depends on the order of initialisation: the
// mutex and the list are constants before this runs.
const int installed = ::pthread_atfork(BeforeFork, AfterForkInParent, AfterForkInChild);

}  // namespace

std::mutex& ForkMutex() {
  return fork_mutex;
}

void ListLocked(ClosedInChild& entry) {
  entry.previous = nullptr;
  entry.next = first;
  if (first != nullptr) first->previous = &entry;
  first = &entry;
}

void UnlistLocked(ClosedInChild& entry) {
  if (entry.next != nullptr) entry.next->previous = entry.previous;
  (entry.previous != nullptr ? entry.previous->next : first) = entry.next;
}

absl::Status ForkHandlersInstalled() {
  if (installed == 0) return absl::OkStatus();
  return ErrnoStatus(installed, "cannot install a fork handler");
}

}  // namespace weir::os::internal
