// A loan: a slot of shared memory in which a message is being built.
//
// Threads: belongs to its publisher and is used, and dropped, by the same thread. Move-only. Dropping a loan gives the
// slot back; publishing it ends it. A loan may outlive its Publisher object (it can then only be dropped). Fork: in a
// child the slot is not there; value(), bytes() and builder() must not be used, publishing is refused. Cost: value()
// and bytes() are pointers into the slot; nothing is copied, zeroed or allocated by them.
#ifndef WEIR_LOAN_H_
#define WEIR_LOAN_H_

#include <cstddef>
#include <cstring>
#include <span>
#include <utility>

#include "absl/status/statusor.h"
#include "weir/internal/raw.h"
#include "weir/message.h"

namespace weir {

template <class T>
class Publisher;

template <class T>
class Loan {
 public:
  Loan(Loan&&) noexcept = default;
  Loan& operator=(Loan&&) noexcept = default;

  // Plain structs: the message itself. Its bytes are whatever the slot held before, except that default member
  // initialisers have run.
  T& value() requires PlainMessage<T> { return *std::launder(reinterpret_cast<T*>(raw_.state()->body)); }
  T* operator->() requires PlainMessage<T> { return &value(); }

  // weir::Bytes: the message's bytes, as many as were asked for. Not zeroed.
  std::span<std::byte> bytes() requires BytesMessage<T> { return {raw_.state()->body, raw_.state()->used}; }
  // weir::Bytes: makes the message shorter, or longer up to capacity(). Returns false (and changes nothing) beyond
  // that.
  bool Resize(size_t size) requires BytesMessage<T> {
    if (size > raw_.state()->capacity) return false;
    raw_.state()->used = size;
    return true;
  }
  size_t capacity() const requires BytesMessage<T> { return raw_.state()->capacity; }

  // Cap'n Proto: the root of the message, built in the slot. The builder stays valid until the loan is published or
  // dropped.
  auto builder() requires CapnpMessage<T> { return MessageTraits<T>::Root(*raw_.state()); }

  // Cap'n Proto: another slot for a big run of bytes. It is not zeroed; fill it, then make it a Data field with
  // Adopt(). It is not copied again, neither here nor in a subscriber. ResourceExhausted as for Publisher::Loan;
  // InvalidArgument from 512 MiB on, which is more than a Data field can have.
  absl::StatusOr<std::span<std::byte>> AddBlob(size_t bytes) requires CapnpMessage<T> {
    if (bytes > internal::kBlobBytesMax) return absl::InvalidArgumentError("a blob must be shorter than 512 MiB");
    return internal::AddSlot(*raw_.state(), bytes, /*zeroed=*/false);
  }
  // Cap'n Proto: the blob (or the front part of it) as an orphan that a Data field can adopt. Any other memory is
  // copied.
  //   image.adoptData(loan->Adopt(blob));
  auto Adopt(std::span<std::byte> blob) requires CapnpMessage<T> {
    return MessageTraits<T>::Adopt(*raw_.state(), blob);
  }

 private:
  friend class Publisher<T>;
  explicit Loan(internal::RawLoan raw) : raw_(std::move(raw)) {}

  internal::RawLoan raw_;
};

}  // namespace weir

#endif  // WEIR_LOAN_H_
