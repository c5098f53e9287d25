// weir graph: who sends what to whom, as a picture for Graphviz.
#include <memory>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "tools/weir/commands.h"
#include "tools/weir/domain.h"
#include "tools/weir/output.h"
#include "tools/weir/process_state.h"

namespace weir::tool {
namespace {

// In DOT a quoted string may contain anything but a bare quotation mark; a backslash begins an escape.
std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : Printable(text)) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

absl::StatusOr<ExitCode> RunGraph(const Globals& globals) {
  const auto domain = LookAtDomain(globals);
  if (!domain.ok()) return domain.status();
  Out().Line(absl::StrCat("digraph ", Quoted(domain->name), " {"));
  Out().Line("  rankdir=LR;");
  // Ids, because several nodes may have one name.
  for (const NodeInfo& node : domain->nodes) {
    const std::string label = absl::StrCat(node.name, " (", node.pid, node.alive ? ")" : ", dead)");
    Out().Line(absl::StrCat("  node_", absl::Hex(node.id), " [shape=box, label=", Quoted(label),
                            node.alive ? "" : ", style=dashed", "];"));
  }
  for (const TopicInfo& topic : domain->topics) {
    const bool alive = topic.publishers + topic.subscribers > 0;
    // Two lines: what Quoted() makes of a backslash stays one.
    std::string label = Quoted(topic.name);
    label.insert(label.size() - 1,
                 absl::StrCat("\\n", Quoted(topic.type_name).substr(1, Quoted(topic.type_name).size() - 2)));
    Out().Line(absl::StrCat("  topic_", absl::Hex(topic.id), " [shape=ellipse, label=", label,
                            alive ? "" : ", style=dashed", "];"));
  }
  std::set<std::string> edges;  // a node may have several publishers of a topic
  const auto edge = [&](const EndpointInfo& endpoint, bool to_topic) {
    if (endpoint.topic.empty() || endpoint.node_id == 0) return;
    const std::string topic = absl::StrCat("topic_", absl::Hex(endpoint.topic_id));
    const std::string node = absl::StrCat("node_", absl::Hex(endpoint.node_id));
    const bool counts = endpoint.node_alive && endpoint.state == EndpointState::kLive;
    const std::string line = absl::StrCat("  ", to_topic ? node : topic, " -> ", to_topic ? topic : node,
                                          counts ? "" : " [style=dashed]", ";");
    if (edges.insert(line).second) Out().Line(line);
  };
  for (const PublisherInfo& publisher : domain->publishers) edge(publisher, true);
  for (const SubscriberInfo& subscriber : domain->subscribers) edge(subscriber, false);
  Out().Line("}");
  return kOk;
}

}  // namespace

void AddGraph(CLI::App& app, Run& run) {
  CLI::App* command =
      app.add_subcommand("graph", "Prints nodes and topics in Graphviz's language: weir graph | dot -Tsvg > graph.svg");
  command->footer("\nWhat is dead, or closing, is dashed.");
  command->callback([&run] { run = RunGraph; });
}

}  // namespace weir::tool
