// An atomics policy that asks somebody before each step. With it a test can do something at every single point of a
// push, a take or a pass: let somebody else run a whole operation there, or end the operation, as a death would.
//
// Sequentially consistent and for one thread: it finds wrong orders of steps, not wrong memory orders.
#ifndef WEIR_TESTS_QUEUE_STEPPED_ATOMICS_H_
#define WEIR_TESTS_QUEUE_STEPPED_ATOMICS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

#include "middleware/queue/atomics.h"

namespace weir::queue {

enum class StepKind : uint8_t { kLoad, kStore, kCompareExchange, kFetchAdd, kFence };

struct Step {
  StepKind kind;
  const void* address;  // of the atomic; nullptr for a fence
  Label label;          // nullptr for a relaxed operation
};

using StepHook = std::function<void(const Step&)>;
inline thread_local StepHook* g_step_hook = nullptr;

struct SteppedAtomics {
  static void Announce(StepKind kind, const void* address, Label label) {
    if (g_step_hook != nullptr) (*g_step_hook)({kind, address, label});
  }

  template <class T>
  class Atomic {
   public:
    T load(std::memory_order order, Label label = nullptr) const {
      Announce(StepKind::kLoad, this, label);
      return value_.load(order, label);
    }
    void store(T value, std::memory_order order, Label label = nullptr) {
      Announce(StepKind::kStore, this, label);
      value_.store(value, order, label);
    }
    bool compare_exchange(T& expected, T desired, std::memory_order order, Label label = nullptr) {
      Announce(StepKind::kCompareExchange, this, label);
      return value_.compare_exchange(expected, desired, order, label);
    }
    T fetch_add(T delta, std::memory_order order, Label label = nullptr) {
      Announce(StepKind::kFetchAdd, this, label);
      return value_.fetch_add(delta, order, label);
    }
    T fetch_sub(T delta, std::memory_order order, Label label = nullptr) {
      Announce(StepKind::kFetchAdd, this, label);
      return value_.fetch_sub(delta, order, label);
    }

   private:
    SystemAtomics::Atomic<T> value_;
  };

  template <class T>
  using Word = SystemAtomics::Word<T>;

  static void Fence(std::memory_order order, Label label) {
    Announce(StepKind::kFence, nullptr, label);
    SystemAtomics::Fence(order, label);
  }
  static void CompilerBarrier(Label label) { SystemAtomics::CompilerBarrier(label); }
  static void Relax() {}
};

// While it lives, `hook` is asked before each step of this thread. While the hook itself runs, nobody is asked.
class ScopedStepHook {
 public:
  explicit ScopedStepHook(StepHook hook) : hook_(std::move(hook)), outer_(g_step_hook) {
    asking_ = [this](const Step& step) {
      g_step_hook = nullptr;
      const Restore restore{&asking_};  // also if the hook throws
      hook_(step);
    };
    g_step_hook = &asking_;
  }
  ScopedStepHook(const ScopedStepHook&) = delete;
  ScopedStepHook& operator=(const ScopedStepHook&) = delete;
  ~ScopedStepHook() { g_step_hook = outer_; }

 private:
  struct Restore {
    StepHook* hook;
    ~Restore() { g_step_hook = hook; }
  };

  StepHook hook_;
  StepHook asking_;
  StepHook* outer_;
};

// Runs `operation` and, right before its step number `at` (from 0), `intruder`. False if there were fewer steps: then
// nobody intruded.
template <class Operation, class Intruder>
bool RunWithIntruder(size_t at, Operation operation, Intruder intruder) {
  size_t steps = 0;
  const ScopedStepHook hook([&](const Step&) {
    if (steps++ == at) intruder();
  });
  operation();
  return steps > at;
}

struct Died {};

// Runs `operation` and ends it right before its step number `at` (from 0). False if there were fewer steps: then it ran
// to its end.
template <class Operation>
bool DieAtStep(size_t at, Operation operation) {
  try {
    RunWithIntruder(at, operation, [] { throw Died(); });
    return false;
  } catch (const Died&) {
    return true;
  }
}

}  // namespace weir::queue

#endif  // WEIR_TESTS_QUEUE_STEPPED_ATOMICS_H_
