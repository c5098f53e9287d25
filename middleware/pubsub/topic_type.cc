#include "middleware/pubsub/topic_type.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "middleware/base/hash.h"
#include "middleware/base/text.h"
#include "middleware/pubsub/node_core.h"
#include "schema/compatible.h"
#include "schema/schema_blob.h"
#include "schema/struct_text.h"
#include "weir/message.h"

namespace weir::internal {
namespace {

using discovery::TopicRecord;
using discovery::TypeSpec;

bool IsKind(const TopicRecord& topic, const TypeSpec& type, MessageKind kind) {
  return topic.type_kind == static_cast<uint32_t>(kind) && type.kind == topic.type_kind;
}

bool BothHaveSchemas(const TopicRecord& topic, const TypeSpec& type) {
  return topic.schema_bytes != 0 && !type.schema_blob.empty();
}

// Of a Cap'n Proto type the id counts, so that it may be renamed.
bool AreVersions(const TopicRecord& topic, const TypeSpec& type) {
  return IsKind(topic, type, MessageKind::kCapnp) && topic.type_id == type.id && BothHaveSchemas(topic, type);
}

bool AreStructs(const TopicRecord& topic, const TypeSpec& type) {
  return IsKind(topic, type, MessageKind::kPlain) && topic.type_name == type.name;
}

bool HaveOneSize(const TopicRecord& topic, const TypeSpec& type) {
  return topic.body_bytes == type.body_bytes && topic.body_align == type.body_align;
}

// Where a Cap'n Proto type was declared: "quote.capnp:Quote". Empty if the blob cannot be read.
std::string DeclarationIn(std::string_view blob) {
  const auto schema = schema::LoadedSchema::Parse(std::as_bytes(std::span(blob)));
  if (!schema.ok()) return "";
  return std::string(schema->root().getProto().getDisplayName().cStr());
}

// "plain struct \"Tick\" of 24 bytes aligned to 8", "Cap'n Proto struct \"Quote\" (quote.capnp:Quote, id 0x...)".
std::string Describe(uint32_t kind, const std::string& name, uint64_t id, uint64_t bytes, uint32_t align,
                     std::string_view schema) {
  std::string text =
      absl::StrCat("a ", NameOf(static_cast<MessageKind>(std::min<uint32_t>(kind, 0xff))), " ", Quoted(name));
  if (bytes != 0) absl::StrAppend(&text, " of ", bytes, " bytes aligned to ", align);
  if (kind == static_cast<uint32_t>(MessageKind::kCapnp)) {
    const std::string declaration = DeclarationIn(schema);
    absl::StrAppend(&text, " (", declaration.empty() ? "" : Quoted(declaration) + ", ", "id 0x", absl::Hex(id), ")");
  }
  return text;
}

bool IsSameType(const TopicRecord& topic, const TypeSpec& type) {
  return topic.type_kind == type.kind && topic.type_name == type.name && topic.type_id == type.id &&
         HaveOneSize(topic, type) && topic.schema_hash == type.schema_hash;
}

absl::Status OtherType(const discovery::Registry& registry, const TopicRecord& topic, const TypeSpec& type) {
  std::string schema;
  if (topic.schema_bytes != 0) schema = registry.ReadSchema(topic.schema_hash).value_or("");
  return absl::FailedPreconditionError(absl::StrCat(
      "topic ", Quoted(topic.name), " carries ",
      Describe(topic.type_kind, topic.type_name, topic.type_id, topic.body_bytes, topic.body_align, schema),
      "; this endpoint has ",
      Describe(type.kind, type.name, type.id, type.body_bytes, type.body_align, type.schema_blob),
      ". A topic has one type: use another topic, or the same type in all programs"));
}

}  // namespace

absl::Status ComeToTerms(const discovery::Registry& registry, const absl::Status& refused, discovery::TopicSpec& spec) {
  if (!absl::IsFailedPrecondition(refused)) return refused;
  const std::optional<TopicRecord> topic = registry.FindTopic(spec.name);
  const bool other_reason = !topic || topic->incarnation == spec.compatible_with || IsSameType(*topic, spec.type);
  if (other_reason) return refused;
  const bool structs = AreStructs(*topic, spec.type);
  if (!structs && !AreVersions(*topic, spec.type)) return OtherType(registry, *topic, spec.type);
  if (structs && !BothHaveSchemas(*topic, spec.type)) {
    // One side is not described, so what both can say decides.
    if (!HaveOneSize(*topic, spec.type)) return OtherType(registry, *topic, spec.type);
    spec.compatible_with = topic->incarnation;
    return absl::OkStatus();
  }

  const std::string where = absl::StrCat("topic ", Quoted(topic->name), " has another version of ",
                                         structs ? "struct" : "type", " ", Quoted(spec.type.name));
  const absl::StatusOr<std::string> schema = registry.ReadSchema(topic->schema_hash);
  if (!schema.ok()) {
    return absl::Status(schema.status().code(),
                        absl::StrCat(where, ", and its schema cannot be read: ", schema.status().message()));
  }
  const absl::Status compatible = structs ? schema::CompareStructTexts(spec.type.schema_blob, *schema)
                                          : schema::CheckCompatible(std::as_bytes(std::span(spec.type.schema_blob)),
                                                                    std::as_bytes(std::span(*schema)));
  if (!compatible.ok()) {
    return absl::Status(compatible.code(),
                        absl::StrCat(where, ", which does not go with this one: ", compatible.message()));
  }
  if (!HaveOneSize(*topic, spec.type)) return OtherType(registry, *topic, spec.type);
  spec.compatible_with = topic->incarnation;
  return absl::OkStatus();
}

}  // namespace weir::internal
