// Ending in an orderly way: SIGINT, SIGTERM and SIGHUP ask for it, and whoever waits is woken. Nothing is left behind
// in the domain, because every command returns to main() and destroys its node on the way.
#ifndef WEIR_TOOLS_WEIR_STOP_H_
#define WEIR_TOOLS_WEIR_STOP_H_

#include <weir/dynamic.h>

#include "absl/time/time.h"

namespace weir::tool {

// Called once, before any node is made. A second signal ends the process at once, in case it hangs. SIGPIPE is ignored:
// writing says what happened.
void WatchStopSignals();

bool StopAsked();

// False if it was asked to stop, before or meanwhile.
bool SleepUnlessStopped(absl::Duration duration);

// While it lives, a stop signal interrupts the subscriber's waiting. One at a time.
class InterruptOnStop {
 public:
  explicit InterruptOnStop(DynamicSubscriber& subscriber);
  ~InterruptOnStop();
  InterruptOnStop(const InterruptOnStop&) = delete;
  InterruptOnStop& operator=(const InterruptOnStop&) = delete;
};

}  // namespace weir::tool

#endif  // WEIR_TOOLS_WEIR_STOP_H_
