// A subscriber: takes the messages of one topic, each at most once, in the order of each publisher.
//
// Threads: Take, TakeFor, TakeUntil and destruction by one thread at a time; Interrupt by any thread, also from a
// signal handler. Processes: any number of subscribers per topic. Blocks: Take never; TakeFor and TakeUntil sleep until
// a message comes. Take makes no system call and allocates nothing, except when a publisher's first message arrives
// (its pool is mapped then), or the first one after that pool has grown, and to wake a publisher that waits for room
// (kBlock). Destruction takes the domain's registry lock, as making one does. Lifetime: samples may outlive the
// subscriber.
#ifndef WEIR_SUBSCRIBER_H_
#define WEIR_SUBSCRIBER_H_

#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "weir/counts.h"
#include "weir/internal/raw.h"
#include "weir/message.h"
#include "weir/sample.h"

namespace weir {

template <class T>
class Subscriber {
 public:
  Subscriber(Subscriber&&) noexcept = default;
  Subscriber& operator=(Subscriber&&) noexcept = default;

  // The oldest message, or why there is none: kEmpty, kTooManyHeld, kInvalid.
  Taken<T> Take() { return Taken<T>(raw_.Take()); }
  // Waits for one: as Take, but kTimedOut instead of kEmpty, or kInterrupted. Spins for a few microseconds before it
  // sleeps.
  Taken<T> TakeFor(absl::Duration timeout) { return Taken<T>(raw_.TakeFor(timeout)); }
  Taken<T> TakeUntil(absl::Time deadline) { return Taken<T>(raw_.TakeUntil(deadline)); }

  // Makes a running TakeFor or TakeUntil, or else the next one, return kInterrupted.
  void Interrupt() { raw_.Interrupt(); }

  // The reason of the last kInvalid.
  absl::Status last_error() const { return raw_.last_error(); }

  SubscriberCounts counts() const { return raw_.counts(); }
  std::string_view topic() const { return raw_.topic(); }

 private:
  friend class Node;
  explicit Subscriber(internal::RawSubscriber raw) : raw_(std::move(raw)) {}

  internal::RawSubscriber raw_;
};

}  // namespace weir

#endif  // WEIR_SUBSCRIBER_H_
