// How a publisher follows the subscribers of its topic: the half of PublisherCore that runs when somebody joined or
// left.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "middleware/base/crash_point.h"
#include "middleware/os/futex.h"
#include "middleware/pubsub/publisher_core.h"

namespace weir::internal {
namespace {

// A connection that fails (no descriptors, no memory, a damaged file) is tried again, but not at every publish.
constexpr uint64_t kRetryConnectNs = 10'000'000;

// Between two looks at who is there. A joiner wakes us; this is for one that died before it could.
constexpr uint64_t kWaitSliceNs = 1'000'000'000;

bool IsLive(const discovery::EndpointRecord& record) {
  return record.state == discovery::EndpointState::kLive;
}

bool Names(const std::vector<discovery::EndpointRecord>& subscribers, Incarnation incarnation, bool live_only) {
  return std::any_of(subscribers.begin(), subscribers.end(), [&](const discovery::EndpointRecord& record) {
    return record.incarnation == incarnation && (!live_only || IsLive(record));
  });
}

}  // namespace

void PublisherCore::RefreshUnlessFailing(uint64_t generation) {
  // What failed is not tried again at once; but whoever has joined since must get this very message.
  if (!connect_error_.ok() && generation == failed_generation_ && os::MonotonicNow() < retry_connect_at_ns_) return;
  Refresh();
}

void PublisherCore::Refresh() {
  // Bounded: if people keep coming and going, the next publish goes on. Until known_generation_ is the present one
  // nothing is reclaimed, but everything is published to everybody who is connected.
  for (int attempt = 0; attempt < 4; ++attempt) {
    // sync(topic.generation): acquire; pairs with the release that raises it: the entries of that generation.
    const uint64_t generation = topic_.generation().load(queue::kAcquire, "topic.generation");
    if (generation == known_generation_ && connect_error_.ok()) return;
    auto subscribers = topic_.Subscribers();
    connect_error_ = subscribers.ok() ? Connect(*subscribers) : subscribers.status();
    if (connect_error_.ok()) DropAllBut(*subscribers);
    CollectConnections();
    if (!connect_error_.ok()) {
      failed_generation_ = generation;
      retry_connect_at_ns_ = os::MonotonicNow() + kRetryConnectNs;
      return;
    }
    known_generation_ = generation;
  }
}

// So that no message pays for a page's first touch. What cannot be had so is used as it is: nobody is left without
// messages for it.
void PublisherCore::Settle(os::Mapping& mapping) {
  mapping.Populate(0, mapping.bytes()).IgnoreError();
  if (!lock_memory_) return;
  if (absl::Status status = mapping.LockFirst(mapping.bytes()); !status.ok()) {
    lock_status_ = absl::Status(status.code(), absl::StrCat("a subscriber's queue or table: ", status.message()));
  }
}

// Tables first: a queue may hand our slots to its subscriber only after we know where that one notes them.
absl::Status PublisherCore::Connect(const std::vector<discovery::EndpointRecord>& subscribers) {
  const os::FileDescriptor& directory = node_->registry().directory();
  absl::Status first_error;
  for (const discovery::EndpointRecord& record : subscribers) {
    const auto has = [&](const auto& items, auto get) {
      return std::any_of(items.begin(), items.end(), [&](const auto& item) { return get(item) == record.incarnation; });
    };
    if (!has(tables_, [](const Table& table) { return table.incarnation; })) {
      auto table = discovery::OpenTable(directory, record.incarnation, os::Access::kRead);
      if (!table.ok()) {
        first_error.Update(table.status());
        continue;
      }
      Settle(table->mapping);
      tables_.push_back({.mapped = *std::move(table), .incarnation = record.incarnation, .pid = record.pid});
    }
    if (!IsLive(record) || has(links_, [](const auto& link) { return link->incarnation(); })) continue;
    auto mapped = discovery::OpenQueue(directory, record.incarnation, os::Access::kReadWrite);
    if (!mapped.ok()) {
      first_error.Update(mapped.status());
      continue;
    }
    if (mapped->view.form.exclusive_producer != slot_.exclusive) {
      first_error.Update(absl::DataLossError(absl::StrCat("the queue of pid ", record.pid, " on \"", topic_name_,
                                                          "\" is not made for this topic's kind of publisher")));
      continue;
    }
    Settle(mapped->mapping);
    auto link = std::make_unique<Link>();
    link->queue = *std::move(mapped);
    link->producer = queue::Producer<Atomics>(link->queue.view);
    link->books.queue = link->queue.view;
    link->books.incarnation = record.incarnation;
    link->books.seen_head = link->header().head.load(queue::kRelaxed);
    link->books.pushed.Reserve(std::min<size_t>(link->queue.view.depth * size_t{2}, 4096));
    link->node = record.node;
    link->node_incarnation = record.node_incarnation;
    link->pid = record.pid;
    if (link->queue.view.when_full == queue::WhenFull::kBlock && !node_->can_fence_others()) {
      link->header().force_fence.store(1, queue::kRelaxed);  // we may sleep there and cannot make the consumer fence
    }
    links_.push_back(std::move(link));
    WEIR_CRASH_POINT("publisher.connected");
  }
  return first_error;
}

void PublisherCore::DropAllBut(const std::vector<discovery::EndpointRecord>& subscribers) {
  for (size_t i = 0; i < links_.size();) {
    if (Names(subscribers, links_[i]->incarnation(), /*live_only=*/true)) {
      ++i;
      continue;
    }
    reclaimer_.Disconnect(links_[i]->books);
    links_.erase(links_.begin() + static_cast<ptrdiff_t>(i));
  }
  std::erase_if(tables_,
                [&](const Table& table) { return !Names(subscribers, table.incarnation, /*live_only=*/false); });
}

// Lists for the reclaimer, of whatever is connected now.
void PublisherCore::CollectConnections() {
  connections_.clear();
  any_blocking_ = false;
  for (auto& link : links_) {
    connections_.push_back(&link->books);
    any_blocking_ |= link->queue.view.when_full == queue::WhenFull::kBlock;
  }
  table_views_.clear();
  size_t entries = 0;
  for (Table& table : tables_) {
    table_views_.push_back(table.mapped.table);
    entries += table.mapped.table.entry_count();
  }
  reclaimer_.ReserveForTables(entries);
}

// Whether that many of the connected queues have a living owner: the dead stay connected until somebody cleans up.
bool PublisherCore::HasLiveLinks(uint32_t count) const {
  if (links_.size() < count) return false;
  uint32_t live = 0;
  for (size_t i = 0; i < links_.size() && live < count; ++i) {
    live += !links_[i]->owner_died && node_->registry().IsNodeAlive(links_[i]->node, links_[i]->node_incarnation);
  }
  return live >= count;
}

absl::Status PublisherCore::WaitForSubscribers(uint32_t count, absl::Duration timeout) {
  if (!InOwner()) return node_->CheckOwner();
  const uint64_t begin_ns = os::MonotonicNow();
  const int64_t timeout_ns = std::max<int64_t>(0, absl::ToInt64Nanoseconds(timeout));
  const uint64_t deadline_ns = begin_ns + static_cast<uint64_t>(timeout_ns);  // cannot wrap: both are below 2^63
  for (;;) {
    const uint32_t seen = topic_.generation_futex_value();
    RefreshIfChanged();
    if (HasLiveLinks(count)) return absl::OkStatus();
    const uint64_t now = os::MonotonicNow();
    if (now >= deadline_ns) {
      return absl::DeadlineExceededError(absl::StrCat(
          "publisher of \"", topic_name_, "\": ", links_.size(), " subscribers after ", absl::FormatDuration(timeout),
          ", waited for ", count, connect_error_.ok() ? "" : "; connecting failed: ", connect_error_.message()));
    }
    // A failed connection does not wake us when it could be tried again.
    const uint64_t slice = connect_error_.ok() ? kWaitSliceNs : kRetryConnectNs;
    SleepOn(topic_.generation_futex(), seen, std::min(deadline_ns, now + slice));
  }
}

}  // namespace weir::internal
