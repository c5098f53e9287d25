// A message as JSON text and back, by its schema alone: what tools print and accept.
//
// Fields stand by name, in the order of their ordinals; null pointers are left out. 64-bit integers are strings,
// because most readers of JSON compute with doubles; NaN and infinities are strings too. An enum is its enumerant's
// name, or a number if the schema has none for it. Data is base64. An AnyPointer is the string "(AnyPointer)" and
// cannot be read back. Bytes of a Text that are not UTF-8 become U+FFFD, so that the result is JSON whatever the
// publisher wrote.
#ifndef WEIR_SCHEMA_JSON_H_
#define WEIR_SCHEMA_JSON_H_

#include <capnp/dynamic.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace weir::schema {

// Keep one for many messages: making it costs more than a small message. Move-only, const calls are thread-safe.
class Json {
 public:
  // `pretty` adds spaces and breaks long lines, for people.
  explicit Json(bool pretty = false);
  Json(Json&&) noexcept;
  Json& operator=(Json&&) noexcept;
  ~Json();

  // DataLoss if the message is corrupt; see Validate for where.
  absl::StatusOr<std::string> Encode(capnp::DynamicStruct::Reader message) const;

  // One value of that type, such as a field.
  absl::StatusOr<std::string> Encode(capnp::DynamicValue::Reader value, capnp::Type type) const;

  // Sets the fields that `text` has and leaves the others alone. InvalidArgument if it is not JSON, or, naming the
  // field, if it does not fit the type: an unknown field, a wrong kind of value, a number out of range. `message` may
  // then have been changed.
  absl::Status Decode(std::string_view text, capnp::DynamicStruct::Builder message) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weir::schema

#endif  // WEIR_SCHEMA_JSON_H_
