// What is printed at the end.
#ifndef WEIR_TOOLS_DEMO_PROGRAM_SUMMARY_H_
#define WEIR_TOOLS_DEMO_PROGRAM_SUMMARY_H_

#include <vector>

#include "tools/demo_program/judge.h"
#include "tools/demo_program/record.h"

namespace weir::demo {

// To standard output; what is not as it should be also to standard error. `with_events`: tells again what happened.
void PrintSummary(const Record& record, const std::vector<Finding>& findings, bool with_events);

}  // namespace weir::demo

#endif  // WEIR_TOOLS_DEMO_PROGRAM_SUMMARY_H_
