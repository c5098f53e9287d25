#include "tools/weir/schema_text.h"

#include <capnp/dynamic.h>
#include <capnp/message.h>
#include <capnp/schema-loader.h>
#include <capnp/schema.capnp.h>
#include <capnp/serialize.h>
#include <kj/exception.h>
#include <kj/string-tree.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"

namespace weir::tool {
namespace {

using capnp::StructSchema;

std::string Text(kj::StringPtr text) {
  return std::string(text.begin(), text.size());
}

// "SystemStatus.Core" of "weir/messages/system_status.capnp:SystemStatus.Core".
std::string NameOf(capnp::Schema type) {
  const std::string name = Text(type.getProto().getDisplayName());
  return name.substr(name.rfind(':') + 1);
}

class CapnpText {
 public:
  std::string Of(StructSchema root) {
    Add(root);
    for (size_t i = 0; i < types_.size(); ++i) {  // grows meanwhile
      if (i > 0) text_ += "\n";
      const capnp::Schema type = types_[i];
      if (type.getProto().isEnum()) {
        PutEnum(type.asEnum());
      } else {
        absl::StrAppend(&text_, "struct ", NameOf(type), " @0x", absl::Hex(type.getProto().getId()), " {\n");
        PutMembers(type.asStruct(), "  ");
        text_ += "}\n";
      }
    }
    return text_;
  }

 private:
  void Add(capnp::Schema type) {
    if (seen_.insert(type.getProto().getId()).second) types_.push_back(type);
  }

  std::string TypeName(capnp::Type type) {
    using Which = capnp::schema::Type;
    switch (type.which()) {
      case Which::VOID:
        return "Void";
      case Which::BOOL:
        return "Bool";
      case Which::INT8:
        return "Int8";
      case Which::INT16:
        return "Int16";
      case Which::INT32:
        return "Int32";
      case Which::INT64:
        return "Int64";
      case Which::UINT8:
        return "UInt8";
      case Which::UINT16:
        return "UInt16";
      case Which::UINT32:
        return "UInt32";
      case Which::UINT64:
        return "UInt64";
      case Which::FLOAT32:
        return "Float32";
      case Which::FLOAT64:
        return "Float64";
      case Which::TEXT:
        return "Text";
      case Which::DATA:
        return "Data";
      case Which::LIST:
        return "List(" + TypeName(type.asList().getElementType()) + ")";
      case Which::ENUM:
        Add(type.asEnum());
        return NameOf(type.asEnum());
      case Which::STRUCT:
        Add(type.asStruct());
        return NameOf(type.asStruct());
      default:
        return "AnyPointer";
    }
  }

  void PutEnum(capnp::EnumSchema type) {
    absl::StrAppend(&text_, "enum ", NameOf(type), " {\n");
    for (const auto enumerant : type.getEnumerants()) {
      absl::StrAppend(&text_, "  ", Text(enumerant.getProto().getName()), " @", enumerant.getOrdinal(), ";\n");
    }
    text_ += "}\n";
  }

  void PutMembers(StructSchema type, const std::string& indent) {
    for (const StructSchema::Field field : type.getNonUnionFields()) PutField(field, indent);
    const auto members = type.getUnionFields();
    if (members.size() == 0) return;
    absl::StrAppend(&text_, indent, "union {\n");
    for (const StructSchema::Field field : members) PutField(field, indent + "  ");
    absl::StrAppend(&text_, indent, "}\n");
  }

  void PutField(StructSchema::Field field, const std::string& indent) {
    const auto proto = field.getProto();
    absl::StrAppend(&text_, indent, Text(proto.getName()));
    if (proto.isGroup()) {
      text_ += " :group {\n";
      PutMembers(field.getType().asStruct(), indent + "  ");
      absl::StrAppend(&text_, indent, "}\n");
      return;
    }
    if (proto.getOrdinal().isExplicit()) absl::StrAppend(&text_, " @", proto.getOrdinal().getExplicit());
    absl::StrAppend(&text_, " :", TypeName(field.getType()));
    if (proto.getSlot().getHadExplicitDefault()) absl::StrAppend(&text_, " = ", DefaultOf(field));
    text_ += ";\n";
  }

  static std::string DefaultOf(StructSchema::Field field) {
    // A message in which it was never set shows it.
    capnp::MallocMessageBuilder empty;
    auto message = empty.initRoot<capnp::DynamicStruct>(field.getContainingStruct());
    message.clear(field);  // of a union: makes it the member that is there
    return Text(kj::str(message.asReader().get(field)));
  }

  std::string text_;
  std::vector<capnp::Schema> types_;
  std::set<uint64_t> seen_;
};

std::string StructText(std::string_view schema) {
  std::string text;
  for (std::string_view rest = schema; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string line(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.starts_with("weir-struct ")) continue;  // the format's version
    if (!line.starts_with("struct ")) {
      // "<offset> <bytes> <type> <name>": offset and size behind what people look for.
      const size_t first = line.find(' '), second = line.find(' ', first + 1), last = line.rfind(' ');
      if (second == std::string::npos || last <= second) continue;
      absl::StrAppend(&text, "  ", line.substr(second + 1, last - second - 1), " ", line.substr(last + 1),
                      ";  // byte ", line.substr(0, first), ", ", line.substr(first + 1, second - first - 1),
                      " long\n");
      continue;
    }
    // "struct <bytes> <align> <name>"
    const size_t first = line.find(' '), second = line.find(' ', first + 1), third = line.find(' ', second + 1);
    if (third == std::string::npos) continue;
    absl::StrAppend(&text, text.empty() ? "" : "}\n\n", "struct ", line.substr(third + 1), " {  // ",
                    line.substr(first + 1, second - first - 1), " bytes, aligned to ",
                    line.substr(second + 1, third - second - 1), "\n");
  }
  return text.empty() ? text : text + "}\n";
}

}  // namespace

absl::StatusOr<std::string> SchemaText(const TopicInfo& topic, std::string_view schema) {
  if (topic.kind == MessageKind::kPlain) return StructText(schema);
  try {
    std::vector<capnp::word> words(schema.size() / sizeof(capnp::word));  // aligned
    if (!words.empty()) std::memcpy(words.data(), schema.data(), words.size() * sizeof(capnp::word));
    capnp::ReaderOptions limits;
    limits.traversalLimitInWords = std::max<uint64_t>(64 * words.size(), 1 << 20);
    capnp::FlatArrayMessageReader reader(kj::arrayPtr(words.data(), words.size()), limits);
    capnp::SchemaLoader loader;
    for (const auto node : reader.getRoot<capnp::schema::CodeGeneratorRequest>().getNodes()) loader.loadOnce(node);
    return CapnpText().Of(loader.get(topic.type_id).asStruct());
  } catch (const kj::Exception& exception) {
    return absl::DataLossError(
        absl::StrCat("the schema of topic \"", topic.name, "\": ", Text(exception.getDescription())));
  }
}

}  // namespace weir::tool
