#include "schema/bytes_json.h"

#include <capnp/compat/json.h>
#include <capnp/message.h>
#include <kj/encoding.h>
#include <kj/exception.h>

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "middleware/base/strings.h"
#include "schema/kj_seam.h"
#include "schema/utf8.h"

namespace weir::schema {
namespace {

using capnp::JsonCodec;
using capnp::JsonValue;

constexpr char kExample[] = R"({"type": "...", "size": 3, "base64": "AQID"})";

kj::StringPtr Put(const std::string& text) {
  return kj::StringPtr(text.c_str(), text.size());
}

absl::Status Wrong(std::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("JSON: ", AsAbsl(what), "; a message without a schema is written as ", kExample));
}

}  // namespace

std::string BytesToJson(std::string_view type, std::span<const std::byte> bytes, bool pretty) {
  // By the codec, because it knows how a string is quoted.
  JsonCodec codec;
  codec.setPrettyPrint(pretty);
  capnp::MallocMessageBuilder message;
  auto members = message.initRoot<JsonValue>().initObject(3);
  members[0].setName("type");
  members[0].initValue().setString(Put(std::string(type)));
  members[1].setName("size");
  members[1].initValue().setNumber(static_cast<double>(bytes.size()));
  members[2].setName("base64");
  members[2].initValue().setString(
      kj::encodeBase64(kj::arrayPtr(reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size())));
  const kj::String text = codec.encodeRaw(message.getRoot<JsonValue>());
  return std::string(View(text));
}

absl::StatusOr<std::string> BytesFromJson(std::string_view type, std::string_view given_text) {
  const std::string text = WithoutUnicodeEscapes(given_text);
  try {
    JsonCodec codec;
    capnp::MallocMessageBuilder message;
    auto value = message.initRoot<JsonValue>();
    codec.decodeRaw(kj::arrayPtr(text.data(), text.size()), value);
    if (!value.isObject()) return Wrong("not an object");
    std::optional<std::string> bytes;
    std::optional<double> size;
    for (JsonValue::Field::Reader member : value.asReader().getObject()) {
      const std::string_view name = View(member.getName());
      const JsonValue::Reader given = member.getValue();
      if (name == "type") {
        if (!given.isString() || View(given.getString()) != type) {
          return Wrong(AsStd(absl::StrCat("\"type\" is not that of the topic, ", AsAbsl(type))));
        }
      } else if (name == "size") {
        if (!given.isNumber()) return Wrong("\"size\" is not a number");
        size = given.getNumber();
      } else if (name == "base64") {
        if (!given.isString()) return Wrong("\"base64\" is not a string");
        const auto decoded = kj::decodeBase64(given.getString());
        if (decoded.hadErrors) return Wrong("\"base64\" is not base64");
        bytes.emplace(reinterpret_cast<const char*>(decoded.begin()), decoded.size());
      } else if (name == "hex") {
        if (!given.isString()) return Wrong("\"hex\" is not a string");
        const auto decoded = kj::decodeHex(given.getString());
        if (decoded.hadErrors) return Wrong("\"hex\" is not pairs of hex digits");
        bytes.emplace(reinterpret_cast<const char*>(decoded.begin()), decoded.size());
      } else {
        return Wrong(AsStd(absl::StrCat("unknown member \"", absl::Utf8SafeCHexEscape(AsAbsl(name)), "\"")));
      }
    }
    if (!bytes.has_value()) return Wrong("\"base64\" is missing (or \"hex\")");
    if (size.has_value() && *size != static_cast<double>(bytes->size())) {
      return Wrong(AsStd(absl::StrCat("\"size\" is ", *size, ", the content has ", bytes->size(), " bytes")));
    }
    return *std::move(bytes);
  } catch (const kj::Exception& exception) {
    return FromException(absl::StatusCode::kInvalidArgument, "JSON", exception);
  }
}

}  // namespace weir::schema
