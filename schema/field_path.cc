#include "schema/field_path.h"

#include <kj/exception.h>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "middleware/base/strings.h"
#include "schema/kj_seam.h"

namespace weir::schema {
namespace {

using capnp::DynamicStruct;
using capnp::StructSchema;

// Who types a path may well mistype it; the text comes from anywhere.
std::string Quoted(std::string_view path) {
  return absl::StrCat("\"", absl::Utf8SafeCHexEscape(AsAbsl(path)), "\"");
}

std::optional<StructSchema::Field> FindField(StructSchema type, std::string_view name) {
  for (StructSchema::Field field : type.getFields()) {
    if (View(field.getProto().getName()) == name) return field;
  }
  return std::nullopt;
}

std::string_view ShortName(StructSchema type) {
  const std::string_view name = View(type.getProto().getDisplayName());
  return name.substr(name.rfind(':') + 1);
}

// One walk along a path. `at` is where in the text it is.
class Walk {
 public:
  explicit Walk(std::string_view path) : path_(path) {}

  absl::StatusOr<FieldValue> Run(DynamicStruct::Reader message) {
    FieldValue here = {.value = message, .type = message.getSchema()};
    if (path_.empty()) return here;
    do {
      if (absl::Status status = EnterField(here); !status.ok()) return status;
      while (at_ < path_.size() && path_[at_] == '[') {
        if (absl::Status status = EnterElement(here); !status.ok()) return status;
      }
      if (at_ < path_.size() && path_[at_] != '.') return NotAPath();
    } while (at_++ < path_.size());
    return here;
  }

 private:
  std::string_view Done() const { return path_.substr(0, at_); }

  absl::Status NotAPath() const {
    return absl::InvalidArgumentError(
        absl::StrCat(Quoted(path_), " is not a path of fields, like \"header.stampNs\" or \"cores[0].load\""));
  }

  absl::Status EnterField(FieldValue& here) {
    const size_t end = path_.find_first_of(".[", at_);
    const std::string_view name = path_.substr(at_, end - at_);
    if (name.empty()) return NotAPath();
    if (here.type.which() != capnp::schema::Type::STRUCT) {
      return absl::InvalidArgumentError(absl::StrCat(Quoted(path_.substr(0, at_ - 1)), " has no fields"));
    }
    const StructSchema type = here.type.asStruct();
    const std::optional<StructSchema::Field> field = FindField(type, name);
    at_ = end == std::string_view::npos ? path_.size() : end;
    if (!field.has_value()) {
      return absl::NotFoundError(
          absl::StrCat(Quoted(Done()), ": ", AsAbsl(ShortName(type)), " has no field ", Quoted(name)));
    }
    const auto message = here.value.as<DynamicStruct>();
    if (field->getProto().getDiscriminantValue() != capnp::schema::Field::NO_DISCRIMINANT) {
      KJ_IF_MAYBE (active, message.which()) {
        if (!(*active == *field)) {
          return absl::FailedPreconditionError(
              absl::StrCat(Quoted(Done()), " is not set, ", AsAbsl(View(active->getProto().getName())), " is"));
        }
      } else {
        return absl::FailedPreconditionError(
            absl::StrCat(Quoted(Done()), " is not set, but a member that this schema does not know"));
      }
    }
    here = {.value = message.get(*field), .type = field->getType()};
    return absl::OkStatus();
  }

  absl::Status EnterElement(FieldValue& here) {
    if (here.type.which() != capnp::schema::Type::LIST) {
      return absl::InvalidArgumentError(absl::StrCat(Quoted(Done()), " is not a list"));
    }
    uint32_t index = 0;
    const char* const begin = path_.data() + at_ + 1;
    const char* const end = path_.data() + path_.size();
    const auto [rest, error] = std::from_chars(begin, end, index);
    if (error != std::errc() || rest == end || *rest != ']') return NotAPath();
    const auto list = here.value.as<capnp::DynamicList>();
    if (index >= list.size()) {
      return absl::NotFoundError(absl::StrCat(Quoted(Done()), " has ", list.size(), " elements and no number ", index));
    }
    at_ = static_cast<size_t>(rest + 1 - path_.data());
    here = {.value = list[index], .type = here.type.asList().getElementType()};
    return absl::OkStatus();
  }

  const std::string_view path_;
  size_t at_ = 0;
};

}  // namespace

absl::StatusOr<FieldValue> GetField(DynamicStruct::Reader message, std::string_view path) {
  try {
    return Walk(path).Run(message);
  } catch (const kj::Exception& exception) {
    return FromException(absl::StatusCode::kDataLoss, AsStd(Quoted(path)), exception);
  }
}

}  // namespace weir::schema
