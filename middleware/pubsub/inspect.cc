// What lies behind <weir/inspect.h>: the registry's snapshot joined with what the endpoints' own files say.
#include "weir/inspect.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "discovery/departed.h"
#include "discovery/endpoint_files.h"
#include "discovery/names.h"
#include "discovery/snapshot.h"
#include "middleware/base/limits.h"
#include "middleware/base/strings.h"
#include "middleware/base/text.h"
#include "middleware/metrics/counters_layout.h"
#include "middleware/metrics/departed_layout.h"
#include "middleware/metrics/histogram.h"
#include "middleware/os/clock.h"
#include "middleware/os/fork_guard.h"
#include "middleware/pool/pool_reader.h"
#include "middleware/pubsub/read_counts.h"

namespace weir {
namespace {

using discovery::EndpointKind;
using discovery::EndpointRecord;
using discovery::FileKind;
using discovery::Snapshot;
using internal::ReadCounts;
using internal::ReadLatency;

constexpr bool Same(EndpointState ours, discovery::EndpointState registrys) {
  return static_cast<uint32_t>(ours) == static_cast<uint32_t>(registrys);
}
static_assert(Same(EndpointState::kCreating, discovery::EndpointState::kCreating));
static_assert(Same(EndpointState::kLive, discovery::EndpointState::kLive));
static_assert(Same(EndpointState::kClosing, discovery::EndpointState::kClosing));
static_assert(Same(EndpointState::kRetired, discovery::EndpointState::kRetired));

// How often a domain is looked at anew because an endpoint left meanwhile.
constexpr int kLookRoundsMax = 16;

// A pool that a held sample's slot may lie in; `reader` is empty if it could not be opened.
struct Pool {
  std::optional<pool::PoolReader> reader;
  absl::Status status;
};

// A topic's record of its departed endpoints, as it was when the look began.
struct Departed {
  std::optional<discovery::DepartedFile> file;  // empty if it could not be opened
  absl::Status status;
  uint64_t folds = 0;
  Incarnation last = 0;  // who was added last, and may not be marked yet
  TopicCounts counts;
};

// Everything but the number of endpoints.
void Add(const PublisherCounts& counts, PublisherCounts& total) {
  static_assert(sizeof(PublisherCounts) == 21 * sizeof(uint64_t),
                "each of them is added here, but for the four that an inspector does not know");
  total.published += counts.published;
  total.published_bytes += counts.published_bytes;
  total.pushed += counts.pushed;
  total.evicted += counts.evicted;
  total.refused_full += counts.refused_full;
  total.refused_timed_out += counts.refused_timed_out;
  total.refused_corrupt += counts.refused_corrupt;
  total.blocked_ns += counts.blocked_ns;
  total.wakeups += counts.wakeups;
  total.loans += counts.loans;
  total.loans_refused += counts.loans_refused;
  total.reclaim_passes += counts.reclaim_passes;
  total.reclaimed_slots += counts.reclaimed_slots;
  total.message_bytes_max = std::max(total.message_bytes_max, counts.message_bytes_max);
  total.pool_bytes_committed += counts.pool_bytes_committed;
  total.pool_bytes_in_use += counts.pool_bytes_in_use;
  total.queues += counts.queues;
}

void Add(const SubscriberCounts& counts, SubscriberCounts& total) {
  static_assert(sizeof(SubscriberCounts) == 16 * sizeof(uint64_t),
                "each of them is added here, but for the two that an inspector does not know");
  total.taken += counts.taken;
  total.taken_bytes += counts.taken_bytes;
  total.delivered += counts.delivered;
  total.from_history += counts.from_history;
  total.invalid += counts.invalid;
  total.duplicate += counts.duplicate;
  total.missed += counts.missed;
  total.torn += counts.torn;
  total.refused_held += counts.refused_held;
  total.sleeps += counts.sleeps;
  total.removed += counts.removed;
  total.queued_max = std::max(total.queued_max, counts.queued_max);
  total.queued += counts.queued;
  total.held += counts.held;
}

// One look at a domain. Pools stay open until it is over.
class DomainLook {
 public:
  DomainLook(const Snapshot& registry, std::string_view name) : registry_(registry) {
    domain_.name = std::string(name);
    domain_.path = registry.path();
    domain_.created_ns = registry.created_ns();
    domain_.looked_ns = os::MonotonicNow();
    domain_.lock_holder_pid = registry.lock_holder_pid();
    domain_.nodes_max = kNodesMax;
    domain_.topics_max = kTopicsMax;
    domain_.endpoints_max = kEndpointsMax;
  }

  DomainSnapshot Run() {
    uint32_t bad_nodes = 0, bad_topics = 0, bad_endpoints = 0;
    // The departed before the endpoints: see DepartedFile::Read().
    ReadDeparted();
    // Endpoints before the rest: what they belong to is older than they are, so it is found unless it has gone
    // meanwhile.
    const std::vector<EndpointRecord> endpoints = registry_.Endpoints(&bad_endpoints);
    ReadTopics(bad_topics);
    ReadNodes(bad_nodes);
    Note(bad_nodes, "node");
    Note(bad_topics, "topic");
    Note(bad_endpoints, "endpoint");
    for (const EndpointRecord& record : endpoints) CountMember(record);
    for (const EndpointRecord& record : endpoints) {
      if (record.kind == EndpointKind::kPublisher) {
        ReadPublisher(record);
      } else {
        ReadSubscriber(record);
      }
    }
    consistent_ = !topic_appeared_ && std::all_of(departed_.begin(), departed_.end(), [](const auto& topic) {
      const Departed& departed = topic.second;
      return !departed.file.has_value() || departed.file->folds() == departed.folds;
    });
    if (!consistent_) {
      domain_.notes.push_back("endpoints left all the time: totals of topics may lack some of them, or have one twice");
    }
    return std::move(domain_);
  }

  // Whether no endpoint was added to the departed, and no topic made, while the look was taken. Only then every
  // endpoint is in its topic's total exactly once.
  bool consistent() const { return consistent_; }

 private:
  void ReadDeparted() {
    for (const discovery::TopicRecord& topic : registry_.Topics()) {
      Departed& departed = departed_[topic.incarnation];
      auto file = discovery::DepartedFile::Open(registry_.directory(), topic.incarnation);
      departed.status = file.status();
      if (!file.ok()) continue;
      const std::optional<uint64_t> folds = file->Read([&departed](const metrics::DepartedRecord& record) {
        departed.last = record.last_incarnation.value();
        departed.counts = {.publishers = record.publishers.value(),
                           .subscribers = record.subscribers.value(),
                           .unreadable = record.unreadable.value(),
                           .published = ReadCounts(record.published),
                           .received = ReadCounts(record.received),
                           .latency = ReadLatency(record.latency)};
        departed.counts.received.removed = record.removed.value();
        departed.counts.received.queued = record.left_queued.value();
      });
      departed.folds = folds.value_or(~uint64_t{0});  // replaced all the time: not consistent
      departed.file = *std::move(file);
    }
  }

  void Note(uint32_t count, std::string_view what) {
    if (count == 0) return;
    domain_.notes.push_back(absl::StrCat(count, " ", AsAbsl(what), count == 1 ? " entry" : " entries",
                                         " of the registry could not be read: damaged, or changing all the time"));
  }

  void ReadNodes(uint32_t& unreadable) {
    for (Snapshot::Node& node : registry_.Nodes(&unreadable)) {
      nodes_[node.incarnation] = domain_.nodes.size();
      domain_.nodes.push_back({.id = node.incarnation,
                               .name = std::move(node.name),
                               .pid = node.pid,
                               .uid = node.uid,
                               .started_ns = node.started_ns,
                               .alive = node.alive});
    }
  }

  void ReadTopics(uint32_t& unreadable) {
    for (discovery::TopicRecord& topic : registry_.Topics(&unreadable)) {
      topics_[topic.incarnation] = domain_.topics.size();
      domain_.topics.push_back({.id = topic.incarnation,
                                .name = std::move(topic.name),
                                .kind = static_cast<MessageKind>(topic.type_kind),
                                .type_name = std::move(topic.type_name),
                                .type_id = topic.type_id,
                                .body_bytes = topic.body_bytes,
                                .body_align = topic.body_align,
                                .schema_hash = topic.schema_bytes == 0 ? "" : discovery::HexOf(topic.schema_hash),
                                .schema_bytes = topic.schema_bytes,
                                .options = {.exclusive = topic.exclusive,
                                            .max_publishers = topic.max_publishers,
                                            .max_subscribers = topic.max_subscribers},
                                // relaxed: a number to show
                                .generation = registry_.Topic(topic.index).generation().load(queue::kRelaxed),
                                .created_ns = topic.created_ns});
      FillDeparted(domain_.topics.back());
    }
  }

  void FillDeparted(TopicInfo& topic) {
    const auto found = departed_.find(topic.id);
    if (found == departed_.end()) {
      topic_appeared_ = true;
      return;
    }
    const Departed& departed = found->second;
    topic.departed = departed.counts;
    topic.total = departed.counts;
    if (departed.file.has_value()) return;
    domain_.notes.push_back(absl::StrCat("what the departed endpoints of topic \"",
                                         absl::Utf8SafeCHexEscape(topic.name),
                                         "\" counted cannot be read: ", WhyNot(departed.status)));
  }

  bool IsInDeparted(const EndpointRecord& record) const {
    const auto found = departed_.find(record.topic_incarnation);
    return record.departed || (found != departed_.end() && found->second.last == record.incarnation);
  }

  NodeInfo* NodeOf(const EndpointRecord& record) {
    const auto found = nodes_.find(record.node_incarnation);
    return found == nodes_.end() ? nullptr : &domain_.nodes[found->second];
  }
  TopicInfo* TopicOf(const EndpointRecord& record) {
    const auto found = topics_.find(record.topic_incarnation);
    return found == topics_.end() ? nullptr : &domain_.topics[found->second];
  }

  // Of the endpoints that count.
  void CountMember(const EndpointRecord& record) {
    const NodeInfo* node = NodeOf(record);
    TopicInfo* topic = TopicOf(record);
    if (record.state != discovery::EndpointState::kLive || node == nullptr || !node->alive || topic == nullptr) return;
    ++(record.kind == EndpointKind::kPublisher ? topic->publishers : topic->subscribers);
  }

  void FillCommon(const EndpointRecord& record, EndpointInfo& info) {
    info.id = record.incarnation;
    info.topic_id = record.topic_incarnation;
    info.node_id = record.node_incarnation;
    info.pid = record.pid;
    info.state = static_cast<EndpointState>(record.state);
    info.index = record.index_in_topic;
    info.created_ns = record.created_ns;
    info.departed = IsInDeparted(record);
    if (const TopicInfo* topic = TopicOf(record); topic != nullptr) info.topic = topic->name;
    if (const NodeInfo* node = NodeOf(record); node != nullptr) {
      info.node = node->name;
      info.node_alive = node->alive;
    }
  }

  // Its files are not told of until they are whole.
  static bool IsBeingMade(const EndpointRecord& record, EndpointInfo& info) {
    if (record.state != discovery::EndpointState::kCreating) return false;
    info.note = "being made";
    return true;
  }

  // Why an endpoint's file could not be read, for its note.
  static std::string WhyNot(const absl::Status& status) {
    if (absl::IsNotFound(status)) return "gone: its file was removed meanwhile";
    return std::string(status.message());
  }

  Pool& PoolOf(Incarnation incarnation, PublisherIndex index) {
    const auto [found, added] = pools_.try_emplace(incarnation);
    Pool& pool = found->second;
    if (!added) return pool;
    auto reader =
        pool::PoolReader::Open(registry_.directory(), discovery::EndpointFileName(FileKind::kPool, incarnation),
                               incarnation, index, pool::PoolReader::Populate::kNo);
    pool.status = reader.status();
    if (reader.ok()) pool.reader = *std::move(reader);
    return pool;
  }

  void ReadPublisher(const EndpointRecord& record) {
    PublisherInfo& info = domain_.publishers.emplace_back();
    FillCommon(record, info);
    info.history = record.history;
    info.max_loans = record.max_loans;
    info.pool_bytes_max = record.pool_bytes_max;
    if (IsBeingMade(record, info)) return;
    const Pool& pool = PoolOf(record.incarnation, static_cast<PublisherIndex>(record.index_in_topic));
    if (!pool.reader.has_value()) {
      info.note = WhyNot(pool.status);
      return CountUnreadable(record, info);
    }
    info.readable = true;
    info.pool_bytes_committed = pool.reader->known_bytes();
    for (const auto& entry : pool.reader->history()) {
      info.history_fill += entry.load(queue::kRelaxed) != 0 ? 1 : 0;  // relaxed: a number to show
    }
    info.counts = ReadCounts(*reinterpret_cast<const metrics::PublisherCounters*>(pool.reader->counters_page()));
    info.counts.pool_bytes_committed = info.pool_bytes_committed;
    TopicInfo* topic = TopicOf(record);
    if (topic == nullptr) return;
    info.counts.queues = topic->subscribers;
    if (info.departed || !WasLive(record)) return;
    ++topic->total.publishers;
    Add(info.counts, topic->total.published);
  }

  // A publisher that was given up before it was live has never counted anything.
  bool WasLive(const EndpointRecord& publisher) const {
    return registry_.Topic(publisher.topic)
               .publisher_incarnation(static_cast<PublisherIndex>(publisher.index_in_topic)) == publisher.incarnation;
  }

  void CountUnreadable(const EndpointRecord& record, const EndpointInfo& info) {
    TopicInfo* topic = TopicOf(record);
    if (topic != nullptr && !info.departed) ++topic->total.unreadable;
  }

  void ReadSubscriber(const EndpointRecord& record) {
    SubscriberInfo& info = domain_.subscribers.emplace_back();
    FillCommon(record, info);
    info.depth = record.depth;
    info.max_borrowed = record.max_borrowed;
    info.when_full = static_cast<WhenFull>(record.when_full);
    info.table_entries = record.table_entries;
    if (IsBeingMade(record, info)) return;
    const auto queue = discovery::OpenQueue(registry_.directory(), record.incarnation, os::Access::kRead);
    const auto table = discovery::OpenTable(registry_.directory(), record.incarnation, os::Access::kRead);
    if (!queue.ok() || !table.ok()) {
      info.note = WhyNot(!queue.ok() ? queue.status() : table.status());
      return CountUnreadable(record, info);
    }
    info.readable = true;
    info.counts = ReadCounts(
        *reinterpret_cast<const metrics::SubscriberCounters*>(table->mapping.data() + queue::kTableCountersOffset),
        queue->view, table->table);
    info.latency =
        ReadLatency(*reinterpret_cast<const metrics::Histogram*>(table->mapping.data() + queue::kTableHistogramOffset));
    // relaxed: numbers to show
    info.asleep = queue->view.header->sleepers.load(queue::kRelaxed) != 0;
    info.blocked_publishers = queue->view.header->blocked.load(queue::kRelaxed);
    ReadHeld(record, table->table, info.held);
    TopicInfo* topic = TopicOf(record);
    if (topic == nullptr || info.departed) return;
    ++topic->total.subscribers;
    Add(info.counts, topic->total.received);
    topic->total.latency += info.latency;
  }

  void ReadHeld(const EndpointRecord& record, const queue::BorrowTable<queue::SystemAtomics>& table,
                std::vector<HeldSample>& held) {
    std::vector<std::pair<Ref, HeldSample>> seen;
    table.ForEach([&](Ref ref) { seen.emplace_back(ref, ReadSample(record, ref)); });
    // What was let go meanwhile may have been written anew while its header was read.
    std::set<Ref> still;
    table.ForEach([&](Ref ref) { still.insert(ref); });
    for (auto& [ref, sample] : seen) {
      if (still.contains(ref)) held.push_back(sample);
    }
  }

  // Does not read the message, only the header in front of it; whatever that says is shown and not used.
  HeldSample ReadSample(const EndpointRecord& record, Ref ref) {
    const discovery::TopicView topic = registry_.Topic(record.topic);
    const Incarnation publisher = topic.publisher_incarnation(ref.publisher());
    HeldSample sample{.publisher = ref.publisher(), .publisher_id = publisher};
    if (topic.incarnation() != record.topic_incarnation) sample.publisher_id = 0;  // the entry is another topic's now
    if (sample.publisher_id == 0) return sample;
    Pool& pool = PoolOf(publisher, ref.publisher());
    if (!pool.reader.has_value()) return sample;
    const pool::SlotHeader* header = pool.reader->Find(ref);
    if (header == nullptr) return sample;
    sample.slot_offset = pool.reader->OffsetOf(ref);
    // relaxed: numbers to show; ReadHeld() looks whether the slot was still held afterwards
    sample.sequence = header->sequence.load(std::memory_order_relaxed);
    sample.bytes = header->total_bytes;
    sample.published_ns = header->published_ns;
    return sample;
  }

  const Snapshot& registry_;
  DomainSnapshot domain_;
  std::map<uint64_t, size_t> nodes_;       // by id, in domain_.nodes
  std::map<uint64_t, size_t> topics_;      // by id, in domain_.topics
  std::map<uint64_t, Departed> departed_;  // by topic id
  bool consistent_ = false;
  bool topic_appeared_ = false;  // after departed_ was read
  std::map<Incarnation, Pool> pools_;
};

}  // namespace

struct Inspector::Impl {
  InspectorOptions options;
  os::ForkGuard guard;
  std::optional<Snapshot> registry;

  absl::Status Open() {
    if (absl::Status status = guard.Check(); !status.ok()) return status;
    if (registry.has_value() && registry->IsCurrent()) return absl::OkStatus();
    registry.reset();
    absl::StatusOr<Snapshot> opened = Snapshot::Open(options.root, options.domain);
    if (absl::IsNotFound(opened.status())) {
      return absl::NotFoundError(absl::StrCat("there is no domain \"", options.domain, "\" in ",
                                              discovery::ResolveRoot(options.root)->path, ": nobody is in it"));
    }
    if (!opened.ok()) return opened.status();
    registry = *std::move(opened);
    return absl::OkStatus();
  }
};

Inspector::Inspector(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Inspector::Inspector(Inspector&&) noexcept = default;
Inspector& Inspector::operator=(Inspector&&) noexcept = default;
Inspector::~Inspector() = default;

absl::StatusOr<Inspector> Inspector::Open(const InspectorOptions& options) {
  absl::StatusOr<os::ForkGuard> guard = os::ForkGuard::Current();
  if (!guard.ok()) return guard.status();
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->guard = *guard;
  if (absl::Status status = impl->Open(); !status.ok()) return status;
  return Inspector(std::move(impl));
}

absl::StatusOr<DomainSnapshot> Inspector::Look() {
  if (absl::Status status = impl_->Open(); !status.ok()) return status;
  // An endpoint that leaves during a look may be counted with the departed and as an endpoint, or as neither.
  for (int round = 1;; ++round) {
    DomainLook look(*impl_->registry, impl_->options.domain);
    DomainSnapshot domain = look.Run();
    if (look.consistent() || round == kLookRoundsMax) return domain;
  }
}

absl::StatusOr<std::string> Inspector::ReadSchema(std::string_view topic) {
  if (absl::Status status = impl_->Open(); !status.ok()) return status;
  const auto record = impl_->registry->FindTopic(topic);
  if (!record.has_value()) {
    return absl::NotFoundError(
        absl::StrCat("there is no topic ", Quoted(topic), " in domain \"", impl_->options.domain, "\""));
  }
  if (record->schema_bytes == 0) {
    return absl::NotFoundError(
        absl::StrCat("topic ", Quoted(topic), " has no schema: its type is ", Quoted(record->type_name)));
  }
  return impl_->registry->ReadSchema(record->schema_hash);
}

absl::StatusOr<std::vector<std::string>> ListDomains(std::string_view root) {
  return discovery::ListDomains(root);
}

}  // namespace weir
