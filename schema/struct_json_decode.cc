// Reading: see struct_json.cc for how a type is made and messages are printed.
#include <capnp/compat/json.h>
#include <capnp/message.h>
#include <kj/encoding.h>
#include <kj/exception.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "middleware/base/strings.h"
#include "schema/kj_seam.h"
#include "schema/struct_json.h"
#include "schema/utf8.h"

namespace weir::schema {
namespace {

using capnp::JsonCodec;
using capnp::JsonValue;

// Integers up to here are doubles without loss.
constexpr double kExactIntegerMax = 9007199254740992.0;  // 2^53

std::string Quoted(std::string_view text) {
  return absl::StrCat("\"", absl::Utf8SafeCHexEscape(AsAbsl(text)), "\"");
}

}  // namespace

class StructDecoder {
 public:
  StructDecoder(const StructJson& type, std::span<std::byte> message) : type_(type), message_(message) {}

  absl::Status ReadStruct(JsonValue::Reader value, const StructJson::Shape& shape, uint64_t offset) {
    if (!value.isObject()) return Wrong("an object is wanted here");
    for (const JsonValue::Field::Reader member : value.getObject()) {
      const std::string_view name = View(member.getName());
      const size_t length = path_.size();
      absl::StrAppend(&path_, length == 0 ? "" : ".", absl::Utf8SafeCHexEscape(AsAbsl(name)));
      const auto field = std::find_if(shape.fields.begin(), shape.fields.end(),
                                      [&](const StructJson::Field& other) { return other.name == name; });
      if (field == shape.fields.end()) return Wrong(absl::StrCat(shape.name, " has no such field"));
      const absl::Status status = ReadPlace(member.getValue(), StructJson::PlaceOf(*field, offset));
      if (!status.ok()) return status;
      path_.resize(length);
    }
    return absl::OkStatus();
  }

 private:
  using Kind = StructJson::Kind;

  absl::Status Wrong(const std::string& what) const {
    return absl::InvalidArgumentError(absl::StrCat("JSON", path_.empty() ? "" : ", ", path_, ": ", what));
  }

  absl::Status ReadPlace(JsonValue::Reader value, const StructJson::Place& place) {
    if (!place.is_array()) return ReadValue(value, place);
    if (!value.isArray()) return Wrong(absl::StrCat("an array of ", place.dimensions[0], " is wanted here"));
    const auto values = value.getArray();
    if (values.size() != place.dimensions[0]) {
      return Wrong(absl::StrCat("the array has ", place.dimensions[0], " elements, not ", values.size()));
    }
    for (capnp::uint i = 0; i < values.size(); ++i) {
      const size_t length = path_.size();
      absl::StrAppend(&path_, "[", i, "]");
      if (absl::Status status = ReadPlace(values[i], place.Element(i)); !status.ok()) return status;
      path_.resize(length);
    }
    return absl::OkStatus();
  }

  absl::Status ReadValue(JsonValue::Reader value, const StructJson::Place& place) {
    const std::span<std::byte> bytes = message_.subspan(place.offset, place.bytes());
    switch (place.field->kind) {
      case Kind::kBool:
        if (!value.isBoolean()) return Wrong("true or false is wanted here");
        bytes[0] = std::byte{value.getBoolean()};
        return absl::OkStatus();
      case Kind::kInt:
        return ReadInteger<int64_t>(value, bytes);
      case Kind::kUint:
        return ReadInteger<uint64_t>(value, bytes);
      case Kind::kFloat:
        return ReadFloat(value, bytes);
      case Kind::kChar:
        return ReadChars(value, bytes);
      case Kind::kByte:
        if (place.dimensions.empty()) return ReadInteger<uint64_t>(value, bytes);
        return ReadBase64(value, bytes);
      case Kind::kStruct:
        return ReadStruct(value, type_.shapes_[place.field->shape], place.offset);
      case Kind::kOpaque:
        return ReadBase64(value, bytes);
    }
    return Wrong("of no known kind");
  }

  template <class Wide>
  absl::Status ReadInteger(JsonValue::Reader value, std::span<std::byte> bytes) {
    Wide number = 0;
    if (value.isString()) {
      const std::string_view text = View(value.getString());
      const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (text.empty() || error != std::errc() || rest != text.data() + text.size()) {
        return Wrong(absl::StrCat(Quoted(text), " is no integer of ", 8 * bytes.size(), " bits"));
      }
    } else if (value.isNumber()) {
      const double given = value.getNumber();
      if (std::abs(given) > kExactIntegerMax) return Wrong("so large an integer is written in quotation marks");
      if (given != std::trunc(given)) return Wrong(absl::StrCat(given, " is no integer"));
      if (std::is_unsigned_v<Wide> && given < 0) return Wrong(absl::StrCat(given, " is negative"));
      number = static_cast<Wide>(given);
    } else {
      return Wrong("an integer is wanted here");
    }
    const unsigned spare_bits = 64 - 8 * static_cast<unsigned>(bytes.size());
    constexpr Wide kMin = std::numeric_limits<Wide>::min(), kMax = std::numeric_limits<Wide>::max();
    if (number < (kMin >> spare_bits) || number > (kMax >> spare_bits)) {
      return Wrong(absl::StrCat(number, " does not fit into ", 8 * bytes.size(), " bits"));
    }
    switch (bytes.size()) {
      case 1:
        return Store(static_cast<uint8_t>(number), bytes);
      case 2:
        return Store(static_cast<uint16_t>(number), bytes);
      case 4:
        return Store(static_cast<uint32_t>(number), bytes);
      default:
        return Store(number, bytes);
    }
  }

  absl::Status ReadFloat(JsonValue::Reader value, std::span<std::byte> bytes) {
    double number = 0;
    if (value.isNumber()) {
      number = value.getNumber();
    } else if (value.isString() && View(value.getString()) == "NaN") {
      number = std::numeric_limits<double>::quiet_NaN();
    } else if (value.isString() && View(value.getString()) == "Infinity") {
      number = std::numeric_limits<double>::infinity();
    } else if (value.isString() && View(value.getString()) == "-Infinity") {
      number = -std::numeric_limits<double>::infinity();
    } else {
      return Wrong(R"(a number is wanted here, or "NaN", "Infinity", "-Infinity")");
    }
    if (bytes.size() == sizeof(double)) return Store(number, bytes);
    if (std::isfinite(number) && std::abs(number) > std::numeric_limits<float>::max()) {
      return Wrong(absl::StrCat(number, " is too large for a float32"));
    }
    return Store(static_cast<float>(number), bytes);
  }

  absl::Status ReadChars(JsonValue::Reader value, std::span<std::byte> bytes) {
    if (value.isObject()) {
      for (const JsonValue::Field::Reader member : value.getObject()) {
        if (View(member.getName()) == "base64") return ReadBase64(member.getValue(), bytes);
      }
    }
    if (!value.isString()) return Wrong(R"(a string or {"base64": "..."} is wanted here)");
    const std::string_view text = View(value.getString());
    if (text.size() > bytes.size()) {
      return Wrong(absl::StrCat(text.size(), " bytes of text, there is room for ", bytes.size()));
    }
    std::fill(bytes.begin(), bytes.end(), std::byte{0});
    std::memcpy(bytes.data(), text.data(), text.size());
    return absl::OkStatus();
  }

  absl::Status ReadBase64(JsonValue::Reader value, std::span<std::byte> bytes) {
    if (!value.isString()) return Wrong("a string with base64 is wanted here");
    const auto decoded = kj::decodeBase64(value.getString());
    if (decoded.hadErrors) return Wrong("this is not base64");
    if (decoded.size() != bytes.size()) {
      return Wrong(absl::StrCat("base64 of ", bytes.size(), " bytes is wanted here, not of ", decoded.size()));
    }
    std::memcpy(bytes.data(), decoded.begin(), bytes.size());
    return absl::OkStatus();
  }

  template <class T>
  static absl::Status Store(T value, std::span<std::byte> bytes) {
    std::memcpy(bytes.data(), &value, sizeof(T));
    return absl::OkStatus();
  }

  const StructJson& type_;
  const std::span<std::byte> message_;
  std::string path_;
};

absl::Status StructJson::Decode(std::string_view given, std::span<std::byte> message) const {
  if (absl::Status status = CheckLength(message.size()); !status.ok()) return status;
  const std::string text = WithoutUnicodeEscapes(given);
  try {
    JsonCodec codec;
    capnp::MallocMessageBuilder parsed;
    auto value = parsed.initRoot<JsonValue>();
    codec.decodeRaw(kj::arrayPtr(text.data(), text.size()), value);
    std::vector<std::byte> whole(message.size());  // zeros; the message stays as it is until all is understood
    const absl::Status status = StructDecoder(*this, whole).ReadStruct(value.asReader(), shapes_[0], 0);
    if (!status.ok()) return status;
    if (!whole.empty()) std::memcpy(message.data(), whole.data(), whole.size());
    return absl::OkStatus();
  } catch (const kj::Exception& exception) {
    return FromException(absl::StatusCode::kInvalidArgument, "JSON", exception);
  }
}

}  // namespace weir::schema
