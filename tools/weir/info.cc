// weir info: all that can be known of one topic.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/weir/commands.h"
#include "tools/weir/domain.h"
#include "tools/weir/domain_json.h"
#include "tools/weir/output.h"
#include "tools/weir/process_state.h"
#include "tools/weir/schema_text.h"
#include "tools/weir/table.h"
#include "tools/weir/units.h"

namespace weir::tool {
namespace {

struct Options {
  std::string topic;
  bool json = false;
};

std::string Percent(uint64_t part, uint64_t whole) {
  return whole == 0 ? "-" : absl::StrCat(100 * part / whole, "%");
}

std::string StateText(const EndpointInfo& endpoint) {
  const char* liveness = LivenessOf(endpoint.node_alive, endpoint.pid).text;
  if (!endpoint.node_alive || endpoint.state == EndpointState::kLive) return liveness;
  return EndpointStateName(endpoint.state);
}

// The counters of a publisher that say that something went wrong.
std::string Losses(const PublisherCounts& counts) {
  std::vector<std::string> losses;
  const auto add = [&](uint64_t count, const char* what) {
    if (count > 0) losses.push_back(absl::StrCat(Count(count), " ", what));
  };
  add(counts.evicted, "evicted");
  add(counts.refused_full, "refused (full)");
  add(counts.refused_timed_out, "refused (timed out)");
  add(counts.refused_corrupt, "refused (corrupt)");
  add(counts.loans_refused, "loans refused");
  if (counts.blocked_ns > 0) losses.push_back("blocked for " + DurationNs(static_cast<double>(counts.blocked_ns)));
  return absl::StrJoin(losses, ", ");
}
std::string Losses(const SubscriberCounts& counts) {
  std::vector<std::string> losses;
  const auto add = [&](uint64_t count, const char* what) {
    if (count > 0) losses.push_back(absl::StrCat(Count(count), " ", what));
  };
  add(counts.missed, "missed");
  add(counts.invalid, "invalid");
  add(counts.torn, "torn");
  add(counts.refused_held, "takes refused");
  return absl::StrJoin(losses, ", ");
}

void PrintOrNone(const Table& table) {
  if (table.empty()) {
    Out().Line("  none");
  } else {
    table.Print();
  }
}

void PrintPublishers(const std::vector<PublisherInfo>& publishers) {
  Out().Line("\n" + Styled("publishers", Style::kBold));
  Table table({{"#", Align::kRight},
               {"NODE"},
               {"PID", Align::kRight},
               {"STATE"},
               {"PUBLISHED", Align::kRight},
               {"POOL", Align::kRight},
               {"OF AT MOST", Align::kRight},
               {"HISTORY", Align::kRight},
               {"LOSSES"}});
  for (const PublisherInfo& publisher : publishers) {
    table.Add({{std::to_string(publisher.index)},
               {publisher.node, Style::kBold},
               {std::to_string(publisher.pid)},
               {StateText(publisher), LivenessOf(publisher.node_alive, publisher.pid).style},
               {Count(publisher.counts.published)},
               {Bytes(static_cast<double>(publisher.pool_bytes_committed))},
               {absl::StrCat(Bytes(static_cast<double>(publisher.pool_bytes_max)), " (",
                             Percent(publisher.pool_bytes_committed, publisher.pool_bytes_max), ")")},
               {absl::StrCat(publisher.history_fill, "/", publisher.history)},
               {publisher.note.empty() ? Losses(publisher.counts) : publisher.note, Style::kYellow}});
  }
  PrintOrNone(table);
}

void PrintSubscribers(const std::vector<SubscriberInfo>& subscribers) {
  Out().Line("\n" + Styled("subscribers", Style::kBold));
  Table table({{"#", Align::kRight},
               {"NODE"},
               {"PID", Align::kRight},
               {"STATE"},
               {"TAKEN", Align::kRight},
               {"QUEUED", Align::kRight},
               {"HOLDS", Align::kRight},
               {"WHEN FULL"},
               {"LOSSES"}});
  for (const SubscriberInfo& subscriber : subscribers) {
    std::string losses = Losses(subscriber.counts);
    if (subscriber.blocked_publishers > 0) {
      absl::StrAppend(&losses, losses.empty() ? "" : ", ",
                      Plural(subscriber.blocked_publishers, "publisher waits", "publishers wait"), " for it");
    }
    table.Add({{std::to_string(subscriber.index)},
               {subscriber.node, Style::kBold},
               {std::to_string(subscriber.pid)},
               {StateText(subscriber), LivenessOf(subscriber.node_alive, subscriber.pid).style},
               {Count(subscriber.counts.taken)},
               {absl::StrCat(subscriber.counts.queued, "/", subscriber.depth)},
               {absl::StrCat(subscriber.held.size(), "/", subscriber.max_borrowed)},
               {WhenFullName(subscriber.when_full)},
               {subscriber.note.empty() ? losses : subscriber.note, Style::kYellow}});
  }
  PrintOrNone(table);
}

void PrintHeld(const std::vector<SubscriberInfo>& subscribers, uint64_t looked_ns) {
  Table table({{"HOLDER"},
               {"PID", Align::kRight},
               {"PUBLISHER", Align::kRight},
               {"MESSAGE", Align::kRight},
               {"SIZE", Align::kRight},
               {"FOR AT MOST", Align::kRight}});
  for (const SubscriberInfo& subscriber : subscribers) {
    if (!subscriber.node_alive) continue;  // holds nothing any more
    for (const HeldSample& sample : subscriber.held) {
      const bool stamped = sample.published_ns != 0 && sample.published_ns <= looked_ns;
      table.Add({{subscriber.node, Style::kBold},
                 {std::to_string(subscriber.pid)},
                 {absl::StrCat("#", sample.publisher)},
                 {Count(sample.sequence)},
                 {Bytes(static_cast<double>(sample.bytes))},
                 {stamped ? DurationNs(static_cast<double>(looked_ns - sample.published_ns)) : "not known"}});
    }
  }
  if (table.empty()) return;
  Out().Line("\n" + Styled("held samples", Style::kBold) + " (at most so long: since they were published)");
  table.Print();
}

template <class Info>
std::vector<Info> OfTopic(const std::vector<Info>& all, const TopicInfo& topic) {
  std::vector<Info> some;
  std::copy_if(all.begin(), all.end(), std::back_inserter(some),
               [&](const Info& info) { return info.topic_id == topic.id; });
  std::sort(some.begin(), some.end(), [](const Info& a, const Info& b) { return a.index < b.index; });
  return some;
}

absl::StatusOr<ExitCode> RunInfo(const Globals& globals, const Options& options) {
  auto inspector = OpenDomain(globals);
  if (!inspector.ok()) return inspector.status();
  const auto domain = inspector->Look();
  if (!domain.ok()) return domain.status();
  const auto topic = FindTopic(*domain, options.topic);
  if (!topic.ok()) return topic.status();
  std::string schema;
  if (!topic->schema_hash.empty()) {
    const auto read = inspector->ReadSchema(options.topic);
    if (!read.ok()) return read.status();
    auto text = SchemaText(*topic, *read);
    if (!text.ok()) return text.status();
    schema = *std::move(text);
  }
  const auto publishers = OfTopic(domain->publishers, *topic);
  const auto subscribers = OfTopic(domain->subscribers, *topic);

  if (options.json) {
    Json json = TopicJson(*topic);
    json["schema"] = schema;
    json["endpoints"] = Json::array();
    for (const PublisherInfo& publisher : publishers) json["endpoints"].push_back(PublisherJson(publisher));
    for (const SubscriberInfo& subscriber : subscribers) {
      json["endpoints"].push_back(SubscriberJson(subscriber, domain->looked_ns));
    }
    PrintJson(json, true);
    return kOk;
  }

  Out().Line(absl::StrCat("topic   ", Styled(Printable(topic->name), Style::kBold)));
  Out().Line(absl::StrCat("type    ", Printable(topic->type_name), " (", KindName(topic->kind),
                          topic->kind == MessageKind::kPlain ? absl::StrCat(", ", topic->body_bytes, " bytes") : "",
                          ")"));
  Out().Line(absl::StrCat("options ", topic->options.exclusive ? "exclusive" : "shared", ", at most ",
                          Plural(topic->options.max_publishers, "publisher", "publishers"), " and ",
                          Plural(topic->options.max_subscribers, "subscriber", "subscribers")));
  PrintPublishers(publishers);
  PrintSubscribers(subscribers);
  PrintHeld(subscribers, domain->looked_ns);
  Out().Line("\n" + Styled("schema", Style::kBold));
  if (schema.empty()) {
    Out().Line(topic->kind == MessageKind::kBytes ? "  none: messages are bytes"
                                                  : "  none: the struct is not described (WEIR_STRUCT)");
  }
  for (size_t at = 0; at < schema.size();) {
    const size_t end = std::min(schema.find('\n', at), schema.size());
    const std::string line = schema.substr(at, end - at);
    Out().Line(line.empty() ? "" : "  " + Printable(line));
    at = end + 1;
  }
  return kOk;
}

}  // namespace

void AddInfo(CLI::App& app, Run& run) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "info", "Shows a topic: type and schema, endpoints, queues and pools, who holds which samples");
  command->add_option("TOPIC", options->topic)->required();
  command->add_flag("--json", options->json, "JSON");
  command->callback(
      [&run, options] { run = [options](const Globals& globals) { return RunInfo(globals, *options); }; });
}

}  // namespace weir::tool
