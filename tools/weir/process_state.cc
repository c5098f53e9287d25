#include "tools/weir/process_state.h"

#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"

namespace weir::tool {

std::optional<ProcessState> StateOf(uint32_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  std::stringstream text;
  if (!file || !(text << file.rdbuf())) return std::nullopt;
  // "17 (name) S 1 ...", where the name may contain anything.
  const std::string all = text.str();
  const size_t open = all.find('('), close = all.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
  ProcessState found = {.name = all.substr(open + 1, close - open - 1)};
  std::istringstream rest(all.substr(close + 1));
  if (!(rest >> found.state >> found.parent)) return std::nullopt;
  return found;
}

Liveness LivenessOf(bool alive, uint32_t pid) {
  if (!alive) return {"dead", Style::kRed};
  const std::optional<ProcessState> process = StateOf(pid);
  if (process && (process->state == 'T' || process->state == 't')) return {"stopped", Style::kYellow};
  return {"alive", Style::kGreen};
}

Liveness LivenessOf(const NodeInfo& node) {
  return LivenessOf(node.alive, node.pid);
}

}  // namespace weir::tool
