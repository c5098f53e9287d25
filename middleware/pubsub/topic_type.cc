#include "middleware/pubsub/topic_type.h"

#include <optional>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "middleware/base/hash.h"
#include "schema/compatible.h"
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

}  // namespace

absl::Status ComeToTerms(const discovery::Registry& registry, const absl::Status& refused, discovery::TopicSpec& spec) {
  if (!absl::IsFailedPrecondition(refused)) return refused;
  const std::optional<TopicRecord> topic = registry.FindTopic(spec.name);
  const bool other_reason = !topic || topic->incarnation == spec.compatible_with ||
                            (topic->schema_hash == spec.type.schema_hash && topic->type_name == spec.type.name);
  if (other_reason) return refused;
  const bool structs = AreStructs(*topic, spec.type);
  if (!structs && !AreVersions(*topic, spec.type)) return refused;
  if (structs && !BothHaveSchemas(*topic, spec.type)) {
    // One side is not described, so what both can say decides.
    if (!HaveOneSize(*topic, spec.type)) return refused;
    spec.compatible_with = topic->incarnation;
    return absl::OkStatus();
  }

  const std::string where =
      absl::StrCat("topic \"", absl::Utf8SafeCHexEscape(topic->name), "\" has another version of ",
                   structs ? "struct" : "type", " \"", spec.type.name, "\"");
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
  if (!HaveOneSize(*topic, spec.type)) return refused;
  spec.compatible_with = topic->incarnation;
  return absl::OkStatus();
}

}  // namespace weir::internal
