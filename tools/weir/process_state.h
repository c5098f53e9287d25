// What /proc says about the processes behind nodes. Only processes of this pid namespace are seen.
#ifndef WEIR_TOOLS_WEIR_PROCESS_STATE_H_
#define WEIR_TOOLS_WEIR_PROCESS_STATE_H_

#include <weir/inspect.h>

#include <cstdint>
#include <optional>
#include <string>

#include "tools/weir/output.h"

namespace weir::tool {

struct ProcessState {
  char state = '?';     // as in /proc/<pid>/stat: R, S, D, T (stopped), Z (a zombie), ...
  uint32_t parent = 0;  // pid
  std::string name = {};
};

// Nothing if there is no such process, or it is not seen.
std::optional<ProcessState> StateOf(uint32_t pid);

// How a node is: "alive", "stopped" (it gets no CPU time: SIGSTOP or a debugger), "dead".
struct Liveness {
  const char* text;
  Style style;
};
Liveness LivenessOf(const NodeInfo& node);
Liveness LivenessOf(bool alive, uint32_t pid);

}  // namespace weir::tool

#endif  // WEIR_TOOLS_WEIR_PROCESS_STATE_H_
