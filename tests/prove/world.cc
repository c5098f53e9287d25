#include "tests/prove/world.h"

#include <algorithm>
#include <bit>

namespace weir::prove {
namespace {

constexpr uint64_t kNotAMessage = ~uint64_t{0};

constexpr uint64_t PayloadOf(uint32_t publisher, Sequence sequence) {
  return uint64_t{publisher} << 32 | sequence;
}
constexpr uint64_t Bit(Sequence sequence) {
  return uint64_t{1} << sequence;
}

std::string NameOf(const char* kind, uint32_t number, const std::string& part) {
  return kind + std::to_string(number) + "." + part;
}

std::string MessageOf(uint32_t publisher, Sequence sequence) {
  return "message " + std::to_string(sequence) + " of publisher " + std::to_string(publisher);
}

}  // namespace

// Subscribers
// ---------------------------------------------------------------------------------------------------------------

void Subscriber::SetUp(World& world, uint32_t number) {
  world_ = &world;
  number_ = number;
  const WorldOptions& options = world.options();
  view_ = queue::MakeQueueView<A>(&header_, cells_.data(), options.depth, options.when_full, options.exclusive);
  view_.cell_mask = options.cells - 1;
  view_.cell_shift = static_cast<uint32_t>(std::countr_zero(options.cells));
  queue::InitializeQueue(view_, options.start);
  table_ = queue::BorrowTable<A>(entries_.data(), options.borrowed + options.history * options.publishers);
  consumer_ = queue::Consumer<A>(view_);
}

void Subscriber::Join() {
  for (uint32_t i = 0; i < world_->options().publishers; ++i) {
    accounts_[i].before_join = world_->publishers_[i].published_;
    g_scheduler->Observe(accounts_[i].before_join);
  }
  Register(State::kLive);
  queue::FenceAfterJoining<A>();
  for (uint32_t i = 0; i < world_->options().publishers; ++i) {
    accounts_[i].at_fence = world_->publishers_[i].sequence_;
    g_scheduler->Observe(accounts_[i].at_fence);
  }
  for (uint32_t i = 0; i < world_->options().publishers; ++i) {
    Publisher& publisher = world_->publishers_[i];
    struct Entries {
      const queue::HistoryWriter<A>::Entry* first;
      uint32_t count;
      auto begin() const { return first; }
      auto end() const { return first + count; }
    };
    const uint32_t before = latched_count_;
    queue::BorrowNewestFirst<A>(
        Entries{publisher.history_.data(), world_->options().history}, table_, order_,
        [&] { return table_.FindFree(world_->options().borrowed, table_.entry_count(), 0); }, [] { return true; },
        [&](Ref ref, uint32_t entry, uint32_t number) {
          const uint64_t payload = publisher.payloads_[ref.offset_granules() - 1].get();
          if (payload != PayloadOf(i, number)) return false;
          ++Holding(ref);
          latched_[latched_count_++] = {static_cast<PublisherIndex>(i), entry, ref, number};
          return true;
        });
    std::reverse(latched_.begin() + before, latched_.begin() + latched_count_);
  }
}

void Subscriber::ExpectNext(const Publisher& publisher) {
  Sequence& due = accounts_[publisher.number_].due;
  if (due == 0) due = publisher.sequence_ + 1;
}

bool Subscriber::Take() {
  if (latched_next_ < latched_count_ && NextLatched()) return true;
  const uint32_t borrowed = world_->options().borrowed;
  for (;;) {
    const uint32_t entry = table_.FindFree(0, borrowed, 0);
    if (entry == borrowed) return false;
    const queue::TakeResult result = consumer_.Take(table_, entry);
    if (result.status == queue::TakeStatus::kCorrupt) g_scheduler->Fail("finds its queue damaged");
    if (result.status == queue::TakeStatus::kEmpty) return false;
    const uint32_t publisher = result.ref.publisher();
    const uint32_t slot = result.ref.offset_granules() - 1;
    if (publisher >= world_->options().publishers || slot >= world_->options().slots) {
      g_scheduler->Fail("takes what nobody has published");
    }
    ++Holding(result.ref);
    if (world_->options().when_full == WhenFull::kBlock) {  // SubscriberCore::AnnounceSpace()
      if (queue::AnnounceChange<A>(header_.space_word, header_.blocked, world_->options().waking == Waking::kFence)) {
        g_scheduler->FutexWake(header_.space_word.cell());
      }
    }
    const uint64_t payload = world_->publishers_[publisher].payloads_[slot].get();
    const Sequence sequence = payload & 0xffffffff;
    if (payload != PayloadOf(publisher, sequence) || sequence == 0) {
      g_scheduler->Fail("takes a slot that was used again: no message is in it");
    }
    queue::Progress& progress = progress_[publisher];
    if (!progress.WantsFromQueue(sequence)) {
      accounts_[publisher].duplicate |= Bit(sequence);
      --Holding(result.ref);
      table_.Clear(entry);
      continue;
    }
    const uint64_t missed = progress.DeliverFromQueue(sequence, [&] {
      // sync(queue.first): acquire; as in SubscriberCore::Take().
      return header_.first_sequence[publisher].load(queue::kAcquire, "queue.first");
    });
    Note(static_cast<PublisherIndex>(publisher), sequence, missed, /*from_history=*/false);
    Hold(entry, result.ref, payload);
    return true;
  }
}

bool Subscriber::NextLatched() {
  while (latched_next_ < latched_count_) {
    const Latched latched = latched_[latched_next_++];
    // sync(queue.first): acquire; as in SubscriberCore::NextLatched().
    const Sequence first = header_.first_sequence[latched.publisher].load(queue::kAcquire, "queue.first");
    if (!queue::Progress::WantsFromHistory(latched.sequence, first)) {
      --Holding(latched.ref);
      table_.Clear(latched.entry);
      continue;
    }
    const uint64_t missed = progress_[latched.publisher].DeliverFromHistory(latched.sequence);
    Note(latched.publisher, latched.sequence, missed, /*from_history=*/true);
    Hold(latched.entry, latched.ref, PayloadOf(latched.publisher, latched.sequence));
    return true;
  }
  return false;
}

void Subscriber::Hold(uint32_t entry, Ref ref, uint64_t payload) {
  if (held_end_ == held_.size()) g_scheduler->Fail("takes more than there can be");
  held_[held_end_++] = {entry, ref, payload};
}

void Subscriber::Note(PublisherIndex publisher, Sequence sequence, uint64_t missed, bool from_history) {
  Account& account = accounts_[publisher];
  if (sequence <= account.last) {
    g_scheduler->Fail("gets " + MessageOf(publisher, sequence) + " after " + std::to_string(account.last));
  }
  (from_history ? account.from_history : account.from_queue) |= Bit(sequence);
  account.missed += missed;
  account.last = sequence;
  if (account.first == 0) account.first = sequence;
}

bool Subscriber::TakeBlocking() {
  const WorldOptions& options = world_->options();
  for (;;) {
    if (Take()) return true;
    bool in_time = true;
    queue::Sleep<A>(
        header_.wake_word, header_.sleepers,
        [&] {
          if (options.waking == Waking::kMembarrier) g_scheduler->HeavyFence();
        },
        [&] { return consumer_.HasMessage(); },
        [&](auto& word, uint32_t value) { in_time = g_scheduler->FutexWait(word.cell(), value); });
    if (!in_time) return Take();
  }
}

void Subscriber::Release() {
  const Held held = held_[held_begin_++];
  Publisher& publisher = world_->publishers_[held.ref.publisher()];
  const uint32_t slot = held.ref.offset_granules() - 1;
  if (publisher.payloads_[slot].get() != held.payload) g_scheduler->Fail("holds a message that changed");
  --Holding(held.ref);
  table_.Clear(held.entry);
}

void Subscriber::Close() {
  for (; latched_next_ < latched_count_; ++latched_next_) {
    const Latched latched = latched_[latched_next_];
    --Holding(latched.ref);
    table_.Clear(latched.entry);
  }
  Register(State::kRetired);
}

void Subscriber::Leave() {
  Register(State::kGone);
}

// As the registry does it: the entry's state is stored last, then the generation is raised.
void Subscriber::Register(State state) {
  // sync(entry.state): release; as discovery's PutState().
  registered_.store(static_cast<uint32_t>(state), queue::kRelease, "entry.state");
  state_ = state;
  world_->RaiseGeneration();
}

// What it got of each publisher is what was pushed to it, but for what was evicted.
void Subscriber::CheckAll(bool others_died) {
  ReleaseAll();
  if (state_ != State::kLive) return;
  while (Take()) ReleaseAll();
  const WorldOptions& options = world_->options();
  uint64_t lost = 0;
  uint64_t evicted = 0;
  uint64_t refused = 0;
  for (uint32_t i = 0; i < options.publishers; ++i) {
    const Publisher& publisher = world_->publishers_[i];
    const Publisher::Link& link = publisher.links_[number_];
    const Account& account = accounts_[i];
    const std::string whose = " of publisher " + std::to_string(i);
    const uint64_t taken = account.from_queue | account.duplicate;
    uint64_t unknown = taken & ~link.accepted;
    // The last message of a publisher that died before it knew.
    if (world_->IsDead(publisher)) unknown &= ~Bit(publisher.sequence_);
    if (unknown != 0) g_scheduler->Fail("got a message" + whose + " that was not accepted");
    if ((account.duplicate & ~account.from_history) != 0) g_scheduler->Fail("dropped a message" + whose);
    lost += static_cast<uint64_t>(std::popcount(link.accepted & ~taken));
    evicted += link.evicted;
    refused += link.refused;
    const uint64_t delivered = account.from_queue | account.from_history;
    if (delivered == 0 || others_died) continue;
    uint64_t gaps = account.last - account.first + 1 - static_cast<uint64_t>(std::popcount(delivered));
    if (account.from_history == 0) gaps += account.first - static_cast<Sequence>(std::countr_zero(link.accepted));
    if (account.missed != gaps) {
      g_scheduler->Fail("counts " + std::to_string(account.missed) + " missed messages" + whose + ", it is " +
                        std::to_string(gaps));
    }
  }
  // Who dies may have evicted without counting it. Its last message may have been evicted that only it knew of.
  if (lost != evicted && (!others_died || lost + 1 < evicted || lost > evicted + 3)) {
    g_scheduler->Fail(std::to_string(lost) + " messages are lost, " + std::to_string(evicted) + " were evicted");
  }
  if (evicted == 0 && refused == 0 && !others_died) CheckNoGap();
}

// Its queue never overflowed: it misses nothing from when it came.
void Subscriber::CheckNoGap() {
  const WorldOptions& options = world_->options();
  for (uint32_t i = 0; i < options.publishers; ++i) {
    const Account& account = accounts_[i];
    const Sequence published = world_->publishers_[i].published_;
    const uint64_t delivered = account.from_queue | account.from_history;
    // What is published after it joined and fenced comes for sure: with a history because of the publisher's fence,
    // without one if something else has told the publisher that there is a subscriber now.
    Sequence due = options.history > 0 ? account.at_fence + 1 : account.due != 0 ? account.due : published + 1;
    if (options.late == 0) due = 1;
    // Nothing has replaced the last one; nor the whole history if nothing was published since.
    if (options.history > 0) due = std::min(due, published);
    if (options.history > 0 && published == account.before_join) {
      due = published - std::min<Sequence>(published, options.history) + 1;
    }
    if (account.first != 0) due = std::min(due, account.first);
    for (Sequence s = due; s <= published; ++s) {
      if ((delivered & Bit(s)) == 0) g_scheduler->Fail("never got " + MessageOf(i, s));
    }
  }
}

// Publishers
// -----------------------------------------------------------------------------------------------------------------

void Publisher::SetUp(World& world, uint32_t number) {
  world_ = &world;
  number_ = number;
  const WorldOptions& options = world.options();
  reclaimer_ = queue::Reclaimer<A>(static_cast<PublisherIndex>(number), options.history > 0);
  for (uint32_t i = 0; i < options.slots; ++i) {
    free_.push_back(reclaimer_.AddSlot(Ref(static_cast<PublisherIndex>(number), i + 1)));
  }
  history_writer_ = queue::HistoryWriter<A>(history_.data(), options.history);
  history_slots_.fill(-1);
  Connect();
}

bool Publisher::Take(SlotId& slot) {
  if (free_.empty()) Reclaim();
  if (free_.empty()) return false;
  slot = free_.back();
  free_.pop_back();
  return true;
}

bool Publisher::Publish() {
  SlotId slot;
  if (!Take(slot)) {
    g_scheduler->Note("finds no free slot");
    return false;
  }
  reclaimer_.Hold(slot);  // the loan
  const Sequence sequence = ++sequence_;
  payloads_[slot].set(PayloadOf(number_, sequence));
  queue::PublishInOrder<A>(
      history_writer_, sequence, reclaimer_.ref(slot),
      [&] {
        reclaimer_.Hold(slot);
        int& place = history_slots_[sequence % history_writer_.entry_count()];
        if (place >= 0) reclaimer_.Unhold(static_cast<SlotId>(place));
        place = static_cast<int>(slot);
      },
      [&] {
        // sync(topic.generation): acquire; as in PublisherCore::RefreshIfChanged().
        if (world_->generation_.load(queue::kAcquire, "topic.generation") != known_generation_) Connect();
      },
      [&] { PushToAll(slot); });
  reclaimer_.Unhold(slot);
  published_ = sequence;
  return true;
}

void Publisher::PushToAll(SlotId slot) {
  const WorldOptions& options = world_->options();
  for (uint32_t i = 0; i < options.subscribers; ++i) {
    if (!links_[i].connected) continue;
    if (options.when_full == WhenFull::kBlock) {
      PushBlocking(links_[i], world_->subscribers_[i], slot);
    } else {
      Push(links_[i], world_->subscribers_[i], slot);
    }
  }
  if (options.waking == Waking::kNone) return;
  for (uint32_t i = 0; i < options.subscribers; ++i) {
    if (!links_[i].connected) continue;
    queue::QueueHeader<A>& header = world_->subscribers_[i].header_;
    if (queue::AnnounceChange<A>(header.wake_word, header.sleepers, options.waking == Waking::kFence)) {
      g_scheduler->FutexWake(header.wake_word.cell());
    }
  }
}

bool Publisher::PushOnce(Link& link, Subscriber& subscriber, SlotId slot) {
  if (!link.accepted_any) {
    // sync(queue.first): release; as in PublisherCore::PushOnce().
    subscriber.header_.first_sequence[number_].store(sequence_, queue::kRelease, "queue.first");
  }
  const queue::PushResult pushed =
      link.producer.Push(reclaimer_.ref(slot), world_->options().when_full == WhenFull::kOverwriteOldest);
  link.evicted += pushed.evicted;
  if (pushed.corrupt) g_scheduler->Fail("finds a queue damaged");
  if (!pushed.accepted) return false;
  link.accepted_any = true;
  link.accepted |= Bit(sequence_);
  reclaimer_.OnPushed(link.books, pushed.position, slot);
  return true;
}

void Publisher::Push(Link& link, Subscriber& subscriber, SlotId slot) {
  if (PushOnce(link, subscriber, slot)) return;
  if (world_->options().when_full == WhenFull::kOverwriteOldest)
    g_scheduler->Fail("is refused by a queue that overwrites");
  ++link.refused;
}

void Publisher::PushBlocking(Link& link, Subscriber& subscriber, SlotId slot) {
  const Waking waking = world_->options().waking;
  while (!PushOnce(link, subscriber, slot)) {
    bool in_time = true;
    queue::Sleep<A>(
        subscriber.header_.space_word, subscriber.header_.blocked,
        [&] {
          if (waking == Waking::kMembarrier) g_scheduler->HeavyFence();
        },
        [&] { return !link.producer.IsFull(); },
        [&](auto& word, uint32_t value) { in_time = g_scheduler->FutexWait(word.cell(), value); });
    if (!in_time) {
      ++link.refused;
      return;
    }
  }
}

uint32_t Publisher::Reclaim() {
  uint32_t freed = 0;
  for (int attempt = 0; attempt < 3; ++attempt) {
    const queue::PassResult result =
        reclaimer_.Pass(world_->generation_, known_generation_, connections_, tables_, 4, [&](SlotId slot) {
          for (const Subscriber& subscriber : world_->subscribers_) {
            if (subscriber.holding_[number_][slot] == 0) continue;
            g_scheduler->Fail("uses slot " + std::to_string(slot) + " again while a sample of it is held");
          }
          payloads_[slot].set(kNotAMessage);
          free_.push_back(slot);
          ++freed;
        });
    if (result == queue::PassResult::kDone) break;
    Connect();
  }
  return freed;
}

// PublisherCore::Refresh(), Connect(), DropAllBut(), CollectConnections().
void Publisher::Connect() {
  const WorldOptions& options = world_->options();
  for (int attempt = 0; attempt < 4; ++attempt) {
    // sync(topic.generation): acquire; as in PublisherCore::Refresh().
    const uint64_t generation = world_->generation_.load(queue::kAcquire, "topic.generation");
    if (generation == known_generation_ && attempt > 0) return;
    connections_.clear();
    tables_.clear();
    size_t entries = 0;
    for (uint32_t i = 0; i < options.subscribers; ++i) {
      Subscriber& subscriber = world_->subscribers_[i];
      Link& link = links_[i];
      // sync(entry.state): acquire; as discovery's StateWord().
      const auto state = static_cast<Subscriber::State>(subscriber.registered_.load(queue::kAcquire, "entry.state"));
      if (state == Subscriber::State::kLive && !link.connected) {
        link.connected = true;
        link.producer = queue::Producer<A>(subscriber.view_);
        link.books.queue = subscriber.view_;
        link.books.seen_head = subscriber.header_.head.load(queue::kRelaxed);
      } else if (state != Subscriber::State::kLive && link.connected) {
        link.connected = false;
        reclaimer_.Disconnect(link.books);
      }
      if (link.connected) connections_.push_back(&link.books);
      if (state == Subscriber::State::kLive || state == Subscriber::State::kRetired) {
        tables_.push_back(subscriber.table_);
        entries += subscriber.table_.entry_count();
      }
    }
    reclaimer_.ReserveForTables(entries);
    known_generation_ = generation;
  }
}

void Publisher::Succeed() {
  for (uint32_t i = 0; i < world_->options().subscribers; ++i) links_[i].connected = false;
  Connect();
}

void Publisher::Retire() {
  retired_ = true;
  for (Link& link : links_) {
    if (link.connected) link.producer.LeaveTail();
  }
}

// Each slot is free, once, or in the history: everything else is over.
void Publisher::CheckSlots() {
  Connect();
  while (Reclaim() != 0) {
  }
  for (SlotId slot = 0; slot < world_->options().slots; ++slot) {
    const auto free = std::count(free_.begin(), free_.end(), slot);
    const auto in_history = std::count(history_slots_.begin(), history_slots_.end(), static_cast<int>(slot));
    if (free + in_history != 1) {
      g_scheduler->Fail("at the end slot " + std::to_string(slot) + " of publisher " + std::to_string(number_) +
                        " is free " + std::to_string(free) + " times, and " + std::to_string(in_history) +
                        " times in the history");
    }
  }
}

// The world
// ---------------------------------------------------------------------------------------------------------------

World::World(const WorldOptions& options) : options_(options) {
  for (uint32_t i = 0; i < options.subscribers; ++i) {
    subscribers_[i].SetUp(*this, i);
    subscriber_threads_[i] = static_cast<int>(options.publishers + i);
    if (i >= options.subscribers - options.late) continue;
    subscribers_[i].registered_.store(static_cast<uint32_t>(Subscriber::State::kLive), queue::kRelaxed);
    subscribers_[i].state_ = Subscriber::State::kLive;
  }
  for (uint32_t i = 0; i < options.publishers; ++i) {
    publishers_[i].SetUp(*this, i);
    publisher_threads_[i] = static_cast<int>(i);
  }
}

void World::Name() {
  Scheduler& s = *g_scheduler;
  const bool own = options_.own_threads;
  const int nobody = Scheduler::kNobody;
  const int anybody = Scheduler::kAnybody;
  const auto thread = [&](const std::array<int, kEndpointsMax>& threads, uint32_t i) {
    return own ? threads[i] : anybody;
  };
  const bool members_change = options_.late > 0 || !own;
  s.NameAtomic(generation_.cell(), "generation", members_change ? anybody : nobody);
  for (uint32_t i = 0; i < options_.subscribers; ++i) {
    Subscriber& subscriber = subscribers_[i];
    const auto name = [&](auto& atomic, const std::string& part, int writer) {
      s.NameAtomic(atomic.cell(), NameOf("subscriber", i, part), writer);
    };
    const int self = thread(subscriber_threads_, i);
    const int producer = options_.exclusive ? thread(publisher_threads_, 0) : anybody;
    name(subscriber.registered_, "registered", members_change ? self : nobody);
    name(subscriber.header_.head, "head", owned_head() ? self : anybody);
    name(subscriber.header_.tail, "tail", options_.exclusive ? producer : anybody);
    for (uint32_t c = 0; c < options_.cells; ++c) name(subscriber.cells_[c], "cell" + std::to_string(c), producer);
    for (uint32_t e = 0; e < subscriber.table_.entry_count(); ++e) {
      name(subscriber.entries_[e], "entry" + std::to_string(e), self);
    }
    for (uint32_t p = 0; p < options_.publishers; ++p) {
      name(subscriber.header_.first_sequence[p], "first" + std::to_string(p), thread(publisher_threads_, p));
    }
    if (options_.waking == Waking::kNone) continue;
    name(subscriber.header_.wake_word, "wake_word", anybody);
    name(subscriber.header_.sleepers, "sleepers", anybody);
    if (options_.when_full != WhenFull::kBlock) continue;
    name(subscriber.header_.space_word, "space_word", anybody);
    name(subscriber.header_.blocked, "blocked", anybody);
  }
  for (uint32_t i = 0; i < options_.publishers; ++i) {
    for (uint32_t h = 0; h < options_.history; ++h) {
      s.NameAtomic(publishers_[i].history_[h].cell(), NameOf("publisher", i, "history" + std::to_string(h)),
                   thread(publisher_threads_, i));
    }
    for (uint32_t slot = 0; slot < options_.slots; ++slot) {
      s.NameWord(publishers_[i].payloads_[slot].cell(), NameOf("publisher", i, "slot" + std::to_string(slot)));
    }
  }
}

void World::RaiseGeneration() {
  // sync(topic.generation): release; as in discovery's TopicTables::RaiseGeneration().
  generation_.fetch_add(1, queue::kRelease, "topic.generation");
}

bool World::IsDead(const Publisher& publisher) const {
  return g_scheduler->IsDead(publisher_threads_[publisher.number_]);
}
bool World::IsDead(const Subscriber& subscriber) const {
  return g_scheduler->IsDead(subscriber_threads_[subscriber.number_]);
}

void World::Bury(Subscriber& subscriber) {
  subscriber.holding_ = {};  // its samples are nobody's any more
  subscriber.Register(Subscriber::State::kGone);
}

void World::Check() {
  bool somebody_died = false;
  for (uint32_t i = 0; i < options_.publishers; ++i) somebody_died |= IsDead(publishers_[i]);
  for (uint32_t i = 0; i < options_.subscribers; ++i) {
    if (!IsDead(subscribers_[i])) continue;
    somebody_died = true;
    Bury(subscribers_[i]);
  }
  for (uint32_t i = 0; i < options_.subscribers; ++i) {
    if (!IsDead(subscribers_[i])) subscribers_[i].CheckAll(somebody_died);
  }
  // Whoever lives can go on: each living publisher's message arrives at each living subscriber.
  for (uint32_t p = 0; p < options_.publishers; ++p) {
    if (IsDead(publishers_[p]) || publishers_[p].retired_) continue;
    const std::string publisher = "publisher " + std::to_string(p);
    if (!publishers_[p].Publish()) g_scheduler->Fail("at the end " + publisher + " finds no free slot");
    for (uint32_t i = 0; i < options_.subscribers; ++i) {
      Subscriber& subscriber = subscribers_[i];
      if (IsDead(subscriber) || !subscriber.registered()) continue;
      const std::string who = "at the end subscriber " + std::to_string(i);
      if (!subscriber.Take()) g_scheduler->Fail(who + " gets nothing any more from " + publisher);
      subscriber.ReleaseAll();
      if (subscriber.Take()) g_scheduler->Fail(who + " gets too much from " + publisher);
    }
  }
  for (uint32_t p = 0; p < options_.publishers; ++p) {
    if (!IsDead(publishers_[p])) publishers_[p].CheckSlots();
  }
}

}  // namespace weir::prove
