// A message without a schema as JSON: {"type":"Tick","size":16,"base64":"AAAA..."}. Shows what it is and how long, and
// can be read back.
#ifndef WEIR_SCHEMA_BYTES_JSON_H_
#define WEIR_SCHEMA_BYTES_JSON_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace weir::schema {

// `type` is printed with U+FFFD where it is not UTF-8.
std::string BytesToJson(std::string_view type, std::span<const std::byte> bytes, bool pretty = false);

// The bytes. InvalidArgument, naming the member, if the text is not of that form, `type` is another one, or `size` is
// not that of the bytes; these two may be left out. "hex" may stand for "base64": people write that.
absl::StatusOr<std::string> BytesFromJson(std::string_view type, std::string_view text);

}  // namespace weir::schema

#endif  // WEIR_SCHEMA_BYTES_JSON_H_
