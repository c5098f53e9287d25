// A described plain struct (schema/struct_text.h) as JSON text and back, and its fields by path. Every message that is
// printed reads back as the same bytes, but for padding and for which of the NaNs a NaN was.
//
//   {"symbol":"ABC","price":"-12","side":1,"levels":[{"price":7,"size":3},{"price":6,"size":1}],"raw":"AAE="}
//
// Fields stand by name, in their order. Numbers are as in schema/json.h: 64-bit integers are strings, so are NaN and
// the infinities. An enum is its number: a description has no names for its values.
//
//   char[N]    a string, if it is text: UTF-8 to the first NUL or the end, and only zeros from there on. Where bytes
//              lie behind the NUL, {"text":"ABC","base64":"..."} with all N bytes, of which reading takes "base64"; if
//              it is no text, {"base64":"..."}. A single char is a char[1].
//   byte[N]    base64. A single byte is a number.
//   bool       true or false; another number than 0 and 1 as that number, which is not read back
//   opaque     base64: a struct that nobody described, or a type of no known form
#ifndef WEIR_SCHEMA_STRUCT_JSON_H_
#define WEIR_SCHEMA_STRUCT_JSON_H_

#include <capnp/dynamic.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace weir::schema {

// One struct type, ready for its messages. Const calls are thread-safe.
class StructJson {
 public:
  // Accepts any text. Errors: as ParseStructText(), and DataLoss if a field's type and size do not go together, structs
  // contain each other, or the message has not `body_bytes`.
  static absl::StatusOr<StructJson> Make(std::string_view description, uint64_t body_bytes);

  // `message`s have the length of the struct; DataLoss for others. `pretty` adds spaces and breaks long lines.
  absl::StatusOr<std::string> Encode(std::span<const std::byte> message, bool pretty = false) const;

  // One field or element by path, such as "levels[1].price"; "" is the message. Errors: as GetField() in
  // schema/field_path.h.
  absl::StatusOr<std::string> EncodeField(std::span<const std::byte> message, std::string_view path) const;

  // The same as a value: integers, enums and single bytes as integers, chars, bytes and opaque ones as Data that lies
  // in the message. FailedPrecondition for structs and arrays, which are no value of Cap'n Proto's.
  absl::StatusOr<capnp::DynamicValue::Reader> GetField(std::span<const std::byte> message, std::string_view path) const;

  // Writes the message as a whole: what the text does not have becomes zero, so does padding. InvalidArgument if it is
  // not JSON, or, naming the field, if it does not fit: an unknown field, a wrong kind of value, a number that the
  // field cannot have exactly, an array of another length. `message` is not changed then.
  absl::Status Decode(std::string_view text, std::span<std::byte> message) const;

 private:
  friend class StructEncoder;
  friend class StructDecoder;
  friend class StructWalk;

  enum class Kind : uint8_t { kBool, kInt, kUint, kFloat, kChar, kByte, kStruct, kOpaque };

  struct Field {
    std::string name;
    std::string key;  // as it stands in the text: "name":
    uint64_t offset = 0;
    Kind kind = Kind::kOpaque;
    uint64_t element_bytes = 0;
    std::vector<uint64_t> dimensions;
    size_t shape = 0;  // of kStruct: in shapes_
  };
  struct Shape {
    std::string name;
    uint64_t bytes = 0;
    std::vector<Field> fields;
  };

  // A field, an element of it, or an array in it: what is left of its dimensions.
  struct Place {
    const Field* field;
    std::span<const uint64_t> dimensions;
    uint64_t offset;  // in the message

    uint64_t bytes() const;
    bool is_array() const;  // also false for what is one value in JSON: char[N], byte[N]
    Place Element(uint64_t index) const;
  };

  StructJson() = default;
  absl::Status CheckLength(size_t bytes) const;
  static Place PlaceOf(const Field& field, uint64_t struct_offset);

  std::vector<Shape> shapes_;  // the message first
};

}  // namespace weir::schema

#endif  // WEIR_SCHEMA_STRUCT_JSON_H_
