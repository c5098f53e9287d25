#include "schema/json.h"

#include <capnp/compat/json.h>
#include <capnp/message.h>
#include <capnp/orphan.h>
#include <capnp/schema.capnp.h>
#include <kj/debug.h>
#include <kj/encoding.h>
#include <kj/exception.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "middleware/base/strings.h"
#include "schema/kj_seam.h"
#include "schema/utf8.h"

namespace weir::schema {
namespace {

using capnp::JsonCodec;
using capnp::JsonValue;

class Base64 : public JsonCodec::Handler<capnp::Data> {
 public:
  void encode(const JsonCodec&, capnp::Data::Reader input, JsonValue::Builder output) const override {
    output.setString(kj::encodeBase64(input));
  }
  capnp::Orphan<capnp::Data> decode(const JsonCodec&, JsonValue::Reader input,
                                    capnp::Orphanage orphanage) const override {
    KJ_REQUIRE(input.isString(), "Expected a string with base64");
    auto bytes = kj::decodeBase64(input.getString());
    KJ_REQUIRE(!bytes.hadErrors, "Expected base64");
    return orphanage.newOrphanCopy(capnp::Data::Reader(bytes.asPtr()));
  }
};

class AnyPointers : public JsonCodec::Handler<capnp::DynamicValue> {
 public:
  void encode(const JsonCodec&, capnp::DynamicValue::Reader, JsonValue::Builder output) const override {
    output.setString("(AnyPointer)");
  }
  capnp::Orphan<capnp::DynamicValue> decode(const JsonCodec&, JsonValue::Reader, capnp::Orphanage) const override {
    KJ_FAIL_REQUIRE("An AnyPointer cannot be read from JSON");
  }
};

// Finds the field that does not fit, because the codec's exceptions do not say which one it was: tries the fields one
// by one, and then what is in the one that fails. Takes as many tries as the text is deep; only errors come here.
class CulpritSearch {
 public:
  explicit CulpritSearch(const JsonCodec& codec) : codec_(codec) {}

  // True if something in `value` does not fit; path() then leads to it. (An object itself does not fit if it is none.)
  bool InStruct(JsonValue::Reader value, capnp::StructSchema type) { return InPlace(value, {type, {}}); }

  const std::string& path() const { return path_; }

 private:
  static std::optional<capnp::StructSchema::Field> FindField(capnp::StructSchema type, std::string_view name) {
    for (capnp::StructSchema::Field field : type.getFields()) {
      if (View(field.getProto().getName()) == name) return field;
    }
    return std::nullopt;
  }

  // A struct, or a group in it: that lies in its struct and cannot be made alone.
  struct Place {
    capnp::StructSchema root;
    std::vector<capnp::StructSchema::Field> groups;  // from the root inwards

    capnp::StructSchema type() const { return groups.empty() ? root : groups.back().getType().asStruct(); }
  };

  bool InPlace(JsonValue::Reader value, const Place& place) {
    if (!value.isObject()) return true;
    for (JsonValue::Field::Reader member : value.getObject()) {
      const size_t length = path_.size();
      absl::StrAppend(&path_, length == 0 ? "" : ".", AsAbsl(View(member.getName())));
      const auto field = FindField(place.type(), View(member.getName()));
      if (!field.has_value() || InField(member.getValue(), *field, place)) return true;
      path_.resize(length);
    }
    return false;
  }

  bool InField(JsonValue::Reader value, capnp::StructSchema::Field field, const Place& place) {
    if (field.getProto().isGroup()) {
      Place inner = place;
      inner.groups.push_back(field);
      return InPlace(value, inner);
    }
    if (Fits(value, field, place)) return false;
    const capnp::Type type = field.getType();
    if (type.isStruct()) InStruct(value, type.asStruct());
    if (type.isList() && type.asList().getElementType().isStruct() && value.isArray()) {
      InElements(value.getArray(), type.asList().getElementType().asStruct());
    }
    return true;
  }

  void InElements(capnp::List<JsonValue>::Reader values, capnp::StructSchema type) {
    for (capnp::uint i = 0; i < values.size(); ++i) {
      const size_t length = path_.size();
      absl::StrAppend(&path_, "[", i, "]");
      if (InStruct(values[i], type)) return;
      path_.resize(length);
    }
  }

  bool Fits(JsonValue::Reader value, capnp::StructSchema::Field field, const Place& place) const {
    try {
      capnp::MallocMessageBuilder scratch;
      auto orphan = codec_.decode(value, field.getType(), scratch.getOrphanage());
      // Only now numbers are compared with their range.
      auto message = scratch.initRoot<capnp::DynamicStruct>(place.root);
      for (capnp::StructSchema::Field group : place.groups) message = message.init(group).as<capnp::DynamicStruct>();
      message.adopt(field, kj::mv(orphan));
      return true;
    } catch (const kj::Exception&) {
      return false;
    }
  }

  const JsonCodec& codec_;
  std::string path_;
};

// Empty if no single field is to blame: then the text is not JSON, or not an object.
std::string Culprit(const JsonCodec& codec, std::string_view text, capnp::StructSchema type) {
  try {
    capnp::MallocMessageBuilder parsed;
    auto value = parsed.initRoot<JsonValue>();
    codec.decodeRaw(kj::arrayPtr(text.data(), text.size()), value);
    CulpritSearch search(codec);
    search.InStruct(value.asReader(), type);
    return search.path();
  } catch (const kj::Exception&) {
    return "";
  }
}

}  // namespace

struct Json::Impl {
  Base64 base64;
  AnyPointers any_pointers;
  JsonCodec codec;
};

Json::Json(bool pretty) : impl_(std::make_unique<Impl>()) {
  using Any = capnp::schema::Type::AnyPointer::Unconstrained;
  impl_->codec.setPrettyPrint(pretty);
  impl_->codec.setRejectUnknownFields(true);
  impl_->codec.addTypeHandler(impl_->base64);
  for (auto kind : {Any::ANY_KIND, Any::STRUCT, Any::LIST}) {
    impl_->codec.addTypeHandler(capnp::Type(kind), impl_->any_pointers);
  }
}
Json::Json(Json&&) noexcept = default;
Json& Json::operator=(Json&&) noexcept = default;
Json::~Json() = default;

absl::StatusOr<std::string> Json::Encode(capnp::DynamicStruct::Reader message) const {
  return Encode(message, message.getSchema());
}

absl::StatusOr<std::string> Json::Encode(capnp::DynamicValue::Reader value, capnp::Type type) const {
  try {
    kj::String text = impl_->codec.encode(value, type);
    return WithValidUtf8(std::string_view(text.begin(), text.size()));
  } catch (const kj::Exception& exception) {
    return FromException(absl::StatusCode::kDataLoss, "JSON", exception);
  }
}

absl::Status Json::Decode(std::string_view given, capnp::DynamicStruct::Builder message) const {
  const std::string text = WithoutUnicodeEscapes(given);
  try {
    impl_->codec.decode(kj::arrayPtr(text.data(), text.size()), message);
    return absl::OkStatus();
  } catch (const kj::Exception& exception) {
    const std::string where = Culprit(impl_->codec, text, message.getSchema());
    return FromException(absl::StatusCode::kInvalidArgument, where.empty() ? "JSON" : absl::StrCat("JSON, ", where),
                         exception);
  }
}

}  // namespace weir::schema
