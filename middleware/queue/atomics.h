// The atomics policy: how the algorithms of this folder touch memory that somebody else may touch at the same time.
//
// Queue, borrow table, history, reclaim and waking are templates over a policy. SystemAtomics is what the library runs
// on: std::atomic and nothing else, every call inlines to one instruction. A deterministic scheduler can be another
// policy and drive the same source lines through every interleaving; that is why fences, payload words and the labels
// of the orders go through the policy too.
//
// A policy has
//   Atomic<T>   load(order, label) store(value, order, label) compare_exchange(expected, desired, order, label)
//               fetch_add(delta, order, label) fetch_sub(delta, order, label)
//   Word<T>     get() set(value): payload, that is memory which an ordering atomic elsewhere makes safe to touch
//   Fence(order, label), CompilerBarrier(label), Relax()
//
// A label names a pair (or set) of orders that work together; the same name stands in a `sync(...)` comment at both
// ends. Relaxed operations have none.
#ifndef WEIR_QUEUE_ATOMICS_H_
#define WEIR_QUEUE_ATOMICS_H_

#include <atomic>
#include <cstdint>
#include <type_traits>

namespace weir::queue {

using Label = const char*;

inline constexpr std::memory_order kRelaxed = std::memory_order_relaxed;
inline constexpr std::memory_order kAcquire = std::memory_order_acquire;
inline constexpr std::memory_order kRelease = std::memory_order_release;
inline constexpr std::memory_order kSeqCst = std::memory_order_seq_cst;

struct SystemAtomics {
  template <class T>
  class Atomic {
   public:
    T load(std::memory_order order, Label = nullptr) const { return value_.load(order); }
    void store(T value, std::memory_order order, Label = nullptr) { value_.store(value, order); }
    // Strong. `order` is that of success; a failure is relaxed, because every caller starts over by loading again.
    bool compare_exchange(T& expected, T desired, std::memory_order order, Label = nullptr) {
      return value_.compare_exchange_strong(expected, desired, order, kRelaxed);
    }
    T fetch_add(T delta, std::memory_order order, Label = nullptr) { return value_.fetch_add(delta, order); }
    T fetch_sub(T delta, std::memory_order order, Label = nullptr) { return value_.fetch_sub(delta, order); }

    // For the futex call, which wants the address of the word itself.
    const std::atomic<T>* raw() const { return &value_; }

   private:
    std::atomic<T> value_;
    static_assert(std::atomic<T>::is_always_lock_free, "a lock inside shared memory would outlive its dead holder");
    static_assert(sizeof(std::atomic<T>) == sizeof(T));
  };

  template <class T>
  class Word {
   public:
    T get() const { return value_; }
    void set(T value) { value_ = value; }

   private:
    static_assert(std::is_trivially_copyable_v<T>);
    T value_;
  };

  static void Fence(std::memory_order order, Label) { std::atomic_thread_fence(order); }

  // The cheap half of an asymmetric fence: the other half makes every core that runs a registered process fence.
  static void CompilerBarrier(Label) { std::atomic_signal_fence(kSeqCst); }

  static void Relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield" ::: "memory");
#endif
  }
};

}  // namespace weir::queue

#endif  // WEIR_QUEUE_ATOMICS_H_
