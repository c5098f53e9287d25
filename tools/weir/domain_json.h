// What inspect.h knows as JSON, for `--json`. Numbers in [ns] and [bytes] say so in their names; ids are strings of hex
// digits, because most readers of JSON compute with doubles.
#ifndef WEIR_TOOLS_WEIR_DOMAIN_JSON_H_
#define WEIR_TOOLS_WEIR_DOMAIN_JSON_H_

#include <weir/inspect.h>

#include <nlohmann/json.hpp>
#include <string>

namespace weir::tool {

using Json = nlohmann::ordered_json;

Json NodeJson(const NodeInfo& node);
Json TopicJson(const TopicInfo& topic);
Json PublisherJson(const PublisherInfo& publisher);
// `looked_ns`: DomainSnapshot::looked_ns, for how long samples have been held.
Json SubscriberJson(const SubscriberInfo& subscriber, uint64_t looked_ns);

const char* KindName(MessageKind kind);        // "bytes", "struct", "capnp"
const char* WhenFullName(WhenFull when_full);  // "overwrite oldest", ...

// To standard output, in one line or (`pretty`) indented. What is not UTF-8 becomes U+FFFD.
void PrintJson(const Json& json, bool pretty);

}  // namespace weir::tool

#endif  // WEIR_TOOLS_WEIR_DOMAIN_JSON_H_
