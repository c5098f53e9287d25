#include "tools/demo_program/stop_signals.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <initializer_list>

#include "tools/demo_program/clock.h"

namespace weir::demo {
namespace {

constexpr unsigned kSecondsToEnd = 5;

sigset_t stop_signals;
bool is_child = false;

void Block(std::initializer_list<int> signals) {
  sigemptyset(&stop_signals);
  for (const int number : signals) sigaddset(&stop_signals, number);
  sigprocmask(SIG_SETMASK, &stop_signals, nullptr);
}

}  // namespace

void BlockStopSignals() {
  Block({SIGINT, SIGTERM, SIGHUP, SIGQUIT});
}

bool BlockStopSignalsOfChild(pid_t parent) {
  is_child = true;
  Block({SIGTERM});
  for (const int number : {SIGINT, SIGHUP, SIGQUIT}) signal(number, SIG_IGN);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  return getppid() == parent;  // it may have died before the line above
}

int WaitForStopSignal(uint64_t deadline_ns) {
  const uint64_t now_ns = NowNs();
  const uint64_t wait_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
  const timespec timeout = {.tv_sec = static_cast<time_t>(wait_ns / kNsPerS),
                            .tv_nsec = static_cast<long>(wait_ns % kNsPerS)};
  const int number = std::max(0, sigtimedwait(&stop_signals, nullptr, &timeout));
  if (number != 0 && is_child) alarm(kSecondsToEnd);
  return number;
}

}  // namespace weir::demo
