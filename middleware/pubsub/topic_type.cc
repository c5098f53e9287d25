#include "middleware/pubsub/topic_type.h"

#include <optional>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "middleware/base/hash.h"
#include "schema/compatible.h"
#include "weir/message.h"

namespace weir::internal {
namespace {

using discovery::TopicRecord;
using discovery::TypeSpec;

// Whether the two could differ in nothing but the version of their schema. Of a Cap'n Proto type the id counts, so that
// it may be renamed.
bool SameButForSchema(const TopicRecord& topic, const TypeSpec& type) {
  return topic.type_kind == static_cast<uint32_t>(MessageKind::kCapnp) && topic.type_kind == type.kind &&
         topic.type_id == type.id && topic.schema_bytes != 0 && !type.schema_blob.empty();
}

}  // namespace

absl::Status ComeToTerms(const discovery::Registry& registry, const absl::Status& refused, discovery::TopicSpec& spec) {
  if (!absl::IsFailedPrecondition(refused)) return refused;
  const std::optional<TopicRecord> topic = registry.FindTopic(spec.name);
  const bool other_reason = !topic || topic->incarnation == spec.compatible_with ||
                            (topic->schema_hash == spec.type.schema_hash && topic->type_name == spec.type.name);
  if (other_reason || !SameButForSchema(*topic, spec.type)) return refused;

  const std::string where = absl::StrCat("topic \"", absl::Utf8SafeCHexEscape(topic->name), "\"");
  const absl::StatusOr<std::string> schema = registry.ReadSchema(topic->schema_hash);
  if (!schema.ok()) {
    return absl::Status(schema.status().code(),
                        absl::StrCat(where, " has another version of type \"", spec.type.name,
                                     "\", and its schema cannot be read: ", schema.status().message()));
  }
  const absl::Status compatible =
      schema::CheckCompatible(std::as_bytes(std::span(spec.type.schema_blob)), std::as_bytes(std::span(*schema)));
  if (!compatible.ok()) {
    return absl::Status(compatible.code(), absl::StrCat(where, " has another version of type \"", spec.type.name,
                                                        "\", which does not go with this one: ", compatible.message()));
  }
  spec.compatible_with = topic->incarnation;
  return absl::OkStatus();
}

}  // namespace weir::internal
