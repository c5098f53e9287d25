// Cap'n Proto messages over slots: the compiled half of <weir/capnp.h>.
#include "weir/capnp.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "middleware/base/limits.h"
#include "schema/schema_blob.h"
#include "schema/validate.h"

namespace weir::internal {
namespace {

using ::capnp::word;

kj::ArrayPtr<word> AsWords(std::span<std::byte> bytes) {
  return {reinterpret_cast<word*>(bytes.data()), bytes.size() / sizeof(word)};
}

kj::ArrayPtr<const word> AsWords(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const word*>(bytes.data()), bytes.size() / sizeof(word)};
}

}  // namespace

SlotMessageBuilder::~SlotMessageBuilder() noexcept(false) = default;

kj::ArrayPtr<word> SlotMessageBuilder::allocateSegment(unsigned minimum_words) {
  if (first_ && loan_.capacity / sizeof(word) >= minimum_words) {
    first_ = false;
    allocated_words_ = loan_.capacity / sizeof(word);
    return AsWords(std::span(loan_.body, loan_.capacity));
  }
  // Each further segment is as long as all before it together, so a growing message needs few of them.
  const uint64_t words = std::max<uint64_t>(minimum_words, allocated_words_);
  if (loan_.failure.ok()) {
    auto slot = AddSlot(loan_, words * sizeof(word), /*zeroed=*/true);
    if (!slot.ok() && words > minimum_words)
      slot = AddSlot(loan_, uint64_t{minimum_words} * sizeof(word), /*zeroed=*/true);
    if (slot.ok()) {
      allocated_words_ += slot->size() / sizeof(word);
      return AsWords(*slot);
    }
    loan_.failure = slot.status();
  }
  heap_.push_back(kj::heapArray<word>(words));
  std::memset(heap_.back().begin(), 0, words * sizeof(word));
  allocated_words_ += words;
  return heap_.back();
}

absl::Status SlotMessageBuilder::Finish() {
  if (!loan_.failure.ok()) return absl::OkStatus();  // Publish reports it
  const auto words = getSegmentsForOutput();
  Segment few[8];
  std::vector<Segment> many;
  std::span<Segment> segments(few, std::min<size_t>(words.size(), std::size(few)));
  if (words.size() > std::size(few)) {
    many.resize(words.size());
    segments = many;
  }
  uint64_t built_words = 0;
  for (size_t i = 0; i < words.size(); ++i) {
    segments[i] = {reinterpret_cast<const std::byte*>(words[i].begin()), words[i].size() * sizeof(word)};
    const bool is_blob =
        std::any_of(blobs_.begin(), blobs_.end(), [&](const std::byte* blob) { return blob == segments[i].data(); });
    if (!is_blob) built_words += words[i].size();
  }
  loan_.wanted = built_words * sizeof(word);
  return SetSegments(loan_, segments);
}

kj::ArrayPtr<const kj::ArrayPtr<const word>> SlotMessageReader::Segments(const SampleState& sample,
                                                                         kj::ArrayPtr<const word>& first,
                                                                         std::vector<kj::ArrayPtr<const word>>& all) {
  first = AsWords(Segment(sample.body, sample.bytes));
  if (sample.segment_count == 0) return {&first, 1};
  all.reserve(sample.segment_count + size_t{1});
  all.push_back(first);
  for (uint32_t i = 0; i < sample.segment_count; ++i) all.push_back(AsWords(sample.segments[i]));
  return {all.data(), all.size()};
}

SlotMessageReader::SlotMessageReader(const SampleState& sample)
    : reader_(Segments(sample, first_, all_),
              {.traversalLimitInWords = sample.traversal_limit_words, .nestingLimit = 64}) {}

MessageType CapnpType(::capnp::StructSchema schema) {
  auto described = schema::Describe(schema);
  if (!described.ok()) {
    // Creating the endpoint will refuse the empty name; say there what is wrong with the type.
    return {.kind = MessageKind::kCapnp, .name = "", .schema = std::string(described.status().message())};
  }
  return {
      .kind = MessageKind::kCapnp, .name = described->name, .id = described->id, .schema = std::move(described->blob)};
}

absl::Status ValidateCapnp(const SampleState& sample, ::capnp::StructSchema schema) {
  kj::ArrayPtr<const word> first = AsWords(Segment(sample.body, sample.bytes));
  if (sample.segment_count == 0) return schema::Validate({&first, 1}, schema);
  std::vector<kj::ArrayPtr<const word>> all = {first};
  for (uint32_t i = 0; i < sample.segment_count; ++i) all.push_back(AsWords(sample.segments[i]));
  return schema::Validate({all.data(), all.size()}, schema);
}

::capnp::Orphan<::capnp::Data> SlotMessageBuilder::Adopt(std::span<std::byte> blob) {
  const ::capnp::Data::Reader data(reinterpret_cast<const kj::byte*>(blob.data()), blob.size());
  // What is referenced is read as whole aligned words, up to 7 bytes beyond its end, which other memory need not have.
  if (!OwnsBytes(loan_, blob)) return getOrphanage().newOrphanCopy(data);
  blobs_.push_back(blob.data());
  // A segment is whole words. Behind the blob AddBlob zeroed the rest of the last one; this may be a front part of it.
  const size_t whole = (blob.size() + sizeof(word) - 1) / sizeof(word) * sizeof(word);
  std::memset(blob.data() + blob.size(), 0, whole - blob.size());
  return getOrphanage().referenceExternalData(data);
}

}  // namespace weir::internal
