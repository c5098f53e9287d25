// Coroutines that await messages: weir::Task, and a small event loop for one thread that runs them.
//
//   weir::Task<> Print(weir::Subscriber<Tick>& ticks) {
//     while (auto taken = co_await ticks.Next()) std::cout << taken->value().price << "\n";
//   }
//
//   auto loop = weir::Loop::Create();
//   if (!loop.ok()) return loop.status();
//   loop->Spawn(Print(*ticks));
//   return loop->Run();  // until all tasks have ended, or Stop()
//
// A task can await:
//   subscriber.Next(), NextFor(timeout)  the oldest message: as Take, but not kEmpty; kTimedOut; kInterrupted: stopped
//   weir::Loop::Sleep(duration)          true; false: stopped
//   weir::Loop::Readable(descriptor)     OK; Cancelled: stopped
//   another weir::Task                   what it returns, or throws
//
// A message that is there already is taken without suspending, but after 64 of them the other tasks have a turn, the
// descriptors and timers too. Several tasks may await one subscriber; each message goes to one of them.
//
// Threads: a loop, its tasks and the subscribers they await are used by one thread; Stop() by any, also by a signal
// handler. Blocks: Run only. Allocates: each coroutine call its frame, each timeout an entry. Awaiting costs what
// waiting with a WaitSet does; a subscriber stays in the loop's set from one Next() to the next.
//
// Lifetime: the loop owns what was spawned. A task that awaits something when its loop is destroyed is destroyed
// there: its local variables go, the rest of it never runs. So what tasks refer to must outlive the loop: make nodes
// and subscribers first and the loop last, or let the task own its subscriber. A subscriber that is destroyed while a
// task awaits it gives that one kInterrupted. As with every coroutine, arguments by value live in its frame, but what
// a lambda captures lives in the lambda: pass it as arguments.
//
// g++ 12 misplaces the frame of a coroutine that has a co_await directly in the condition of an if or a loop, and no
// variable in its outermost block. Such a coroutine aborts at its call. Declare one: while (auto taken = co_await ...).
//
// Exceptions: Weir throws none. One that leaves a task goes on in the task that awaits it; one that leaves a spawned
// task comes out of Run(). The loop and its other tasks can go on: call Run() again. In a forked child:
// FailedPrecondition.
#ifndef WEIR_COROUTINE_H_
#define WEIR_COROUTINE_H_

#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "weir/internal/export.h"
#include "weir/internal/raw.h"
#include "weir/sample.h"
#include "weir/subscriber.h"

namespace weir {

class Loop;
template <class T = void>
class Task;

namespace internal {

class LoopCore;
class SpawnedTask;  // what was spawned, with all that it awaits: a chain of coroutines whose innermost runs or waits

// What a coroutine does at a co_await; `waiting` is the coroutine.
WEIR_EXPORT bool TakeNow(SpawnedTask& task, SubscriberCore& subscriber);  // false: it must wait
WEIR_EXPORT void AwaitMessage(SpawnedTask& task, SubscriberCore& subscriber, absl::Duration timeout,
                              std::coroutine_handle<> waiting);
WEIR_EXPORT RawTaken TakeResult(SpawnedTask& task);
WEIR_EXPORT void AwaitTime(SpawnedTask& task, absl::Duration duration, std::coroutine_handle<> waiting);
WEIR_EXPORT void AwaitReadable(SpawnedTask& task, int fd, std::coroutine_handle<> waiting);
WEIR_EXPORT absl::Status WaitResult(SpawnedTask& task);
// Lets another coroutine of the chain run, after the one that calls it has suspended. Not by symmetric transfer: g++
// makes that a jump with -O2 and better only, and a loop over awaited tasks would fill the stack.
WEIR_EXPORT void Continue(SpawnedTask& task, std::coroutine_handle<> next) noexcept;
WEIR_EXPORT void End(SpawnedTask& task, std::exception_ptr exception) noexcept;

struct SleepRequest {
  absl::Duration duration;
};
struct ReadableRequest {
  int fd;
};

template <class T>
struct NextAwaiter {
  bool await_ready() { return TakeNow(task, *next.subscriber_); }
  void await_suspend(std::coroutine_handle<> waiting) { AwaitMessage(task, *next.subscriber_, next.timeout_, waiting); }
  Taken<T> await_resume() { return next.Finish(TakeResult(task)); }
  SpawnedTask& task;
  NextMessage<T> next;
};

struct SleepAwaiter {
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiting) { AwaitTime(task, request.duration, waiting); }
  bool await_resume() { return WaitResult(task).ok(); }
  SpawnedTask& task;
  SleepRequest request;
};

struct ReadableAwaiter {
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiting) { AwaitReadable(task, request.fd, waiting); }
  absl::Status await_resume() { return WaitResult(task); }
  SpawnedTask& task;
  ReadableRequest request;
};

template <class T>
struct TaskAwaiter {
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    awaited.handle_.promise().Join(task, waiting);
    Continue(task, awaited.handle_);
  }
  T await_resume() { return awaited.handle_.promise().Result(); }
  SpawnedTask& task;
  Task<T> awaited;
};

// See above. Aborts; the caller on the stack is the coroutine.
[[noreturn]] WEIR_EXPORT void CompilerMisplacedTheFrame();

class WEIR_EXPORT PromiseBase {
 public:
  struct InitialAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> coroutine) const noexcept {
      if (&coroutine.promise() != &promise) CompilerMisplacedTheFrame();
    }
    void await_resume() const noexcept {}
    PromiseBase& promise;
  };
  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) const noexcept {
      if (promise.awaiting_) return Continue(*promise.task_, promise.awaiting_);
      End(*promise.task_, std::move(promise.exception_));
    }
    void await_resume() const noexcept {}
    PromiseBase& promise;
  };

  InitialAwaiter initial_suspend() noexcept { return {*this}; }
  FinalAwaiter final_suspend() noexcept { return {*this}; }
  void unhandled_exception() { exception_ = std::current_exception(); }

  template <class T>
  NextAwaiter<T> await_transform(NextMessage<T> next) {
    return {*task_, next};
  }
  SleepAwaiter await_transform(SleepRequest request) { return {*task_, request}; }
  ReadableAwaiter await_transform(ReadableRequest request) { return {*task_, request}; }
  template <class T>
  TaskAwaiter<T> await_transform(Task<T> awaited) {
    return {*task_, std::move(awaited)};
  }

  void Join(SpawnedTask& task, std::coroutine_handle<> awaiting) {
    task_ = &task;
    awaiting_ = awaiting;
  }

 protected:
  void Rethrow() {
    if (exception_) std::rethrow_exception(std::move(exception_));
  }

 private:
  SpawnedTask* task_ = nullptr;       // since it runs
  std::coroutine_handle<> awaiting_;  // who awaits this one; nobody if it was spawned
  std::exception_ptr exception_;
};

template <class T>
class Promise : public PromiseBase {
 public:
  Task<T> get_return_object();
  template <class U>
  requires std::is_convertible_v<U&&, T>
  void return_value(U&& value) { value_.emplace(std::forward<U>(value)); }
  T Result() {
    Rethrow();
    return *std::move(value_);
  }

 private:
  std::optional<T> value_;
};

template <>
class Promise<void> : public PromiseBase {
 public:
  Task<void> get_return_object();
  void return_void() {}
  void Result() { Rethrow(); }
};

}  // namespace internal

// What a coroutine returns that uses co_await as above. It begins to run when it is awaited or spawned. Move-only;
// destroying one that was neither destroys the coroutine.
template <class T>
class [[nodiscard]] Task {
 public:
  static_assert(!std::is_reference_v<T>, "a task returns a value, or nothing");
  using promise_type = internal::Promise<T>;

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

 private:
  friend class Loop;
  friend internal::Promise<T>;
  friend internal::TaskAwaiter<T>;
  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}

  std::coroutine_handle<promise_type> handle_;
};

class WEIR_EXPORT Loop {
 public:
  // ResourceExhausted without descriptors.
  static absl::StatusOr<Loop> Create();

  Loop(Loop&&) noexcept;
  Loop& operator=(Loop&&) noexcept;
  ~Loop();  // not within a task

  // The task begins in the next turn of Run. May be called within a task.
  void Spawn(Task<> task) {
    const auto handle = std::exchange(task.handle_, nullptr);
    handle.promise().Join(Own(handle), nullptr);
  }

  // Runs the tasks until all have ended or Stop() is called. An error is one that no task could be told: that
  // a subscriber cannot be waited for (ResourceExhausted). Calling Run again goes on from there. FailedPrecondition
  // within a task.
  absl::Status Run();

  // Makes a running Run(), or else the next one, tell each task once that it was stopped, by the outcome of what it
  // awaits, or of the next that it does; and then return. Tasks may end upon that; those that await something again
  // stay, and go on with the next Run().
  void Stop();

  // For co_await, in any task: true after `duration`.
  [[nodiscard]] static internal::SleepRequest Sleep(absl::Duration duration) { return {duration}; }
  // Likewise: OK as soon as `fd` is readable or has hung up. It must stay open that long. Costs two system calls beside
  // the wait. AlreadyExists if another task awaits it; FailedPrecondition if it cannot be waited for (a regular file).
  [[nodiscard]] static internal::ReadableRequest Readable(int fd) { return {fd}; }

 private:
  explicit Loop(std::unique_ptr<internal::LoopCore> core);
  internal::SpawnedTask& Own(std::coroutine_handle<> coroutine);

  std::unique_ptr<internal::LoopCore> core_;
};

template <class T>
Task<T> internal::Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}

inline Task<void> internal::Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

}  // namespace weir

#endif  // WEIR_COROUTINE_H_
