// A process that subscribes to both topics, checks what it gets and reports what it measures.
#ifndef WEIR_TOOLS_DEMO_PROGRAM_SUBSCRIBER_PROCESS_H_
#define WEIR_TOOLS_DEMO_PROGRAM_SUBSCRIBER_PROCESS_H_

#include <string>

#include "absl/status/status.h"
#include "tools/demo_program/reports.h"

namespace weir::demo {

// Until a stop signal comes, or until something fails. The late one always holds its newest samples: they lie in the
// publisher's memory, which must get them back when it is killed.
absl::Status RunSubscriber(const std::string& domain, Role role);

}  // namespace weir::demo

#endif  // WEIR_TOOLS_DEMO_PROGRAM_SUBSCRIBER_PROCESS_H_
