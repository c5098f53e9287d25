// Signals that end the demo. They are blocked in all threads and looked for where there is time for them, so that
// nothing is interrupted in the middle and no handler is needed.
#ifndef WEIR_TOOLS_DEMO_PROGRAM_STOP_SIGNALS_H_
#define WEIR_TOOLS_DEMO_PROGRAM_STOP_SIGNALS_H_

#include <sys/types.h>

#include <cstdint>

namespace weir::demo {

// To be called before any thread is started.
// The parent stops for SIGINT, SIGTERM, SIGHUP and SIGQUIT.
void BlockStopSignals();
// A child stops for SIGTERM, which it also gets when `parent` dies; what is typed at the terminal is the parent's
// business. Once it was told to stop it has five seconds to end, or else it is killed: there may be nobody any more who
// would notice that it hangs. False if the parent is dead already.
bool BlockStopSignalsOfChild(pid_t parent);

// Sleeps until a stop signal comes, at most until `deadline_ns` (CLOCK_MONOTONIC). The signal's number or 0.
int WaitForStopSignal(uint64_t deadline_ns);

}  // namespace weir::demo

#endif  // WEIR_TOOLS_DEMO_PROGRAM_STOP_SIGNALS_H_
