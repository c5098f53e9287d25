// One topic of the registry, read without a lock. What publishers and subscribers look at while messages flow.
//
// Not in a forked child, where the mapping is not there: the caller asks its fork guard first.
//
// Thread-safety: all of it, from any thread. A view points into its Registry's (or Snapshot's) mapping and must not
// outlive it. It stays right as long as an endpoint of the caller keeps the topic from being freed; somebody without
// one compares the topic's incarnation.
#ifndef WEIR_DISCOVERY_TOPIC_VIEW_H_
#define WEIR_DISCOVERY_TOPIC_VIEW_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "discovery/records.h"
#include "discovery/registry_layout.h"
#include "discovery/tables.h"

namespace weir::discovery {

class TopicView {
 public:
  TopicView() = default;
  TopicView(const Tables& tables, uint32_t topic) : tables_(tables), entry_(&tables.topic(topic)), topic_(topic) {}

  uint32_t index() const { return topic_; }
  Incarnation incarnation() const { return entry_->incarnation.load(queue::kRelaxed); }

  // Raised whenever an endpoint of the topic goes live, closes or is removed. To be loaded with acquire by whoever acts
  // on the lists below: sync(topic.generation) (queue/reclaim.h).
  const Atomic<uint64_t>& generation() const { return entry_->generation; }

  // Changes (and is woken) after each raise of the generation. Load it before looking, sleep on the value loaded.
  const std::atomic<uint32_t>* generation_futex() const { return entry_->generation_futex.raw(); }
  uint32_t generation_futex_value() const {
    // sync(topic.futex): acquire; pairs with the release in RaiseGeneration(): who sees the word changed also sees the
    // generation raised.
    return entry_->generation_futex.load(queue::kAcquire, "topic.futex");
  }

  // The incarnation of the publisher (and of its pool) behind an index of a ref, 0 if there is none.
  Incarnation publisher_incarnation(PublisherIndex index) const {
    // sync(topic.publisher): acquire; pairs with the release in ActivatePublisher(): who sees the number can open the
    // pool's file and finds its header written.
    return entry_->publisher_incarnation[index].load(queue::kAcquire, "topic.publisher");
  }

  // The endpoint's record if its entry is in use and could be read in one piece, otherwise nothing.
  std::optional<EndpointRecord> ReadEndpoint(uint32_t endpoint) const { return tables_.ReadEndpoint(endpoint); }

  // Only the state, and only if the entry still is that endpoint's; kFree otherwise. Cheap: two loads.
  // A reader of a publisher's history calls it after the fence sync(history.join) in BorrowFromHistory(), which pairs
  // with the one between "retired" and the search for refs in cleanup.cc.
  EndpointState StateOf(uint32_t endpoint, Incarnation incarnation) const {
    return tables_.StateOf(endpoint, incarnation);
  }

  // Live publishers; live and closing subscribers (tell them apart by `state`: a closing one's queue is closed but its
  // table counts). Not known to be alive: Registry::IsNodeAlive(). Complete for every generation that was loaded, with
  // acquire, before the call. Allocates. Unavailable: an entry changed all the time; load the generation again and
  // retry.
  absl::StatusOr<std::vector<EndpointRecord>> Publishers() const;
  absl::StatusOr<std::vector<EndpointRecord>> Subscribers() const;

  // What the topic is. nullopt: it could not be read in one piece, or is no longer in use.
  std::optional<TopicRecord> Read() const { return tables_.ReadTopic(topic_); }

 private:
  Tables tables_;
  const TopicEntry* entry_ = nullptr;
  uint32_t topic_ = 0;
};

}  // namespace weir::discovery

#endif  // WEIR_DISCOVERY_TOPIC_VIEW_H_
