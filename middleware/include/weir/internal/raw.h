// The untyped core as the typed templates see it. Not for users: names here may change in any release.
//
// Loans and samples are handles to states that live at stable addresses inside the core of their publisher or
// subscriber, so that moving a handle moves one pointer and Cap'n Proto's builders and readers, which cannot move, have
// a place to be.
#ifndef WEIR_INTERNAL_RAW_H_
#define WEIR_INTERNAL_RAW_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "weir/counts.h"
#include "weir/internal/export.h"
#include "weir/latency_histogram.h"
#include "weir/message.h"
#include "weir/options.h"
#include "weir/outcomes.h"
#include "weir/wait_strategy.h"

namespace weir::internal {

class NodeCore;
class PublisherCore;
class SubscriberCore;

// Room for an object of the typed layer (a Cap'n Proto builder or reader) beside each loan and each sample.
inline constexpr size_t kCompanionBytes = 512;
class Companion {
 public:
  Companion() = default;
  Companion(const Companion&) = delete;
  Companion& operator=(const Companion&) = delete;
  ~Companion() { Reset(); }

  template <class T, class... Args>
  T& Emplace(Args&&... args) {
    static_assert(sizeof(T) <= kCompanionBytes && alignof(T) <= 16);
    Reset();
    T* object = new (storage_) T(std::forward<Args>(args)...);
    destroy_ = [](void* storage) { static_cast<T*>(storage)->~T(); };
    return *object;
  }
  template <class T>
  T* get() {
    return destroy_ == nullptr ? nullptr : reinterpret_cast<T*>(storage_);
  }
  void Reset() {
    if (destroy_ != nullptr) std::exchange(destroy_, nullptr)(storage_);
  }

 private:
  void (*destroy_)(void*) = nullptr;
  alignas(16) std::byte storage_[kCompanionBytes];
};

// A slot that is being written.
struct LoanState {
  PublisherCore* core = nullptr;
  std::byte* body = nullptr;
  uint64_t capacity = 0;                    // bytes of the body
  uint64_t used = 0;                        // bytes of the body that the message has
  uint64_t wanted = 0;                      // bytes a first segment should have had to hold the message (blobs aside)
  uint32_t slot = 0;                        // number in the publisher's books
  absl::Status failure = absl::OkStatus();  // why Publish has to refuse (a segment found no room)
  Companion companion;
};

// A further segment of a message under construction, or of one that is read.
using Segment = std::span<const std::byte>;

class WEIR_EXPORT RawLoan {
 public:
  RawLoan() = default;
  explicit RawLoan(LoanState* state) : state_(state) {}
  RawLoan(RawLoan&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  RawLoan& operator=(RawLoan&& other) noexcept {
    if (this != &other) {
      Drop();
      state_ = std::exchange(other.state_, nullptr);
    }
    return *this;
  }
  ~RawLoan() { Drop(); }

  explicit operator bool() const { return state_ != nullptr; }
  LoanState* state() const { return state_; }
  LoanState* Release() { return std::exchange(state_, nullptr); }

 private:
  // Within a std::optional g++ 12 takes state_ for uninitialised, in users' code.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
  void Drop() {
    if (state_ != nullptr) DropLoan(std::exchange(state_, nullptr));
  }
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
  static void DropLoan(LoanState* state);
  LoanState* state_ = nullptr;
};

// A Cap'n Proto Data field cannot be longer.
inline constexpr uint64_t kBlobBytesMax = (uint64_t{1} << 29) - 1;
// A further slot for the message of `loan`, at least `bytes` long; the loan holds it. Zeroed if `zeroed`.
// ResourceExhausted as for Loan.
WEIR_EXPORT absl::StatusOr<std::span<std::byte>> AddSlot(LoanState& loan, uint64_t bytes, bool zeroed);
// Names the segments of the finished message, in order. Each lies in a slot of the loan, or anywhere else: then it is
// copied into a new slot. The first must be the loan's own body.
WEIR_EXPORT absl::Status SetSegments(LoanState& loan, std::span<const Segment> segments);
// False in a forked child of the process that made the loan.
WEIR_EXPORT bool InOwner(const LoanState& loan);
// True if `bytes` lies in a slot that AddSlot gave to this loan.
WEIR_EXPORT bool OwnsBytes(const LoanState& loan, std::span<const std::byte> bytes);

// A slot that is being read.
struct SampleState {
  SubscriberCore* core = nullptr;
  const std::byte* body = nullptr;
  uint64_t bytes = 0;
  SampleInfo info;
  uint64_t traversal_limit_words = 0;
  uint32_t entry = 0;          // in the borrow table
  uint32_t segment_count = 0;  // further segments
  const Segment* segments = nullptr;
  Companion companion;
};

class WEIR_EXPORT RawSample {
 public:
  RawSample() = default;
  explicit RawSample(SampleState* state) : state_(state) {}
  RawSample(RawSample&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  RawSample& operator=(RawSample&& other) noexcept {
    if (this != &other) {
      Drop();
      state_ = std::exchange(other.state_, nullptr);
    }
    return *this;
  }
  ~RawSample() { Drop(); }

  explicit operator bool() const { return state_ != nullptr; }
  SampleState* state() const { return state_; }

 private:
  void Drop() {
    if (state_ != nullptr) ReleaseSample(std::exchange(state_, nullptr));
  }
  static void ReleaseSample(SampleState* state);
  SampleState* state_ = nullptr;
};

struct RawTaken {
  RawSample sample;
  Outcome why = Outcome::kEmpty;
};

WEIR_EXPORT LoanState* TakeLoan(PublisherCore& core, uint64_t body_bytes);
WEIR_EXPORT absl::StatusOr<Published> PublishLoan(PublisherCore& core,
                                                  LoanState* loan);  // ends the loan, also if it fails

class WEIR_EXPORT RawPublisher {
 public:
  RawPublisher() = default;
  explicit RawPublisher(PublisherCore* core) : core_(core) {}
  RawPublisher(RawPublisher&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  RawPublisher& operator=(RawPublisher&& other) noexcept {
    if (this != &other) {
      Close();
      core_ = std::exchange(other.core_, nullptr);
    }
    return *this;
  }
  ~RawPublisher() { Close(); }

  // nullptr if there is none; loan_failure() then says why. Not a StatusOr: every message comes this way.
  LoanState* Loan(uint64_t body_bytes) { return TakeLoan(*core_, body_bytes); }
  absl::Status loan_failure() const;
  absl::StatusOr<Published> Publish(RawLoan& loan) { return PublishLoan(*core_, loan.Release()); }
  absl::Status WaitForSubscribers(uint32_t count, absl::Duration timeout);
  PublisherCounts counts() const;
  std::string_view topic() const;

 private:
  void Close();
  PublisherCore* core_ = nullptr;
};

class WEIR_EXPORT RawSubscriber {
 public:
  RawSubscriber() = default;
  explicit RawSubscriber(SubscriberCore* core) : core_(core) {}
  RawSubscriber(RawSubscriber&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  RawSubscriber& operator=(RawSubscriber&& other) noexcept {
    if (this != &other) {
      Close();
      core_ = std::exchange(other.core_, nullptr);
    }
    return *this;
  }
  ~RawSubscriber() { Close(); }

  RawTaken Take();
  RawTaken TakeFor(absl::Duration timeout, const WaitStrategy& strategy);
  RawTaken TakeUntil(absl::Time deadline, const WaitStrategy& strategy);
  void Interrupt();
  absl::StatusOr<int> Descriptor();
  SubscriberCore* core() const { return core_; }
  absl::Status last_error() const;
  absl::Status StatusOf(Outcome why) const;
  SubscriberCounts counts() const;
  LatencyHistogram latency() const;
  std::string_view topic() const;

 private:
  void Close();
  SubscriberCore* core_ = nullptr;
};

WEIR_EXPORT absl::StatusOr<std::shared_ptr<NodeCore>> CreateNode(const NodeOptions& options);
WEIR_EXPORT absl::StatusOr<RawPublisher> CreatePublisher(const std::shared_ptr<NodeCore>& node, std::string_view topic,
                                                         const MessageType& type, const PublisherOptions& options);
WEIR_EXPORT absl::StatusOr<RawSubscriber> CreateSubscriber(const std::shared_ptr<NodeCore>& node,
                                                           std::string_view topic, const MessageType& type,
                                                           const SubscriberOptions& options);
WEIR_EXPORT std::string_view NodeName(const NodeCore& node);
WEIR_EXPORT std::string_view DomainName(const NodeCore& node);

}  // namespace weir::internal

#endif  // WEIR_INTERNAL_RAW_H_
