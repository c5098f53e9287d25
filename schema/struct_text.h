// A plain struct as text: what lies with a topic of described structs (WEIR_STRUCT), so that a mismatch can name the
// field, and a tool can read the topic's messages.
//
//   weir-struct 1                      the format and its version
//   struct 40 8 market::Tick           size, alignment, name: the message itself, then each described struct in it
//   0 8 char[8] symbol                 offset, size, type, name of each field, by rising offset
//   8 1 enum uint8 market::Side side
//   16 24 market::Level[3] levels      described below
//   struct 8 4 market::Level
//   ...
//
// Bytes and alignments are those of the machine that has the topic, in its byte order. Types: bool, char, byte, int8 to
// int64, uint8 to uint64, float32, float64; `enum <integer type> <name>`; the name of a struct that follows;
// `opaque <name>` for anything else. Behind it the array's dimensions, outermost first. Types may contain spaces, a
// field's name does not. What no field covers is padding, whose content means nothing.
#ifndef WEIR_SCHEMA_STRUCT_TEXT_H_
#define WEIR_SCHEMA_STRUCT_TEXT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace weir::schema {

inline constexpr uint64_t kStructTextBytesMax = 1u << 20;

struct StructField {
  uint64_t offset = 0;
  uint64_t bytes = 0;
  std::string type;  // with the dimensions
  std::string name;

  friend bool operator==(const StructField&, const StructField&) = default;
};

struct StructShape {
  std::string name;
  uint64_t bytes = 0;
  uint64_t align = 0;
  std::vector<StructField> fields;  // inside the struct, not overlapping, by rising offset

  friend bool operator==(const StructShape&, const StructShape&) = default;
};

// Accepts any bytes. DataLoss, naming the line, if they are not such a text; FailedPrecondition if it is one of another
// version. The first struct is the message. That a field names a struct which follows, and of its size, is not checked,
// nor that structs do not contain each other: who goes into them looks them up and keeps count.
absl::StatusOr<std::vector<StructShape>> ParseStructText(std::string_view text);

// OK if both describe the same structs. FailedPrecondition names the first difference and both sides of it: 'field
// "price" of market::Tick: int64 at byte 8 here, float64 at byte 8 in the topic'. Nothing may differ, also no name: a
// struct is read by offsets, and that x and y changed places shows in nothing else. Other errors as ParseStructText().
absl::Status CompareStructTexts(std::string_view ours, std::string_view topics);

}  // namespace weir::schema

#endif  // WEIR_SCHEMA_STRUCT_TEXT_H_
