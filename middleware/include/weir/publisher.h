// A publisher: writes one topic.
//
//   auto loan = publisher.Loan();
//   if (!loan.ok()) return loan.status();
//   loan->value().price = 4711;
//   auto sent = publisher.Publish(*std::move(loan));
//
// Threads: used by one thread at a time. Processes: any number of publishers per topic, unless the topic is exclusive.
// Blocks: Publish waits only for subscribers that chose WhenFull::kBlock, at most PublisherOptions::max_block. A Loan
// (or a Cap'n Proto message that grows) for which the pool has no slot left cleans up after the dead, and destruction
// gives back the place in the topic: both wait for the registry's lock, at most NodeOptions::registry_timeout. Loan and
// Publish make no system call and allocate nothing in steady state, that is once the pool has grown to what its
// subscribers hold and while no subscriber joins, leaves or sleeps. Lifetime: messages already published stay readable
// after the publisher is gone; its history does not stay.
#ifndef WEIR_PUBLISHER_H_
#define WEIR_PUBLISHER_H_

#include <cstddef>
#include <cstdint>
#include <new>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "weir/counts.h"
#include "weir/internal/raw.h"
#include "weir/loan.h"
#include "weir/message.h"
#include "weir/outcomes.h"

namespace weir {

template <class T>
class Publisher {
 public:
  Publisher(Publisher&&) noexcept = default;
  Publisher& operator=(Publisher&&) noexcept = default;

  // A slot to build the next message in.
  // Errors: ResourceExhausted when the pool may not grow further or /dev/shm is full, naming how many slots there are
  // and who holds them, or when max_loans loans exist; FailedPrecondition in a forked child.
  absl::StatusOr<weir::Loan<T>> Loan() requires(!BytesMessage<T>) {
    if constexpr (PlainMessage<T>) {
      return Make(sizeof(T));
    } else {
      return Make(0);
    }
  }
  // weir::Bytes: a message of `body_bytes`. Cap'n Proto: room for about that much before a second slot is needed.
  absl::StatusOr<weir::Loan<T>> Loan(size_t body_bytes) requires(!PlainMessage<T>) { return Make(body_bytes); }

  // Sends the message to every subscriber of the topic. Subscribers whose CreateSubscriber returned before this call
  // began get it, unless their queue is full and their policy drops it. Order is kept per publisher. Errors:
  // ResourceExhausted if building the message ran out of slots (nothing was sent); FailedPrecondition in a forked
  // child.
  absl::StatusOr<Published> Publish(weir::Loan<T> loan) {
    if constexpr (CapnpMessage<T>) {
      if (loan.raw_ && internal::InOwner(*loan.raw_.state())) {  // in a forked child the slot is not there
        if (absl::Status status = MessageTraits<T>::Finish(*loan.raw_.state()); !status.ok()) return status;
      }
    }
    return raw_.Publish(loan.raw_);
  }

  // Blocks until at least `count` subscribers are connected. DeadlineExceeded after `timeout`, naming how many there
  // are.
  absl::Status WaitForSubscribers(uint32_t count, absl::Duration timeout) {
    return raw_.WaitForSubscribers(count, timeout);
  }

  PublisherCounts counts() const { return raw_.counts(); }
  std::string_view topic() const { return raw_.topic(); }

 private:
  friend class Node;
  explicit Publisher(internal::RawPublisher raw) : raw_(std::move(raw)) {}

  absl::StatusOr<weir::Loan<T>> Make(size_t body_bytes) {
    internal::LoanState* state = raw_.Loan(body_bytes);
    if (state == nullptr) return raw_.loan_failure();
    weir::Loan<T> loan{internal::RawLoan(state)};
    if constexpr (PlainMessage<T>) new (state->body) T;  // begins the object's life; no zeroing
    return loan;
  }

  internal::RawPublisher raw_;
};

}  // namespace weir

#endif  // WEIR_PUBLISHER_H_
