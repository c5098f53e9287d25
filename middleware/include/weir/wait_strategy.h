// How a TakeFor waits. A sleep costs the publisher a system call and the message some microseconds
// (docs/benchmarks.md); spinning costs a core.
#ifndef WEIR_WAIT_STRATEGY_H_
#define WEIR_WAIT_STRATEGY_H_

#include "absl/time/time.h"

namespace weir {

struct WaitStrategy {
  // Look for so long before sleeping: about half of what being woken costs.
  absl::Duration spin = absl::Microseconds(2);
  // Sleep then; if not, go on looking until the deadline.
  bool sleep = true;

  static WaitStrategy Spin() { return {.spin = absl::ZeroDuration(), .sleep = false}; }
  static WaitStrategy SpinThenSleep(absl::Duration spin) { return {.spin = spin, .sleep = true}; }
  static WaitStrategy Sleep() { return {.spin = absl::ZeroDuration(), .sleep = true}; }
};

}  // namespace weir

#endif  // WEIR_WAIT_STRATEGY_H_
