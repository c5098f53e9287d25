// Whether a run of the demo showed what it is to show.
#ifndef WEIR_TOOLS_DEMO_PROGRAM_JUDGE_H_
#define WEIR_TOOLS_DEMO_PROGRAM_JUDGE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tools/demo_program/record.h"

namespace weir::demo {

// A pause of this length would be a stall. Messages come every 10 and 33 ms; a busy machine can add a lot to that, but
// not this much.
inline constexpr uint64_t kStallNs = 1'000'000'000;

struct Finding {
  bool ok = false;
  std::string sentence = {};
};

// One finding per claim of the demo. A run that was stopped early is judged by what it came to.
std::vector<Finding> Judge(const Record& record);

}  // namespace weir::demo

#endif  // WEIR_TOOLS_DEMO_PROGRAM_JUDGE_H_
