// The process that publishes: SystemStatus at 100 Hz, and at 30 Hz a picture of 1 MiB.
#ifndef WEIR_TOOLS_DEMO_PROGRAM_PUBLISHER_PROCESS_H_
#define WEIR_TOOLS_DEMO_PROGRAM_PUBLISHER_PROCESS_H_

#include <string>

#include "absl/status/status.h"

namespace weir::demo {

// Until a stop signal comes, or until something fails.
absl::Status RunPublisher(const std::string& domain);

}  // namespace weir::demo

#endif  // WEIR_TOOLS_DEMO_PROGRAM_PUBLISHER_PROCESS_H_
