#include "schema/segments.h"

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "middleware/base/limits.h"

namespace weir::schema {

absl::StatusOr<std::vector<kj::ArrayPtr<const capnp::word>>> WordsOf(
    std::span<const std::span<const std::byte>> segments) {
  if (segments.empty() || segments.size() > kSegmentsMax) {
    return absl::DataLossError(
        absl::StrCat("message: ", segments.size(), " segments; it has at least 1 and at most ", kSegmentsMax));
  }
  std::vector<kj::ArrayPtr<const capnp::word>> words;
  words.reserve(segments.size());
  uint64_t room_bytes = kPoolBytesLimit;
  for (std::span<const std::byte> segment : segments) {
    if (reinterpret_cast<uintptr_t>(segment.data()) % sizeof(capnp::word) != 0 ||
        segment.size() % sizeof(capnp::word) != 0) {
      return absl::DataLossError(
          absl::StrCat("message: segment ", words.size(), " is not whole words, or not aligned to them"));
    }
    if (segment.size() > room_bytes) {
      return absl::DataLossError(absl::StrCat("message: more than ", kPoolBytesLimit, " bytes"));
    }
    room_bytes -= segment.size();
    words.push_back(
        kj::arrayPtr(reinterpret_cast<const capnp::word*>(segment.data()), segment.size() / sizeof(capnp::word)));
  }
  if (words[0].size() == 0) return absl::DataLossError("message: segment 0 is empty");
  return words;
}

}  // namespace weir::schema
