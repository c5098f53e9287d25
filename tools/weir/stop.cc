#include "tools/weir/stop.h"

#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <atomic>

#include "absl/time/clock.h"

namespace weir::tool {
namespace {

std::atomic<bool> stop_asked = false;
std::atomic<DynamicSubscriber*> waiting = nullptr;
static_assert(std::atomic<DynamicSubscriber*>::is_always_lock_free);

void OnStopSignal(int) {
  stop_asked.store(true);
  if (DynamicSubscriber* subscriber = waiting.load()) subscriber->Interrupt();
}

// A signal that comes between a look at `stop_asked` and the sleep is noticed after at most so long.
constexpr absl::Duration kSlice = absl::Milliseconds(50);

}  // namespace

void WatchStopSignals() {
  struct sigaction action = {};
  action.sa_handler = OnStopSignal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // not SA_RESTART: reads and writes that block shall return
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaction(number, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

bool StopAsked() {
  return stop_asked.load();
}

bool SleepUnlessStopped(absl::Duration duration) {
  const absl::Time until = absl::Now() + duration;
  while (!StopAsked()) {
    const absl::Duration left = until - absl::Now();
    if (left <= absl::ZeroDuration()) return true;
    const timespec slice = absl::ToTimespec(std::min(left, kSlice));
    ppoll(nullptr, 0, &slice, nullptr);  // a signal ends it early
  }
  return false;
}

InterruptOnStop::InterruptOnStop(DynamicSubscriber& subscriber) {
  waiting.store(&subscriber);
  if (StopAsked()) subscriber.Interrupt();  // the signal came before
}

InterruptOnStop::~InterruptOnStop() {
  waiting.store(nullptr);
}

}  // namespace weir::tool
