// What a collector knows of one domain beyond what it sees at this moment: what counters were, and since when something
// is dead. From it follow the three promises: no counter goes back, series end, and there is a bound to how many there
// are. Plain data; one thread at a time; makes no system call.
#ifndef WEIR_GATEWAYS_PROMETHEUS_LEDGER_H_
#define WEIR_GATEWAYS_PROMETHEUS_LEDGER_H_

#include <weir/inspect.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace weir::gateway {

struct LedgerLimits {
  uint64_t stay_ns = 0;
  uint32_t topics_max = 0, endpoints_max = 0, nodes_max = 0;
};

// A topic's name in all its incarnations: a topic ends with its last endpoint, and the next one of that name counts
// from 0. Here the counting goes on.
struct TopicSeries {
  TopicInfo info = {};       // of the newest incarnation; no publishers and subscribers once it is gone
  TopicCounts counts = {};   // of all incarnations
  uint64_t left_queued = 0;  // of all incarnations: messages that were in the queues of endpoints that are gone
  uint64_t seen_ns = 0;      // last

  TopicCounts earlier = {};  // of the incarnations before
  uint64_t earlier_left_queued = 0;
};

// A node or an endpoint; `Info` is what the inspector says of it.
template <class Info>
struct MemberSeries {
  Info info = {};
  bool alive() const { return !dead_since_ns.has_value(); }
  std::optional<uint64_t> dead_since_ns = {};  // when that was first seen
};

struct Omitted {
  uint64_t topics = 0, endpoints = 0, nodes = 0;
};

class DomainLedger {
 public:
  explicit DomainLedger(const LedgerLimits& limits) : limits_(limits) {}

  // `now_ns` is a monotonic clock's. A domain that is gone is one with nothing in it.
  void Update(DomainSnapshot domain, uint64_t now_ns);

  // What to export. Topics by name, as it is to be shown; the others by id.
  const std::map<std::string, TopicSeries>& topics() const { return topics_; }
  const std::map<uint64_t, MemberSeries<PublisherInfo>>& publishers() const { return publishers_; }
  const std::map<uint64_t, MemberSeries<SubscriberInfo>>& subscribers() const { return subscribers_; }
  const std::map<uint64_t, MemberSeries<NodeInfo>>& nodes() const { return nodes_; }

  // Of the last update.
  const Omitted& omitted() const { return omitted_; }
  uint64_t nodes_alive() const { return nodes_alive_; }
  uint64_t nodes_dead() const { return nodes_dead_; }
  uint64_t unreadable() const { return unreadable_; }  // what was damaged or changed too fast
  const std::string& path() const { return path_; }

 private:
  void UpdateTopics(std::vector<TopicInfo>& infos, uint64_t now_ns);
  void UpdateTopic(TopicSeries& series, TopicInfo& info);
  template <class Info>
  void UpdateMembers(std::vector<Info>& infos, uint64_t now_ns, std::map<uint64_t, MemberSeries<Info>>& known,
                     uint64_t room, uint64_t& omitted);

  const LedgerLimits limits_;
  std::map<std::string, TopicSeries> topics_;
  std::map<uint64_t, MemberSeries<PublisherInfo>> publishers_;
  std::map<uint64_t, MemberSeries<SubscriberInfo>> subscribers_;
  std::map<uint64_t, MemberSeries<NodeInfo>> nodes_;
  std::set<uint64_t> ended_;  // dead for so long that their series have ended, although their entries still stand
  Omitted omitted_;
  uint64_t created_ns_ = 0;  // of the registry that was seen last
  uint64_t nodes_alive_ = 0, nodes_dead_ = 0, unreadable_ = 0;
  std::string path_;
};

// A name as a label's value: valid UTF-8 without control characters, which become U+FFFD. Topic names are so by
// themselves; node names are any bytes, and all of it is another process's.
std::string LabelText(std::string_view name);

}  // namespace weir::gateway

#endif  // WEIR_GATEWAYS_PROMETHEUS_LEDGER_H_
