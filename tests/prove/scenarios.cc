#include "tests/prove/scenarios.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "tests/prove/world.h"

namespace weir::prove {
namespace {

// The world of a scenario and what its threads do.
class WorldPlay : public Play {
 public:
  explicit WorldPlay(const WorldOptions& options) : options_(options) {}
  void SetUp() final {
    world_.emplace(options_);
    Prepare();
    AddThreads();
    world_->Name();
  }
  void Check() override { world_->Check(); }

 protected:
  virtual void Prepare() {}
  virtual void AddThreads() = 0;
  World& world() { return *world_; }
  const WorldOptions& options() const { return options_; }

 private:
  WorldOptions options_;
  std::optional<World> world_;
};

struct Form {
  const char* name;
  bool exclusive;
  WhenFull when_full;
};
constexpr Form kForms[] = {{"shared.overwrite", false, WhenFull::kOverwriteOldest},
                           {"shared.drop", false, WhenFull::kDropNewest},
                           {"exclusive.overwrite", true, WhenFull::kOverwriteOldest},
                           {"exclusive.drop", true, WhenFull::kDropNewest}};

// Everybody publishes, everybody takes ----------------------------------------------------------------------------

struct Traffic {
  WorldOptions world;
  int messages = 3;   // of each publisher
  int of_others = 0;  // if not 0: of each but the first
  int takes = 3;      // of each subscriber; some find nothing
  int queued = 0;     // by publisher 0, before the beginning
  int tail_lags = 0;  // as if the publishers of the last of these had died before they moved tail
  bool publishers_die = false;
  bool subscribers_die = false;
  bool never_empty = false;  // it would be a mistake to find nothing
};

class TrafficPlay : public WorldPlay {
 public:
  explicit TrafficPlay(const Traffic& traffic) : WorldPlay(traffic.world), traffic_(traffic) {}

 protected:
  void Prepare() override {
    for (int i = 0; i < traffic_.queued; ++i) world().publisher(0).Publish();
    for (uint32_t i = 0; i < options().subscribers; ++i) {
      world().subscriber(i).MoveTailBack(static_cast<uint64_t>(traffic_.tail_lags));
    }
  }
  void AddThreads() override {
    for (uint32_t i = 0; i < options().publishers; ++i) {
      g_scheduler->AddThread("publisher" + std::to_string(i), [this, i] { PublishAll(i); },
                             {.mortal = traffic_.publishers_die});
    }
    for (uint32_t i = 0; i < options().subscribers; ++i) {
      g_scheduler->AddThread("subscriber" + std::to_string(i), [this, i] { TakeAll(world().subscriber(i)); },
                             {.mortal = traffic_.subscribers_die});
    }
  }

 private:
  void PublishAll(uint32_t publisher) {
    const int messages = publisher > 0 && traffic_.of_others != 0 ? traffic_.of_others : traffic_.messages;
    for (int i = 0; i < messages; ++i) world().publisher(publisher).Publish();
  }
  void TakeAll(Subscriber& subscriber) {
    for (int i = 0; i < traffic_.takes; ++i) {
      if (!subscriber.Take() && traffic_.never_empty) g_scheduler->Fail("finds nothing in a queue that is never empty");
      if (subscriber.held_count() == options().borrowed) subscriber.Release();
    }
  }

  Traffic traffic_;
};

Scenario Of(std::string name, std::string about, const Traffic& traffic, const ExecutionLimits& limits = {}) {
  return {.name = std::move(name), .about = std::move(about), .limits = limits, .make = [traffic] {
            return std::make_unique<TrafficPlay>(traffic);
          }};
}

void AddTraffic(std::vector<Scenario>& all) {
  for (const Form& form : kForms) {
    const std::string name = form.name;
    WorldOptions world{.exclusive = form.exclusive, .when_full = form.when_full};
    all.push_back(Of("1x1." + name, "one publisher, one subscriber, a queue of 1, 2 slots", {.world = world}));
    world.start = BelowLapWrap(world.cells);
    all.push_back(Of("1x1.wrap." + name, "the lap wraps", {.world = world}));
    world = {.exclusive = form.exclusive, .when_full = form.when_full, .depth = 2, .slots = 3, .borrowed = 2};
    all.push_back(Of("1x1.two." + name, "a queue of 2, two samples held", {.world = world, .messages = 5, .takes = 5}));
    if (form.when_full == WhenFull::kOverwriteOldest) {
      all.push_back(Of("1x1.full." + name, "a full queue, from which somebody always takes",
                       {.world = world, .messages = 1, .takes = 1, .queued = 2, .never_empty = true}));
    }
    world = {.exclusive = form.exclusive, .when_full = form.when_full, .subscribers = 2};
    all.push_back(Of("1x2." + name, "one publisher, two subscribers",
                     {.world = world, .messages = 2, .of_others = 1, .takes = 2}));
    if (form.exclusive) continue;
    world = {.when_full = form.when_full, .publishers = 2};
    all.push_back(Of("2x1." + name, "two publishers, one subscriber",
                     {.world = world, .messages = 2, .of_others = 1, .takes = 2}));
    world.start = BelowLapWrap(world.cells);
    all.push_back(Of("2x1.wrap." + name, "the lap wraps", {.world = world, .messages = 2, .of_others = 1, .takes = 2}));
    world.start = 0;
    world.cells = 1;
    all.push_back(Of("2x1.lap." + name, "a ring of one cell: who is held up finds the next lap in it",
                     {.world = world, .messages = 2, .of_others = 1, .takes = 2}));
    world.cells = 2;
    world.subscribers = 2;
    all.push_back(Of("2x2." + name, "two publishers, two subscribers, up to 3 preemptions",
                     {.world = world, .messages = 1, .takes = 1}, {.preemptions = 3}));
    Scenario scenario = Of("2x2.more." + name, "the same with two messages of each",
                           {.world = world, .messages = 2, .takes = 2}, {.preemptions = 3});
    scenario.quick = false;
    all.push_back(scenario);
  }
}

// Sleeping and waking ---------------------------------------------------------------------------------------------

struct Sleepers {
  WorldOptions world;
  int messages = 2;   // of each publisher; the subscriber waits for all of them
  int of_others = 0;  // if not 0: of each but the first
  int queued = 0;     // by the first publisher, before the beginning
  bool publishers_die = false;
};

class SleepersPlay : public WorldPlay {
 public:
  explicit SleepersPlay(const Sleepers& sleepers) : WorldPlay(sleepers.world), sleepers_(sleepers) {}

 protected:
  void Prepare() override {
    for (int n = 0; n < sleepers_.queued; ++n) world().publisher(0).Publish();
  }
  void AddThreads() override {
    for (uint32_t i = 0; i < options().publishers; ++i) {
      g_scheduler->AddThread("publisher" + std::to_string(i),
                             [this, i] {
                               for (int n = 0; n < MessagesOf(i); ++n) world().publisher(i).Publish();
                             },
                             {.mortal = sleepers_.publishers_die});
    }
    g_scheduler->AddThread("subscriber",
                           [this] {
                             int all = sleepers_.queued;
                             for (uint32_t i = 0; i < options().publishers; ++i) all += MessagesOf(i);
                             for (int n = 0; n < all && world().subscriber(0).TakeBlocking(); ++n)
                               world().subscriber(0).ReleaseAll();
                           },
                           {});
  }

 private:
  int MessagesOf(uint32_t publisher) const {
    return publisher > 0 && sleepers_.of_others != 0 ? sleepers_.of_others : sleepers_.messages;
  }

  Sleepers sleepers_;
};

void AddSleepers(std::vector<Scenario>& all) {
  const auto add = [&all](std::string name, std::string about, const Sleepers& sleepers,
                          const ExecutionLimits& limits = {}) {
    all.push_back({.name = std::move(name), .about = std::move(about), .limits = limits, .make = [sleepers] {
                     return std::make_unique<SleepersPlay>(sleepers);
                   }});
  };
  for (const bool exclusive : {true, false}) {
    const std::string form = exclusive ? ".exclusive" : ".shared";
    for (const Waking waking : {Waking::kFence, Waking::kMembarrier}) {
      const std::string how = waking == Waking::kFence ? ".fence" : ".membarrier";
      WorldOptions world{
          .exclusive = exclusive, .when_full = WhenFull::kDropNewest, .depth = 2, .slots = 3, .waking = waking};
      add("sleep" + form + how, "the subscriber sleeps until something comes", {.world = world});
      world.when_full = WhenFull::kOverwriteOldest;
      add("sleep.overwrite" + form + how, "the same where producers may move head", {.world = world});
      world.when_full = WhenFull::kBlock;
      world.depth = 1;
      add("sleep.block" + form + how, "the publisher sleeps too, until there is room", {.world = world});
      if (exclusive) continue;
      world.publishers = 2;
      world.slots = 4;
      add("sleep.block.2x1" + how, "two publishers sleep until there is room",
          {.world = world, .messages = 1, .of_others = 2, .queued = 1}, {.preemptions = 1});
      world.when_full = WhenFull::kDropNewest;
      world.depth = 3;
      world.cells = 4;
      add("sleep.2x1" + how, "two publishers wake one subscriber", {.world = world, .messages = 1, .of_others = 2},
          {.preemptions = 2});
      world.depth = 2;
      world.cells = 2;
      world.slots = 2;
      add("sleep.death.2x1" + how, "a publisher dies, the other still wakes",
          {.world = world, .messages = 1, .publishers_die = true}, {.deaths = 1});
    }
  }
}

// Joining and leaving ---------------------------------------------------------------------------------------------

struct Joining {
  WorldOptions world;
  int before = 1;       // published before anybody joins
  int messages = 2;     // published meanwhile
  int takes = 2;        // of who joins
  bool leaves = false;  // the first subscriber, which was there before, takes and leaves
  bool joins = true;
  bool told = false;  // the publisher learns of it when somebody has joined
};

class JoiningPlay : public WorldPlay {
 public:
  explicit JoiningPlay(const Joining& joining) : WorldPlay(joining.world), joining_(joining) {}

 protected:
  void Prepare() override {
    for (int i = 0; i < joining_.before; ++i) world().publisher(0).Publish();
  }
  void AddThreads() override {
    g_scheduler->AddThread("publisher", [this] { Publish(world().publisher(0)); }, {});
    if (joining_.told) g_scheduler->NameAtomic(joined_.cell(), "joined");
    if (joining_.leaves) g_scheduler->AddThread("leaver", [this] { Leave(world().subscriber(0)); }, {});
    if (joining_.joins) {
      g_scheduler->AddThread("joiner", [this] { Join(world().subscriber(options().subscribers - 1)); }, {});
    }
  }

 private:
  void Publish(Publisher& publisher) {
    for (int i = 0; i < joining_.messages; ++i) {
      if (joining_.told && joined_.load(queue::kAcquire) != 0) {
        world().subscriber(options().subscribers - 1).ExpectNext(publisher);
      }
      publisher.Publish();
    }
  }
  void Join(Subscriber& subscriber) {
    subscriber.Join();
    if (joining_.told) joined_.store(1, queue::kRelease);
    for (int i = 0; i < joining_.takes; ++i) {
      subscriber.Take();
      subscriber.ReleaseAll();
    }
  }
  void Leave(Subscriber& subscriber) {
    subscriber.Take();
    subscriber.Close();
    subscriber.ReleaseAll();
    subscriber.Leave();
  }

  Joining joining_;
  A::Atomic<uint32_t> joined_;
};

void AddJoining(std::vector<Scenario>& all) {
  const auto add = [&all](std::string name, std::string about, const Joining& joining,
                          const ExecutionLimits& limits = {}) {
    all.push_back({.name = std::move(name), .about = std::move(about), .limits = limits, .make = [joining] {
                     return std::make_unique<JoiningPlay>(joining);
                   }});
  };
  for (const bool exclusive : {true, false}) {
    const std::string form = exclusive ? ".exclusive" : ".shared";
    WorldOptions world{.exclusive = exclusive,
                       .when_full = WhenFull::kDropNewest,
                       .depth = 4,
                       .cells = 4,
                       .late = 1,
                       .slots = 2,
                       .history = 1};
    add("join.one" + form, "a history of one, of which the slot is wanted", {.world = world});
    world.slots = 3;
    add("join.one.more" + form, "a history of one, three slots, three more messages", {.world = world, .messages = 3});
    world.slots = 4;
    world.history = 2;
    add("join.two" + form, "a history of two, overrun while it is read", {.world = world, .before = 2, .messages = 3});
    world.slots = 3;
    add("join.two.reuse" + form, "a history of two, whose slots are wanted",
        {.world = world, .before = 2, .messages = 2});
    world.history = 0;
    world.slots = 2;
    add("join.none" + form, "no history; who comes after it knows of the joiner reaches it",
        {.world = world, .before = 0, .told = true});
    world = {.exclusive = exclusive, .subscribers = 1, .late = 0, .slots = 2, .history = 0, .own_threads = false};
    add("leave" + form, "a subscriber leaves while slots are reclaimed",
        {.world = world, .before = 1, .messages = 2, .leaves = true, .joins = false});
    world = {.exclusive = exclusive, .subscribers = 2, .late = 1, .slots = 2, .history = 1};
    add("join.leave" + form, "one joins, another leaves, while slots are reclaimed",
        {.world = world, .before = 1, .messages = 2, .takes = 1, .leaves = true}, {.preemptions = 3});
  }
}

// Death ---------------------------------------------------------------------------------------------------------

// An exclusive topic's publisher ends, perhaps in the middle of something, and another one goes on.
class SuccessorPlay : public WorldPlay {
 public:
  explicit SuccessorPlay(const WorldOptions& options) : WorldPlay(options) {}

 protected:
  void AddThreads() override {
    g_scheduler->AddThread("publisher",
                           [this] {
                             for (int i = 0; i < 2; ++i) world().publisher(0).Publish();
                             world().publisher(0).Retire();
                           },
                           {.mortal = true, .awaited = true});
    g_scheduler->AddThread("successor",
                           [this] {
                             g_scheduler->AwaitEnd(0);
                             world().publisher(1).Succeed();
                             for (int i = 0; i < 2; ++i) world().publisher(1).Publish();
                           },
                           {});
    g_scheduler->AddThread("subscriber",
                           [this] {
                             for (int i = 0; i < 3; ++i) {
                               world().subscriber(0).Take();
                               world().subscriber(0).ReleaseAll();
                             }
                           },
                           {});
  }
};

// A subscriber dies; somebody notices and says so; the publisher gets back what it held.
class ReaperPlay : public WorldPlay {
 public:
  explicit ReaperPlay(const WorldOptions& options) : WorldPlay(options) {}

 protected:
  void AddThreads() override {
    g_scheduler->AddThread("publisher",
                           [this] {
                             for (int i = 0; i < 3; ++i) world().publisher(0).Publish();
                           },
                           {});
    g_scheduler->AddThread("subscriber",
                           [this] {
                             for (int i = 0; i < 2; ++i) {
                               world().subscriber(0).Take();
                               world().subscriber(0).ReleaseAll();
                             }
                           },
                           {.mortal = true, .awaited = true});
    g_scheduler->AddThread("reaper",
                           [this] {
                             g_scheduler->AwaitEnd(1);
                             if (g_scheduler->IsDead(1)) world().Bury(world().subscriber(0));
                           },
                           {});
  }
};

void AddDeath(std::vector<Scenario>& all) {
  const ExecutionLimits limits{.deaths = 1};
  for (const Form& form : kForms) {
    const std::string name = form.name;
    WorldOptions world{.exclusive = form.exclusive, .when_full = form.when_full};
    all.push_back(Of("death.subscriber." + name, "a subscriber dies",
                     {.world = world, .messages = 3, .takes = 2, .subscribers_die = true}, limits));
    world.own_threads = false;
    all.push_back(
        {.name = "death.reaped." + name, .about = "a subscriber dies and is buried", .limits = limits, .make = [world] {
           return std::make_unique<ReaperPlay>(world);
         }});
    world.own_threads = true;
    world.publishers = 2;
    if (form.exclusive) {
      world.own_threads = false;
      all.push_back({.name = "death.successor." + name,
                     .about = "a publisher dies and another one goes on",
                     .limits = limits,
                     .make = [world] { return std::make_unique<SuccessorPlay>(world); }});
      continue;
    }
    all.push_back(Of("death.publisher." + name, "a publisher dies beside another",
                     {.world = world, .messages = 1, .takes = 2, .publishers_die = true}, limits));
    world.subscribers = 1;
    all.push_back(Of("death.lag." + name, "publishers have died before they moved tail",
                     {.world = world, .messages = 1, .takes = 2, .queued = 1, .tail_lags = 1}));
  }
}

// A sample is dropped on another thread ------------------------------------------------------------------------

class HandOverPlay : public WorldPlay {
 public:
  explicit HandOverPlay(const WorldOptions& options) : WorldPlay(options) {}

 protected:
  void AddThreads() override {
    handed_over_ = A::Atomic<uint32_t>();
    g_scheduler->AddThread("publisher",
                           [this] {
                             for (int i = 0; i < 3; ++i) world().publisher(0).Publish();
                           },
                           {});
    g_scheduler->AddThread("subscriber",
                           [this] {
                             for (uint32_t taken = 0, i = 0; i < 4; ++i) {
                               if (world().subscriber(0).Take()) handed_over_.store(++taken, queue::kRelease);
                             }
                           },
                           {});
    g_scheduler->AddThread("dropper",
                           [this] {
                             for (uint32_t dropped = 0, i = 0; i < 3; ++i) {
                               for (const uint32_t there = handed_over_.load(queue::kAcquire); dropped < there;
                                    ++dropped) {
                                 world().subscriber(0).Release();
                               }
                             }
                           },
                           {});
    g_scheduler->NameAtomic(handed_over_.cell(), "handed_over", 1);
  }

 private:
  A::Atomic<uint32_t> handed_over_;
};

void AddHandOver(std::vector<Scenario>& all) {
  for (const bool exclusive : {true, false}) {
    const WorldOptions world{.exclusive = exclusive, .when_full = WhenFull::kDropNewest, .own_threads = false};
    all.push_back({.name = std::string("handover.") + (exclusive ? "exclusive" : "shared"),
                   .about = "samples are dropped on another thread",
                   .limits = {},
                   .make = [world] { return std::make_unique<HandOverPlay>(world); }});
  }
}

}  // namespace

std::vector<Scenario> AllScenarios() {
  std::vector<Scenario> all;
  AddTraffic(all);
  AddSleepers(all);
  AddJoining(all);
  AddDeath(all);
  AddHandOver(all);
  return all;
}

}  // namespace weir::prove
