// Sleeping and waking, twice: a consumer sleeps until something is pushed; a blocked publisher sleeps until head moves.
//
// Both are Dekker's pattern. The sleeper announces itself and then looks at the queue; the waker changes the queue and
// then looks for sleepers. A full fence between the two steps on both sides makes it impossible that both miss each
// other.
//
//   sleeper: v = word; ++sleepers; FENCE; look again; futex_wait(word, v); --sleepers
//   waker:   change;               FENCE; if (sleepers != 0) { ++word; futex_wake(word, all) }
//
// The count is read after the change and from shared memory. A waker clears nothing: if it died between clearing and
// waking, the next one would believe that nobody sleeps. A seq_cst CAS as "the change" does not replace the fence.
//
// The waker's fence is on the hot path, the sleeper's is not. With membarrier(GLOBAL_EXPEDITED) the sleeper makes all
// cores that run registered processes fence, and the waker needs only a compiler barrier. A waker may do without its
// fence if its process registered and `force_fence` in the queue's header is 0 (a sleeper that may not call membarrier
// sets it).
#ifndef WEIR_QUEUE_WAKING_H_
#define WEIR_QUEUE_WAKING_H_

#include <cstdint>

#include "middleware/queue/atomics.h"

namespace weir::queue {

// The waker's half, after the change. Returns true if somebody may be asleep; the caller then calls futex_wake on
// `word` for all sleepers. `fence`: this process must fence itself (not registered for membarrier, or force_fence is
// set).
template <class A>
bool AnnounceChange(typename A::template Atomic<uint32_t>& word, const typename A::template Atomic<uint32_t>& sleepers,
                    bool fence) {
  if (fence) {
    // sync(wake.fence): seq_cst; pairs with the fence in Sleep(). Prevents the load of `sleepers` from being done
    // before the change is visible (store-load reordering).
    A::Fence(kSeqCst, "wake.fence");
  } else {
    A::CompilerBarrier("wake.fence");
  }
  if (sleepers.load(kRelaxed) == 0) return false;
  // relaxed: the kernel compares the word under its own lock; a sleeper that loaded the old value does not sleep.
  word.fetch_add(1, kRelaxed);
  return true;
}

// Takes a sleeper off the count. Saturating, because the cleanup of a dead sleeper may have set the count to 0.
template <class A>
void Uncount(typename A::template Atomic<uint32_t>& sleepers) {
  uint32_t count = sleepers.load(kRelaxed);
  while (count != 0 && !sleepers.compare_exchange(count, count - 1, kRelaxed)) {
  }
}

enum class SleepResult : uint8_t { kNoNeed, kSlept };

// The sleeper's half. `heavy_fence()` is a fence on this core and, if wakers rely on it, on all others. `ready()` looks
// at the queue. `wait(word, value)` is futex_wait with a bound: a waker can die between its change and the wake,
// therefore no sleep is endless. The caller loops.
template <class A, class HeavyFence, class Ready, class Wait>
SleepResult Sleep(typename A::template Atomic<uint32_t>& word, typename A::template Atomic<uint32_t>& sleepers,
                  HeavyFence heavy_fence, Ready ready, Wait wait) {
  const uint32_t value = word.load(kRelaxed);
  sleepers.fetch_add(1, kRelaxed);
  // sync(wake.fence): seq_cst; pairs with the fence, or the compiler barrier, in AnnounceChange(). Prevents `ready`
  // from looking at the queue before the count is visible (store-load reordering).
  A::Fence(kSeqCst, "wake.fence");
  heavy_fence();
  SleepResult result = SleepResult::kNoNeed;
  if (!ready()) {
    wait(word, value);
    result = SleepResult::kSlept;
  }
  Uncount<A>(sleepers);
  return result;
}

// The sleeper's half for a consumer that sleeps elsewhere, in poll() say, and wants a byte written to its descriptor:
// it counts as a sleeper until Disarm(). Call it, then look at the queue, then sleep. The number tells wakers whether
// they have signalled already; it is stored before the count, and a waker that sees the count behind its fence sees it
// too.
template <class A, class HeavyFence>
void Arm(typename A::template Atomic<uint32_t>& arming, typename A::template Atomic<uint32_t>& sleepers,
         HeavyFence heavy_fence) {
  const uint32_t next = arming.load(kRelaxed) + 1;
  arming.store(next != 0 ? next : 1, kRelaxed);
  sleepers.fetch_add(1, kRelaxed);
  // sync(wake.fence): seq_cst; pairs with the fence, or the compiler barrier, in AnnounceChange(). Prevents the
  // caller's look at the queue before the count is visible (store-load reordering).
  A::Fence(kSeqCst, "wake.fence");
  heavy_fence();
}

template <class A>
void Disarm(typename A::template Atomic<uint32_t>& sleepers) {
  Uncount<A>(sleepers);
}

}  // namespace weir::queue

#endif  // WEIR_QUEUE_WAKING_H_
