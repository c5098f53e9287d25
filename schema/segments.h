// The segments of a message as the rest of Weir knows them (bytes) and as Cap'n Proto wants them (words).
#ifndef WEIR_SCHEMA_SEGMENTS_H_
#define WEIR_SCHEMA_SEGMENTS_H_

#include <capnp/common.h>
#include <kj/common.h>

#include <cstddef>
#include <span>
#include <vector>

#include "absl/status/statusor.h"

namespace weir::schema {

// The same memory, nothing copied. DataLoss unless there are 1 to kSegmentsMax segments, each aligned to a word and of
// whole words, the first one not empty, and all together at most kPoolBytesLimit. Says nothing of what is in them.
absl::StatusOr<std::vector<kj::ArrayPtr<const capnp::word>>> WordsOf(
    std::span<const std::span<const std::byte>> segments);

}  // namespace weir::schema

#endif  // WEIR_SCHEMA_SEGMENTS_H_
