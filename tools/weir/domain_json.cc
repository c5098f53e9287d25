#include "tools/weir/domain_json.h"

#include "absl/strings/str_format.h"
#include "tools/weir/output.h"
#include "tools/weir/process_state.h"

namespace weir::tool {
namespace {

std::string Id(uint64_t id) {
  return absl::StrFormat("%016x", id);
}

Json EndpointJson(const EndpointInfo& endpoint, const char* role) {
  Json json = {{"id", Id(endpoint.id)},
               {"role", role},
               {"topic", endpoint.topic},
               {"node", endpoint.node},
               {"node_id", Id(endpoint.node_id)},
               {"pid", endpoint.pid},
               {"state", EndpointStateName(endpoint.state)},
               {"liveness", LivenessOf(endpoint.node_alive, endpoint.pid).text},
               {"index", endpoint.index},
               {"created_ns", endpoint.created_ns}};
  if (!endpoint.note.empty()) json["note"] = endpoint.note;
  return json;
}

}  // namespace

Json NodeJson(const NodeInfo& node) {
  return {{"id", Id(node.id)},
          {"name", node.name},
          {"pid", node.pid},
          {"uid", node.uid},
          {"liveness", LivenessOf(node).text},
          {"started_ns", node.started_ns}};
}

Json TopicJson(const TopicInfo& topic) {
  Json json = {{"id", Id(topic.id)},
               {"name", topic.name},
               {"kind", KindName(topic.kind)},
               {"type", topic.type_name},
               {"publishers", topic.publishers},
               {"subscribers", topic.subscribers},
               {"exclusive", topic.options.exclusive},
               {"max_publishers", topic.options.max_publishers},
               {"max_subscribers", topic.options.max_subscribers},
               {"created_ns", topic.created_ns}};
  if (topic.kind == MessageKind::kCapnp) json["type_id"] = Id(topic.type_id);
  if (topic.kind == MessageKind::kPlain) json["body_bytes"] = topic.body_bytes;
  if (!topic.schema_hash.empty()) json["schema_hash"] = topic.schema_hash;
  return json;
}

Json PublisherJson(const PublisherInfo& publisher) {
  Json json = EndpointJson(publisher, "publisher");
  const PublisherCounts& counts = publisher.counts;
  json["pool_bytes_committed"] = publisher.pool_bytes_committed;
  json["pool_bytes_in_use"] = counts.pool_bytes_in_use;
  json["pool_bytes_max"] = publisher.pool_bytes_max;
  json["message_bytes_max"] = counts.message_bytes_max;
  json["history"] = publisher.history;
  json["history_fill"] = publisher.history_fill;
  json["max_loans"] = publisher.max_loans;
  json["published"] = counts.published;
  json["published_bytes"] = counts.published_bytes;
  json["pushed"] = counts.pushed;
  json["evicted"] = counts.evicted;
  json["refused_full"] = counts.refused_full;
  json["refused_timed_out"] = counts.refused_timed_out;
  json["refused_corrupt"] = counts.refused_corrupt;
  json["blocked_ns"] = counts.blocked_ns;
  json["wakeups"] = counts.wakeups;
  json["loans"] = counts.loans;
  json["loans_refused"] = counts.loans_refused;
  json["queues"] = counts.queues;
  return json;
}

Json SubscriberJson(const SubscriberInfo& subscriber, uint64_t looked_ns) {
  Json json = EndpointJson(subscriber, "subscriber");
  const SubscriberCounts& counts = subscriber.counts;
  json["when_full"] = WhenFullName(subscriber.when_full);
  json["depth"] = subscriber.depth;
  json["queued"] = counts.queued;
  json["max_borrowed"] = subscriber.max_borrowed;
  json["asleep"] = subscriber.asleep;
  json["blocked_publishers"] = subscriber.blocked_publishers;
  json["taken"] = counts.taken;
  json["taken_bytes"] = counts.taken_bytes;
  json["delivered"] = counts.delivered;
  json["from_history"] = counts.from_history;
  json["missed"] = counts.missed;
  json["invalid"] = counts.invalid;
  json["duplicate"] = counts.duplicate;
  json["torn"] = counts.torn;
  json["refused_held"] = counts.refused_held;
  json["held"] = Json::array();
  for (const HeldSample& sample : subscriber.held) {
    Json held = {{"publisher", sample.publisher}, {"sequence", sample.sequence}, {"bytes", sample.bytes}};
    if (sample.published_ns != 0 && looked_ns > sample.published_ns) {
      held["held_ns_at_most"] = looked_ns - sample.published_ns;
    }
    json["held"].push_back(std::move(held));
  }
  return json;
}

const char* KindName(MessageKind kind) {
  switch (kind) {
    case MessageKind::kBytes:
      return "bytes";
    case MessageKind::kPlain:
      return "struct";
    case MessageKind::kCapnp:
      return "capnp";
  }
  return "unknown";
}

const char* WhenFullName(WhenFull when_full) {
  switch (when_full) {
    case WhenFull::kOverwriteOldest:
      return "overwrite oldest";
    case WhenFull::kDropNewest:
      return "drop newest";
    case WhenFull::kBlock:
      return "block";
  }
  return "unknown";
}

void PrintJson(const Json& json, bool pretty) {
  Out().Line(json.dump(pretty ? 2 : -1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace weir::tool
