// Cap'n Proto structs as messages: built in the slot, read in place.
//
//   auto publisher = node->CreatePublisher<weir::msg::Imu>("imu");
//   auto loan = publisher->Loan();
//   loan->builder().initHeader().setStampNs(now);
//   auto published = publisher->Publish(*std::move(loan));
//
// Works with Cap'n Proto 0.9.2 and 1.x. The reader of a sample trusts its publisher not to write after publishing
// (Cap'n Proto reads pointers more than once); SubscriberOptions::copy_before_read does without that trust.
#ifndef WEIR_CAPNP_H_
#define WEIR_CAPNP_H_

#include <capnp/generated-header-support.h>
#include <capnp/message.h>
#include <capnp/orphan.h>
#include <capnp/schema.h>
#include <kj/array.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "weir/internal/export.h"
#include "weir/internal/raw.h"
#include "weir/message.h"

namespace weir {
namespace internal {

// A MessageBuilder whose first segment is the body of a slot, and whose further segments are further slots. When there
// is no slot left it goes on in heap memory, so that the user's code keeps working, and Publish refuses the message.
//
// Not MallocMessageBuilder over the slot: that one wipes the memory when it is destroyed, which would be after
// publishing.
class WEIR_EXPORT SlotMessageBuilder final : public ::capnp::MessageBuilder {
 public:
  explicit SlotMessageBuilder(LoanState& loan) : loan_(loan) {}
  SlotMessageBuilder(const SlotMessageBuilder&) = delete;
  SlotMessageBuilder& operator=(const SlotMessageBuilder&) = delete;
  ~SlotMessageBuilder() noexcept(false) override;

  ::kj::ArrayPtr<::capnp::word> allocateSegment(unsigned minimum_words) override;

  // A blob of the loan, or a copy of other memory, as the content of a Data field.
  ::capnp::Orphan<::capnp::Data> Adopt(std::span<std::byte> blob);

  // Names the segments to the loan, as they are now.
  absl::Status Finish();

 private:
  LoanState& loan_;
  bool first_ = true;
  uint64_t allocated_words_ = 0;
  std::vector<::kj::Array<::capnp::word>> heap_;  // only after running out of slots
  std::vector<const std::byte*> blobs_;
};

// Readers of one message: the segments, and the reader over them.
class WEIR_EXPORT SlotMessageReader {
 public:
  explicit SlotMessageReader(const SampleState& sample);
  ::capnp::MessageReader& reader() { return reader_; }

 private:
  static ::kj::ArrayPtr<const ::kj::ArrayPtr<const ::capnp::word>> Segments(
      const SampleState& sample, ::kj::ArrayPtr<const ::capnp::word>& first,
      std::vector<::kj::ArrayPtr<const ::capnp::word>>& all);

  ::kj::ArrayPtr<const ::capnp::word> first_;
  std::vector<::kj::ArrayPtr<const ::capnp::word>> all_;  // only if there are further segments
  ::capnp::SegmentArrayMessageReader reader_;
};
static_assert(sizeof(SlotMessageBuilder) <= kCompanionBytes && sizeof(SlotMessageReader) <= kCompanionBytes);

WEIR_EXPORT MessageType CapnpType(::capnp::StructSchema schema);
WEIR_EXPORT absl::Status ValidateCapnp(const SampleState& sample, ::capnp::StructSchema schema);

}  // namespace internal

template <CapnpMessage T>
struct MessageTraits<T> {
  static MessageType Type() { return internal::CapnpType(::capnp::Schema::from<T>()); }

  static internal::SlotMessageBuilder& Builder(internal::LoanState& loan) {
    auto* builder = loan.companion.get<internal::SlotMessageBuilder>();
    return builder != nullptr ? *builder : loan.companion.Emplace<internal::SlotMessageBuilder>(loan);
  }
  static typename T::Builder Root(internal::LoanState& loan) { return Builder(loan).template getRoot<T>(); }
  static ::capnp::Orphan<::capnp::Data> Adopt(internal::LoanState& loan, std::span<std::byte> blob) {
    return Builder(loan).Adopt(blob);
  }
  static absl::Status Finish(internal::LoanState& loan) {
    Root(loan);  // a message that was never touched still has a root
    return Builder(loan).Finish();
  }

  static typename T::Reader Root(internal::SampleState& sample) {
    auto* reader = sample.companion.get<internal::SlotMessageReader>();
    if (reader == nullptr) reader = &sample.companion.Emplace<internal::SlotMessageReader>(sample);
    return reader->reader().template getRoot<T>();
  }
  static absl::Status Validate(internal::SampleState& sample) {
    return internal::ValidateCapnp(sample, ::capnp::Schema::from<T>());
  }
};

}  // namespace weir

#endif  // WEIR_CAPNP_H_
