// A sample: a message that was taken, read where the publisher built it.
//
// Threads: a sample may be moved to and dropped on any thread; one thread at a time uses it. Move-only.
// Lifetime: the slot is not reused while the sample exists, also when its publisher has closed or died, and the sample
// may outlive its Subscriber and Node objects. What reader(), value() and bytes() return is valid as long as the
// sample. Dropping one is a store, and never blocks, except the last sample of a closed subscriber: that finishes the
// closing, which may wait for the registry's lock (NodeOptions::registry_timeout). Visibility: everything the publisher
// wrote before Publish.
#ifndef WEIR_SAMPLE_H_
#define WEIR_SAMPLE_H_

#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "weir/internal/raw.h"
#include "weir/message.h"
#include "weir/outcomes.h"

namespace weir {

template <class T>
class Subscriber;
template <class T>
class NextMessage;

template <class T>
class Sample {
 public:
  Sample(Sample&&) noexcept = default;
  Sample& operator=(Sample&&) noexcept = default;

  // Plain structs.
  const T& value() const& requires PlainMessage<T> {
    return *std::launder(reinterpret_cast<const T*>(raw_.state()->body));
  }
  const T& value() && requires PlainMessage<T>
  = delete;  // would dangle: keep the sample in a variable
  const T* operator->() const& requires PlainMessage<T> { return &value(); }
  const T* operator->() && requires PlainMessage<T>
  = delete;

  // weir::Bytes.
  std::span<const std::byte> bytes() const& requires BytesMessage<T> {
    return {raw_.state()->body, raw_.state()->bytes};
  }
  std::span<const std::byte> bytes() && requires BytesMessage<T>
  = delete;

  // Cap'n Proto: the root. Its getters may throw kj::Exception if the publisher wrote a corrupt message; Validate()
  // finds that out beforehand.
  auto reader() const& requires CapnpMessage<T> { return MessageTraits<T>::Root(*raw_.state()); }
  auto reader() && requires CapnpMessage<T>
  = delete;

  const SampleInfo& info() const& { return raw_.state()->info; }
  const SampleInfo& info() && = delete;

  // Walks the whole message. DataLoss, naming the field, if something in it does not fit together. Plain structs and
  // bytes have nothing to check. Costs a walk over all pointers; meant for tests, tools and messages from programs
  // under suspicion.
  absl::Status Validate() const {
    if constexpr (CapnpMessage<T>) {
      return MessageTraits<T>::Validate(*raw_.state());
    } else {
      return absl::OkStatus();
    }
  }

 private:
  friend class Subscriber<T>;
  template <class U>
  friend class Taken;
  explicit Sample(internal::RawSample raw) : raw_(std::move(raw)) {}

  internal::RawSample raw_;
};

// What a Take returns: a sample, or why there is none.
//   if (auto taken = subscriber.Take()) Use(taken->value(), taken->info());
// The sample is gone when `taken` is; std::move(*taken) keeps it.
template <class T>
class Taken {
 public:
  Taken(Taken&&) noexcept = default;
  Taken& operator=(Taken&&) noexcept = default;

  explicit operator bool() const { return static_cast<bool>(sample_.raw_); }
  // kSample if there is one.
  Outcome why() const { return why_; }

  Sample<T>& operator*() & { return sample_; }
  const Sample<T>& operator*() const& { return sample_; }
  Sample<T> operator*() && { return std::move(sample_); }
  const Sample<T>* operator->() const& { return &sample_; }
  const Sample<T>* operator->() && = delete;  // would dangle: keep the result in a variable

 private:
  friend class Subscriber<T>;
  friend class NextMessage<T>;
  explicit Taken(internal::RawTaken raw) : sample_(std::move(raw.sample)), why_(raw.why) {}

  Sample<T> sample_;
  Outcome why_;
};

}  // namespace weir

#endif  // WEIR_SAMPLE_H_
