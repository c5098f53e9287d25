// The atomics policy (middleware/queue/atomics.h) whose every step is a decision of the scheduler, on the memory model
// of memory.h. The templates of middleware/queue run on it as they are.
//
// The place in the source comes in as a default argument, which the compiler fills in where the template makes the
// call: so each operation can be named, and weakened, by itself, although several share a label.
#ifndef WEIR_TESTS_PROVE_SCHEDULED_ATOMICS_H_
#define WEIR_TESTS_PROVE_SCHEDULED_ATOMICS_H_

#include <atomic>
#include <cstdint>
#include <limits>
#include <source_location>
#include <type_traits>

#include "middleware/queue/atomics.h"
#include "tests/prove/scheduler.h"

namespace weir::prove {

struct ScheduledAtomics {
  using Where = std::source_location;
  using Label = queue::Label;

  template <class T>
  class Atomic {
   public:
    T load(std::memory_order order, Label label = nullptr, Where where = Where::current()) const {
      return static_cast<T>(g_scheduler->Load(cell_, order, label, where));
    }
    void store(T value, std::memory_order order, Label label = nullptr, Where where = Where::current()) {
      g_scheduler->Store(cell_, value, order, label, where);
    }
    bool compare_exchange(T& expected, T desired, std::memory_order order, Label label = nullptr,
                          Where where = Where::current()) {
      uint64_t seen = expected;
      const bool changed = g_scheduler->CompareExchange(cell_, seen, desired, order, label, where);
      expected = static_cast<T>(seen);
      return changed;
    }
    T fetch_add(T delta, std::memory_order order, Label label = nullptr, Where where = Where::current()) {
      return static_cast<T>(g_scheduler->Add(cell_, delta, kMask, order, label, where));
    }
    T fetch_sub(T delta, std::memory_order order, Label label = nullptr, Where where = Where::current()) {
      return static_cast<T>(g_scheduler->Add(cell_, uint64_t{0} - delta, kMask, order, label, where));
    }

    Cell& cell() const { return cell_; }

   private:
    static_assert(std::is_unsigned_v<T>);
    static constexpr uint64_t kMask = std::numeric_limits<T>::max();
    mutable Cell cell_;
  };

  template <class T>
  class Word {
   public:
    T get() const { return static_cast<T>(g_scheduler->ReadWord(cell_)); }
    void set(T value) { g_scheduler->WriteWord(cell_, value); }

    Cell& cell() const { return cell_; }

   private:
    static_assert(std::is_unsigned_v<T>);
    mutable Cell cell_;
  };

  static void Fence(std::memory_order order, Label label, Where where = Where::current()) {
    g_scheduler->Fence(order, label, where);
  }
  static void CompilerBarrier(Label label, Where where = Where::current()) { g_scheduler->LightFence(label, where); }
  static void Relax() {}
};

}  // namespace weir::prove

#endif  // WEIR_TESTS_PROVE_SCHEDULED_ATOMICS_H_
