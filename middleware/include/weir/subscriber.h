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
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "weir/counts.h"
#include "weir/internal/raw.h"
#include "weir/latency_histogram.h"
#include "weir/message.h"
#include "weir/sample.h"
#include "weir/wait_strategy.h"

namespace weir {
namespace internal {
template <class T>
struct NextAwaiter;
}

// What Next() returns, for co_await.
template <class T>
class [[nodiscard]] NextMessage {
 private:
  friend class Subscriber<T>;
  friend internal::NextAwaiter<T>;
  NextMessage(internal::SubscriberCore* subscriber, absl::Duration timeout)
      : subscriber_(subscriber), timeout_(timeout) {}
  static Taken<T> Finish(internal::RawTaken raw) { return Taken<T>(std::move(raw)); }

  internal::SubscriberCore* subscriber_;
  absl::Duration timeout_;
};

template <class T>
class Subscriber {
 public:
  Subscriber(Subscriber&&) noexcept = default;
  Subscriber& operator=(Subscriber&&) noexcept = default;

  // The oldest message, or why there is none: kEmpty, kTooManyHeld, kInvalid.
  Taken<T> Take() { return Taken<T>(raw_.Take()); }
  // Waits for one: as Take, but kTimedOut instead of kEmpty, or kInterrupted. With max_borrowed samples held there is
  // nothing to wait for but the caller's own dropping of one: kTooManyHeld comes at once, whatever the timeout.
  Taken<T> TakeFor(absl::Duration timeout, const WaitStrategy& strategy = WaitStrategy()) {
    return Taken<T>(raw_.TakeFor(timeout, strategy));
  }
  // How far off the deadline is, is asked once, when the call begins: setting the clock meanwhile changes nothing.
  Taken<T> TakeUntil(absl::Time deadline, const WaitStrategy& strategy = WaitStrategy()) {
    return Taken<T>(raw_.TakeUntil(deadline, strategy));
  }

  // In a coroutine: `auto taken = co_await subscriber.Next()`, see <weir/coroutine.h>. As TakeFor; kInterrupted if its
  // loop is stopped or the subscriber destroyed.
  NextMessage<T> Next() { return NextFor(absl::InfiniteDuration()); }
  NextMessage<T> NextFor(absl::Duration timeout) { return NextMessage<T>(raw_.core(), timeout); }

  // Makes a running TakeFor or TakeUntil, or else the next one, return kInterrupted.
  void Interrupt() { raw_.Interrupt(); }

  // A descriptor for poll(), epoll or an event loop, made at the first call; the subscriber's, do not read or close it.
  // Readable as soon as Take() may have a message, and until a Take() says kEmpty. So: take until kEmpty, or poll again
  // at once. It never reports a hang-up. Publishers write to it at most once per time that a Take() said kEmpty. One
  // that is killed right between its push and that write leaves the descriptor unreadable until the next message: poll
  // with a timeout and Take() anyhow, or use a WaitSet, which does. From then on each Take() that says kEmpty makes a
  // system call. Interrupt() does not concern it. ResourceExhausted without descriptors.
  absl::StatusOr<int> fd() { return raw_.Descriptor(); }

  // The reason of the last kInvalid.
  absl::Status last_error() const { return raw_.last_error(); }
  // For callers that cannot go on without a message: why there is none, as a Status that names the topic.
  // DeadlineExceeded, ResourceExhausted (kTooManyHeld), Cancelled (kInterrupted), Unavailable (kEmpty), last_error().
  absl::Status StatusOf(Outcome why) const { return raw_.StatusOf(why); }

  SubscriberCounts counts() const { return raw_.counts(); }
  // How long the messages that were taken from the queue had been under way.
  LatencyHistogram latency() const { return raw_.latency(); }
  std::string_view topic() const { return raw_.topic(); }

 private:
  friend class Node;
  friend class WaitSet;
  explicit Subscriber(internal::RawSubscriber raw) : raw_(std::move(raw)) {}

  internal::RawSubscriber raw_;
};

}  // namespace weir

#endif  // WEIR_SUBSCRIBER_H_
