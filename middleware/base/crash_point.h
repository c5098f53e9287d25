// Places where a test may end the process with SIGKILL. In the library that users link a crash point is nothing at all;
// the tests link a second build of the same sources with WEIR_CRASH_POINTS=1, in which each point asks a hook that the
// test sets. Names read like a path: "queue.push.before_tail".
#ifndef WEIR_BASE_CRASH_POINT_H_
#define WEIR_BASE_CRASH_POINT_H_

#if defined(WEIR_CRASH_POINTS) && WEIR_CRASH_POINTS

#include <atomic>

namespace weir {

using CrashHook = void (*)(const char* point);
inline std::atomic<CrashHook> g_crash_hook{nullptr};  // test builds only; set before any Weir object exists

}  // namespace weir

#define WEIR_CRASH_POINT(name)                                                                                      \
  do {                                                                                                              \
    if (::weir::CrashHook hook = ::weir::g_crash_hook.load(std::memory_order_relaxed); hook != nullptr) hook(name); \
  } while (false)

#else

#define WEIR_CRASH_POINT(name) \
  do {                         \
  } while (false)

#endif

#endif  // WEIR_BASE_CRASH_POINT_H_
