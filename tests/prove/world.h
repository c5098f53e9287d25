// A topic without files, on the scheduler's atomics: publishers with slots, books, histories; subscribers with queues
// and borrow tables; who is there, and a generation. The algorithms are the templates of middleware/queue. What pubsub
// and discovery do around them (take a slot, connect, register, raise the generation) is done here in the same order
// and as short as possible; each such function names the one that it follows.
//
// It also keeps accounts that no process could keep, and fails when they are wrong: a slot that is used again while a
// sample of it is held; a message that is lost, comes twice or out of order; a slot that never comes back.
#ifndef WEIR_TESTS_PROVE_WORLD_H_
#define WEIR_TESTS_PROVE_WORLD_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "middleware/base/words.h"
#include "middleware/queue/borrow_table.h"
#include "middleware/queue/history.h"
#include "middleware/queue/joining.h"
#include "middleware/queue/publishing.h"
#include "middleware/queue/queue.h"
#include "middleware/queue/queue_layout.h"
#include "middleware/queue/reclaim.h"
#include "middleware/queue/waking.h"
#include "tests/prove/scheduled_atomics.h"
#include "tests/prove/scheduler.h"

namespace weir::prove {

using A = ScheduledAtomics;
using queue::SlotId;
using queue::WhenFull;

inline constexpr uint32_t kEndpointsMax = 3;  // of each kind
inline constexpr uint32_t kCellsMax = 4;
inline constexpr uint32_t kSlotsMax = 5;
inline constexpr uint32_t kEntriesMax = 6;
inline constexpr uint32_t kMessagesMax = 63;  // of each publisher

enum class Waking : uint8_t { kNone, kFence, kMembarrier };

struct WorldOptions {
  bool exclusive = false;
  WhenFull when_full = WhenFull::kOverwriteOldest;
  uint32_t depth = 1;
  uint32_t cells = 2;  // the library has 64 at least; few make laps short
  Position start = 0;
  uint32_t publishers = 1;
  uint32_t subscribers = 1;
  uint32_t late = 0;  // so many of the subscribers, the last ones, are not there at the beginning
  uint32_t slots = 2;
  uint32_t history = 0;
  uint32_t borrowed = 1;
  Waking waking = Waking::kNone;
  // Threads 0, 1, ... are the publishers and then the subscribers, and nobody else stores in their place.
  bool own_threads = true;
};

// The first position of a ring of `cells` that is one push below the wrap of the lap.
constexpr Position BelowLapWrap(uint32_t cells) {
  return ((uint64_t{1} << 32) - 1) * cells - 1;
}

class Publisher;
class World;

class Subscriber {
 public:
  void SetUp(World& world, uint32_t number);

  // Registers, raises the generation, reads the histories: SubscriberCore::Create().
  void Join();
  // The publisher knows by other means that it has joined, and is about to publish.
  void ExpectNext(const Publisher& publisher);
  // Takes one message and holds it: SubscriberCore::Take(). False if there is none or if it holds all it may.
  bool Take();
  // Sleeps until there is something, then takes it: TakeUntil(). False if it woke up by the bound of a sleep.
  bool TakeBlocking();
  // Looks at the oldest of its samples again, and lets go of it.
  void Release();
  void ReleaseAll() {
    while (held_count() != 0) Release();
  }
  // The queue closes at once, the table counts until Leave(): Close() and Finish().
  void Close();
  void Leave();

  uint32_t held_count() const { return held_end_ - held_begin_; }
  bool registered() const { return state_ == State::kLive; }
  // Only while nothing runs: as if producers had died before they moved it.
  void MoveTailBack(uint64_t by) { header_.tail.store(header_.tail.load(queue::kRelaxed) - by, queue::kRelaxed); }
  void CheckAll(bool others_died);

 private:
  friend class World;
  friend class Publisher;
  enum class State : uint8_t { kOutside, kLive, kRetired, kGone };
  struct Held {
    uint32_t entry;
    Ref ref;
    uint64_t payload;
  };
  struct Latched {
    PublisherIndex publisher;
    uint32_t entry;
    Ref ref;
    Sequence sequence;
  };

  uint8_t& Holding(Ref ref) { return holding_[ref.publisher()][ref.offset_granules() - 1]; }
  void Hold(uint32_t entry, Ref ref, uint64_t payload);
  void Note(PublisherIndex publisher, Sequence sequence, uint64_t missed, bool from_history);
  void Register(State state);
  bool NextLatched();
  void CheckNoGap();

  World* world_ = nullptr;
  uint32_t number_ = 0;
  State state_ = State::kOutside;  // as its own thread knows it
  A::Atomic<uint32_t> registered_;
  queue::QueueHeader<A> header_;
  std::array<A::Atomic<uint64_t>, kCellsMax> cells_;
  std::array<queue::BorrowTable<A>::Entry, kEntriesMax> entries_;
  queue::QueueView<A> view_;
  queue::BorrowTable<A> table_;
  queue::Consumer<A> consumer_;
  queue::HistoryOrder<A> order_;

  std::array<Held, 64> held_;  // from held_begin_ to held_end_, used once
  uint32_t held_begin_ = 0;
  uint32_t held_end_ = 0;
  std::array<Latched, kEntriesMax> latched_;
  uint32_t latched_next_ = 0;
  uint32_t latched_count_ = 0;
  std::array<queue::Progress, kEndpointsMax> progress_;

  // The accounts, per publisher.
  struct Account {
    uint64_t from_queue = 0;  // a bit for each message
    uint64_t from_history = 0;
    uint64_t duplicate = 0;  // taken from the queue and dropped
    uint64_t missed = 0;     // as the subscriber counts
    Sequence first = 0;
    Sequence last = 0;
    Sequence before_join = 0;  // published completely when the subscriber began to join
    Sequence at_fence = 0;     // begun to be published when it had joined and fenced
    Sequence due = 0;          // see ExpectNext()
  };
  std::array<Account, kEndpointsMax> accounts_;
  std::array<std::array<uint8_t, kSlotsMax>, kEndpointsMax> holding_{};  // per publisher and slot: samples
};

class Publisher {
 public:
  void SetUp(World& world, uint32_t number);

  // False if there is no free slot, also after a pass: PublisherCore::Loan() and Publish().
  bool Publish();
  // Frees what can be freed: ReclaimPass(). Returns how many slots that were.
  uint32_t Reclaim();
  // Connects to who is new, drops who is gone: RefreshIfChanged().
  void Connect();
  // In an exclusive topic: goes on where another publisher ended, with a queue's end to be found.
  void Succeed();
  // It publishes no more: Close().
  void Retire();

  Sequence sequence() const { return sequence_; }
  void CheckSlots();

 private:
  friend class World;
  friend class Subscriber;
  struct Link {
    bool connected = false;
    bool accepted_any = false;
    queue::Producer<A> producer;
    queue::Reclaimer<A>::Connection books;
    // The accounts.
    uint64_t accepted = 0;
    uint64_t refused = 0;
    uint64_t evicted = 0;
  };

  bool Take(SlotId& slot);
  bool PushOnce(Link& link, Subscriber& subscriber, SlotId slot);
  void Push(Link& link, Subscriber& subscriber, SlotId slot);
  void PushBlocking(Link& link, Subscriber& subscriber, SlotId slot);
  void PushToAll(SlotId slot);

  World* world_ = nullptr;
  uint32_t number_ = 0;
  queue::Reclaimer<A> reclaimer_{0, false};
  std::array<A::Word<uint64_t>, kSlotsMax> payloads_;
  std::vector<SlotId> free_;
  std::array<queue::HistoryWriter<A>::Entry, kSlotsMax> history_;
  queue::HistoryWriter<A> history_writer_;
  std::array<int, kSlotsMax> history_slots_;
  Sequence sequence_ = 0;
  Sequence published_ = 0;  // of these, Publish() has returned
  bool retired_ = false;
  uint64_t known_generation_ = 0;
  std::array<Link, kEndpointsMax> links_;
  std::vector<queue::Reclaimer<A>::Connection*> connections_;
  std::vector<queue::BorrowTable<A>> tables_;
};

class World {
 public:
  explicit World(const WorldOptions& options);
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Names everything, after threads were added and whatever should be in the queues at the beginning is there.
  void Name();

  // What somebody does who has seen that a subscriber is dead: discovery/cleanup.h.
  void Bury(Subscriber& subscriber);

  // At the end, when whoever lives goes on alone.
  void Check();

  const WorldOptions& options() const { return options_; }
  Publisher& publisher(uint32_t i) { return publishers_[i]; }
  Subscriber& subscriber(uint32_t i) { return subscribers_[i]; }
  // The thread of a publisher or subscriber died.
  bool IsDead(const Publisher& publisher) const;
  bool IsDead(const Subscriber& subscriber) const;
  // Who has an index of its own in the scenario's threads; by default publishers, then subscribers.
  void set_thread(Publisher& publisher, int thread) { publisher_threads_[publisher.number_] = thread; }
  void set_thread(Subscriber& subscriber, int thread) { subscriber_threads_[subscriber.number_] = thread; }

 private:
  friend class Publisher;
  friend class Subscriber;

  void RaiseGeneration();
  bool owned_head() const { return options_.when_full != WhenFull::kOverwriteOldest; }

  WorldOptions options_;
  queue::Reclaimer<A>::Generation generation_;
  std::array<Publisher, kEndpointsMax> publishers_;
  std::array<Subscriber, kEndpointsMax> subscribers_;
  std::array<int, kEndpointsMax> publisher_threads_;
  std::array<int, kEndpointsMax> subscriber_threads_;
};

}  // namespace weir::prove

#endif  // WEIR_TESTS_PROVE_WORLD_H_
