#include "gateways/prometheus/ledger.h"

#include <algorithm>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "gateways/prometheus/counters.h"

namespace weir::gateway {
namespace {

// How an entry of the registry counts here.
enum class Standing { kAlive, kDead, kNotThere };

Standing StandingOf(const NodeInfo& node) {
  return node.alive ? Standing::kAlive : Standing::kDead;
}

// What its process is making or has closed is not there (yet, any more), whatever of it still stands; nor is what was
// cleaned up and only stays because somebody holds its messages.
Standing StandingOf(const EndpointInfo& endpoint) {
  if (endpoint.state == EndpointState::kCreating || endpoint.state == EndpointState::kRetired) {
    return Standing::kNotThere;
  }
  if (!endpoint.node_alive) return Standing::kDead;
  return endpoint.state == EndpointState::kLive ? Standing::kAlive : Standing::kNotThere;
}

void KeepWhatWasKnown(NodeInfo&, const NodeInfo&) {}

// What its series are called does not change, although a dead node's entry goes before those of its endpoints.
void KeepNames(EndpointInfo& info, const EndpointInfo& before) {
  info.topic = before.topic;
  info.node = before.node;
}

void KeepWhatWasKnown(PublisherInfo& info, const PublisherInfo& before) {
  KeepNames(info, before);
  if (!info.readable) {
    info.pool_bytes_committed = before.pool_bytes_committed;
    info.history_fill = before.history_fill;
    info.counts = before.counts;
  }
  KeepAtLeast(info.counts, before.counts);
}

void KeepWhatWasKnown(SubscriberInfo& info, const SubscriberInfo& before) {
  KeepNames(info, before);
  if (!info.readable) {
    info.counts = before.counts;
    info.latency = before.latency;
  }
  KeepAtLeast(info.counts, before.counts);
  KeepAtLeast(info.latency, before.latency);
}

// The length of the UTF-8 character that the text begins with, or 0 if it is none that a label may have.
size_t CharacterBytes(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) return byte(0) < 0x20 || byte(0) == 0x7f ? 0 : 1;
  const size_t bytes = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
  if (byte(0) < 0xc2 || byte(0) > 0xf4 || text.size() < bytes) return 0;
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const bool overlong = (byte(0) == 0xe0 && byte(1) < 0xa0) || (byte(0) == 0xf0 && byte(1) < 0x90);
  const bool surrogate = byte(0) == 0xed && byte(1) > 0x9f;
  const bool beyond = byte(0) == 0xf4 && byte(1) > 0x8f;
  return overlong || surrogate || beyond ? 0 : bytes;
}

}  // namespace

std::string LabelText(std::string_view name) {
  std::string text;
  while (!name.empty()) {
    const size_t bytes = CharacterBytes(name);
    text.append(bytes == 0 ? "\xef\xbf\xbd" : name.substr(0, bytes));
    name.remove_prefix(std::max<size_t>(bytes, 1));
  }
  return text;
}

void DomainLedger::Update(DomainSnapshot domain, uint64_t now_ns) {
  omitted_ = {};
  if (!domain.path.empty()) path_ = std::move(domain.path);
  unreadable_ = domain.notes.size();
  for (const EndpointInfo& publisher : domain.publishers) {
    unreadable_ += StandingOf(publisher) != Standing::kNotThere && !publisher.readable ? 1 : 0;
  }
  for (const EndpointInfo& subscriber : domain.subscribers) {
    unreadable_ += StandingOf(subscriber) != Standing::kNotThere && !subscriber.readable ? 1 : 0;
  }
  nodes_alive_ = static_cast<uint64_t>(
      std::count_if(domain.nodes.begin(), domain.nodes.end(), [](const NodeInfo& node) { return node.alive; }));
  nodes_dead_ = domain.nodes.size() - nodes_alive_;

  // Ids are never used again; those that stand no more need not be known.
  std::set<uint64_t> standing;
  for (const NodeInfo& node : domain.nodes) standing.insert(node.id);
  for (const EndpointInfo& publisher : domain.publishers) standing.insert(publisher.id);
  for (const EndpointInfo& subscriber : domain.subscribers) standing.insert(subscriber.id);
  std::erase_if(ended_, [&standing](uint64_t id) { return !standing.contains(id); });

  // Ids grow within one registry only; each begins at a random number.
  if (domain.created_ns != 0 && std::exchange(created_ns_, domain.created_ns) != domain.created_ns) {
    for (auto& [name, series] : topics_) series.info.id = 0;
  }
  UpdateTopics(domain.topics, now_ns);
  UpdateMembers(domain.nodes, now_ns, nodes_, limits_.nodes_max, omitted_.nodes);
  UpdateMembers(domain.publishers, now_ns, publishers_, limits_.endpoints_max - subscribers_.size(),
                omitted_.endpoints);
  UpdateMembers(domain.subscribers, now_ns, subscribers_, limits_.endpoints_max - publishers_.size(),
                omitted_.endpoints);
}

void DomainLedger::UpdateTopics(std::vector<TopicInfo>& infos, uint64_t now_ns) {
  for (auto& [name, series] : topics_) series.info.publishers = series.info.subscribers = 0;
  std::set<std::string> there;  // seldom looks are no reason to forget these
  for (const TopicInfo& info : infos) there.insert(LabelText(info.name));
  std::erase_if(topics_, [&](const auto& topic) {
    return !there.contains(topic.first) && now_ns - topic.second.seen_ns > limits_.stay_ns;
  });
  std::sort(infos.begin(), infos.end(), [](const TopicInfo& a, const TopicInfo& b) { return a.id < b.id; });
  for (TopicInfo& info : infos) {
    const std::string name = LabelText(info.name);
    auto found = topics_.find(name);
    if (found == topics_.end()) {
      if (topics_.size() >= limits_.topics_max) {
        ++omitted_.topics;
        continue;
      }
      found = topics_.try_emplace(name).first;
    }
    // An older incarnation that still stands, or two names that look the same: it has been counted.
    if (info.id < found->second.info.id) continue;
    UpdateTopic(found->second, info);
    found->second.seen_ns = now_ns;
  }
}

void DomainLedger::UpdateTopic(TopicSeries& series, TopicInfo& info) {
  if (series.info.id != info.id) {
    series.earlier = series.counts;
    series.earlier_left_queued = series.left_queued;
  }
  TopicCounts counts = info.total;
  AddCounters(counts, series.earlier);
  KeepAtLeast(counts, series.counts);
  series.counts = counts;
  series.left_queued = std::max(series.left_queued, series.earlier_left_queued + info.departed.received.queued);
  series.info = std::move(info);
}

template <class Info>
void DomainLedger::UpdateMembers(std::vector<Info>& infos, uint64_t now_ns,
                                 std::map<uint64_t, MemberSeries<Info>>& known, uint64_t room, uint64_t& omitted) {
  std::sort(infos.begin(), infos.end(), [](const Info& a, const Info& b) { return a.id < b.id; });
  std::set<uint64_t> there;
  for (const Info& info : infos) {
    if (StandingOf(info) != Standing::kNotThere) there.insert(info.id);
  }
  std::erase_if(known, [&there](const auto& member) { return !there.contains(member.first); });

  for (Info& info : infos) {
    if (!there.contains(info.id) || ended_.contains(info.id)) continue;
    auto found = known.find(info.id);
    if (found != known.end()) {
      KeepWhatWasKnown(info, found->second.info);
    } else if (known.size() < room) {
      found = known.try_emplace(info.id).first;
    } else {
      ++omitted;
      continue;
    }
    MemberSeries<Info>& series = found->second;
    if (StandingOf(info) == Standing::kAlive) {
      series.dead_since_ns.reset();
    } else if (!series.dead_since_ns.has_value()) {
      series.dead_since_ns = now_ns;
    } else if (now_ns - *series.dead_since_ns > limits_.stay_ns) {
      ended_.insert(info.id);
      known.erase(found);
      continue;
    }
    series.info = std::move(info);
  }
}

}  // namespace weir::gateway
