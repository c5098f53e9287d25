#include "schema/node_check.h"

#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "middleware/base/strings.h"
#include "schema/kj_seam.h"

namespace weir::schema {
namespace {

using capnp::schema::Brand;
using capnp::schema::Field;
using capnp::schema::Node;
using capnp::schema::Type;

// The loader numbers members with 16 bits, and 0xffff stands for "not in a union".
constexpr uint32_t kMembersMax = 0xffff;
constexpr size_t kDisplayNameBytesMax = 4096;

// Names are printed on terminals and become parts of paths, so they are held to what the Cap'n Proto compiler accepts.
bool IsIdentifier(std::string_view name) {
  if (name.empty() || absl::ascii_isdigit(static_cast<unsigned char>(name[0]))) return false;
  for (char c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '_') return false;
  }
  return true;
}

bool IsPrintable(std::string_view name) {
  for (char c : name) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) return false;
  }
  return true;
}

class Checker {
 public:
  explicit Checker(const Nodes& nodes) : nodes_(nodes) {}

  absl::StatusOr<std::vector<uint64_t>> Run(uint64_t root_id) {
    absl::Status status = Reach(root_id, Node::STRUCT, /*group=*/false);
    // `reached_` grows while it is walked. Not a recursion: the length of a chain of types is the writer's choice.
    for (size_t next = 0; status.ok() && next < reached_.size(); ++next) status = Check(nodes_.at(reached_[next]));
    if (!status.ok()) return status;
    return std::move(reached_);
  }

 private:
  template <class... Words>
  absl::Status Corrupt(const Words&... words) const {
    return absl::DataLossError(absl::StrCat(where_, ": ", words...));
  }

  absl::Status Unsupported(const char* what) const {
    return absl::FailedPreconditionError(absl::StrCat(where_, ": a topic's type cannot contain ", what));
  }

  // Notes that something refers to node `id` as a `kind`.
  absl::Status Reach(uint64_t id, Node::Which kind, bool group) {
    auto found = nodes_.find(id);
    if (found == nodes_.end()) return Corrupt("the schema lacks the type 0x", absl::Hex(id), " that it refers to");
    const Node::Reader& node = found->second;
    if (node.which() != kind || (node.isStruct() && node.getStruct().getIsGroup() != group)) {
      return Corrupt("the type 0x", absl::Hex(id), " is not of the kind it is used as");
    }
    if (known_.insert(id).second) reached_.push_back(id);
    return absl::OkStatus();
  }

  absl::Status Check(const Node::Reader& node) {
    std::string_view name = View(node.getDisplayName());
    where_ = absl::StrCat("type 0x", absl::Hex(node.getId()));
    if (name.empty() || name.size() > kDisplayNameBytesMax || !IsPrintable(name)) {
      return Corrupt("its name is empty, not printable, or longer than ", kDisplayNameBytesMax, " bytes");
    }
    if (node.getDisplayNamePrefixLength() > name.size()) {
      return Corrupt("its name is shorter than the part of it that is its scope");
    }
    type_name_ = absl::StrCat(AsAbsl(name.substr(name.rfind(':') + 1)));
    where_ = type_name_;
    for (auto parameter : node.getParameters()) {
      if (!IsIdentifier(View(parameter.getName()))) return Corrupt("a parameter's name is not an identifier");
    }
    return node.isStruct() ? CheckStruct(node) : CheckEnum(node);
  }

  absl::Status CheckEnum(const Node::Reader& node) {
    auto enumerants = node.getEnum().getEnumerants();
    if (enumerants.size() > kMembersMax) return Corrupt("more than ", kMembersMax, " enumerants");
    for (auto enumerant : enumerants) {
      if (!IsIdentifier(View(enumerant.getName()))) return Corrupt("an enumerant's name is not an identifier");
    }
    return absl::OkStatus();
  }

  absl::Status CheckStruct(const Node::Reader& node) {
    auto shape = node.getStruct();
    auto fields = shape.getFields();
    if (fields.size() > kMembersMax) return Corrupt("more than ", kMembersMax, " fields");

    uint64_t data_bits = uint64_t{shape.getDataWordCount()} * 64;
    uint32_t in_union = 0;
    for (auto field : fields) {
      if (field.getDiscriminantValue() != Field::NO_DISCRIMINANT) ++in_union;
    }
    if (in_union != shape.getDiscriminantCount()) {
      return Corrupt(in_union, " union members, but ", shape.getDiscriminantCount(), " are announced");
    }
    if (in_union > 0 && (uint64_t{shape.getDiscriminantOffset()} + 1) * 16 > data_bits) {
      return Corrupt("the union's discriminant lies outside the struct");
    }

    for (auto field : fields) {
      where_ = type_name_;
      if (!IsIdentifier(View(field.getName()))) return Corrupt("a field's name is not an identifier");
      where_ = absl::StrCat(type_name_, ".", AsAbsl(View(field.getName())));
      absl::Status status = CheckField(node, field);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status CheckField(const Node::Reader& parent, const Field::Reader& field) {
    auto shape = parent.getStruct();
    switch (field.which()) {
      case Field::GROUP: {
        uint64_t id = field.getGroup().getTypeId();
        absl::Status status = Reach(id, Node::STRUCT, /*group=*/true);
        if (!status.ok()) return status;
        const Node::Reader& group = nodes_.at(id);
        auto group_shape = group.getStruct();
        // One parent each, so groups cannot contain themselves; and the parent's size, which is all that is allocated.
        if (group.getScopeId() != parent.getId() || group_shape.getDataWordCount() != shape.getDataWordCount() ||
            group_shape.getPointerCount() != shape.getPointerCount() ||
            group_shape.getPreferredListEncoding() != shape.getPreferredListEncoding()) {
          return Corrupt("the group does not fit the struct that it is part of");
        }
        return absl::OkStatus();
      }
      case Field::SLOT: {
        auto slot = field.getSlot();
        uint64_t bits = 0;
        bool pointer = false;
        absl::Status status = CheckType(slot.getType(), &bits, &pointer);
        if (!status.ok()) return status;
        uint64_t places = uint64_t{slot.getOffset()} + 1;
        if (bits * places > uint64_t{shape.getDataWordCount()} * 64 || (pointer && places > shape.getPointerCount())) {
          return Corrupt("the field lies outside its struct");
        }
        return absl::OkStatus();
      }
    }
    return Unsupported("this kind of field, which is newer than the Cap'n Proto library in use");
  }

  // `bits` and `pointer`: the room a field of this type takes. The recursion ends at the nesting limit of the reader.
  absl::Status CheckType(const Type::Reader& type, uint64_t* bits, bool* pointer) {
    *pointer = false;
    switch (type.which()) {
      case Type::VOID:
        *bits = 0;
        return absl::OkStatus();
      case Type::BOOL:
        *bits = 1;
        return absl::OkStatus();
      case Type::INT8:
      case Type::UINT8:
        *bits = 8;
        return absl::OkStatus();
      case Type::INT16:
      case Type::UINT16:
        *bits = 16;
        return absl::OkStatus();
      case Type::INT32:
      case Type::UINT32:
      case Type::FLOAT32:
        *bits = 32;
        return absl::OkStatus();
      case Type::INT64:
      case Type::UINT64:
      case Type::FLOAT64:
        *bits = 64;
        return absl::OkStatus();
      case Type::ENUM: {
        *bits = 16;
        absl::Status status = Reach(type.getEnum().getTypeId(), Node::ENUM, /*group=*/false);
        return status.ok() ? CheckBrand(type.getEnum().getBrand()) : status;
      }
      case Type::TEXT:
      case Type::DATA:
        *pointer = true;
        return absl::OkStatus();
      case Type::LIST: {
        uint64_t element_bits = 0;
        bool element_pointer = false;
        *pointer = true;
        auto element = type.getList().getElementType();
        if (element.isAnyPointer()) return Unsupported("lists of AnyPointer, which Cap'n Proto cannot read");
        return CheckType(element, &element_bits, &element_pointer);
      }
      case Type::STRUCT: {
        *pointer = true;
        absl::Status status = Reach(type.getStruct().getTypeId(), Node::STRUCT, /*group=*/false);
        return status.ok() ? CheckBrand(type.getStruct().getBrand()) : status;
      }
      case Type::ANY_POINTER: {
        *pointer = true;
        auto any = type.getAnyPointer();
        if (any.isParameter()) return absl::OkStatus();
        if (!any.isUnconstrained()) break;
        if (any.getUnconstrained().isCapability()) return Unsupported("capabilities");
        return absl::OkStatus();
      }
      case Type::INTERFACE:
        return Unsupported("capabilities");
    }
    return Unsupported("this kind of type, which is newer than the Cap'n Proto library in use");
  }

  absl::Status CheckBrand(const Brand::Reader& brand) {
    for (auto scope : brand.getScopes()) {
      if (scope.which() != Brand::Scope::BIND) continue;
      for (auto binding : scope.getBind()) {
        if (binding.which() != Brand::Binding::TYPE) continue;
        uint64_t bits = 0;
        bool pointer = false;
        absl::Status status = CheckType(binding.getType(), &bits, &pointer);
        if (!status.ok()) return status;
        if (!pointer) return Corrupt("a type argument is not a pointer type");
      }
    }
    return absl::OkStatus();
  }

  const Nodes& nodes_;
  std::unordered_set<uint64_t> known_;
  std::vector<uint64_t> reached_;
  std::string type_name_;
  std::string where_ = "the root type";
};

}  // namespace

absl::StatusOr<std::vector<uint64_t>> CheckNodes(uint64_t root_id, const Nodes& nodes) {
  return Checker(nodes).Run(root_id);
}

}  // namespace weir::schema
