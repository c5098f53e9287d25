// Registry: topics. A topic is made by its first endpoint and checked by all others.
#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "discovery/change.h"
#include "discovery/departed.h"
#include "discovery/names.h"
#include "discovery/registry.h"
#include "middleware/base/crash_point.h"
#include "middleware/base/hash.h"
#include "middleware/base/limits.h"
#include "middleware/base/text.h"
#include "middleware/os/file.h"

namespace weir::discovery {
namespace {

std::string Describe(const std::string& name, uint32_t kind, uint64_t id, uint64_t bytes, uint32_t align,
                     const Hash128& schema) {
  std::string text = absl::StrCat(Quoted(name), " (kind ", kind);
  if (id != 0) absl::StrAppend(&text, ", id 0x", absl::Hex(id));
  if (bytes != 0) absl::StrAppend(&text, ", ", bytes, " bytes aligned to ", align);
  if (schema != Hash128()) absl::StrAppend(&text, ", schema ", HexOf(schema));
  return absl::StrCat(text, ")");
}

absl::Status CheckType(const TopicRecord& topic, const TypeSpec& type) {
  const bool same = topic.type_kind == type.kind && topic.type_name == type.name && topic.type_id == type.id &&
                    topic.body_bytes == type.body_bytes && topic.body_align == type.body_align &&
                    topic.schema_hash == type.schema_hash;
  if (same) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "topic ", Quoted(topic.name), " has type ",
      Describe(topic.type_name, topic.type_kind, topic.type_id, topic.body_bytes, topic.body_align, topic.schema_hash),
      ", this endpoint has ",
      Describe(type.name, type.kind, type.id, type.body_bytes, type.body_align, type.schema_hash)));
}

std::string DescribeOptions(bool exclusive, uint32_t max_publishers, uint32_t max_subscribers) {
  return absl::StrCat(exclusive ? "exclusive" : "not exclusive", ", at most ", max_publishers, " publishers and ",
                      max_subscribers, " subscribers");
}

absl::Status CheckOptions(const TopicRecord& topic, const TopicSpec& spec) {
  const TopicSpec no_opinion;
  const bool has_opinion = spec.exclusive != no_opinion.exclusive || spec.max_publishers != no_opinion.max_publishers ||
                           spec.max_subscribers != no_opinion.max_subscribers;
  if (!has_opinion) return absl::OkStatus();
  if (topic.exclusive == spec.exclusive && topic.max_publishers == spec.max_publishers &&
      topic.max_subscribers == spec.max_subscribers) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "topic ", Quoted(topic.name), " is ",
      DescribeOptions(topic.exclusive, topic.max_publishers, topic.max_subscribers), "; this endpoint asks for ",
      DescribeOptions(spec.exclusive, spec.max_publishers, spec.max_subscribers),
      ". The topic's first endpoint decided that; give it the same TopicOptions, also if it is a subscriber"));
}

absl::Status CheckSpec(const TopicSpec& spec) {
  if (absl::Status status = CheckTopicName(spec.name); !status.ok()) return status;
  if (absl::Status status = CheckTypeName(spec.type.name); !status.ok()) return status;
  if (spec.max_publishers < 1 || spec.max_publishers > kPublishersPerTopicMax || spec.max_subscribers < 1 ||
      spec.max_subscribers > kSubscribersPerTopicMax) {
    return absl::InvalidArgumentError(absl::StrCat("topic ", Quoted(spec.name), " is to have at most ",
                                                   spec.max_publishers, " publishers and ", spec.max_subscribers,
                                                   " subscribers; 1 to ", kPublishersPerTopicMax, " are allowed"));
  }
  const std::string_view schema = spec.type.schema_blob;
  if (schema.size() > kSchemaBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("the schema of type ", Quoted(spec.type.name), " has ",
                                                   schema.size(), " bytes; ", kSchemaBytesMax, " are allowed"));
  }
  const Hash128 hash = schema.empty() ? Hash128() : HashBytes(std::as_bytes(std::span(schema)));
  if (hash != spec.type.schema_hash) {
    return absl::InvalidArgumentError(absl::StrCat("the schema of type ", Quoted(spec.type.name), " has hash ",
                                                   HexOf(hash), ", not ", HexOf(spec.type.schema_hash)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TopicRecord> Registry::FindOrMakeTopic(const Change& change, const TopicSpec& spec) {
  if (absl::Status status = CheckSpec(spec); !status.ok()) return status;
  if (std::optional<TopicRecord> topic = tables_.FindTopic(spec.name)) {
    // Whoever can say more about two schemas than whether they are equal does so before, without the lock.
    if (topic->incarnation != spec.compatible_with) {
      if (absl::Status status = CheckType(*topic, spec.type); !status.ok()) return status;
    }
    if (absl::Status status = CheckOptions(*topic, spec); !status.ok()) return status;
    return *std::move(topic);
  }

  uint32_t index = 0;
  while (index < kTopicsMax && StateWord(tables_.topic(index).state) != static_cast<uint32_t>(TopicState::kFree)) {
    ++index;
  }
  if (index == kTopicsMax) {
    return absl::ResourceExhaustedError(absl::StrCat("domain ", path_, " has ", kTopicsMax,
                                                     " topics, and more are not possible; topic ", Quoted(spec.name),
                                                     " was not made"));
  }
  // A death between here and "live" leaves files that no topic names, for RemoveOrphanFiles(); one between "live" and
  // the first endpoint leaves a topic without endpoints, for FreeEmptyTopics().
  const Incarnation number = NextIncarnation(tables_.header());
  if (absl::Status status = MakeDepartedFile(directory_, modes_, number); !status.ok()) {
    return absl::Status(status.code(),
                        absl::StrCat("topic ", Quoted(spec.name), ": cannot make its record: ", status.message()));
  }
  WEIR_CRASH_POINT("registry.topic.after_departed");
  if (absl::Status status = WriteSchema(change, spec.type); !status.ok()) {
    os::RemoveFile(directory_.get(), DepartedFileName(number)).IgnoreError();  // else RemoveOrphanFiles() does it
    return absl::Status(status.code(),
                        absl::StrCat("topic ", Quoted(spec.name), ": cannot store its schema: ", status.message()));
  }
  WEIR_CRASH_POINT("registry.topic.after_schema");
  TopicEntry& entry = tables_.topic(index);
  {
    const EntryWrite write(entry.version);
    Put(entry.incarnation, number);
    Put(entry.exclusive, spec.exclusive ? 1 : 0);
    Put(entry.max_publishers, spec.max_publishers);
    Put(entry.max_subscribers, spec.max_subscribers);
    Put(entry.type_kind, spec.type.kind);
    Put(entry.body_align, spec.type.body_align);
    Put(entry.type_id, spec.type.id);
    Put(entry.body_bytes, spec.type.body_bytes);
    Put(entry.schema_hash_high, spec.type.schema_hash.high);
    Put(entry.schema_hash_low, spec.type.schema_hash.low);
    Put(entry.schema_bytes, spec.type.schema_blob.size());
    Put(entry.created_ns, absl::GetCurrentTimeNanos());
    WEIR_CRASH_POINT("registry.topic.half_written");
    PutName(entry.name, spec.name);
    PutName(entry.type_name, spec.type.name);
    for (auto& incarnation : entry.publisher_incarnation) Put(incarnation, 0);
    for (auto& endpoint : entry.publisher_endpoint) Put(endpoint, 0);
    for (auto& endpoint : entry.subscriber_endpoint) Put(endpoint, 0);
  }
  WEIR_CRASH_POINT("registry.topic.before_live");
  PutState(entry.state, TopicState::kLive);
  WEIR_CRASH_POINT("registry.topic.after_live");
  std::optional<TopicRecord> made = tables_.ReadTopic(index);
  if (!made) return absl::InternalError(absl::StrCat("topic ", Quoted(spec.name), " was made and cannot be read"));
  return *std::move(made);
}

absl::Status Registry::WriteSchema(const Change&, const TypeSpec& type) {
  if (type.schema_blob.empty()) return absl::OkStatus();
  const std::string name = SchemaFileName(type.schema_hash);
  const std::span<const std::byte> content = std::as_bytes(std::span(type.schema_blob));
  const absl::Status made = os::CreateFileWith(directory_.get(), name, modes_.owner_write, content).status();
  if (!absl::IsAlreadyExists(made)) return made;
  // Another topic's, or what a dead process left: it was whole before it had its name. Trusted after a look only.
  const absl::StatusOr<std::string> there = ReadSchemaFile(directory_.get(), type.schema_hash);
  if (there.ok()) return absl::OkStatus();
  if (!absl::IsDataLoss(there.status()) && !absl::IsResourceExhausted(there.status())) return there.status();
  if (absl::Status status = os::RemoveFile(directory_.get(), name); !status.ok()) return status;
  return os::CreateFileWith(directory_.get(), name, modes_.owner_write, content).status();
}

}  // namespace weir::discovery
