#include "tools/weir/top_model.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/weir/units.h"

namespace weir::tool {
namespace {

constexpr TopColumnInfo kColumns[] = {{TopColumn::kName, "topic", "TOPIC", 12},
                                      {TopColumn::kRate, "rate", "RATE", 8},
                                      {TopColumn::kBytes, "bytes", "BYTES/S", 10},
                                      {TopColumn::kP50, "p50", "P50", 7},
                                      {TopColumn::kP99, "p99", "P99", 7},
                                      {TopColumn::kDrops, "drops", "DROPS", 8},
                                      {TopColumn::kQueue, "queue", "QUEUE", 5},
                                      {TopColumn::kPool, "pool", "POOL", 5},
                                      {TopColumn::kPublishers, "publishers", "PUBS", 4},
                                      {TopColumn::kSubscribers, "subscribers", "SUBS", 4},
                                      {TopColumn::kDead, "dead", "DEAD", 4}};

// From here on it is nearly full; weir doctor says the same.
constexpr double kNearlyFull = 0.8;

// A count does not go back, but what is damaged meanwhile is left out of a sum. That is no flow of 2^64 messages.
uint64_t Since(uint64_t earlier, uint64_t later) {
  return later > earlier ? later - earlier : 0;
}

LatencyHistogram Since(const LatencyHistogram& earlier, const LatencyHistogram& later) {
  LatencyHistogram between;
  for (size_t i = 0; i < LatencyHistogram::kBucketCount; ++i) {
    between.buckets[i] = Since(earlier.buckets[i], later.buckets[i]);
  }
  between.sum_ns = Since(earlier.sum_ns, later.sum_ns);
  return between;
}

uint64_t Drops(const PublisherCounts& counts) {
  return counts.evicted + counts.refused_full + counts.refused_timed_out + counts.refused_corrupt;
}

// What a row's rates are made of, at one look.
struct Flow {
  uint64_t messages = 0;
  uint64_t bytes = 0;
  uint64_t drops = 0;
};
Flow FlowOf(const TopicInfo& topic) {
  return {topic.total.published.published, topic.total.published.published_bytes,
          Drops(topic.total.published) + topic.total.received.invalid};
}
Flow FlowOf(const PublisherInfo& publisher) {
  return {publisher.counts.published, publisher.counts.published_bytes, Drops(publisher.counts)};
}
Flow FlowOf(const SubscriberInfo& subscriber) {
  return {subscriber.counts.delivered, subscriber.counts.taken_bytes,
          subscriber.counts.missed + subscriber.counts.invalid};
}

void SetRates(TopRow& row, const Flow& earlier, const Flow& later, double seconds) {
  const auto per_second = [&](uint64_t before, uint64_t after) {
    return static_cast<double>(Since(before, after)) / seconds;
  };
  row.messages_per_s = per_second(earlier.messages, later.messages);
  row.bytes_per_s = per_second(earlier.bytes, later.bytes);
  row.drops_per_s = per_second(earlier.drops, later.drops);
}

void SetLatency(TopRow& row, const LatencyHistogram& between) {
  if (between.count() == 0) return;
  row.p50_ns = between.Quantile(0.5);
  row.p99_ns = between.Quantile(0.99);
}

void KeepFullest(std::optional<double>& fill, uint64_t used, uint64_t of) {
  if (of == 0) return;
  fill = std::max(fill.value_or(0), std::min(1.0, static_cast<double>(used) / static_cast<double>(of)));
}

bool Counts(const EndpointInfo& endpoint) {
  return endpoint.state == EndpointState::kLive && endpoint.node_alive && endpoint.readable;
}

bool IsDead(const EndpointInfo& endpoint) {
  return !endpoint.node_alive && !endpoint.departed;
}

// The time between the looks; none if one is missing, or if they were at two domains, one after the other, of one name.
std::optional<double> SecondsBetween(const DomainSnapshot& earlier, const DomainSnapshot& later) {
  if (earlier.looked_ns == 0 || later.looked_ns <= earlier.looked_ns) return std::nullopt;
  if (earlier.path != later.path || earlier.created_ns != later.created_ns) return std::nullopt;
  return static_cast<double>(later.looked_ns - earlier.looked_ns) * 1e-9;
}

template <class Info>
const Info* Find(const std::vector<Info>& infos, uint64_t id) {
  const auto found = std::find_if(infos.begin(), infos.end(), [&](const Info& info) { return info.id == id; });
  return found == infos.end() ? nullptr : &*found;
}

std::optional<double> NumberIn(const TopRow& row, TopColumn column) {
  switch (column) {
    case TopColumn::kName:
      break;
    case TopColumn::kRate:
      return row.messages_per_s;
    case TopColumn::kBytes:
      return row.bytes_per_s;
    case TopColumn::kP50:
      return row.p50_ns;
    case TopColumn::kP99:
      return row.p99_ns;
    case TopColumn::kDrops:
      return row.drops_per_s;
    case TopColumn::kQueue:
      return row.queue;
    case TopColumn::kPool:
      return row.pool;
    case TopColumn::kPublishers:
      return row.publishers;
    case TopColumn::kSubscribers:
      return row.subscribers;
    case TopColumn::kDead:
      return row.dead;
  }
  return std::nullopt;
}

}  // namespace

std::span<const TopColumnInfo> TopColumns() {
  return kColumns;
}

std::vector<TopRow> TopicRows(const DomainSnapshot& earlier, const DomainSnapshot& later) {
  const std::optional<double> seconds = SecondsBetween(earlier, later);
  std::vector<TopRow> rows;
  for (const TopicInfo& topic : later.topics) {
    TopRow row = {.id = topic.id, .name = topic.name, .publishers = topic.publishers, .subscribers = topic.subscribers};
    const TopicInfo* before = Find(earlier.topics, topic.id);
    if (seconds.has_value() && before != nullptr) {
      SetRates(row, FlowOf(*before), FlowOf(topic), *seconds);
      SetLatency(row, Since(before->total.latency, topic.total.latency));
    }
    for (const PublisherInfo& publisher : later.publishers) {
      if (publisher.topic_id != topic.id) continue;
      if (IsDead(publisher)) ++row.dead;
      if (Counts(publisher)) KeepFullest(row.pool, publisher.counts.pool_bytes_in_use, publisher.pool_bytes_max);
    }
    for (const SubscriberInfo& subscriber : later.subscribers) {
      if (subscriber.topic_id != topic.id) continue;
      if (IsDead(subscriber)) ++row.dead;
      if (Counts(subscriber)) KeepFullest(row.queue, subscriber.counts.queued, subscriber.depth);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<TopRow> EndpointRows(const DomainSnapshot& earlier, const DomainSnapshot& later, uint64_t topic_id) {
  const std::optional<double> seconds = SecondsBetween(earlier, later);
  std::vector<TopRow> rows;
  const auto add = [&](const auto& endpoint, const auto* before, const char* arrow) -> TopRow& {
    const bool creating = endpoint.state == EndpointState::kCreating;
    const std::string state = endpoint.node_alive && endpoint.state != EndpointState::kLive
                                  ? absl::StrCat(", ", EndpointStateName(endpoint.state))
                                  : "";
    TopRow row = {.id = endpoint.id,
                  .name = absl::StrCat(arrow, endpoint.node, " (", endpoint.pid, state, ")"),
                  .dead = IsDead(endpoint) ? 1u : 0u};
    if (seconds.has_value() && before != nullptr && !creating && before->readable && endpoint.readable) {
      SetRates(row, FlowOf(*before), FlowOf(endpoint), *seconds);
    }
    rows.push_back(std::move(row));
    return rows.back();
  };
  for (const PublisherInfo& publisher : later.publishers) {
    if (publisher.topic_id != topic_id) continue;
    TopRow& row = add(publisher, Find(earlier.publishers, publisher.id), "-> ");
    row.publishers = Counts(publisher) ? 1 : 0;
    if (publisher.readable) KeepFullest(row.pool, publisher.counts.pool_bytes_in_use, publisher.pool_bytes_max);
  }
  for (const SubscriberInfo& subscriber : later.subscribers) {
    if (subscriber.topic_id != topic_id) continue;
    const SubscriberInfo* before = Find(earlier.subscribers, subscriber.id);
    TopRow& row = add(subscriber, before, "<- ");
    row.subscribers = Counts(subscriber) ? 1 : 0;
    if (row.messages_per_s.has_value()) SetLatency(row, Since(before->latency, subscriber.latency));
    if (subscriber.readable) KeepFullest(row.queue, subscriber.counts.queued, subscriber.depth);
  }
  return rows;
}

void KeepNamed(std::vector<TopRow>& rows, std::string_view text) {
  std::erase_if(rows, [&](const TopRow& row) { return row.name.find(text) == std::string::npos; });
}

void SortRows(std::vector<TopRow>& rows, TopColumn by, bool reversed) {
  std::sort(rows.begin(), rows.end(), [&](const TopRow& a, const TopRow& b) {
    if (by == TopColumn::kName && a.name != b.name) return reversed ? b.name < a.name : a.name < b.name;
    const std::optional<double> of_a = NumberIn(a, by), of_b = NumberIn(b, by);
    if (of_a.has_value() != of_b.has_value()) return of_a.has_value();
    if (of_a.has_value() && *of_a != *of_b) return reversed ? *of_a < *of_b : *of_a > *of_b;
    return a.name != b.name ? a.name < b.name : a.id < b.id;
  });
}

std::string TopCell(const TopRow& row, TopColumn column) {
  if (column == TopColumn::kName) return row.name;
  const std::optional<double> number = NumberIn(row, column);
  if (!number.has_value()) return "-";
  switch (column) {
    case TopColumn::kRate:
    case TopColumn::kDrops:
      return *number == 0 ? "0" : RateHz(*number);
    case TopColumn::kBytes:
      return *number == 0 ? "0" : Bytes(*number);
    case TopColumn::kP50:
    case TopColumn::kP99:
      return DurationNs(*number);
    case TopColumn::kQueue:
    case TopColumn::kPool:
      // Rounded up, so that 0 is empty and 100 is not said of what has room.
      return absl::StrFormat("%.0f%%", *number < 1 ? std::min(99.0, std::ceil(100 * *number)) : 100.0);
    default:
      return absl::StrFormat("%.0f", *number);
  }
}

Concern ConcernOf(const TopRow& row, TopColumn column) {
  const double number = NumberIn(row, column).value_or(0);
  switch (column) {
    case TopColumn::kDrops:
    case TopColumn::kDead:
      return number > 0 ? Concern::kTrouble : Concern::kNone;
    case TopColumn::kQueue:
    case TopColumn::kPool:
      return number >= 1 ? Concern::kTrouble : number >= kNearlyFull ? Concern::kWarning : Concern::kNone;
    default:
      return Concern::kNone;
  }
}

TopLayout LayOut(size_t width, size_t name_width) {
  constexpr size_t kGap = 2;
  TopLayout layout = {.columns = {TopColumn::kName}, .name_width = kColumns[0].width};
  size_t used = layout.name_width;
  for (const TopColumnInfo& info : std::span(kColumns).subspan(1)) {
    if (used + kGap + info.width > width) break;
    layout.columns.push_back(info.column);
    used += kGap + info.width;
  }
  if (used > width) layout.name_width = width;  // a very narrow terminal
  if (used < width) layout.name_width += std::min(width - used, name_width - std::min(name_width, layout.name_width));
  return layout;
}

}  // namespace weir::tool
