#include "schema/struct_json.h"

#include <capnp/compat/json.h>
#include <capnp/message.h>
#include <kj/encoding.h>
#include <kj/exception.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "middleware/base/strings.h"
#include "schema/kj_seam.h"
#include "schema/struct_text.h"
#include "schema/utf8.h"

namespace weir::schema {
namespace {

using capnp::JsonCodec;
using capnp::JsonValue;

std::string Quoted(std::string_view text) {
  return absl::StrCat("\"", absl::Utf8SafeCHexEscape(AsAbsl(text)), "\"");
}

// `text` is UTF-8.
void AppendJsonString(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<uint8_t>(c) < 0x20 || c == 0x7f) {
      out += "\\u00";
      out += kHex[static_cast<uint8_t>(c) >> 4];
      out += kHex[static_cast<uint8_t>(c) & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

void AppendBase64(std::string& out, std::span<const std::byte> bytes) {
  const kj::String text = kj::encodeBase64(kj::arrayPtr(reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()));
  out += '"';
  out += View(text);
  out += '"';
}

template <class Number>
void AppendNumber(std::string& out, Number number) {
  char text[32];
  out.append(text, std::to_chars(std::begin(text), std::end(text), number).ptr);
}

template <class Float>
void AppendFloat(std::string& out, Float number) {
  if (std::isnan(number)) {
    out += "\"NaN\"";
  } else if (std::isinf(number)) {
    out += number > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  } else {
    AppendNumber(out, number);  // the shortest text that reads back as this very number
  }
}

template <class T>
T Load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

int64_t LoadInt(const std::byte* at, uint64_t bytes) {
  switch (bytes) {
    case 1:
      return Load<int8_t>(at);
    case 2:
      return Load<int16_t>(at);
    case 4:
      return Load<int32_t>(at);
    default:
      return Load<int64_t>(at);
  }
}

uint64_t LoadUint(const std::byte* at, uint64_t bytes) {
  switch (bytes) {
    case 1:
      return Load<uint8_t>(at);
    case 2:
      return Load<uint16_t>(at);
    case 4:
      return Load<uint32_t>(at);
    default:
      return Load<uint64_t>(at);
  }
}

// Of a char array: what stands before the first NUL, and whether only zeros follow.
struct CharText {
  std::string_view text;
  bool whole;
};
std::optional<CharText> TextIn(std::span<const std::byte> bytes) {
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string_view text = all.substr(0, all.find('\0'));
  if (!IsUtf8(text)) return std::nullopt;
  const std::string_view rest = all.substr(text.size());
  return CharText{text, std::all_of(rest.begin(), rest.end(), [](char c) { return c == '\0'; })};
}

// The bits that "int32" and its like end in, as bytes; 0 if they do not.
uint64_t BytesOfNumber(std::string_view type, std::string_view prefix) {
  if (!type.starts_with(prefix)) return 0;
  type.remove_prefix(prefix.size());
  return type == "8" ? 1 : type == "16" ? 2 : type == "32" ? 4 : type == "64" ? 8 : 0;
}

// Takes "[3]" off the end of a type.
std::optional<uint64_t> TakeDimension(std::string_view& type) {
  const size_t open = type.rfind('[');
  if (!type.ends_with(']') || open == std::string_view::npos) return std::nullopt;
  uint64_t count = 0;
  const char* const end = type.data() + type.size() - 1;
  const auto [rest, error] = std::from_chars(type.data() + open + 1, end, count);
  if (error != std::errc() || rest != end || count == 0) return std::nullopt;
  type = type.substr(0, open);
  return count;
}

}  // namespace

// Make
// -----------------------------------------------------------------------------------------------------------

namespace {

// Whether a struct contains itself, over whichever others: each is gone into once.
class CycleSearch {
 public:
  explicit CycleSearch(const std::vector<std::vector<size_t>>& inner) : inner_(inner), seen_(inner.size(), kNew) {}

  bool Find(size_t shape) {
    if (seen_[shape] != kNew) return seen_[shape] == kOpen;
    seen_[shape] = kOpen;
    for (const size_t other : inner_[shape]) {
      if (Find(other)) return true;
    }
    seen_[shape] = kDone;
    return false;
  }

 private:
  enum : char { kNew, kOpen, kDone };
  const std::vector<std::vector<size_t>>& inner_;
  std::vector<char> seen_;
};

// A description of 1 MiB could nest so deeply that the walk over it exhausts the stack.
constexpr size_t kShapesMax = 1024;

}  // namespace

absl::StatusOr<StructJson> StructJson::Make(std::string_view description, uint64_t body_bytes) {
  auto parsed = ParseStructText(description);
  if (!parsed.ok()) return parsed.status();
  if (parsed->front().bytes != body_bytes || parsed->size() > kShapesMax) {
    return absl::DataLossError(absl::StrCat("struct description: ", parsed->front().name, " has ",
                                            parsed->front().bytes, " bytes in one of ", parsed->size(),
                                            " structs, its topic's messages have ", body_bytes));
  }
  StructJson made;
  std::vector<std::vector<size_t>> inner(parsed->size());
  for (const StructShape& shape : *parsed) {
    Shape& ours = made.shapes_.emplace_back(Shape{.name = shape.name, .bytes = shape.bytes, .fields = {}});
    for (const StructField& field : shape.fields) {
      Field read = {.name = field.name, .key = {}, .offset = field.offset, .dimensions = {}};
      AppendJsonString(read.key, WithValidUtf8(field.name));
      read.key += ':';
      std::string_view type = field.type;
      uint64_t count = 1;
      while (const std::optional<uint64_t> dimension = TakeDimension(type)) {
        if (*dimension > field.bytes / count) {
          return absl::DataLossError(absl::StrCat("struct description: field \"", field.name, "\" of ", shape.name,
                                                  " has ", field.bytes, " bytes, too few for ", field.type));
        }
        count *= *dimension;
        read.dimensions.insert(read.dimensions.begin(), *dimension);
      }
      read.element_bytes = field.bytes / count;
      uint64_t bytes = read.element_bytes;  // that the type has
      const std::string_view scalar = type.starts_with("enum ") ? type.substr(5, type.find(' ', 5) - 5) : type;
      const auto named =
          std::find_if(parsed->begin(), parsed->end(), [&](const StructShape& other) { return other.name == type; });
      if (named != parsed->end()) {
        read.kind = Kind::kStruct;
        read.shape = static_cast<size_t>(named - parsed->begin());
        bytes = named->bytes;
        inner[made.shapes_.size() - 1].push_back(read.shape);
      } else if (const uint64_t of_int = BytesOfNumber(scalar, "int"); of_int != 0) {
        read.kind = Kind::kInt;
        bytes = of_int;
      } else if (const uint64_t of_uint = BytesOfNumber(scalar, "uint"); of_uint != 0) {
        read.kind = Kind::kUint;
        bytes = of_uint;
      } else if (scalar != type) {  // an enum over bool or char
        read.kind = scalar == "bool" ? Kind::kUint : scalar == "char" ? Kind::kInt : Kind::kOpaque;
        if (read.kind != Kind::kOpaque) bytes = 1;
      } else if (const uint64_t of_float = BytesOfNumber(type, "float"); of_float >= 4) {
        read.kind = Kind::kFloat;
        bytes = of_float;
      } else if (type == "bool" || type == "char" || type == "byte") {
        read.kind = type == "bool" ? Kind::kBool : type == "char" ? Kind::kChar : Kind::kByte;
        bytes = 1;
      }
      if (bytes != read.element_bytes || read.element_bytes * count != field.bytes) {
        return absl::DataLossError(absl::StrCat("struct description: field \"", field.name, "\" of ", shape.name,
                                                " cannot have ", field.bytes, " bytes as ", field.type));
      }
      ours.fields.push_back(std::move(read));
    }
  }
  if (CycleSearch(inner).Find(0)) {
    return absl::DataLossError(absl::StrCat("struct description: ", made.shapes_[0].name, " contains itself"));
  }
  return made;
}

absl::Status StructJson::CheckLength(size_t bytes) const {
  if (bytes == shapes_[0].bytes) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("a message of ", bytes, " bytes; ", shapes_[0].name, " has ", shapes_[0].bytes));
}

StructJson::Place StructJson::PlaceOf(const Field& field, uint64_t struct_offset) {
  return {&field, field.dimensions, struct_offset + field.offset};
}

uint64_t StructJson::Place::bytes() const {
  uint64_t all = field->element_bytes;
  for (const uint64_t count : dimensions) all *= count;
  return all;
}

bool StructJson::Place::is_array() const {
  const bool one_value = field->kind == Kind::kChar || field->kind == Kind::kByte;
  return dimensions.size() > (one_value ? 1 : 0);
}

StructJson::Place StructJson::Place::Element(uint64_t index) const {
  return {field, dimensions.subspan(1), offset + index * (bytes() / dimensions[0])};
}

// Encode
// ---------------------------------------------------------------------------------------------------------

class StructEncoder {
 public:
  StructEncoder(const StructJson& type, std::span<const std::byte> message) : type_(type), message_(message) {}

  void PutStruct(const StructJson::Shape& shape, uint64_t offset) {
    out_ += '{';
    for (const StructJson::Field& field : shape.fields) {
      if (&field != &shape.fields.front()) out_ += ',';
      out_ += field.key;
      PutPlace(StructJson::PlaceOf(field, offset));
    }
    out_ += '}';
  }

  void PutPlace(const StructJson::Place& place) {
    if (!place.is_array()) {
      PutValue(place);
      return;
    }
    out_ += '[';
    for (uint64_t i = 0; i < place.dimensions[0]; ++i) {
      if (i != 0) out_ += ',';
      PutPlace(place.Element(i));
    }
    out_ += ']';
  }

  std::string Take() { return std::move(out_); }

 private:
  using Kind = StructJson::Kind;

  void PutValue(const StructJson::Place& place) {
    const std::span<const std::byte> bytes = message_.subspan(place.offset, place.bytes());
    switch (place.field->kind) {
      case Kind::kBool:
        if (const auto value = Load<uint8_t>(bytes.data()); value <= 1) {
          out_ += value == 1 ? "true" : "false";
        } else {
          AppendNumber(out_, unsigned{value});
        }
        break;
      case Kind::kInt:
        PutInteger(LoadInt(bytes.data(), bytes.size()), bytes.size());
        break;
      case Kind::kUint:
        PutInteger(LoadUint(bytes.data(), bytes.size()), bytes.size());
        break;
      case Kind::kFloat:
        if (bytes.size() == sizeof(float)) {
          AppendFloat(out_, Load<float>(bytes.data()));
        } else {
          AppendFloat(out_, Load<double>(bytes.data()));
        }
        break;
      case Kind::kChar:
        PutChars(bytes);
        break;
      case Kind::kByte:
        if (place.dimensions.empty()) {
          AppendNumber(out_, unsigned{Load<uint8_t>(bytes.data())});
        } else {
          AppendBase64(out_, bytes);
        }
        break;
      case Kind::kStruct:
        PutStruct(type_.shapes_[place.field->shape], place.offset);
        break;
      case Kind::kOpaque:
        AppendBase64(out_, bytes);
        break;
    }
  }

  template <class Integer>
  void PutInteger(Integer value, size_t bytes) {
    if (bytes == 8) out_ += '"';
    AppendNumber(out_, value);
    if (bytes == 8) out_ += '"';
  }

  void PutChars(std::span<const std::byte> bytes) {
    const std::optional<CharText> text = TextIn(bytes);
    if (text && text->whole) {
      AppendJsonString(out_, text->text);
      return;
    }
    out_ += '{';
    if (text) {
      out_ += "\"text\":";
      AppendJsonString(out_, text->text);
      out_ += ',';
    }
    out_ += "\"base64\":";
    AppendBase64(out_, bytes);
    out_ += '}';
  }

  const StructJson& type_;
  const std::span<const std::byte> message_;
  std::string out_;
};

absl::StatusOr<std::string> StructJson::Encode(std::span<const std::byte> message, bool pretty) const {
  if (absl::Status status = CheckLength(message.size()); !status.ok()) return status;
  StructEncoder encoder(*this, message);
  encoder.PutStruct(shapes_[0], 0);
  std::string compact = encoder.Take();
  if (!pretty) return compact;
  const std::string text = WithoutUnicodeEscapes(compact);
  try {
    // The codec breaks lines as it does for Cap'n Proto messages. That it reads numbers as doubles costs nothing: what
    // is no double stands in quotation marks.
    JsonCodec codec;
    codec.setPrettyPrint(true);
    capnp::MallocMessageBuilder parsed;
    auto value = parsed.initRoot<JsonValue>();
    codec.decodeRaw(kj::arrayPtr(text.data(), text.size()), value);
    return std::string(View(codec.encodeRaw(value.asReader())));
  } catch (const kj::Exception& exception) {
    return FromException(absl::StatusCode::kInternal, "JSON", exception);
  }
}

// By path
// --------------------------------------------------------------------------------------------------------

class StructWalk {
 public:
  StructWalk(const StructJson& type, std::string_view path) : type_(type), path_(path) {}

  absl::StatusOr<StructJson::Place> Run() {
    const StructJson::Shape* shape = &type_.shapes_[0];
    StructJson::Place here = {};
    do {
      if (shape == nullptr) {
        return absl::InvalidArgumentError(absl::StrCat(Quoted(path_.substr(0, at_ - 1)), " has no fields"));
      }
      const size_t end = std::min(path_.find_first_of(".[", at_), path_.size());
      const std::string_view name = path_.substr(at_, end - at_);
      if (name.empty()) return NotAPath();
      const auto field = std::find_if(shape->fields.begin(), shape->fields.end(),
                                      [&](const StructJson::Field& other) { return other.name == name; });
      at_ = end;
      if (field == shape->fields.end()) {
        return absl::NotFoundError(absl::StrCat(Quoted(Done()), ": ", shape->name, " has no field ", Quoted(name)));
      }
      here = StructJson::PlaceOf(*field, here.offset);
      while (at_ < path_.size() && path_[at_] == '[') {
        if (absl::Status status = EnterElement(here); !status.ok()) return status;
      }
      if (at_ < path_.size() && path_[at_] != '.') return NotAPath();
      const bool is_struct = here.dimensions.empty() && field->kind == StructJson::Kind::kStruct;
      shape = is_struct ? &type_.shapes_[field->shape] : nullptr;
    } while (at_++ < path_.size());
    return here;
  }

 private:
  std::string_view Done() const { return path_.substr(0, at_); }

  absl::Status NotAPath() const {
    return absl::InvalidArgumentError(
        absl::StrCat(Quoted(path_), " is not a path of fields, like \"stamp.ns\" or \"levels[0].price\""));
  }

  absl::Status EnterElement(StructJson::Place& here) {
    if (here.dimensions.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(Quoted(Done()), " is not an array"));
    }
    uint64_t index = 0;
    const char* const end = path_.data() + path_.size();
    const auto [rest, error] = std::from_chars(path_.data() + at_ + 1, end, index);
    if (error != std::errc() || rest == end || *rest != ']') return NotAPath();
    if (index >= here.dimensions[0]) {
      return absl::NotFoundError(
          absl::StrCat(Quoted(Done()), " has ", here.dimensions[0], " elements and no number ", index));
    }
    at_ = static_cast<size_t>(rest + 1 - path_.data());
    here = here.Element(index);
    return absl::OkStatus();
  }

  const StructJson& type_;
  const std::string_view path_;
  size_t at_ = 0;
};

absl::StatusOr<std::string> StructJson::EncodeField(std::span<const std::byte> message, std::string_view path) const {
  if (path.empty()) return Encode(message);
  if (absl::Status status = CheckLength(message.size()); !status.ok()) return status;
  const auto place = StructWalk(*this, path).Run();
  if (!place.ok()) return place.status();
  StructEncoder encoder(*this, message);
  encoder.PutPlace(*place);
  return encoder.Take();
}

absl::StatusOr<capnp::DynamicValue::Reader> StructJson::GetField(std::span<const std::byte> message,
                                                                 std::string_view path) const {
  if (absl::Status status = CheckLength(message.size()); !status.ok()) return status;
  const auto place = path.empty() ? absl::StatusOr<Place>(Place{}) : StructWalk(*this, path).Run();
  if (!place.ok()) return place.status();
  const Kind kind = path.empty() ? Kind::kStruct : place->field->kind;
  if (kind == Kind::kStruct || place->is_array()) {
    return absl::FailedPreconditionError(absl::StrCat(Quoted(path), " of ", shapes_[0].name, " is ",
                                                      kind == Kind::kStruct ? "a struct" : "an array",
                                                      ", which has no value of its own; ask for its parts, or JSON"));
  }
  const std::span<const std::byte> bytes = message.subspan(place->offset, place->bytes());
  const capnp::Data::Reader data(reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size());
  switch (kind) {
    case Kind::kBool:
      return capnp::DynamicValue::Reader(Load<uint8_t>(bytes.data()) != 0);
    case Kind::kInt:
      return capnp::DynamicValue::Reader(LoadInt(bytes.data(), bytes.size()));
    case Kind::kUint:
      return capnp::DynamicValue::Reader(LoadUint(bytes.data(), bytes.size()));
    case Kind::kFloat:
      if (bytes.size() == sizeof(float)) return capnp::DynamicValue::Reader(Load<float>(bytes.data()));
      return capnp::DynamicValue::Reader(Load<double>(bytes.data()));
    case Kind::kByte:
      if (place->dimensions.empty()) return capnp::DynamicValue::Reader(Load<uint8_t>(bytes.data()));
      return capnp::DynamicValue::Reader(data);
    default:
      return capnp::DynamicValue::Reader(data);
  }
}

}  // namespace weir::schema
