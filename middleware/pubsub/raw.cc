// Joins the handles of the public headers to the cores behind them.
#include "weir/internal/raw.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "middleware/base/strings.h"
#include "middleware/os/clock.h"
#include "middleware/pubsub/node_core.h"
#include "middleware/pubsub/publisher_core.h"
#include "middleware/pubsub/subscriber_core.h"

namespace weir::internal {
namespace {

// absl::Time is wall-clock time; sleeping is done on CLOCK_MONOTONIC, which does not jump.
uint64_t DeadlineAfter(absl::Duration timeout) {
  const int64_t ns = std::max<int64_t>(0, absl::ToInt64Nanoseconds(timeout));
  return os::MonotonicNow() + static_cast<uint64_t>(ns);  // both below 2^63
}

}  // namespace

absl::StatusOr<std::shared_ptr<NodeCore>> CreateNode(const NodeOptions& options) {
  return NodeCore::Create(options);
}
std::string_view NodeName(const NodeCore& node) {
  return node.registry().node_name();
}
std::string_view DomainName(const NodeCore& node) {
  return node.registry().domain();
}

absl::StatusOr<RawPublisher> CreatePublisher(const std::shared_ptr<NodeCore>& node, std::string_view topic,
                                             const MessageType& type, const PublisherOptions& options) {
  auto core = PublisherCore::Create(node, topic, type, options);
  if (!core.ok()) return core.status();
  return RawPublisher(*core);
}

absl::StatusOr<RawSubscriber> CreateSubscriber(const std::shared_ptr<NodeCore>& node, std::string_view topic,
                                               const MessageType& type, const SubscriberOptions& options) {
  auto core = SubscriberCore::Create(node, topic, type, options);
  if (!core.ok()) return core.status();
  return RawSubscriber(*core);
}

void RawLoan::DropLoan(LoanState* state) {
  state->core->Drop(state);
}

absl::StatusOr<std::span<std::byte>> AddSlot(LoanState& loan, uint64_t bytes, bool zeroed) {
  return loan.core->AddSlot(loan, bytes, zeroed);
}
absl::Status SetSegments(LoanState& loan, std::span<const Segment> segments) {
  return loan.core->SetSegments(loan, segments);
}
bool InOwner(const LoanState& loan) {
  return loan.core->InOwner();
}
bool OwnsBytes(const LoanState& loan, std::span<const std::byte> bytes) {
  return loan.core->OwnsBytes(loan, bytes);
}

LoanState* TakeLoan(PublisherCore& core, uint64_t body_bytes) {
  return core.Loan(body_bytes);
}

absl::StatusOr<Published> PublishLoan(PublisherCore& core, LoanState* loan) {
  if (loan == nullptr) [[unlikely]] {
    return absl::InvalidArgumentError("Publish was given a loan that is empty: published before, or moved from");
  }
  if (loan->core != &core) [[unlikely]] {
    loan->core->Drop(loan);
    return absl::InvalidArgumentError("Publish was given another publisher's loan");
  }
  return core.Publish(loan);
}

absl::Status RawPublisher::loan_failure() const {
  return core_->loan_failure();
}

absl::Status RawPublisher::WaitForSubscribers(uint32_t count, absl::Duration timeout) {
  return core_->WaitForSubscribers(count, timeout);
}
PublisherCounts RawPublisher::counts() const {
  return core_->counts();
}
std::string_view RawPublisher::topic() const {
  return core_->topic();
}
void RawPublisher::Close() {
  if (core_ != nullptr) std::exchange(core_, nullptr)->Close();
}

void RawSample::ReleaseSample(SampleState* state) {
  SubscriberCore::Release(state);
}

RawTaken RawSubscriber::Take() {
  return core_->Take();
}
RawTaken RawSubscriber::TakeFor(absl::Duration timeout, const WaitStrategy& strategy) {
  return core_->TakeUntil(DeadlineAfter(timeout), strategy);
}
RawTaken RawSubscriber::TakeUntil(absl::Time deadline, const WaitStrategy& strategy) {
  return TakeFor(deadline - absl::Now(), strategy);
}
void RawSubscriber::Interrupt() {
  core_->Interrupt();
}
absl::StatusOr<int> RawSubscriber::Descriptor() {
  return core_->Descriptor();
}
absl::Status RawSubscriber::last_error() const {
  return core_->last_error();
}
absl::Status RawSubscriber::StatusOf(Outcome why) const {
  const std::string message = absl::StrCat("topic \"", AsAbsl(topic()), "\": ", OutcomeName(why));
  switch (why) {
    case Outcome::kSample:
      return absl::OkStatus();
    case Outcome::kEmpty:
      return absl::UnavailableError(message);
    case Outcome::kTimedOut:
      return absl::DeadlineExceededError(message);
    case Outcome::kTooManyHeld:
      return absl::ResourceExhaustedError(message);
    case Outcome::kInvalid:
      return last_error();
    case Outcome::kInterrupted:
      return absl::CancelledError(message);
  }
  return absl::InternalError(message);
}
SubscriberCounts RawSubscriber::counts() const {
  return core_->counts();
}
LatencyHistogram RawSubscriber::latency() const {
  return core_->latency();
}
std::string_view RawSubscriber::topic() const {
  return core_->topic();
}
void RawSubscriber::Close() {
  if (core_ != nullptr) std::exchange(core_, nullptr)->Close();
}

}  // namespace weir::internal
