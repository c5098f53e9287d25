// weir ls: who is there.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "tools/weir/commands.h"
#include "tools/weir/domain.h"
#include "tools/weir/domain_json.h"
#include "tools/weir/output.h"
#include "tools/weir/process_state.h"
#include "tools/weir/table.h"
#include "tools/weir/units.h"

namespace weir::tool {
namespace {

struct Options {
  std::string what;  // empty: all there is in the domain
  bool names = false;
  bool json = false;

  bool Shows(std::string_view part) const { return what.empty() || what == part; }
};

std::string Ago(uint64_t since_ns) {
  const int64_t now_ns = absl::GetCurrentTimeNanos();
  return DurationNs(static_cast<double>(std::max<int64_t>(0, now_ns - static_cast<int64_t>(since_ns))));
}

// What the tool shows of a topic beside its entry.
struct TopicTraffic {
  uint64_t published = 0;
  uint64_t published_bytes = 0;
};
TopicTraffic TrafficOf(const DomainSnapshot& domain, const TopicInfo& topic) {
  TopicTraffic traffic;
  for (const PublisherInfo& publisher : domain.publishers) {
    if (publisher.topic_id != topic.id) continue;
    traffic.published += publisher.counts.published;
    traffic.published_bytes += publisher.counts.published_bytes;
  }
  return traffic;
}

void PrintNodes(const DomainSnapshot& domain) {
  Table table({{"NODE"}, {"PID", Align::kRight}, {"STATE"}, {"SINCE", Align::kRight}, {"PUBLISHES"}, {"SUBSCRIBES"}});
  for (const NodeInfo& node : domain.nodes) {
    const auto topics_of = [&](const auto& endpoints) {
      std::vector<std::string> topics;
      for (const EndpointInfo& endpoint : endpoints) {
        const bool counts = endpoint.node_id == node.id && endpoint.state == EndpointState::kLive;
        if (counts && std::find(topics.begin(), topics.end(), endpoint.topic) == topics.end()) {
          topics.push_back(endpoint.topic);
        }
      }
      return absl::StrJoin(topics, ", ");
    };
    const Liveness liveness = LivenessOf(node);
    table.Add({{node.name, Style::kBold},
               {std::to_string(node.pid)},
               {liveness.text, liveness.style},
               {Ago(node.started_ns)},
               {topics_of(domain.publishers)},
               {topics_of(domain.subscribers)}});
  }
  if (!table.empty()) table.Print();
}

void PrintTopics(const DomainSnapshot& domain) {
  Table table({{"TOPIC"},
               {"TYPE"},
               {"PUBLISHERS", Align::kRight},
               {"SUBSCRIBERS", Align::kRight},
               {"MESSAGES", Align::kRight},
               {"MEAN SIZE", Align::kRight}});
  for (const TopicInfo& topic : domain.topics) {
    const TopicTraffic traffic = TrafficOf(domain, topic);
    const double messages = static_cast<double>(traffic.published);
    table.Add({{topic.name, Style::kBold},
               {topic.type_name},
               {std::to_string(topic.publishers)},
               {std::to_string(topic.subscribers)},
               {Count(traffic.published)},
               {traffic.published > 0 ? Bytes(static_cast<double>(traffic.published_bytes) / messages) : "-"}});
  }
  if (!table.empty()) table.Print();
}

void PrintEndpoints(const DomainSnapshot& domain) {
  Table table({{"TOPIC"}, {"ENDPOINT"}, {"NODE"}, {"PID", Align::kRight}, {"STATE"}, {"HAS"}});
  const auto add = [&](const EndpointInfo& endpoint, const char* role, std::string has) {
    const Liveness liveness = LivenessOf(endpoint.node_alive, endpoint.pid);
    const bool live = endpoint.state == EndpointState::kLive;
    table.Add({{endpoint.topic, Style::kBold},
               {role},
               {endpoint.node},
               {std::to_string(endpoint.pid)},
               {live || !endpoint.node_alive ? liveness.text : EndpointStateName(endpoint.state), liveness.style},
               {endpoint.note.empty() ? std::move(has) : endpoint.note}});
  };
  for (const TopicInfo& topic : domain.topics) {
    for (const PublisherInfo& publisher : domain.publishers) {
      if (publisher.topic_id != topic.id) continue;
      add(publisher, "publisher",
          absl::StrCat("published ", Count(publisher.counts.published), ", pool ",
                       Bytes(static_cast<double>(publisher.pool_bytes_committed))));
    }
    for (const SubscriberInfo& subscriber : domain.subscribers) {
      if (subscriber.topic_id != topic.id) continue;
      add(subscriber, "subscriber",
          absl::StrCat("queued ", subscriber.counts.queued, " of ", subscriber.depth, ", holds ",
                       subscriber.held.size()));
    }
  }
  if (!table.empty()) table.Print();
}

absl::StatusOr<ExitCode> ListAllDomains(const Globals& globals, const Options& options) {
  auto names = ListDomains(globals.root);
  if (absl::IsNotFound(names.status())) names = std::vector<std::string>();
  if (!names.ok()) return names.status();
  if (options.names) {
    for (const std::string& name : *names) Out().Line(name);
    return kOk;
  }
  Json json = Json::array();
  Table table({{"DOMAIN"}, {"NODES", Align::kRight}, {"TOPICS", Align::kRight}, {"IN POOLS", Align::kRight}, {"NOTE"}});
  for (const std::string& name : *names) {
    const auto domain = LookAtDomain({.domain = name, .root = globals.root});
    if (absl::IsNotFound(domain.status())) continue;  // gone meanwhile
    if (!domain.ok()) {
      json.push_back({{"name", name}, {"error", std::string(domain.status().message())}});
      table.Add({{name, Style::kBold}, {}, {}, {}, {std::string(domain.status().message()), Style::kRed}});
      continue;
    }
    uint64_t pools = 0;
    for (const PublisherInfo& publisher : domain->publishers) pools += publisher.pool_bytes_committed;
    const auto dead =
        std::count_if(domain->nodes.begin(), domain->nodes.end(), [](const NodeInfo& n) { return !n.alive; });
    json.push_back({{"name", name},
                    {"path", domain->path},
                    {"nodes", domain->nodes.size()},
                    {"dead_nodes", dead},
                    {"topics", domain->topics.size()},
                    {"pool_bytes_committed", pools}});
    table.Add({{name, Style::kBold},
               {std::to_string(domain->nodes.size())},
               {std::to_string(domain->topics.size())},
               {Bytes(static_cast<double>(pools))},
               {dead > 0 ? Plural(static_cast<uint64_t>(dead), "node is dead", "nodes are dead") : "", Style::kRed}});
  }
  if (options.json) {
    PrintJson(json, true);
  } else if (table.empty()) {
    Out().Line(absl::StrCat("no domains under ", RootOf(globals), ": nobody runs"));
  } else {
    table.Print();
  }
  return kOk;
}

void PrintNames(const DomainSnapshot& domain, const std::string& what) {
  std::vector<std::string> names;
  if (what == "nodes") {
    for (const NodeInfo& node : domain.nodes) names.push_back(node.name);
  } else {
    for (const TopicInfo& topic : domain.topics) names.push_back(topic.name);
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) Out().Line(name);
}

Json DomainJson(const DomainSnapshot& domain, const Options& options) {
  Json json = {{"domain", domain.name}, {"path", domain.path}};
  if (options.Shows("nodes")) {
    json["nodes"] = Json::array();
    for (const NodeInfo& node : domain.nodes) json["nodes"].push_back(NodeJson(node));
  }
  if (options.Shows("topics")) {
    json["topics"] = Json::array();
    for (const TopicInfo& topic : domain.topics) json["topics"].push_back(TopicJson(topic));
  }
  if (options.Shows("endpoints")) {
    json["publishers"] = Json::array();
    for (const PublisherInfo& publisher : domain.publishers) json["publishers"].push_back(PublisherJson(publisher));
    json["subscribers"] = Json::array();
    for (const SubscriberInfo& subscriber : domain.subscribers) {
      json["subscribers"].push_back(SubscriberJson(subscriber, domain.looked_ns));
    }
  }
  json["notes"] = domain.notes;
  return json;
}

absl::StatusOr<ExitCode> RunLs(const Globals& globals, const Options& options) {
  if (options.what == "domains") return ListAllDomains(globals, options);
  auto domain = LookAtDomain(globals);
  if (!domain.ok()) return domain.status();
  const auto by_name = [](const auto& a, const auto& b) { return a.name < b.name; };
  std::sort(domain->topics.begin(), domain->topics.end(), by_name);
  std::stable_sort(domain->nodes.begin(), domain->nodes.end(), by_name);
  if (options.names) {
    PrintNames(*domain, options.what);
    return kOk;
  }
  if (options.json) {
    PrintJson(DomainJson(*domain, options), true);
    return kOk;
  }
  if (options.what.empty()) {
    Out().Line(absl::StrCat("domain ", Styled(domain->name, Style::kBold), " in ", domain->path, ": ",
                            Plural(domain->nodes.size(), "node", "nodes"), ", ",
                            Plural(domain->topics.size(), "topic", "topics"), ", ",
                            Plural(domain->publishers.size(), "publisher", "publishers"), ", ",
                            Plural(domain->subscribers.size(), "subscriber", "subscribers")));
    if (domain->nodes.empty()) Out().Line("nobody is in it");
  }
  const auto part = [&](std::string_view name, size_t size, void (*print)(const DomainSnapshot&)) {
    if (!options.Shows(name)) return;
    if (size == 0 && !options.what.empty()) {
      Out().Line(absl::StrCat("domain \"", domain->name, "\" has no ", std::string(name)));
      return;
    }
    if (options.what.empty() && size > 0) Out().Line("");
    print(*domain);
  };
  part("nodes", domain->nodes.size(), PrintNodes);
  part("topics", domain->topics.size(), PrintTopics);
  part("endpoints", domain->publishers.size() + domain->subscribers.size(), PrintEndpoints);
  for (const std::string& note : domain->notes) Out().Line(Styled("note: " + Printable(note), Style::kYellow));
  return kOk;
}

}  // namespace

void AddLs(CLI::App& app, Run& run) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("ls", "Lists nodes, topics and endpoints of a domain, or all domains");
  command->add_option("WHAT", options->what, "domains, nodes, topics or endpoints; without it all that the domain has")
      ->check(CLI::IsMember({"domains", "nodes", "topics", "endpoints"}).description(""));
  command->add_flag("--names", options->names, "Nothing but the names, of topics if WHAT is not said");
  command->add_flag("--json", options->json, "JSON");
  command->callback([&run, options] { run = [options](const Globals& globals) { return RunLs(globals, *options); }; });
}

}  // namespace weir::tool
