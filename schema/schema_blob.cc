#include "schema/schema_blob.h"

#include <capnp/message.h>
#include <capnp/schema.capnp.h>
#include <capnp/serialize.h>
#include <kj/exception.h>

#include <cstring>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "middleware/base/limits.h"
#include "middleware/base/strings.h"
#include "schema/kj_seam.h"
#include "schema/node_check.h"
#include "schema/validate.h"

namespace weir::schema {
namespace {

using capnp::schema::Brand;
using capnp::schema::CodeGeneratorRequest;
using capnp::schema::Field;
using capnp::schema::Node;

// A parsed blob is gone through several times: each node is read by the checks, measured and copied by the loader.
constexpr uint64_t kReadsPerWord = 16;
constexpr uint64_t kReadsSlackWords = 1024;

// A type's name is what its display name has after the file: "weir/messages/image.capnp:Image.Encoding".
std::string_view TypeName(std::string_view display_name) {
  return display_name.substr(display_name.rfind(':') + 1);
}

// The bytes of the file's folder in a display name. Where a file lay when it was compiled is not part of the type.
size_t FolderBytes(std::string_view display_name) {
  size_t colon = display_name.rfind(':');
  return colon == std::string_view::npos ? 0 : display_name.rfind('/', colon) + 1;
}

// Everything that a struct reaches, by id. Schema gives types with their arguments, the node tells which of them were
// written at this place: following the node ends, following the types would not (struct Tree(T) { next :Tree(List(T))
// }).
class Closure {
 public:
  explicit Closure(capnp::StructSchema root) {
    Add(root);
    while (!pending_.empty()) {
      capnp::StructSchema type = pending_.back();
      pending_.pop_back();
      for (capnp::StructSchema::Field field : type.getFields()) {
        Field::Reader proto = field.getProto();
        if (proto.isGroup()) {
          Add(field.getType().asStruct());
        } else if (proto.isSlot()) {
          AddType(proto.getSlot().getType(), field.getType());
        }
      }
    }
  }

  const std::map<uint64_t, capnp::Schema>& types() const { return types_; }

 private:
  void Add(capnp::StructSchema type) {
    if (types_.emplace(type.getProto().getId(), type).second) pending_.push_back(type);
  }

  // Interfaces are left out; CheckNodes refuses them with the field's name.
  void AddType(capnp::schema::Type::Reader proto, capnp::Type type) {
    if (proto.isList()) {
      AddType(proto.getList().getElementType(), type.asList().getElementType());
    } else if (proto.isEnum()) {
      capnp::EnumSchema found = type.asEnum();
      types_.emplace(found.getProto().getId(), found);
      AddBrand(proto.getEnum().getBrand(), found);
    } else if (proto.isStruct()) {
      Add(type.asStruct());
      AddBrand(proto.getStruct().getBrand(), type.asStruct());
    }
  }

  void AddBrand(Brand::Reader brand, capnp::Schema type) {
    for (auto scope : brand.getScopes()) {
      if (!scope.isBind()) continue;
      auto arguments = type.getBrandArgumentsAtScope(scope.getScopeId());
      auto bindings = scope.getBind();
      for (capnp::uint i = 0; i < bindings.size(); ++i) {
        if (bindings[i].isType()) AddType(bindings[i].getType(), arguments[i]);
      }
    }
  }

  std::map<uint64_t, capnp::Schema> types_;
  std::vector<capnp::StructSchema> pending_;
};

void DropWhatIsNotTheType(Node::Builder node, const Closure& closure) {
  node.disownAnnotations();
  if (node.isStruct()) {
    for (auto field : node.getStruct().getFields()) field.disownAnnotations();
  } else if (node.isEnum()) {
    for (auto enumerant : node.getEnum().getEnumerants()) enumerant.disownAnnotations();
  }

  std::string name(View(node.getDisplayName()));
  size_t folder_bytes = FolderBytes(name);
  if (folder_bytes > 0 && node.getDisplayNamePrefixLength() >= folder_bytes) {
    node.setDisplayName(name.c_str() + folder_bytes);
    node.setDisplayNamePrefixLength(node.getDisplayNamePrefixLength() - static_cast<uint32_t>(folder_bytes));
  }

  auto nested = node.disownNestedNodes();
  std::vector<Node::NestedNode::Reader> kept;
  for (auto declaration : nested.getReader()) {
    if (closure.types().contains(declaration.getId())) kept.push_back(declaration);
  }
  if (kept.empty()) return;
  auto list = node.initNestedNodes(static_cast<capnp::uint>(kept.size()));
  for (capnp::uint i = 0; i < kept.size(); ++i) list.setWithCaveats(i, kept[i]);
}

std::string Serialize(CodeGeneratorRequest::Reader request) {
  kj::Array<capnp::word> canonical = capnp::canonicalize(request);
  kj::ArrayPtr<const capnp::word> segment = canonical;
  kj::Array<capnp::word> flat = capnp::messageToFlatArray(kj::arrayPtr(&segment, 1));
  auto bytes = flat.asBytes();
  return std::string(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
}

// The nodes of a request by id.
absl::StatusOr<Nodes> Index(CodeGeneratorRequest::Reader request) {
  Nodes nodes;
  for (auto node : request.getNodes()) {
    if (!nodes.emplace(node.getId(), node).second) {
      return absl::DataLossError(absl::StrCat("schema: type 0x", absl::Hex(node.getId()), " is there twice"));
    }
  }
  return nodes;
}

}  // namespace

absl::StatusOr<TypeDescription> Describe(capnp::StructSchema root) {
  try {
    TypeDescription description;
    Node::Reader proto = root.getProto();
    description.id = proto.getId();
    description.name = std::string(TypeName(View(proto.getDisplayName())));
    if (description.name.size() > kNameBytesMax) {
      return absl::FailedPreconditionError(absl::StrCat("the name of type 0x", absl::Hex(description.id), " has ",
                                                        description.name.size(), " bytes; the limit is ",
                                                        kNameBytesMax));
    }
    if (root.isBranded()) {
      return absl::FailedPreconditionError(
          absl::StrCat(description.name,
                       ": a topic's type cannot be a generic with type arguments; make it the type of a "
                       "field of a struct of yours"));
    }

    Closure closure(root);
    capnp::MallocMessageBuilder builder;
    auto request = builder.initRoot<CodeGeneratorRequest>();
    auto nodes = request.initNodes(static_cast<capnp::uint>(closure.types().size()));
    capnp::uint next = 0;
    for (const auto& [id, type] : closure.types()) {
      nodes.setWithCaveats(next, type.getProto());
      DropWhatIsNotTheType(nodes[next], closure);
      if (id == description.id) {
        auto file = request.initRequestedFiles(1)[0];
        file.setId(id);
        file.setFilename(nodes[next].asReader().getDisplayName());
      }
      ++next;
    }

    description.blob = Serialize(request.asReader());
    if (description.blob.size() > kSchemaBytesMax) {
      return absl::FailedPreconditionError(absl::StrCat(description.name, ": its schema has ", description.blob.size(),
                                                        " bytes; the limit is ", kSchemaBytesMax));
    }
    // What others would refuse must not get as far as a topic.
    absl::Status readable = LoadedSchema::Parse(std::as_bytes(std::span(description.blob))).status();
    if (!readable.ok()) return absl::FailedPreconditionError(readable.message());
    description.hash = HashBytes(std::as_bytes(std::span(description.blob)));
    return description;
  } catch (const kj::Exception& exception) {
    return FromException(absl::StatusCode::kFailedPrecondition, "schema", exception);
  }
}

absl::StatusOr<LoadedSchema> LoadedSchema::Parse(std::span<const std::byte> blob) {
  // A segment table (count - 1, size in words) and the segment.
  constexpr size_t kTableBytes = 8;
  if (blob.size() > kSchemaBytesMax || blob.size() % sizeof(capnp::word) != 0 || blob.size() <= kTableBytes) {
    return absl::DataLossError(absl::StrCat("schema: ", blob.size(), " bytes; it has a multiple of 8, more than ",
                                            kTableBytes, " and at most ", kSchemaBytesMax));
  }
  kj::Array<capnp::word> words = kj::heapArray<capnp::word>(blob.size() / sizeof(capnp::word));
  std::memcpy(words.begin(), blob.data(), blob.size());
  uint32_t table[2];
  std::memcpy(table, words.begin(), sizeof(table));
  if (table[0] != 0 || table[1] != words.size() - 1) {
    return absl::DataLossError("schema: not one segment of the size that its table says");
  }

  // Twice the words, because Describe() makes no two pointers that share a target: here ends a small blob that would
  // unfold into a large schema.
  kj::ArrayPtr<const capnp::word> segment = words.slice(1, words.size());
  ValidateLimits limits;
  limits.visited_words_max = 2 * words.size() + kReadsSlackWords;
  absl::Status valid = Validate(kj::arrayPtr(&segment, 1), capnp::Schema::from<CodeGeneratorRequest>(), limits);
  if (!valid.ok()) return valid;

  try {
    capnp::ReaderOptions options;
    options.traversalLimitInWords = kReadsPerWord * words.size() + kReadsSlackWords;
    capnp::FlatArrayMessageReader message(words, options);
    auto request = message.getRoot<CodeGeneratorRequest>();
    auto files = request.getRequestedFiles();
    if (files.size() != 1) {
      return absl::DataLossError(absl::StrCat("schema: ", files.size(), " root types; it has one"));
    }

    LoadedSchema loaded;
    loaded.id_ = files[0].getId();
    absl::StatusOr<Nodes> nodes = Index(request);
    if (!nodes.ok()) return nodes.status();
    absl::StatusOr<std::vector<uint64_t>> reached = CheckNodes(loaded.id_, *nodes);
    if (!reached.ok()) return reached.status();
    loaded.name_ = std::string(TypeName(View(nodes->at(loaded.id_).getDisplayName())));
    if (loaded.name_.empty() || loaded.name_.size() > kNameBytesMax) {
      return absl::DataLossError(absl::StrCat("schema: the root type's name has ", loaded.name_.size(), " bytes"));
    }

    loaded.loader_ = std::make_unique<capnp::SchemaLoader>();
    for (uint64_t id : *reached) loaded.loader_->load(nodes->at(id));
    loaded.root_ = loaded.loader_->get(loaded.id_).asStruct();
    loaded.hash_ = HashBytes(blob);
    return loaded;
  } catch (const kj::Exception& exception) {
    return FromException(absl::StatusCode::kDataLoss, "schema", exception);
  }
}

std::vector<capnp::Schema> LoadedSchema::Types() const {
  std::vector<capnp::Schema> types;
  for (const capnp::Schema& type : loader_->getAllLoaded()) types.push_back(type);
  return types;
}

}  // namespace weir::schema
