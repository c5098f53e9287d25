#include "schema/json.h"

#include <capnp/compat/json.h>
#include <capnp/orphan.h>
#include <capnp/schema.capnp.h>
#include <kj/debug.h>
#include <kj/encoding.h>
#include <kj/exception.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "schema/kj_seam.h"

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

// The bytes of the well-formed UTF-8 character at `at`, or 0. Source: Unicode 15, table 3-7.
size_t CharacterBytes(std::string_view text, size_t at) {
  auto byte = [&](size_t i) { return at + i < text.size() ? static_cast<uint8_t>(text[at + i]) : uint8_t{0}; };
  auto follows = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  uint8_t first = byte(0);
  uint8_t second = byte(1);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    bool overlong = first == 0xE0 && second < 0xA0;
    bool surrogate = first == 0xED && second > 0x9F;
    return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    bool overlong = first == 0xF0 && second < 0x90;
    bool too_high = first == 0xF4 && second > 0x8F;
    return follows(1) && follows(2) && follows(3) && !overlong && !too_high ? 4 : 0;
  }
  return 0;
}

std::string WithValidUtf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    size_t bytes = CharacterBytes(text, at);
    if (bytes == 0) {
      valid += "\xEF\xBF\xBD";
      bytes = 1;
    } else {
      valid.append(text, at, bytes);
    }
    at += bytes;
  }
  return valid;
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
  try {
    kj::String text = impl_->codec.encode(capnp::DynamicValue::Reader(message), capnp::Type(message.getSchema()));
    return WithValidUtf8(std::string_view(text.begin(), text.size()));
  } catch (const kj::Exception& exception) {
    return FromException(absl::StatusCode::kDataLoss, "JSON", exception);
  }
}

absl::Status Json::Decode(std::string_view text, capnp::DynamicStruct::Builder message) const {
  try {
    impl_->codec.decode(kj::arrayPtr(text.data(), text.size()), message);
    return absl::OkStatus();
  } catch (const kj::Exception& exception) {
    return FromException(absl::StatusCode::kInvalidArgument, "JSON", exception);
  }
}

}  // namespace weir::schema
