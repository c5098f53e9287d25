// One sleep for many descriptors: epoll, with a timer of its own (nanoseconds on CLOCK_MONOTONIC, which epoll's own
// timeout is not) and a way to interrupt it. Level-triggered: what is not attended to is reported again.
//
// Threads: one at a time; Interrupt() by any thread, also from a signal handler. Wait() blocks, and costs what is
// ready, not what is watched.
#ifndef WEIR_OS_POLLER_H_
#define WEIR_OS_POLLER_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "middleware/os/file_descriptor.h"

namespace weir::os {

class Poller {
 public:
  struct Ready {
    uint64_t key;
    uint32_t events;  // EPOLLIN ...
  };
  static constexpr uint64_t kNever = ~uint64_t{0};
  static constexpr uint32_t kReadable = 1;  // EPOLLIN

  // ResourceExhausted without descriptors.
  static absl::StatusOr<Poller> Create();

  // `key`: comes back in Ready. Two keys are the poller's own: kNever and kNever - 1. AlreadyExists if the descriptor
  // is watched; FailedPrecondition if it cannot be (a regular file).
  absl::Status Add(int fd, uint32_t events, uint64_t key);
  void Remove(int fd);

  struct Outcome {
    bool interrupted = false;
  };
  // Sleeps until something is ready, CLOCK_MONOTONIC is `deadline_ns`, or Interrupt(). Replaces the content of `ready`,
  // whose size at the call is how much is reported at most.
  Outcome Wait(uint64_t deadline_ns, std::vector<Ready>& ready);
  void Interrupt();

 private:
  Poller(FileDescriptor epoll, FileDescriptor timer, FileDescriptor event);
  void SetTimer(uint64_t deadline_ns);

  FileDescriptor epoll_;
  FileDescriptor timer_;
  FileDescriptor event_;
  uint64_t timer_ns_ = kNever;
};

}  // namespace weir::os

#endif  // WEIR_OS_POLLER_H_
