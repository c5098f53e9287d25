// Waiting for what another thread or process does. Tests bound a wait from above only to end a hang, never to say that
// something was fast.
#ifndef WEIR_TESTS_SUPPORT_WAIT_H_
#define WEIR_TESTS_SUPPORT_WAIT_H_

#include <chrono>
#include <thread>

namespace weir::test {

// True as soon as the condition is; false if it still is not when the limit is over.
template <class Condition>
bool WaitUntilTrue(Condition condition, std::chrono::milliseconds limit = std::chrono::seconds(30)) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace weir::test

#endif  // WEIR_TESTS_SUPPORT_WAIT_H_
