#include "tests/prove/scheduler.h"

#include <algorithm>
#include <boost/context/fiber.hpp>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <utility>

namespace weir::prove {
namespace {

constexpr size_t kStackBytes = 128 << 10;
constexpr int kDirectFiber = kThreadsMax;  // set_up and check run there, so that they can be abandoned too
constexpr size_t kFiberCount = kThreadsMax + 1;

bool Acquires(std::memory_order order) {
  return order == std::memory_order_acquire || order == std::memory_order_acq_rel || order == std::memory_order_seq_cst;
}
bool Releases(std::memory_order order) {
  return order == std::memory_order_release || order == std::memory_order_acq_rel || order == std::memory_order_seq_cst;
}

// Stacks are made once and used by one execution after the other.
struct OwnStack {
  std::byte* memory;
  boost::context::stack_context allocate() {
    boost::context::stack_context stack;
    stack.size = kStackBytes;
    stack.sp = memory + kStackBytes;
    return stack;
  }
  void deallocate(boost::context::stack_context&) {}
};

}  // namespace

struct Scheduler::Fibers {
  // No destructor runs for a fiber that was abandoned, because it would unwind that fiber's stack by an exception.
  union Slot {
    Slot() : fiber() {}
    ~Slot() {}
    boost::context::fiber fiber;
  };
  std::array<Slot, kFiberCount> slots;
  Slot main;
  std::unique_ptr<std::byte[]> stacks{new std::byte[kStackBytes * kFiberCount]};

  boost::context::fiber& at(int i) { return slots[static_cast<size_t>(i)].fiber; }
  std::byte* stack(int i) { return stacks.get() + kStackBytes * static_cast<size_t>(i); }
  void Forget(int i) { new (&slots[static_cast<size_t>(i)].fiber) boost::context::fiber(); }
};

Scheduler::Scheduler() : fibers_(std::make_unique<Fibers>()) {
  if (g_scheduler != nullptr) std::abort();
  g_scheduler = this;
}

Scheduler::~Scheduler() {
  g_scheduler = nullptr;
}

// Executions
// ------------------------------------------------------------------------------------------------------------

Outcome Scheduler::Execute(const ExecutionLimits& limits, Decider& decider, const std::function<void()>& set_up,
                           const std::function<void()>& check) {
  limits_ = limits;
  decider_ = &decider;
  threads_.clear();
  locations_.clear();
  word_names_.clear();
  memory_.Reset(limits.stale_reads);
  preemptions_left_ = limits.preemptions;
  deaths_left_ = limits.deaths;
  steps_ = 0;
  over_ = false;
  outcome_ = Outcome::kDone;
  failure_.clear();
  trace_.clear();
  current_ = -1;

  RunInFiber(kDirectFiber, set_up);
  fibers_->Forget(kDirectFiber);
  if (over_) return outcome_;
  for (PickNext(); !over_ && current_ >= 0;) {
    const int running = current_;
    if (!fibers_->at(running)) {
      RunInFiber(running, threads_[static_cast<size_t>(running)].body);
    } else {
      fibers_->at(running) = std::move(fibers_->at(running)).resume();
    }
    if (over_) break;
    if (!fibers_->at(running)) {  // its body has returned
      threads_[static_cast<size_t>(running)].status = Status::kEnded;
      PickNext();
    }
  }
  for (size_t i = 0; i < threads_.size(); ++i) fibers_->Forget(static_cast<int>(i));
  current_ = -1;
  if (!over_) {
    const int steps = std::exchange(steps_, 0);
    RunInFiber(kDirectFiber, check);
    fibers_->Forget(kDirectFiber);
    steps_ = steps;
  }
  return outcome_;
}

void Scheduler::RunInFiber(int fiber, const std::function<void()>& body) {
  fibers_->at(fiber) = boost::context::fiber(std::allocator_arg, OwnStack{fibers_->stack(fiber)},
                                             [this, &body](boost::context::fiber&& main) {
                                               fibers_->main.fiber = std::move(main);
                                               body();
                                               return std::move(fibers_->main.fiber);
                                             });
  fibers_->at(fiber) = std::move(fibers_->at(fiber)).resume();
}

void Scheduler::BackToMain() {
  fibers_->main.fiber = std::move(fibers_->main.fiber).resume();
}

void Scheduler::Abandon(Outcome outcome) {
  over_ = true;
  outcome_ = outcome;
  BackToMain();
  std::abort();  // nobody goes on with an execution that is over
}

void Scheduler::Fail(std::string why) {
  failure_ = std::move(why);
  if (current_ >= 0) failure_ = threads_[static_cast<size_t>(current_)].name + ": " + failure_;
  Abandon(Outcome::kFailed);
}

int Scheduler::AddThread(std::string name, std::function<void()> body, ThreadOptions options) {
  if (threads_.size() == kThreadsMax) Fail("too many threads for the checker");
  threads_.push_back({.name = std::move(name), .body = std::move(body), .options = options});
  memory_.AddThread();
  return static_cast<int>(threads_.size()) - 1;
}

void Scheduler::NameAtomic(Cell& cell, std::string name, int writer) {
  if (memory_.location_count() == kLocationsMax) Fail("too many atomics for the checker");
  cell.id = memory_.AddLocation(cell.value);
  locations_.push_back({std::move(name), writer});
}

void Scheduler::NameWord(Cell& cell, std::string name) {
  if (memory_.word_count() == kWordsMax) Fail("too many words for the checker");
  cell.id = memory_.AddWord();
  word_names_.push_back(std::move(name));
}

// Who goes next
// ------------------------------------------------------------------------------------------------------------

bool Scheduler::IsEnabled(int thread) const {
  const Thread& t = threads_[static_cast<size_t>(thread)];
  if (t.status == Status::kAwaiting) {
    const Status awaited = threads_[static_cast<size_t>(t.waits_for)].status;
    return awaited == Status::kEnded || awaited == Status::kDead;
  }
  return t.status == Status::kReady;
}

void Scheduler::Count() {
  if (++steps_ > limits_.steps) Fail("does not end: " + std::to_string(limits_.steps) + " steps");
}

void Scheduler::Step() {
  Count();
  if (current_ < 0) return;
  const int self = current_;
  // It was picked to begin, in the same state.
  if (!std::exchange(threads_[static_cast<size_t>(self)].begun, true)) return;
  PickNext();
  if (over_) {
    BackToMain();
    std::abort();
  }
  if (current_ != self) BackToMain();
}

// Called by the thread that is about to take a step (it is `current_` and ready), or when that one cannot go on.
void Scheduler::PickNext() {
  const int self = current_;
  const bool goes_on = self >= 0 && IsEnabled(self);
  if (decider_->WantsStates() && decider_->IsKnown(HashOfState(), preemptions_left_)) {
    over_ = true;
    outcome_ = Outcome::kCut;
    return;
  }
  std::array<int, kThreadsMax + 1> options;
  size_t count = 0;
  if (goes_on) options[count++] = self;
  if (!goes_on || preemptions_left_ != 0) {
    for (int i = 0; i < static_cast<int>(threads_.size()); ++i) {
      if (i != self && IsEnabled(i)) options[count++] = i;
    }
  }
  const bool may_die = goes_on && deaths_left_ > 0 && threads_[static_cast<size_t>(self)].options.mortal;
  if (may_die) options[count++] = kThreadsMax;
  if (count == 0) {
    current_ = -1;
    const bool all_over = std::all_of(threads_.begin(), threads_.end(), [](const Thread& t) {
      return t.status == Status::kEnded || t.status == Status::kDead;
    });
    if (all_over) return;
    if (WakeAllByTimeout()) return PickNext();
    over_ = true;
    outcome_ = Outcome::kFailed;
    failure_ = "a wake-up is lost: ";
    for (const Thread& t : threads_) {
      if (t.status == Status::kAsleep) {
        failure_ += t.name + " sleeps on " + locations_[static_cast<size_t>(t.waits_for)].name + ", ";
      }
    }
    failure_ += "and nobody is left to wake";
    return;
  }
  const int picked = options[count == 1 ? 0 : static_cast<size_t>(decider_->Choose(static_cast<int>(count)))];
  if (picked == kThreadsMax) {
    Note("dies");
    --deaths_left_;
    threads_[static_cast<size_t>(self)].status = Status::kDead;
    current_ = -1;
    return PickNext();
  }
  if (goes_on && picked != self && preemptions_left_ > 0) --preemptions_left_;
  current_ = picked;
}

// A sleep is never endless, because a waker can die between its change and the wake. Only then does it count: without a
// death nobody needs the bound.
bool Scheduler::WakeAllByTimeout() {
  const bool dead =
      std::any_of(threads_.begin(), threads_.end(), [](const Thread& t) { return t.status == Status::kDead; });
  if (!dead) return false;
  bool woken = false;
  for (Thread& t : threads_) {
    if (t.status != Status::kAsleep) continue;
    t.status = Status::kReady;
    t.timed_out = true;
    woken = true;
  }
  return woken;
}

uint64_t Scheduler::HashOfState() const {
  std::array<bool, kThreadsMax> counts{};
  uint64_t hash = 0;
  for (size_t i = 0; i < threads_.size(); ++i) {
    const Thread& t = threads_[i];
    counts[i] = t.options.awaited || (t.status != Status::kEnded && t.status != Status::kDead);
    hash = Mix(hash, t.history);
    hash = Mix(hash, static_cast<uint64_t>(t.status) << 32 | static_cast<uint64_t>(t.waits_for) << 1 |
                         static_cast<uint64_t>(t.timed_out));
  }
  hash = Mix(hash, memory_.Hash(counts.data()));
  hash = Mix(hash, static_cast<uint64_t>(deaths_left_));
  // With a bound it matters who could go on for nothing.
  if (limits_.preemptions >= 0 && current_ >= 0 && IsEnabled(current_))
    hash = Mix(hash, static_cast<uint64_t>(current_ + 1));
  return hash;
}

// Steps
// ----------------------------------------------------------------------------------------------------------------

int Scheduler::NamedLocation(const Cell& cell) {
  if (cell.id < 0) Fail("touches something that the scenario has not named");
  return cell.id;
}

void Scheduler::Result(uint64_t value) {
  uint64_t& history = threads_[static_cast<size_t>(current_)].history;
  history = Mix(history + 1, value);
}

uint64_t Scheduler::Load(Cell& cell, std::memory_order order, queue::Label label, const std::source_location& where) {
  order = sites_.Order(OpKind::kLoad, order, label, where);
  if (current_ < 0) {
    Count();
    return cell.value;
  }
  const int location = NamedLocation(cell);
  const int writer = locations_[static_cast<size_t>(location)].writer;
  if (writer != kNobody && writer != current_) Step();
  const int newest = memory_.Newest(location);
  const int oldest = memory_.Oldest(current_, location);
  int store = newest;
  if (oldest != newest) {
    const int lowest = memory_.MayRead(current_, location, oldest) ? oldest : oldest + 1;
    if (lowest != newest) store = newest - decider_->Choose(newest - lowest + 1);
  }
  memory_.Load(current_, location, store, Acquires(order));
  const uint64_t value = memory_.Value(location, store);
  Result(value);
  if (tracing_) Trace("load", cell, value, store == newest ? "" : "  (an older one)");
  return value;
}

void Scheduler::Store(Cell& cell, uint64_t value, std::memory_order order, queue::Label label,
                      const std::source_location& where) {
  order = sites_.Order(OpKind::kStore, order, label, where);
  if (current_ < 0) {
    Count();
    cell.value = value;
    return;
  }
  const int location = NamedLocation(cell);
  const int writer = locations_[static_cast<size_t>(location)].writer;
  if (writer != kAnybody && writer != current_) Fail("stores to " + locations_[static_cast<size_t>(location)].name);
  Step();
  if (!memory_.HasRoom(location)) Fail("does not end: too many stores");
  memory_.Store(current_, location, value, Releases(order));
  cell.value = value;
  Result(value);
  if (tracing_) Trace("store", cell, value);
}

bool Scheduler::CompareExchange(Cell& cell, uint64_t& expected, uint64_t desired, std::memory_order order,
                                queue::Label label, const std::source_location& where) {
  order = sites_.Order(OpKind::kUpdate, order, label, where);
  if (current_ < 0) {
    Count();
    const bool equal = cell.value == expected;
    (equal ? cell.value : expected) = equal ? desired : cell.value;
    return equal;
  }
  const int location = NamedLocation(cell);
  const int writer = locations_[static_cast<size_t>(location)].writer;
  if (writer != kAnybody && writer != current_) Fail("stores to " + locations_[static_cast<size_t>(location)].name);
  Step();
  // It succeeds on the last store only. It may fail because of any that it may still read.
  const int newest = memory_.Newest(location);
  std::array<int, 256> readable;
  size_t count = 0;
  readable[count++] = newest;
  for (int store = newest - 1; store >= memory_.Oldest(current_, location); --store) {
    if (memory_.MayRead(current_, location, store) && memory_.Value(location, store) != expected) {
      readable[count++] = store;
    }
  }
  const int store = readable[count == 1 ? 0 : static_cast<size_t>(decider_->Choose(static_cast<int>(count)))];
  const uint64_t seen = memory_.Value(location, store);
  if (seen == expected) {
    if (!memory_.HasRoom(location)) Fail("does not end: too many stores");
    memory_.Update(current_, location, desired, Acquires(order), Releases(order));
    cell.value = desired;
    Result(~seen);
    if (tracing_) Trace("change", cell, desired);
    return true;
  }
  memory_.Load(current_, location, store, /*acquire=*/false);  // a failure is relaxed
  expected = seen;
  Result(seen);
  if (tracing_) Trace("does not change", cell, seen, store == newest ? "" : "  (an older one)");
  return false;
}

uint64_t Scheduler::Add(Cell& cell, uint64_t delta, uint64_t mask, std::memory_order order, queue::Label label,
                        const std::source_location& where) {
  order = sites_.Order(OpKind::kUpdate, order, label, where);
  const auto sum = [&] { return (cell.value + delta) & mask; };
  if (current_ < 0) {
    Count();
    return std::exchange(cell.value, sum());
  }
  const int location = NamedLocation(cell);
  const int writer = locations_[static_cast<size_t>(location)].writer;
  if (writer != kAnybody && writer != current_) Fail("stores to " + locations_[static_cast<size_t>(location)].name);
  Step();
  if (!memory_.HasRoom(location)) Fail("does not end: too many stores");
  const uint64_t before = cell.value;
  memory_.Update(current_, location, sum(), Acquires(order), Releases(order));
  cell.value = sum();
  Result(before);
  if (tracing_) Trace("add, now", cell, cell.value);
  return before;
}

void Scheduler::Fence(std::memory_order order, queue::Label label, const std::source_location& where) {
  order = sites_.Order(OpKind::kFence, order, label, where);
  if (current_ < 0 || order == std::memory_order_relaxed) return;
  // A release or acquire fence concerns this thread only: nobody else can tell when it happens.
  if (order == std::memory_order_seq_cst) {
    Step();
    memory_.SeqCstFence(current_);
  } else {
    if (Acquires(order)) memory_.AcquireFence(current_);
    if (Releases(order)) memory_.ReleaseFence(current_);
  }
  Result(0);
  Note("fence");
}

void Scheduler::LightFence(queue::Label label, const std::source_location& where) {
  // It is a label, not an order, that is weakened here.
  const std::memory_order order = sites_.Order(OpKind::kLightFence, std::memory_order_seq_cst, label, where);
  if (current_ < 0 || order == std::memory_order_relaxed) return;
  Step();
  memory_.LightFence(current_);
  Result(0);
  Note("compiler barrier");
}

void Scheduler::HeavyFence() {
  if (current_ < 0) return;
  Step();
  memory_.HeavyFence(current_);
  Result(0);
  Note("makes all cores fence");
}

uint64_t Scheduler::ReadWord(Cell& cell) {
  if (current_ < 0) return cell.value;
  NamedLocation(cell);
  // No step: whether it races does not depend on when it happens, and if it does not race, what it returns neither.
  if (!memory_.ReadWord(current_, cell.id)) {
    Fail("reads " + word_names_[static_cast<size_t>(cell.id)] + ", not ordered after its last write: torn");
  }
  Result(cell.value);
  return cell.value;
}

void Scheduler::WriteWord(Cell& cell, uint64_t value) {
  if (current_ >= 0) {
    NamedLocation(cell);
    if (!memory_.WriteWord(current_, cell.id)) {
      Fail("writes " + word_names_[static_cast<size_t>(cell.id)] +
           ", not ordered after its last write and reads: torn");
    }
    Result(value);
  }
  cell.value = value;
}

bool Scheduler::FutexWait(Cell& word, uint64_t value) {
  if (current_ < 0) Fail("sleeps while nobody can wake it");
  const int location = NamedLocation(word);
  Step();
  // The kernel compares under its lock, and sees the newest value.
  if (word.value == value) {
    Thread& self = threads_[static_cast<size_t>(current_)];
    self.status = Status::kAsleep;
    self.waits_for = location;
    Result(0);  // has slept: when it is woken, that must not look like before
    if (tracing_) Trace("sleep on", word, value);
    PickNext();
    BackToMain();
  }
  Thread& self = threads_[static_cast<size_t>(current_)];
  const bool in_time = !self.timed_out;
  self.timed_out = false;
  Result(in_time);
  if (tracing_) Note(in_time ? "awake" : "awake, after the bound of a sleep");
  return in_time;
}

void Scheduler::FutexWake(Cell& word) {
  if (current_ < 0) return;
  const int location = NamedLocation(word);
  Step();
  for (Thread& t : threads_) {
    if (t.status == Status::kAsleep && t.waits_for == location) t.status = Status::kReady;
  }
  Result(0);
  if (tracing_) Trace("wake", word, word.value);
}

void Scheduler::AwaitEnd(int thread) {
  const int me = current_;
  Thread& self = threads_[static_cast<size_t>(me)];
  self.status = Status::kAwaiting;
  self.waits_for = thread;
  PickNext();
  if (over_ || current_ != me) BackToMain();
  threads_[static_cast<size_t>(me)].status = Status::kReady;
  memory_.JoinThread(me, thread);
  Result(IsDead(thread));
  Note("has seen the end of " + threads_[static_cast<size_t>(thread)].name);
}

// For people
// ------------------------------------------------------------------------------------------------------------

void Scheduler::Note(std::string text) {
  if (!tracing_) return;
  trace_.push_back(current_ < 0 ? std::move(text) : threads_[static_cast<size_t>(current_)].name + ": " + text);
}

void Scheduler::Trace(const char* what, const Cell& cell, uint64_t value, const char* more) {
  char text[32];
  std::snprintf(text, sizeof(text), value < 1000 ? "%llu" : "%#llx", static_cast<unsigned long long>(value));
  Note(std::string(what) + " " + locations_[static_cast<size_t>(cell.id)].name + " = " + text + more);
}

}  // namespace weir::prove
