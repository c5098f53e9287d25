// One sleep for many things: subscribers, timers, deadlines and foreign descriptors.
//
//   auto set = weir::WaitSet::Create();
//   if (!set.ok()) return set.status();
//   if (auto status = set->Add(kImu, imu); !status.ok()) return status;
//   if (auto status = set->Add(kCamera, camera, {.deadline = absl::Milliseconds(50)}); !status.ok()) return status;
//   if (auto status = set->AddTimer(kTick, absl::Milliseconds(10)); !status.ok()) return status;
//   for (;;) {
//     auto events = set->WaitFor(absl::Seconds(1));
//     if (!events.ok()) return events.status();
//     for (const weir::WaitSet::Event& event : *events) {
//       if (event.tag == kImu) while (auto sample = imu.Take()) Use(sample->reader());
//       ...
//
// Level-triggered: a subscriber that was not taken from until kEmpty is reported again. A wait costs what is ready, not
// what is watched (epoll). A subscriber that is waited for costs its publishers what a sleeping TakeFor does, a system
// call per message until it takes one, and one more per wait.
//
// Threads: one at a time, which is also the one that takes from the subscribers; Interrupt() by any thread, also from a
// signal handler. Blocks: WaitFor only. Lifetime: a subscriber that is destroyed is no longer watched, and its tag is
// free; a descriptor must be removed before it is closed, which the set never does. In a forked child:
// FailedPrecondition.
#ifndef WEIR_WAIT_SET_H_
#define WEIR_WAIT_SET_H_

#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "weir/internal/export.h"
#include "weir/internal/raw.h"
#include "weir/subscriber.h"

namespace weir {
namespace internal {
class LoopCore;
}

class WEIR_EXPORT WaitSet {
 public:
  enum class Kind : uint8_t {
    kMessage,      // the subscriber has a message
    kDeadline,     // the subscriber had none for as long as its deadline says; reported once per silence of that length
    kTimer,        // the timer's period is over; periods that were missed meanwhile are one event
    kDescriptor,   // `events` says what it is ready for
    kInterrupted,  // Interrupt() was called; tag 0
  };
  struct Event {
    uint64_t tag = 0;
    Kind kind = Kind::kMessage;
    uint32_t events = 0;  // of a descriptor: EPOLLIN, EPOLLOUT, EPOLLHUP ... (sys/epoll.h)
  };
  struct SubscriberOptions {
    // Report it when no message came for so long: 1 us to 1 h, or never.
    absl::Duration deadline = absl::InfiniteDuration();
  };

  // ResourceExhausted without descriptors.
  static absl::StatusOr<WaitSet> Create();

  WaitSet(WaitSet&&) noexcept;
  WaitSet& operator=(WaitSet&&) noexcept;
  ~WaitSet();

  // `tag`: the caller's name for it, comes back with each event; AlreadyExists if it is in use. InvalidArgument for
  // durations out of range. ResourceExhausted without memory or descriptors.
  template <class T>
  absl::Status Add(uint64_t tag, Subscriber<T>& subscriber, const SubscriberOptions& options) {
    return AddSubscriber(tag, subscriber.raw_.core(), options);
  }
  template <class T>
  absl::Status Add(uint64_t tag, Subscriber<T>& subscriber) {
    return AddSubscriber(tag, subscriber.raw_.core(), SubscriberOptions());
  }
  // Any descriptor that epoll takes, for `events` of it (EPOLLIN ...).
  absl::Status AddDescriptor(uint64_t tag, int fd, uint32_t events);
  // From now on every `period`: 1 us to 1 h.
  absl::Status AddTimer(uint64_t tag, absl::Duration period);
  // NotFound if there is nothing of that tag.
  absl::Status Remove(uint64_t tag);

  // Sleeps until something is ready, and says what; empty after `timeout`. The events stay until the next call.
  absl::StatusOr<std::span<const Event>> WaitFor(absl::Duration timeout);

  // Makes a running WaitFor, or else the next one, return kInterrupted.
  void Interrupt();

 private:
  friend class internal::LoopCore;
  class Core;
  explicit WaitSet(std::unique_ptr<Core> core);
  absl::Status AddSubscriber(uint64_t tag, internal::SubscriberCore* subscriber, const SubscriberOptions& options);

  std::unique_ptr<Core> core_;
};

}  // namespace weir

#endif  // WEIR_WAIT_SET_H_
