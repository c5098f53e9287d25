// The loop behind weir::Loop: which task is ready, and a WaitSet for the others.
//
// Each task lies in exactly one list and waits for at most one thing, because it is a chain of coroutines of which only
// the innermost runs. Everything but Stop() is done by the loop's thread, and coroutines run only in RunReady(): what
// looks through lists and events need not expect that they change.
//
// A subscriber stays in the set between two Next(), because registering it anew for each message would be two system
// calls. The set is level-triggered, so one that has messages and nobody who awaits them would keep the loop awake: the
// first such report takes it out, and the next task that has to wait for it puts it back.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <deque>
#include <list>
#include <set>
#include <unordered_map>
#include <utility>

#include "middleware/os/clock.h"
#include "middleware/os/fork_guard.h"
#include "middleware/os/poller.h"
#include "middleware/pubsub/subscriber_core.h"
#include "weir/coroutine.h"
#include "weir/wait_set.h"

namespace weir::internal {
namespace {

// Messages that are taken without suspending before others have a turn.
constexpr int kAtOnceMax = 64;

constexpr uint64_t kNever = ~uint64_t{0};

using Tasks = std::list<SpawnedTask>;

}  // namespace

class SpawnedTask {
 public:
  SpawnedTask(LoopCore& its_loop, std::coroutine_handle<> coroutine)
      : loop(its_loop), root(coroutine), innermost(coroutine) {}
  ~SpawnedTask() { root.destroy(); }
  SpawnedTask(const SpawnedTask&) = delete;
  SpawnedTask& operator=(const SpawnedTask&) = delete;

  LoopCore& loop;
  const std::coroutine_handle<> root;
  std::coroutine_handle<> innermost;  // to be resumed when the task is ready
  Tasks* list = nullptr;              // that it lies in
  Tasks::iterator place;
  bool has_ended = false;
  uint64_t told_of_stop = 0;  // the number of the last Stop() that it was told of

  // What it waits for.
  SubscriberCore* subscriber = nullptr;
  int fd = -1;
  uint64_t due_ns = kNever;

  // What came of it.
  RawTaken taken;
  absl::Status status;
};

class LoopCore final : public SubscriberWatcher {
 public:
  LoopCore(os::ForkGuard guard, WaitSet set) : guard_(guard), set_(std::move(set)) {}
  ~LoopCore() {
    // A coroutine's variables may close subscribers that other tasks await; those then become ready, and go likewise.
    for (;;) {
      Tasks* list = FirstNotEmpty();
      if (list == nullptr) break;
      SpawnedTask& task = list->front();
      StopWaiting(task);
      Move(task, running_);
      running_.erase(task.place);
    }
    for (auto& [subscriber, source] : sources_) subscriber->RemoveWatcher(*this);
  }
  LoopCore(const LoopCore&) = delete;
  LoopCore& operator=(const LoopCore&) = delete;

  SpawnedTask& Own(std::coroutine_handle<> coroutine) {
    SpawnedTask& task = ready_.emplace_back(*this, coroutine);
    task.list = &ready_;
    task.place = std::prev(ready_.end());
    return task;
  }

  absl::Status Run() {
    if (!guard_.InOwner()) return guard_.Check();
    if (in_run_) return absl::FailedPreconditionError("Loop: Run was called within one of its tasks");
    in_run_ = true;
    absl::Status status = RunUntilDone();
    in_run_ = false;
    if (!failures_.empty()) {
      std::exception_ptr failure = std::move(failures_.front());
      failures_.pop_front();
      std::rethrow_exception(std::move(failure));
    }
    return status;
  }

  void Stop() {
    const int saved = errno;                          // a signal handler must not change it
    stop_asked_.store(1, std::memory_order_relaxed);  // relaxed: carries no data
    set_.Interrupt();
    errno = saved;
  }

  // For a task that runs
  // ----------------------------------------------------------------------------------------------------------------

  bool TakeNow(SpawnedTask& task, SubscriberCore& subscriber) {
    if (MustBeToldOfStop(task)) {
      TellOfStop(task);
      return true;
    }
    if (at_once_left_ == 0) return false;
    task.taken = subscriber.Take();
    if (task.taken.why == Outcome::kEmpty) return false;
    --at_once_left_;
    return true;
  }

  void AwaitMessage(SpawnedTask& task, SubscriberCore& subscriber, absl::Duration timeout,
                    std::coroutine_handle<> waiting) {
    task.innermost = waiting;
    task.subscriber = &subscriber;
    SourceOf(subscriber);  // so that we hear of its end
    if (timeout != absl::InfiniteDuration()) SetDue(task, timeout);
    if (at_once_left_ == 0) return Move(task, yielded_);
    WaitForMessage(task);
  }

  void AwaitTime(SpawnedTask& task, absl::Duration duration, std::coroutine_handle<> waiting) {
    task.innermost = waiting;
    if (MustBeToldOfStop(task)) return Interrupt(task);
    task.status = absl::OkStatus();
    SetDue(task, duration);
    Move(task, waiting_);
  }

  void AwaitReadable(SpawnedTask& task, int fd, std::coroutine_handle<> waiting) {
    task.innermost = waiting;
    if (MustBeToldOfStop(task)) return Interrupt(task);
    task.status = set_.AddDescriptor(Tag(&task), fd, os::Poller::kReadable);
    if (task.status.ok()) {
      task.fd = fd;
    } else {
      SetDue(task, absl::ZeroDuration());  // not ready at once: a task that tries again and again lets others run
    }
    Move(task, waiting_);
  }

  void Continue(std::coroutine_handle<> next) { next_ = next; }

  void End(SpawnedTask& task, std::exception_ptr exception) {
    task.has_ended = true;
    if (exception) failures_.push_back(std::move(exception));
  }

  void Closing(SubscriberCore& subscriber) override {
    const auto found = sources_.find(&subscriber);
    for (Tasks* list : {&found->second.waiting, &yielded_}) {
      for (auto next = list->begin(); next != list->end();) {
        SpawnedTask& task = *next++;
        if (task.subscriber == &subscriber) Finish(task, {.sample = {}, .why = Outcome::kInterrupted});
      }
    }
    if (found->second.is_watched) set_.Remove(Tag(&found->second)).IgnoreError();  // the set may have been told first
    sources_.erase(found);
  }

 private:
  // A subscriber that was awaited at least once.
  struct Source {
    bool is_watched = false;  // it is in the set
    Tasks waiting;
  };

  // Names in the set. What is gone leaves nothing that has its address: coroutines do not run between a wait and the
  // handling of its events.
  static uint64_t Tag(const void* what) { return reinterpret_cast<uintptr_t>(what); }

  static void Move(SpawnedTask& task, Tasks& to) {
    to.splice(to.end(), *task.list, task.place);
    task.list = &to;
  }

  Tasks* FirstNotEmpty() {
    for (Tasks* list : {&ready_, &yielded_, &waiting_, &running_}) {
      if (!list->empty()) return list;
    }
    for (auto& [subscriber, source] : sources_) {
      if (!source.waiting.empty()) return &source.waiting;
    }
    return nullptr;
  }

  absl::Status RunUntilDone() {
    // Ends: all tasks have, or a Stop(), an exception or an error.
    for (;;) {
      if (stop_asked_.exchange(0, std::memory_order_relaxed) != 0) {  // relaxed: carries no data
        TellAllOfStop();
        return absl::OkStatus();
      }
      RunReady();
      if (!failures_.empty()) return absl::OkStatus();
      TryYielded();
      if (!failure_.ok()) return std::exchange(failure_, absl::OkStatus());
      if (FirstNotEmpty() == nullptr) return absl::OkStatus();
      if (absl::Status status = Wait(); !status.ok()) return status;
    }
  }

  // One turn for each task that is ready now.
  void RunReady() {
    for (size_t count = ready_.size(); count > 0 && !ready_.empty(); --count) {
      SpawnedTask& task = ready_.front();
      Move(task, running_);
      at_once_left_ = kAtOnceMax;
      next_ = task.innermost;
      while (next_) std::exchange(next_, nullptr).resume();
      if (task.has_ended) running_.erase(task.place);
    }
  }

  // A subscriber that cannot be waited for makes its task stay here, for the next Run().
  void TryYielded() {
    for (size_t count = yielded_.size(); count > 0 && failure_.ok(); --count) {
      SpawnedTask& task = yielded_.front();
      if (!TryTake(task)) WaitForMessage(task);
    }
  }

  bool TryTake(SpawnedTask& task) {
    RawTaken taken = task.subscriber->Take();
    if (taken.why == Outcome::kEmpty) return false;
    Finish(task, std::move(taken));
    return true;
  }

  Source& SourceOf(SubscriberCore& subscriber) {
    const auto [found, is_new] = sources_.try_emplace(&subscriber);
    if (is_new) subscriber.AddWatcher(*this);
    return found->second;
  }

  void WaitForMessage(SpawnedTask& task) {
    Source& source = SourceOf(*task.subscriber);
    if (!source.is_watched) {
      failure_ = set_.AddSubscriber(Tag(&source), task.subscriber, {});
      if (!failure_.ok()) return Move(task, yielded_);
      source.is_watched = true;
    }
    Move(task, source.waiting);
  }

  absl::Status Wait() {
    const bool must_not_sleep = !ready_.empty() || !yielded_.empty();
    const uint64_t due_ns = due_.empty() ? kNever : due_.begin()->first;
    const uint64_t now = due_ns != kNever ? os::MonotonicNow() : 0;
    const auto timeout = must_not_sleep     ? absl::ZeroDuration()
                         : due_ns == kNever ? absl::InfiniteDuration()
                                            : absl::Nanoseconds(due_ns > now ? due_ns - now : 0);
    auto events = set_.WaitFor(timeout);
    if (!events.ok()) return events.status();
    for (const WaitSet::Event& event : *events) {
      if (event.kind == WaitSet::Kind::kMessage) OnMessage(event.tag);
      if (event.kind == WaitSet::Kind::kDescriptor) Finish(*reinterpret_cast<SpawnedTask*>(event.tag), {});
    }
    if (!due_.empty()) FinishDue(os::MonotonicNow());
    return absl::OkStatus();
  }

  void OnMessage(uint64_t tag) {
    Source& source = *reinterpret_cast<Source*>(tag);
    if (source.waiting.empty()) {
      set_.Remove(tag).IgnoreError();  // it is in the set
      source.is_watched = false;
    }
    while (!source.waiting.empty() && TryTake(source.waiting.front())) {
    }
  }

  void FinishDue(uint64_t now) {
    while (!due_.empty() && due_.begin()->first <= now) {
      Finish(*due_.begin()->second, {.sample = {}, .why = Outcome::kTimedOut});
    }
  }

  void SetDue(SpawnedTask& task, absl::Duration timeout) {
    const int64_t ns = std::max<int64_t>(0, absl::ToInt64Nanoseconds(timeout));
    task.due_ns = os::MonotonicNow() + static_cast<uint64_t>(ns);  // both below 2^63
    due_.insert({task.due_ns, &task});
  }

  void StopWaiting(SpawnedTask& task) {
    if (task.due_ns != kNever) due_.erase({task.due_ns, &task});
    if (task.fd >= 0) set_.Remove(Tag(&task)).IgnoreError();  // it is in the set
    task.due_ns = kNever;
    task.fd = -1;
    task.subscriber = nullptr;
  }

  void Finish(SpawnedTask& task, RawTaken taken) {
    StopWaiting(task);
    task.taken = std::move(taken);
    Move(task, ready_);
  }

  // Stop
  // ----------------------------------------------------------------------------------------------------------------

  bool MustBeToldOfStop(const SpawnedTask& task) const { return is_stopping_ && task.told_of_stop != stops_; }

  void TellOfStop(SpawnedTask& task) {
    task.told_of_stop = stops_;
    task.taken = {.sample = {}, .why = Outcome::kInterrupted};
    task.status = absl::CancelledError("the loop was stopped");
  }

  void Interrupt(SpawnedTask& task) {
    TellOfStop(task);
    StopWaiting(task);
    Move(task, ready_);
  }

  // Tasks that are ready with what they awaited get that, and are told at their next co_await.
  void TellAllOfStop() {
    ++stops_;
    is_stopping_ = true;
    const auto interrupt_all = [this](Tasks& tasks) {
      while (!tasks.empty()) Interrupt(tasks.front());
    };
    interrupt_all(yielded_);
    interrupt_all(waiting_);
    for (auto& [subscriber, source] : sources_) interrupt_all(source.waiting);
    // Ends: a task becomes ready again once, by being told. What it awaits then keeps it until the next Run().
    while (!ready_.empty()) RunReady();
    is_stopping_ = false;
  }

  os::ForkGuard guard_;
  WaitSet set_;
  std::atomic<uint32_t> stop_asked_{0};
  bool in_run_ = false;

  Tasks ready_;    // to be resumed
  Tasks running_;  // one at most
  Tasks yielded_;  // await a message that may be there; look for it in the next turn
  Tasks waiting_;  // for a time or a descriptor
  std::unordered_map<SubscriberCore*, Source> sources_;
  std::set<std::pair<uint64_t, SpawnedTask*>> due_;

  std::coroutine_handle<> next_;  // what is to run next in the running task
  int at_once_left_ = 0;
  uint64_t stops_ = 0;
  bool is_stopping_ = false;
  absl::Status failure_;                     // why a subscriber cannot be waited for
  std::deque<std::exception_ptr> failures_;  // what left a task; one per Run()
};

void CompilerMisplacedTheFrame() {
  std::abort();
}

bool TakeNow(SpawnedTask& task, SubscriberCore& subscriber) {
  return task.loop.TakeNow(task, subscriber);
}
void AwaitMessage(SpawnedTask& task, SubscriberCore& subscriber, absl::Duration timeout,
                  std::coroutine_handle<> waiting) {
  task.loop.AwaitMessage(task, subscriber, timeout, waiting);
}
RawTaken TakeResult(SpawnedTask& task) {
  return std::move(task.taken);
}
void AwaitTime(SpawnedTask& task, absl::Duration duration, std::coroutine_handle<> waiting) {
  task.loop.AwaitTime(task, duration, waiting);
}
void AwaitReadable(SpawnedTask& task, int fd, std::coroutine_handle<> waiting) {
  task.loop.AwaitReadable(task, fd, waiting);
}
absl::Status WaitResult(SpawnedTask& task) {
  return std::exchange(task.status, absl::OkStatus());
}
void Continue(SpawnedTask& task, std::coroutine_handle<> next) noexcept {
  task.loop.Continue(next);
}
void End(SpawnedTask& task, std::exception_ptr exception) noexcept {
  task.loop.End(task, std::move(exception));
}

}  // namespace weir::internal

namespace weir {

Loop::Loop(std::unique_ptr<internal::LoopCore> core) : core_(std::move(core)) {}
Loop::Loop(Loop&&) noexcept = default;
Loop& Loop::operator=(Loop&&) noexcept = default;
Loop::~Loop() = default;

absl::StatusOr<Loop> Loop::Create() {
  auto guard = os::ForkGuard::Current();
  if (!guard.ok()) return guard.status();
  auto set = WaitSet::Create();
  if (!set.ok()) return set.status();
  return Loop(std::make_unique<internal::LoopCore>(*guard, *std::move(set)));
}

absl::Status Loop::Run() {
  return core_->Run();
}

void Loop::Stop() {
  core_->Stop();
}

internal::SpawnedTask& Loop::Own(std::coroutine_handle<> coroutine) {
  return core_->Own(coroutine);
}

}  // namespace weir
