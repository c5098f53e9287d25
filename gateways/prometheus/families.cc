#include "gateways/prometheus/families.h"

#include <prometheus/client_metric.h>
#include <prometheus/metric_type.h>

#include <string_view>
#include <utility>

#include "absl/strings/str_format.h"
#include "gateways/prometheus/latency_buckets.h"

namespace weir::gateway {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

double Number(uint64_t value) {
  return static_cast<double>(value);
}
double Seconds(uint64_t ns) {
  return static_cast<double>(ns) / 1e9;
}

// One line of the tables below: a number of a `Source`. Lines with the same name stand together and are one family,
// whose series differ in one more label.
template <class Source>
struct Line {
  const char* name;
  MetricType type;
  const char* help;
  double (*value)(const Source&);
  const char* label = nullptr;
  const char* label_value = nullptr;
};

constexpr MetricType kCounter = MetricType::Counter;
constexpr MetricType kGauge = MetricType::Gauge;

using Topic = TopicSeries;
constexpr char kDroppedHelp[] =
    "Messages that a subscriber's queue had to do without, by reason. Counted per queue: one message that three "
    "subscribers missed is three.";
constexpr Line<Topic> kTopicLines[] = {
    {"weir_topic_publishers", kGauge, "Live publishers.", [](const Topic& t) { return Number(t.info.publishers); }},
    {"weir_topic_subscribers", kGauge, "Live subscribers.", [](const Topic& t) { return Number(t.info.subscribers); }},
    {"weir_published_messages_total", kCounter, "Messages published.",
     [](const Topic& t) { return Number(t.counts.published.published); }},
    {"weir_published_bytes_total", kCounter, "Bytes of messages published.",
     [](const Topic& t) { return Number(t.counts.published.published_bytes); }},
    {"weir_pushed_messages_total", kCounter, "Messages that a subscriber's queue accepted, counted per queue.",
     [](const Topic& t) { return Number(t.counts.published.pushed); }},
    {"weir_delivered_messages_total", kCounter, "Messages handed out to subscribers.",
     [](const Topic& t) { return Number(t.counts.received.delivered); }},
    {"weir_delivered_bytes_total", kCounter, "Bytes of messages handed out to subscribers.",
     [](const Topic& t) { return Number(t.counts.received.taken_bytes); }},
    {"weir_delivered_history_messages_total", kCounter,
     "Those of the messages handed out that came from a publisher's history, to a subscriber that joined later.",
     [](const Topic& t) { return Number(t.counts.received.from_history); }},
    {"weir_dropped_messages_total", kCounter, kDroppedHelp,
     [](const Topic& t) { return Number(t.counts.published.evicted); }, "reason", "overwritten"},
    {"weir_dropped_messages_total", kCounter, kDroppedHelp,
     [](const Topic& t) { return Number(t.counts.published.refused_full); }, "reason", "queue_full"},
    {"weir_dropped_messages_total", kCounter, kDroppedHelp,
     [](const Topic& t) { return Number(t.counts.published.refused_timed_out); }, "reason", "block_timeout"},
    {"weir_dropped_messages_total", kCounter, kDroppedHelp,
     [](const Topic& t) { return Number(t.counts.published.refused_corrupt); }, "reason", "queue_corrupt"},
    {"weir_dropped_messages_total", kCounter, kDroppedHelp,
     [](const Topic& t) { return Number(t.counts.received.invalid); }, "reason", "invalid"},
    {"weir_dropped_messages_total", kCounter, kDroppedHelp, [](const Topic& t) { return Number(t.left_queued); },
     "reason", "subscriber_gone"},
    {"weir_missed_messages_total", kCounter,
     "Messages that gaps in the publishers' sequences stand for, as subscribers found them, whatever the reason.",
     [](const Topic& t) { return Number(t.counts.received.missed); }},
    {"weir_duplicate_messages_total", kCounter,
     "Messages taken from a queue and put away, because they had been handed out from a history before.",
     [](const Topic& t) { return Number(t.counts.received.duplicate); }},
    {"weir_torn_samples_total", kCounter, "Samples that their publisher wrote to while they were held.",
     [](const Topic& t) { return Number(t.counts.received.torn); }},
    {"weir_refused_takes_total", kCounter, "Takes refused because max_borrowed samples were held.",
     [](const Topic& t) { return Number(t.counts.received.refused_held); }},
    {"weir_loans_total", kCounter, "Loans granted.", [](const Topic& t) { return Number(t.counts.published.loans); }},
    {"weir_refused_loans_total", kCounter, "Loans refused: max_loans were out, or there was no slot to be had.",
     [](const Topic& t) { return Number(t.counts.published.loans_refused); }},
    {"weir_blocked_seconds_total", kCounter, "Time that publishers spent waiting for room in a queue.",
     [](const Topic& t) { return Seconds(t.counts.published.blocked_ns); }},
    {"weir_wakeups_total", kCounter, "Times that a publisher woke a sleeping subscriber.",
     [](const Topic& t) { return Number(t.counts.published.wakeups); }},
    {"weir_sleeps_total", kCounter, "Times that a subscriber went to sleep to wait for a message.",
     [](const Topic& t) { return Number(t.counts.received.sleeps); }},
    {"weir_reclaim_passes_total", kCounter, "Looks of publishers for slots that are free again.",
     [](const Topic& t) { return Number(t.counts.published.reclaim_passes); }},
    {"weir_reclaimed_slots_total", kCounter, "Slots that were free again.",
     [](const Topic& t) { return Number(t.counts.published.reclaimed_slots); }},
    {"weir_message_max_bytes", kGauge, "The largest message published.",
     [](const Topic& t) { return Number(t.counts.published.message_bytes_max); }},
};

using Publisher = MemberSeries<PublisherInfo>;
constexpr char kPublisherDroppedHelp[] =
    "Messages of this publisher that a subscriber's queue had to do without, by reason, counted per queue.";
constexpr char kPoolHelp[] = "Memory that the publisher's pool takes, by what it is used for.";
constexpr Line<Publisher> kPublisherLines[] = {
    {"weir_publisher_messages_total", kCounter, "Messages published by this publisher.",
     [](const Publisher& p) { return Number(p.info.counts.published); }},
    {"weir_publisher_bytes_total", kCounter, "Bytes of messages published by this publisher.",
     [](const Publisher& p) { return Number(p.info.counts.published_bytes); }},
    {"weir_publisher_dropped_messages_total", kCounter, kPublisherDroppedHelp,
     [](const Publisher& p) { return Number(p.info.counts.evicted); }, "reason", "overwritten"},
    {"weir_publisher_dropped_messages_total", kCounter, kPublisherDroppedHelp,
     [](const Publisher& p) { return Number(p.info.counts.refused_full); }, "reason", "queue_full"},
    {"weir_publisher_dropped_messages_total", kCounter, kPublisherDroppedHelp,
     [](const Publisher& p) { return Number(p.info.counts.refused_timed_out); }, "reason", "block_timeout"},
    {"weir_publisher_dropped_messages_total", kCounter, kPublisherDroppedHelp,
     [](const Publisher& p) { return Number(p.info.counts.refused_corrupt); }, "reason", "queue_corrupt"},
    {"weir_publisher_refused_loans_total", kCounter, "Loans refused to this publisher.",
     [](const Publisher& p) { return Number(p.info.counts.loans_refused); }},
    {"weir_publisher_blocked_seconds_total", kCounter, "Time that this publisher spent waiting for room in a queue.",
     [](const Publisher& p) { return Seconds(p.info.counts.blocked_ns); }},
    {"weir_publisher_history_messages", kGauge, "Messages in the publisher's history.",
     [](const Publisher& p) { return Number(p.info.history_fill); }},
    {"weir_publisher_pool_bytes", kGauge, kPoolHelp,
     [](const Publisher& p) { return Number(p.info.counts.pool_bytes_in_use); }, "state", "in_use"},
    {"weir_publisher_pool_bytes", kGauge, kPoolHelp,
     [](const Publisher& p) {  // two numbers read one after the other
       const PublisherCounts& counts = p.info.counts;
       return counts.pool_bytes_committed < counts.pool_bytes_in_use
                  ? 0
                  : Number(counts.pool_bytes_committed - counts.pool_bytes_in_use);
     },
     "state", "free"},
    {"weir_publisher_pool_limit_bytes", kGauge, "What the publisher's pool may grow to (pool_bytes_max).",
     [](const Publisher& p) { return Number(p.info.pool_bytes_max); }},
};

using Subscriber = MemberSeries<SubscriberInfo>;
constexpr Line<Subscriber> kSubscriberLines[] = {
    {"weir_subscriber_messages_total", kCounter, "Messages handed out to this subscriber.",
     [](const Subscriber& s) { return Number(s.info.counts.delivered); }},
    {"weir_subscriber_bytes_total", kCounter, "Bytes of messages handed out to this subscriber.",
     [](const Subscriber& s) { return Number(s.info.counts.taken_bytes); }},
    {"weir_subscriber_missed_messages_total", kCounter,
     "Messages that gaps in the publishers' sequences stand for, as this subscriber found them.",
     [](const Subscriber& s) { return Number(s.info.counts.missed); }},
    {"weir_subscriber_refused_takes_total", kCounter,
     "Takes refused to this subscriber because it held max_borrowed samples.",
     [](const Subscriber& s) { return Number(s.info.counts.refused_held); }},
    {"weir_subscriber_queue_messages", kGauge, "Messages in the subscriber's queue.",
     [](const Subscriber& s) { return Number(s.info.counts.queued); }},
    {"weir_subscriber_queue_max_messages", kGauge, "The most messages that were seen in the subscriber's queue.",
     [](const Subscriber& s) { return Number(s.info.counts.queued_max); }},
    {"weir_subscriber_queue_limit_messages", kGauge, "What fits into the subscriber's queue (depth).",
     [](const Subscriber& s) { return Number(s.info.depth); }},
    {"weir_subscriber_held_samples", kGauge, "Samples that the subscriber holds.",
     [](const Subscriber& s) { return Number(s.info.counts.held); }},
    {"weir_subscriber_held_limit_samples", kGauge, "What the subscriber may hold (max_borrowed).",
     [](const Subscriber& s) { return Number(s.info.max_borrowed); }},
    {"weir_subscriber_blocked_publishers", kGauge, "Publishers that wait for room in the subscriber's queue.",
     [](const Subscriber& s) { return Number(s.info.blocked_publishers); }},
};

constexpr Line<DomainLedger> kDomainLines[] = {
    {"weir_nodes", kGauge, "Nodes by state. Dead: killed, and nobody has cleaned up after it yet.",
     [](const DomainLedger& d) { return Number(d.nodes_alive()); }, "state", "alive"},
    {"weir_nodes", kGauge, "Nodes by state. Dead: killed, and nobody has cleaned up after it yet.",
     [](const DomainLedger& d) { return Number(d.nodes_dead()); }, "state", "dead"},
    {"weir_unreadable_entries", kGauge,
     "Entries and files of the domain that could not be read: damaged, or changing all the time.",
     [](const DomainLedger& d) { return Number(d.unreadable()); }},
    {"weir_exporter_omitted", kGauge, "What is left out because there is more of it than the exporter's limits allow.",
     [](const DomainLedger& d) { return Number(d.omitted().topics); }, "kind", "topic"},
    {"weir_exporter_omitted", kGauge, "What is left out because there is more of it than the exporter's limits allow.",
     [](const DomainLedger& d) { return Number(d.omitted().endpoints); }, "kind", "endpoint"},
    {"weir_exporter_omitted", kGauge, "What is left out because there is more of it than the exporter's limits allow.",
     [](const DomainLedger& d) { return Number(d.omitted().nodes); }, "kind", "node"},
};

constexpr Line<CollectorState> kCollectorLines[] = {
    {"weir_exporter_collect_duration_seconds", kGauge, "Time that this collection took to look at all domains.",
     [](const CollectorState& c) { return c.seconds; }},
    {"weir_exporter_collections_total", kCounter, "Collections, this one included.",
     [](const CollectorState& c) { return Number(c.collections); }},
    {"weir_exporter_errors_total", kCounter, "Times that a domain, or the list of domains, could not be read.",
     [](const CollectorState& c) { return Number(c.errors); }},
    {"weir_exporter_omitted_domains", kGauge,
     "Domains left out because there are more than the exporter's limit allows.",
     [](const CollectorState& c) { return Number(c.omitted_domains); }},
};

// Builds the list, one family after the other.
class Families {
 public:
  void Begin(const char* name, MetricType type, const char* help) {
    if (!families_.empty() && families_.back().name == name) return;
    DropIfEmpty();
    MetricFamily& family = families_.emplace_back();
    family.name = name;
    family.type = type;
    family.help = help;
  }

  ClientMetric& Add(Labels labels) {
    ClientMetric& metric = families_.back().metric.emplace_back();
    metric.label = std::move(labels);
    return metric;
  }

  template <class Source>
  void Add(const Line<Source>& line, Labels labels, const Source& source) {
    if (line.label != nullptr) labels.push_back({line.label, line.label_value});
    ClientMetric& metric = Add(std::move(labels));
    (line.type == kCounter ? metric.counter.value : metric.gauge.value) = line.value(source);
  }

  std::vector<MetricFamily> Take() {
    DropIfEmpty();
    return std::move(families_);
  }

 private:
  void DropIfEmpty() {
    if (!families_.empty() && families_.back().metric.empty()) families_.pop_back();
  }

  std::vector<MetricFamily> families_;
};

Labels LabelsOf(const std::string& domain, const std::string& topic) {
  return {{"domain", domain}, {"topic", topic}};
}

// The endpoint as in the names of its files.
Labels LabelsOf(const std::string& domain, const EndpointInfo& endpoint) {
  return {{"domain", domain},
          {"topic", LabelText(endpoint.topic)},
          {"node", LabelText(endpoint.node)},
          {"endpoint", absl::StrFormat("%016x", endpoint.id)}};
}

const char* KindName(MessageKind kind) {
  switch (kind) {
    case MessageKind::kBytes:
      return "bytes";
    case MessageKind::kPlain:
      return "plain";
    case MessageKind::kCapnp:
      return "capnp";
  }
  return "unknown";
}

class Exposition {
 public:
  explicit Exposition(const std::map<std::string, DomainState>& domains) : domains_(domains) {}

  std::vector<MetricFamily> Make(const CollectorState& collector) {
    AddDomains();
    AddTopics();
    AddEndpoints();
    for (const auto& line : kCollectorLines) {
      families_.Begin(line.name, line.type, line.help);
      families_.Add(line, {}, collector);
    }
    return families_.Take();
  }

 private:
  template <class Each>
  void ForEachReadable(Each each) {
    for (const auto& [name, domain] : domains_) {
      if (domain.readable) each(name, *domain.ledger);
    }
  }

  void AddDomains() {
    families_.Begin("weir_domain_up", kGauge, "1 if the domain is there and can be read, else 0.");
    for (const auto& [name, domain] : domains_) families_.Add({{"domain", name}}).gauge.value = domain.up ? 1 : 0;
    for (const auto& line : kDomainLines) {
      families_.Begin(line.name, line.type, line.help);
      ForEachReadable([&](const std::string& domain, const DomainLedger& ledger) {
        families_.Add(line, {{"domain", domain}}, ledger);
      });
    }
    families_.Begin("weir_node_alive", kGauge,
                    "1 if the node's process lives, also if it hangs or is stopped; 0 if it was killed.");
    ForEachNode([&](Labels labels, const MemberSeries<NodeInfo>& node) {
      families_.Add(std::move(labels)).gauge.value = node.alive() ? 1 : 0;
    });
    families_.Begin("weir_node_start_time_seconds", kGauge, "When the node was made, in seconds since 1970.");
    ForEachNode([&](Labels labels, const MemberSeries<NodeInfo>& node) {
      families_.Add(std::move(labels)).gauge.value = Seconds(node.info.started_ns);
    });
  }

  template <class Each>
  void ForEachNode(Each each) {
    ForEachReadable([&](const std::string& domain, const DomainLedger& ledger) {
      for (const auto& [id, node] : ledger.nodes()) {
        each({{"domain", domain},
              {"node", LabelText(node.info.name)},
              {"node_id", absl::StrFormat("%016x", id)},
              {"pid", std::to_string(node.info.pid)}},
             node);
      }
    });
  }

  void AddTopics() {
    families_.Begin("weir_topic_info", kGauge, "1; the labels say what the topic's messages are.");
    ForEachTopic([&](Labels labels, const TopicSeries& topic) {
      labels.push_back({"kind", KindName(topic.info.kind)});
      labels.push_back({"type", LabelText(topic.info.type_name)});
      families_.Add(std::move(labels)).gauge.value = 1;
    });
    for (const auto& line : kTopicLines) {
      families_.Begin(line.name, line.type, line.help);
      ForEachTopic([&](Labels labels, const TopicSeries& topic) { families_.Add(line, std::move(labels), topic); });
    }
    families_.Begin("weir_latency_seconds", MetricType::Histogram,
                    "From Publish to Take, of stamped messages that came through a queue.");
    ForEachTopic([&](Labels labels, const TopicSeries& topic) {
      families_.Add(std::move(labels)).histogram = ClassicHistogram(topic.counts.latency);
    });
  }

  template <class Each>
  void ForEachTopic(Each each) {
    ForEachReadable([&](const std::string& domain, const DomainLedger& ledger) {
      for (const auto& [name, topic] : ledger.topics()) each(LabelsOf(domain, name), topic);
    });
  }

  void AddEndpoints() {
    families_.Begin("weir_endpoint_alive", kGauge,
                    "1 if the endpoint's process lives, also if it hangs or is stopped; 0 if it was killed.");
    const auto add_alive = [&](Labels labels, const char* role, bool alive) {
      labels.push_back({"role", role});
      families_.Add(std::move(labels)).gauge.value = alive ? 1 : 0;
    };
    ForEachPublisher(
        [&](Labels labels, const Publisher& one) { add_alive(std::move(labels), "publisher", one.alive()); });
    ForEachSubscriber(
        [&](Labels labels, const Subscriber& one) { add_alive(std::move(labels), "subscriber", one.alive()); });
    for (const auto& line : kPublisherLines) {
      families_.Begin(line.name, line.type, line.help);
      ForEachPublisher([&](Labels labels, const Publisher& one) { families_.Add(line, std::move(labels), one); });
    }
    for (const auto& line : kSubscriberLines) {
      families_.Begin(line.name, line.type, line.help);
      ForEachSubscriber([&](Labels labels, const Subscriber& one) { families_.Add(line, std::move(labels), one); });
    }
    // Without quantiles: those of several subscribers cannot be joined, and buckets for each would be many series.
    families_.Begin("weir_subscriber_latency_seconds", MetricType::Summary,
                    "From Publish to this subscriber's Take, of stamped messages that came through its queue.");
    ForEachSubscriber([&](Labels labels, const Subscriber& one) {
      ClientMetric::Summary& summary = families_.Add(std::move(labels)).summary;
      summary.sample_count = one.info.latency.count();
      summary.sample_sum = Seconds(one.info.latency.sum_ns);
    });
  }

  template <class Each>
  void ForEachPublisher(Each each) {
    ForEachReadable([&](const std::string& domain, const DomainLedger& ledger) {
      for (const auto& [id, one] : ledger.publishers()) each(LabelsOf(domain, one.info), one);
    });
  }
  template <class Each>
  void ForEachSubscriber(Each each) {
    ForEachReadable([&](const std::string& domain, const DomainLedger& ledger) {
      for (const auto& [id, one] : ledger.subscribers()) each(LabelsOf(domain, one.info), one);
    });
  }

  const std::map<std::string, DomainState>& domains_;
  Families families_;
};

}  // namespace

std::vector<MetricFamily> MakeFamilies(const std::map<std::string, DomainState>& domains,
                                       const CollectorState& collector) {
  return Exposition(domains).Make(collector);
}

}  // namespace weir::gateway
