// What the tool's exit codes mean. `weir --help` and the manual page say the same.
#ifndef WEIR_TOOLS_WEIR_EXIT_CODE_H_
#define WEIR_TOOLS_WEIR_EXIT_CODE_H_

#include "absl/status/status.h"

namespace weir::tool {

enum ExitCode : int {
  kOk = 0,            // done; also when Ctrl-C ended what has no end of its own (echo, hz, bw, latency, top)
  kError = 1,         // doctor: there are findings
  kUsage = 2,         // the command line
  kNotFound = 3,      // no such domain, topic, field or type
  kTimedOut = 4,      // --timeout or --for was over, and nothing had come
  kInterrupted = 130  // a signal came before what was asked for was done
};

inline ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kOk;
    case absl::StatusCode::kNotFound:
      return kNotFound;
    case absl::StatusCode::kDeadlineExceeded:
      return kTimedOut;
    case absl::StatusCode::kCancelled:
      return kInterrupted;
    default:
      return kError;
  }
}

}  // namespace weir::tool

#endif  // WEIR_TOOLS_WEIR_EXIT_CODE_H_
