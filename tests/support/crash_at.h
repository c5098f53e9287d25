// Ending this process at a crash point (middleware/base/crash_point.h). For tests with `// weir-test: crashable`; call
// these in a Child, before it makes its first Weir object.
#ifndef WEIR_TESTS_SUPPORT_CRASH_AT_H_
#define WEIR_TESTS_SUPPORT_CRASH_AT_H_

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "middleware/base/crash_point.h"

#if !defined(WEIR_CRASH_POINTS) || !WEIR_CRASH_POINTS
#error "This test needs the line `// weir-test: crashable` (tests/CMakeLists.txt)."
#endif

namespace weir::test {

namespace internal {
inline std::string g_crash_at;  // empty: any point
inline std::atomic<int> g_crash_countdown{0};
inline std::mutex g_points_mutex;
inline std::set<std::string> g_points;
}  // namespace internal

// From the n-th time on that the process comes by the point, it is no more. With "" every point counts.
inline void CrashAt(std::string_view point, int nth = 1) {
  internal::g_crash_at = point;
  internal::g_crash_countdown.store(nth);
  g_crash_hook.store([](const char* here) {
    if (!internal::g_crash_at.empty() && internal::g_crash_at != here) return;
    if (internal::g_crash_countdown.fetch_sub(1) == 1) kill(getpid(), SIGKILL);
  });
}

// Notes the names of all points that the process comes by, for a test that then dies at each of them in turn.
inline void RecordCrashPoints() {
  g_crash_hook.store([](const char* here) {
    const std::lock_guard lock(internal::g_points_mutex);
    internal::g_points.insert(here);
  });
}

inline std::set<std::string> RecordedCrashPoints() {
  const std::lock_guard lock(internal::g_points_mutex);
  return internal::g_points;
}

}  // namespace weir::test

#endif  // WEIR_TESTS_SUPPORT_CRASH_AT_H_
