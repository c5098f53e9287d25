// Two threads that do one thing each at the same moment, many times over. For orders that a processor only breaks when
// both sides are within nanoseconds of each other: a store that is still in the store buffer while the next load is
// done.
#ifndef WEIR_TESTS_QUEUE_LITMUS_H_
#define WEIR_TESTS_QUEUE_LITMUS_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>

#include "middleware/base/limits.h"
#include "middleware/queue/atomics.h"

namespace weir::queue {

// Calls first(i) and second(i) at the same time for i = 0, 1, ... up to `rounds`, or as many as fit into `limit`.
// Returns how many rounds there were; all their effects are visible then.
template <class First, class Second>
size_t RunLitmus(size_t rounds, First first, Second second,
                 std::chrono::milliseconds limit = std::chrono::milliseconds(500)) {
  struct alignas(kIsolationBytes) Side {
    std::atomic<size_t> arrived{0};
  };
  Side sides[2];
  std::atomic<size_t> end{rounds};
  const auto meet = [](Side& mine, const Side& other, size_t round) {
    mine.arrived.store(round + 1);
    for (size_t spins = 1; other.arrived.load() <= round; ++spins) {
      SystemAtomics::Relax();
      if (spins % 1000 == 0) std::this_thread::yield();
    }
    // Not always the same one first, nor by the same distance.
    for (size_t i = (round * 7) % 13; i > 0; --i) SystemAtomics::Relax();
  };
  // Both meet once more where it ends.
  std::thread thread([&] {
    for (size_t i = 0;; ++i) {
      meet(sides[1], sides[0], i);
      if (i >= end.load()) return;
      second(i);
    }
  });
  const auto deadline = std::chrono::steady_clock::now() + limit;
  for (size_t i = 0;; ++i) {
    if (i < rounds && i % 64 == 0 && std::chrono::steady_clock::now() > deadline) end.store(i);
    meet(sides[0], sides[1], i);
    if (i >= end.load()) break;
    first(i);
  }
  thread.join();
  return end.load();
}

}  // namespace weir::queue

#endif  // WEIR_TESTS_QUEUE_LITMUS_H_
