// A topic without files: publishers with their slots and reclaimers, subscribers with their queues and borrow tables, a
// list of who is there under a mutex, and a generation. What the layers above do around these headers, in the same
// order and as short as possible, so that the tests of this folder can run the parts together.
//
// A slot's payload is one ordinary word, which is overwritten as soon as the slot is free: a sample whose payload
// changes while it is held, or that was never a message, is what all rules are there to prevent. Under ThreadSanitizer
// that word also shows an order that is missing.
#ifndef WEIR_TESTS_QUEUE_WORLD_H_
#define WEIR_TESTS_QUEUE_WORLD_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "middleware/base/words.h"
#include "middleware/queue/borrow_table.h"
#include "middleware/queue/history.h"
#include "middleware/queue/queue.h"
#include "middleware/queue/reclaim.h"
#include "tests/queue/test_queue.h"

namespace weir::queue {

struct WorldOptions {
  Form form;
  uint32_t depth = 2;
  Start start = Start::kZero;
  uint32_t slots = 16;    // of each publisher
  uint32_t history = 0;   // of each publisher
  uint32_t borrowed = 2;  // samples that a subscriber holds at most, beside those from history
};

inline constexpr uint32_t kWorldPublishersMax = 64;  // in the life of one world; an index is not used again
inline constexpr uint64_t kFreed = uint64_t{1} << 63;

constexpr uint64_t PayloadOf(PublisherIndex publisher, Sequence sequence) {
  return uint64_t{publisher} << 48 | sequence;
}

template <class A>
class World;

template <class A>
class WorldSubscriber : public std::enable_shared_from_this<WorldSubscriber<A>> {
 public:
  WorldSubscriber(World<A>& world, Incarnation incarnation);

  // Lists itself and takes what the histories have.
  void Join();
  // Takes one message and holds it. False if there is none, or if it holds all it may.
  bool Take();
  // Lets go of the n-th of the samples it holds.
  void Release(size_t n);
  // No sample has changed.
  void CheckHeld() const;
  size_t held() const { return held_.size(); }
  bool Holds(PublisherIndex publisher, Sequence sequence) const {
    return std::any_of(held_.begin(), held_.end(),
                       [&](const Held& held) { return held.payload == PayloadOf(publisher, sequence); });
  }
  // The queue closes at once; the table counts until Leave().
  void Close();
  void Leave();

  Incarnation incarnation() const { return incarnation_; }
  bool closed() const { return closed_.load(std::memory_order_acquire); }
  TestQueue<A>& queue() { return queue_; }
  const BorrowTable<A>& table() const { return table_; }

 private:
  struct Held {
    uint32_t entry;
    Ref ref;
    uint64_t payload;
  };

  World<A>& world_;
  Incarnation incarnation_;
  TestQueue<A> queue_;
  std::vector<typename BorrowTable<A>::Entry> entries_;
  BorrowTable<A> table_;
  uint32_t hint_ = 0;
  std::vector<Held> held_;
  std::array<Sequence, kWorldPublishersMax> last_{};  // taken from the queue, per publisher
  std::atomic<bool> closed_{false};
};

template <class A>
class WorldPublisher {
 public:
  WorldPublisher(World<A>& world, PublisherIndex index);

  // False if there is no free slot, also after a pass.
  bool Publish();
  // Makes connections to who joined and drops those to who left.
  void Connect();
  // One pass. Returns how many slots it freed.
  size_t Reclaim(size_t at_most);

  PublisherIndex index() const { return index_; }
  Sequence sequence() const { return sequence_; }
  const std::vector<SlotId>& free() const { return free_; }
  Reclaimer<A>& reclaimer() { return reclaimer_; }
  Ref ref(SlotId slot) const { return reclaimer_.ref(slot); }
  uint64_t payload(Ref ref) const { return payloads_[ref.offset_granules() - 1].get(); }
  const std::vector<typename HistoryWriter<A>::Entry>& history() const { return history_; }
  // A dead publisher's slots stay as they are; its history is not read.
  bool alive() const { return alive_.load(std::memory_order_acquire); }
  void Die() { alive_.store(false, std::memory_order_release); }

 private:
  struct Connected {
    std::shared_ptr<WorldSubscriber<A>> subscriber;
    Producer<A> producer;
    typename Reclaimer<A>::Connection connection;
  };

  World<A>& world_;
  PublisherIndex index_;
  std::vector<typename A::template Word<uint64_t>> payloads_;
  Reclaimer<A> reclaimer_;
  std::vector<SlotId> free_;
  std::vector<typename HistoryWriter<A>::Entry> history_;
  HistoryWriter<A> history_writer_;
  std::vector<std::optional<SlotId>> history_slots_;
  Sequence sequence_ = 0;
  uint64_t known_ = 0;
  std::map<Incarnation, std::unique_ptr<Connected>> connected_;
  std::vector<typename Reclaimer<A>::Connection*> connections_;
  std::vector<std::shared_ptr<WorldSubscriber<A>>> table_owners_;
  std::vector<BorrowTable<A>> tables_;
  std::atomic<bool> alive_{true};
};

template <class A>
class World {
 public:
  using Subscriber = WorldSubscriber<A>;
  using Publisher = WorldPublisher<A>;

  explicit World(const WorldOptions& options) : options_(options) {}

  const WorldOptions& options() const { return options_; }
  typename Reclaimer<A>::Generation& generation() { return generation_; }

  // A publisher with the next index; not while threads run. Stays where it is for the life of the world.
  Publisher& AddPublisher() {
    publishers_.push_back(std::make_unique<Publisher>(*this, static_cast<PublisherIndex>(publishers_.size())));
    return *publishers_.back();
  }
  size_t publisher_count() const { return publishers_.size(); }
  Publisher& publisher(size_t index) { return *publishers_.at(index); }

  // A subscriber that has not joined yet.
  std::shared_ptr<Subscriber> NewSubscriber() { return std::make_shared<Subscriber>(*this, ++last_incarnation_); }

  std::vector<std::shared_ptr<Subscriber>> subscribers() const {
    const std::lock_guard lock(mutex_);
    return subscribers_;
  }
  void Add(std::shared_ptr<Subscriber> subscriber) {
    const std::lock_guard lock(mutex_);
    subscribers_.push_back(std::move(subscriber));
  }
  void RemoveAndRaise(Incarnation incarnation) {
    {
      const std::lock_guard lock(mutex_);
      std::erase_if(subscribers_, [&](const auto& one) { return one->incarnation() == incarnation; });
    }
    Raise();
  }
  void Raise() { generation_.fetch_add(1, std::memory_order_acq_rel, "topic.generation"); }

  // Nothing is lost and nothing is free too early: the publisher's slots are either free, or in a queue, held, or in
  // its history. Only while nobody is in the middle of something.
  void CheckSlots(Publisher& publisher) {
    publisher.Connect();
    while (publisher.Reclaim(~size_t{0}) != 0) {
    }
    std::multiset<Ref> free;
    for (const SlotId slot : publisher.free()) free.insert(publisher.ref(slot));
    std::set<Ref> named;
    for (const auto& subscriber : subscribers()) {
      if (!subscriber->closed()) {
        for (const Ref ref : subscriber->queue().Look()) named.insert(ref);
      }
      subscriber->table().ForEach([&](Ref ref) { named.insert(ref); });
    }
    for (const auto& entry : publisher.history()) named.insert(Ref(static_cast<uint32_t>(entry.load(kRelaxed))));
    for (SlotId slot = 0; slot < options_.slots; ++slot) {
      const Ref ref = publisher.ref(slot);
      ASSERT_EQ(free.count(ref) + named.count(ref), 1u)
          << "publisher " << unsigned{publisher.index()} << ", slot " << slot << " is free " << free.count(ref)
          << " times and named " << named.count(ref);
    }
  }

 private:
  WorldOptions options_;
  typename Reclaimer<A>::Generation generation_;
  std::vector<std::unique_ptr<Publisher>> publishers_;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Subscriber>> subscribers_;
  std::atomic<Incarnation> last_incarnation_{0};
};

template <class A>
WorldSubscriber<A>::WorldSubscriber(World<A>& world, Incarnation incarnation)
    : world_(world),
      incarnation_(incarnation),
      queue_(world.options().form, world.options().depth, StartPosition(world.options().start, world.options().depth)),
      entries_(world.options().borrowed + 8 * world.options().history),
      table_(entries_.data(), static_cast<uint32_t>(entries_.size())) {}

template <class A>
void WorldSubscriber<A>::Join() {
  world_.Add(this->shared_from_this());
  world_.Raise();
  FenceAfterJoining<A>();
  for (size_t index = 0; index < world_.publisher_count(); ++index) {
    WorldPublisher<A>& publisher = world_.publisher(index);
    for (const auto& entry : publisher.history()) {
      const uint32_t borrow = table_.FindFree(world_.options().borrowed, table_.entry_count(), 0);
      if (borrow == table_.entry_count()) return;  // publishers died and came while we looked
      const Ref ref = BorrowFromHistory<A>(entry, table_, borrow, [&] { return publisher.alive(); });
      if (!ref) continue;
      held_.push_back({borrow, ref, publisher.payload(ref)});
      EXPECT_EQ(held_.back().payload >> 48, publisher.index()) << "from a history: no message";
    }
  }
}

template <class A>
bool WorldSubscriber<A>::Take() {
  const uint32_t entry = table_.FindFree(0, world_.options().borrowed, hint_++ % world_.options().borrowed);
  if (entry == world_.options().borrowed) return false;
  const TakeResult result = queue_.consumer().Take(table_, entry);
  EXPECT_NE(result.status, TakeStatus::kCorrupt);
  if (result.status != TakeStatus::kTaken) return false;
  const PublisherIndex publisher = result.ref.publisher();
  const uint64_t payload = world_.publisher(publisher).payload(result.ref);
  held_.push_back({entry, result.ref, payload});
  const Sequence sequence = payload & ((uint64_t{1} << 48) - 1);
  EXPECT_EQ(payload, PayloadOf(publisher, sequence)) << "taken: no message, the slot was freed";
  EXPECT_GT(sequence, last_[publisher]) << "taken out of order, or the slot was used again";
  last_[publisher] = sequence;
  return true;
}

template <class A>
void WorldSubscriber<A>::Release(size_t n) {
  const Held held = held_[n];
  held_[n] = held_.back();
  held_.pop_back();
  EXPECT_EQ(world_.publisher(held.ref.publisher()).payload(held.ref), held.payload) << "changed while it was held";
  table_.Clear(held.entry);
}

template <class A>
void WorldSubscriber<A>::CheckHeld() const {
  for (const Held& held : held_) {
    ASSERT_EQ(world_.publisher(held.ref.publisher()).payload(held.ref), held.payload) << "changed while it is held";
  }
}

template <class A>
void WorldSubscriber<A>::Close() {
  closed_.store(true, std::memory_order_release);
  world_.Raise();
}

template <class A>
void WorldSubscriber<A>::Leave() {
  closed_.store(true, std::memory_order_release);
  world_.RemoveAndRaise(incarnation_);
}

template <class A>
WorldPublisher<A>::WorldPublisher(World<A>& world, PublisherIndex index)
    : world_(world),
      index_(index),
      payloads_(world.options().slots),
      reclaimer_(index, world.options().history > 0),
      history_(world.options().history),
      history_writer_(history_.data(), world.options().history),
      history_slots_(world.options().history) {
  for (uint32_t i = 0; i < world.options().slots; ++i) {
    payloads_[i].set(kFreed);
    free_.push_back(reclaimer_.AddSlot(Ref(index, i + 1)));
  }
}

template <class A>
bool WorldPublisher<A>::Publish() {
  if (free_.empty()) Reclaim(4);
  if (free_.empty()) Reclaim(4);  // the first pass may have found that somebody joined
  if (free_.empty()) return false;
  const SlotId slot = free_.back();
  free_.pop_back();
  reclaimer_.Hold(slot);  // the loan
  payloads_[slot].set(PayloadOf(index_, ++sequence_));

  if (!history_.empty()) {
    std::optional<SlotId>& place = history_slots_[sequence_ % history_.size()];
    history_writer_.Add(sequence_, ref(slot));
    history_writer_.Fence();
    reclaimer_.Hold(slot);
    if (place) reclaimer_.Unhold(*place);
    place = slot;
  }
  if (world_.generation().load(kAcquire, "topic.generation") != known_) Connect();
  for (auto& [incarnation, connected] : connected_) {
    const PushResult result = connected->producer.Push(ref(slot), world_.options().form.evicts());
    EXPECT_FALSE(result.corrupt);
    if (result.accepted) reclaimer_.OnPushed(connected->connection, result.position, slot);
  }
  reclaimer_.Unhold(slot);
  return true;
}

template <class A>
void WorldPublisher<A>::Connect() {
  known_ = world_.generation().load(kAcquire, "topic.generation");
  table_owners_ = world_.subscribers();
  tables_.clear();
  std::set<Incarnation> open;
  size_t entries = 0;
  for (const auto& subscriber : table_owners_) {
    tables_.push_back(subscriber->table());
    entries += subscriber->table().entry_count();
    if (!subscriber->closed()) open.insert(subscriber->incarnation());
  }
  reclaimer_.ReserveForTables(entries);
  std::erase_if(connected_, [&](auto& one) {
    if (open.contains(one.first)) return false;
    reclaimer_.Disconnect(one.second->connection);
    return true;
  });
  for (const auto& subscriber : table_owners_) {
    const Incarnation incarnation = subscriber->incarnation();
    if (!open.contains(incarnation) || connected_.contains(incarnation)) continue;
    auto connected = std::make_unique<Connected>();
    connected->subscriber = subscriber;
    connected->producer = subscriber->queue().NewProducer();
    connected->connection.queue = subscriber->queue().producers_view();
    connected->connection.incarnation = incarnation;
    connected->connection.seen_head = connected->connection.queue.header->head.load(kRelaxed);
    connected_.emplace(incarnation, std::move(connected));
  }
  connections_.clear();
  for (auto& [incarnation, connected] : connected_) connections_.push_back(&connected->connection);
}

template <class A>
size_t WorldPublisher<A>::Reclaim(size_t at_most) {
  size_t freed = 0;
  const PassResult result =
      reclaimer_.Pass(world_.generation(), known_, connections_, tables_, at_most, [&](SlotId slot) {
        payloads_[slot].set(kFreed | ++freed);
        free_.push_back(slot);
      });
  EXPECT_LE(freed, at_most);
  if (result == PassResult::kMembershipChanged) {
    EXPECT_EQ(freed, 0u);
    Connect();
  }
  return freed;
}

}  // namespace weir::queue

#endif  // WEIR_TESTS_QUEUE_WORLD_H_
