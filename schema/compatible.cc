#include "schema/compatible.h"

#include <capnp/any.h>
#include <capnp/message.h>
#include <capnp/schema-loader.h>
#include <capnp/schema.capnp.h>
#include <capnp/schema.h>
#include <kj/exception.h>
#include <kj/string.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "middleware/base/strings.h"
#include "schema/kj_seam.h"
#include "schema/schema_blob.h"

namespace weir::schema {
namespace {

using capnp::schema::Brand;
using capnp::schema::Field;
using capnp::schema::Node;
using capnp::schema::Type;
using capnp::schema::Value;

using NodesById = std::map<uint64_t, Node::Reader>;

std::string NameOf(const Node::Reader& node) {
  const std::string_view name = View(node.getDisplayName());
  return std::string(name.substr(name.rfind(':') + 1));
}

// As one would write it in a schema: "Int64", "List(Text)", "Quote.Side".
std::string TypeText(const Type::Reader& type, const NodesById& nodes) {
  const auto named = [&](uint64_t id) {
    const auto found = nodes.find(id);
    return found == nodes.end() ? absl::StrCat("0x", absl::Hex(id)) : NameOf(found->second);
  };
  switch (type.which()) {
    case Type::VOID:
      return "Void";
    case Type::BOOL:
      return "Bool";
    case Type::INT8:
      return "Int8";
    case Type::INT16:
      return "Int16";
    case Type::INT32:
      return "Int32";
    case Type::INT64:
      return "Int64";
    case Type::UINT8:
      return "UInt8";
    case Type::UINT16:
      return "UInt16";
    case Type::UINT32:
      return "UInt32";
    case Type::UINT64:
      return "UInt64";
    case Type::FLOAT32:
      return "Float32";
    case Type::FLOAT64:
      return "Float64";
    case Type::TEXT:
      return "Text";
    case Type::DATA:
      return "Data";
    case Type::LIST:
      return absl::StrCat("List(", TypeText(type.getList().getElementType(), nodes), ")");
    case Type::ENUM:
      return named(type.getEnum().getTypeId());
    case Type::STRUCT:
      return named(type.getStruct().getTypeId());
    case Type::INTERFACE:
      return named(type.getInterface().getTypeId());
    case Type::ANY_POINTER:
      return "AnyPointer";
  }
  return "(a newer kind of type)";
}

uint64_t DeclarationId(const Type::Reader& type) {
  if (type.isList()) return DeclarationId(type.getList().getElementType());
  if (type.isEnum()) return type.getEnum().getTypeId();
  return type.isStruct() ? type.getStruct().getTypeId() : 0;
}

const char* KindOf(const Node::Reader& node) {
  if (node.isEnum()) return "an enum";
  return node.getStruct().getIsGroup() ? "a group" : "a struct";
}

// A field outside a union may become a union's first member, so both count as member 0.
uint16_t UnionMember(const Field::Reader& field) {
  return field.getDiscriminantValue() == Field::NO_DISCRIMINANT ? uint16_t{0} : field.getDiscriminantValue();
}

bool SameDefault(const Value::Reader& a, const Value::Reader& b) {
  if (a.which() != b.which()) return false;
  switch (a.which()) {
    case Value::VOID:
    case Value::INTERFACE:
      return true;
    case Value::BOOL:
      return a.getBool() == b.getBool();
    case Value::INT8:
      return a.getInt8() == b.getInt8();
    case Value::INT16:
      return a.getInt16() == b.getInt16();
    case Value::INT32:
      return a.getInt32() == b.getInt32();
    case Value::INT64:
      return a.getInt64() == b.getInt64();
    case Value::UINT8:
      return a.getUint8() == b.getUint8();
    case Value::UINT16:
      return a.getUint16() == b.getUint16();
    case Value::UINT32:
      return a.getUint32() == b.getUint32();
    case Value::UINT64:
      return a.getUint64() == b.getUint64();
    case Value::FLOAT32:
    case Value::FLOAT64: {
      // By their text, because a NaN is no other default than itself.
      return kj::str(a) == kj::str(b);
    }
    case Value::TEXT:
      return a.getText() == b.getText();
    case Value::DATA:
      return a.getData() == b.getData();
    case Value::ENUM:
      return a.getEnum() == b.getEnum();
    case Value::LIST:
      return a.getList() == b.getList();
    case Value::STRUCT:
      return a.getStruct() == b.getStruct();
    case Value::ANY_POINTER:
      return a.getAnyPointer() == b.getAnyPointer();
  }
  return false;
}

// "5", without the name of the member of Value that holds it. Long ones are of no help in a message.
std::string DefaultText(const Value::Reader& value) {
  if (value.isList() || value.isStruct() || value.isAnyPointer()) return "another value";
  std::string text(View(kj::str(value)));
  if (text.size() >= 2 && text.front() == '(' && text.back() == ')') text = text.substr(1, text.size() - 2);
  const size_t equals = text.find(" = ");
  if (equals != std::string::npos) text.erase(0, equals + 3);
  constexpr size_t kShownBytesMax = 40;
  return text.size() <= kShownBytesMax ? text : "another value";
}

class Comparison {
 public:
  Comparison(const LoadedSchema& ours, const LoadedSchema& topics) : ours_(Index(ours)), topics_(Index(topics)) {}

  absl::Status Run() {
    for (const auto& [id, our_node] : ours_) {
      const auto found = topics_.find(id);
      if (found == topics_.end()) continue;  // only one version has it: then only that one uses it
      if (absl::Status status = CompareNodes(our_node, found->second); !status.ok()) return status;
    }
    return AskSchemaLoader();
  }

 private:
  static NodesById Index(const LoadedSchema& schema) {
    NodesById nodes;
    for (const capnp::Schema& type : schema.Types()) nodes.emplace(type.getProto().getId(), type.getProto());
    return nodes;
  }

  template <class... Words>
  absl::Status Differs(const Words&... words) const {
    return absl::FailedPreconditionError(absl::StrCat(where_, ": ", words...));
  }

  absl::Status CompareNodes(const Node::Reader& ours, const Node::Reader& topics) {
    type_name_ = NameOf(ours);
    where_ = absl::StrCat("type ", type_name_);
    if (ours.which() != topics.which() ||
        (ours.isStruct() && ours.getStruct().getIsGroup() != topics.getStruct().getIsGroup())) {
      return Differs("it is ", KindOf(ours), " here, ", KindOf(topics), " in the topic");
    }
    if (!ours.isStruct()) return absl::OkStatus();  // enumerants are known by their order, and may be more or fewer

    const auto our_shape = ours.getStruct();
    const auto topic_shape = topics.getStruct();
    const auto our_fields = our_shape.getFields();
    const auto topic_fields = topic_shape.getFields();
    // Sorted by ordinal, so that what both have stands at the same index.
    const capnp::uint common = std::min(our_fields.size(), topic_fields.size());
    for (capnp::uint i = 0; i < common; ++i) {
      if (absl::Status status = CompareFields(our_fields[i], topic_fields[i]); !status.ok()) return status;
    }
    where_ = absl::StrCat("type ", type_name_);
    if (our_shape.getDiscriminantCount() > 0 && topic_shape.getDiscriminantCount() > 0 &&
        our_shape.getDiscriminantOffset() != topic_shape.getDiscriminantOffset()) {
      return Differs("its union lies elsewhere here than in the topic");
    }
    return absl::OkStatus();
  }

  void Enter(const Field::Reader& ours, const Field::Reader& topics) {
    where_ = absl::StrCat("field \"", AsAbsl(View(ours.getName())), "\"");
    if (ours.getOrdinal().isExplicit()) absl::StrAppend(&where_, " @", ours.getOrdinal().getExplicit());
    absl::StrAppend(&where_, " of ", type_name_);
    if (ours.getName() != topics.getName()) {
      absl::StrAppend(&where_, " (\"", AsAbsl(View(topics.getName())), "\" in the topic)");
    }
  }

  absl::Status CompareFields(const Field::Reader& ours, const Field::Reader& topics) {
    Enter(ours, topics);
    if (ours.isSlot() != topics.isSlot()) return CompareWithGroup(ours, topics);
    if (ours.isGroup()) {
      if (ours.getGroup().getTypeId() != topics.getGroup().getTypeId()) {
        return Differs("it is another group here than in the topic");
      }
    } else {
      const auto our_slot = ours.getSlot();
      const auto topic_slot = topics.getSlot();
      if (absl::Status status = CompareTypes(our_slot.getType(), topic_slot.getType()); !status.ok()) return status;
      if (our_slot.getOffset() != topic_slot.getOffset()) return Differs("it lies elsewhere here than in the topic");
      if (!SameDefault(our_slot.getDefaultValue(), topic_slot.getDefaultValue())) {
        return Differs("its default value is ", DefaultText(our_slot.getDefaultValue()), " here, ",
                       DefaultText(topic_slot.getDefaultValue()), " in the topic");
      }
    }
    if (UnionMember(ours) != UnionMember(topics)) {
      return Differs("it is union member ", UnionMember(ours), " here, ", UnionMember(topics), " in the topic");
    }
    return absl::OkStatus();
  }

  // A field that became a group whose first member it is.
  absl::Status CompareWithGroup(const Field::Reader& ours, const Field::Reader& topics) {
    const Field::Reader& slot = ours.isSlot() ? ours : topics;
    const Field::Reader& group = ours.isSlot() ? topics : ours;
    const NodesById& nodes = ours.isSlot() ? topics_ : ours_;
    const auto members = nodes.at(group.getGroup().getTypeId()).getStruct().getFields();
    if (members.size() > 0 && members[0].isSlot() && UnionMember(members[0]) == 0 &&
        members[0].getSlot().getOffset() == slot.getSlot().getOffset()) {
      const auto& [here, there] = ours.isSlot() ? std::pair(slot, members[0]) : std::pair(members[0], slot);
      return CompareTypes(here.getSlot().getType(), there.getSlot().getType());
    }
    return Differs("it is ", ours.isSlot() ? TypeText(slot.getSlot().getType(), ours_) : "a group", " here, ",
                   ours.isSlot() ? "a group" : TypeText(slot.getSlot().getType(), topics_), " in the topic");
  }

  absl::Status CompareTypes(const Type::Reader& ours, const Type::Reader& topics) {
    if (SameType(ours, topics)) return absl::OkStatus();
    std::string here = TypeText(ours, ours_);
    std::string there = TypeText(topics, topics_);
    if (here == there) {
      if (DeclarationId(ours) == DeclarationId(topics)) {
        return Differs("its type is ", here, " with other type arguments here than in the topic");
      }
      absl::StrAppend(&here, " (0x", absl::Hex(DeclarationId(ours)), ")");
      absl::StrAppend(&there, " (0x", absl::Hex(DeclarationId(topics)), ")");
    }
    return Differs("its type is ", here, " here, ", there, " in the topic");
  }

  // The recursions end where those of CheckNodes did.
  bool SameType(const Type::Reader& ours, const Type::Reader& topics) const {
    if (ours.which() != topics.which()) return false;
    switch (ours.which()) {
      case Type::LIST: {
        const auto our_element = ours.getList().getElementType();
        const auto topic_element = topics.getList().getElementType();
        return SameType(our_element, topic_element) || BecameStruct(our_element, ours_, topic_element, topics_) ||
               BecameStruct(topic_element, topics_, our_element, ours_);
      }
      case Type::ENUM:
        return ours.getEnum().getTypeId() == topics.getEnum().getTypeId();
      case Type::STRUCT:
        return ours.getStruct().getTypeId() == topics.getStruct().getTypeId() &&
               SameArguments(ours.getStruct().getBrand(), topics.getStruct().getBrand());
      case Type::ANY_POINTER: {
        const auto our_any = ours.getAnyPointer();
        const auto topic_any = topics.getAnyPointer();
        if (our_any.which() != topic_any.which()) return false;
        if (our_any.isParameter()) {
          return our_any.getParameter().getScopeId() == topic_any.getParameter().getScopeId() &&
                 our_any.getParameter().getParameterIndex() == topic_any.getParameter().getParameterIndex();
        }
        return our_any.getUnconstrained().which() == topic_any.getUnconstrained().which();
      }
      default:
        return true;
    }
  }

  // The elements of a list became structs. Not those of a list of Bool, which are not read as structs.
  static bool BecameStruct(const Type::Reader& plain, const NodesById& plains, const Type::Reader& element,
                           const NodesById& elements) {
    if (!element.isStruct() || plain.isStruct() || plain.isBool()) return false;
    const auto fields = elements.at(element.getStruct().getTypeId()).getStruct().getFields();
    if (fields.size() == 0 || !fields[0].isSlot() || fields[0].getSlot().getOffset() != 0) return false;
    const auto first = fields[0].getSlot().getType();
    // By their text: the ids of declarations are compared by SchemaLoader.
    return first.which() == plain.which() && TypeText(first, elements) == TypeText(plain, plains);
  }

  bool SameArguments(const Brand::Reader& ours, const Brand::Reader& topics) const {
    const auto our_scopes = ours.getScopes();
    const auto topic_scopes = topics.getScopes();
    if (our_scopes.size() != topic_scopes.size()) return false;
    for (capnp::uint i = 0; i < our_scopes.size(); ++i) {
      if (our_scopes[i].getScopeId() != topic_scopes[i].getScopeId() ||
          our_scopes[i].which() != topic_scopes[i].which()) {
        return false;
      }
      if (!our_scopes[i].isBind()) continue;
      const auto our_bindings = our_scopes[i].getBind();
      const auto topic_bindings = topic_scopes[i].getBind();
      if (our_bindings.size() != topic_bindings.size()) return false;
      for (capnp::uint k = 0; k < our_bindings.size(); ++k) {
        if (our_bindings[k].which() != topic_bindings[k].which()) return false;
        if (our_bindings[k].isType() && !SameType(our_bindings[k].getType(), topic_bindings[k].getType())) return false;
      }
    }
    return true;
  }

  // SchemaLoader compares defaults by ==, so that a NaN would differ from itself. Here they are equal already.
  static void LoadInto(capnp::SchemaLoader& loader, const Node::Reader& node) {
    capnp::MallocMessageBuilder builder;
    builder.setRoot(node);
    auto copy = builder.getRoot<Node>();
    if (copy.isStruct()) {
      for (auto field : copy.getStruct().getFields()) {
        if (!field.isSlot()) continue;
        auto value = field.getSlot().getDefaultValue();
        if (value.isFloat32() && std::isnan(value.getFloat32())) value.setFloat32(0);
        if (value.isFloat64() && std::isnan(value.getFloat64())) value.setFloat64(0);
      }
    }
    loader.load(copy.asReader());
  }

  // The last word: whatever this file forgot or a newer Cap'n Proto added. Its texts name neither type nor field, but
  // what it was doing is in the exception's contexts.
  absl::Status AskSchemaLoader() const {
    std::string type_name;
    try {
      capnp::SchemaLoader loader;
      for (const NodesById* nodes : {&topics_, &ours_}) {
        for (const auto& [id, node] : *nodes) {
          type_name = NameOf(node);
          LoadInto(loader, node);
        }
      }
      return absl::OkStatus();
    } catch (const kj::Exception& exception) {
      absl::Status status =
          FromException(absl::StatusCode::kFailedPrecondition, absl::StrCat("type ", type_name), exception);
      std::string text(AsStd(status.message()));
      const kj::Exception::Context* step = nullptr;
      KJ_IF_MAYBE (context, exception.getContext()) {
        step = context;
      }
      while (step != nullptr) {
        absl::StrAppend(&text, "; ", AsAbsl(View(step->description)));
        const kj::Exception::Context* next = nullptr;
        KJ_IF_MAYBE (further, step->next) {
          next = further->get();
        }
        step = next;
      }
      return absl::FailedPreconditionError(text);
    }
  }

  const NodesById ours_;
  const NodesById topics_;
  std::string type_name_;
  std::string where_;
};

}  // namespace

absl::Status CheckCompatible(std::span<const std::byte> ours, std::span<const std::byte> topics) {
  const auto say = [](const char* whose, const absl::Status& status) {
    return absl::Status(status.code(), absl::StrCat(whose, " cannot be read: ", status.message()));
  };
  absl::StatusOr<LoadedSchema> our_schema = LoadedSchema::Parse(ours);
  if (!our_schema.ok()) return say("this endpoint's schema", our_schema.status());
  absl::StatusOr<LoadedSchema> topic_schema = LoadedSchema::Parse(topics);
  if (!topic_schema.ok()) return say("the topic's schema", topic_schema.status());
  if (our_schema->id() != topic_schema->id()) {
    return absl::FailedPreconditionError(absl::StrCat("the type is ", our_schema->name(), " (0x",
                                                      absl::Hex(our_schema->id()), ") here, ", topic_schema->name(),
                                                      " (0x", absl::Hex(topic_schema->id()), ") in the topic"));
  }
  try {
    return Comparison(*our_schema, *topic_schema).Run();
  } catch (const kj::Exception& exception) {
    return FromException(absl::StatusCode::kFailedPrecondition, "schemas cannot be compared", exception);
  }
}

}  // namespace weir::schema
