// The facts of one run of the demo, gathered while it runs and judged afterwards.
#ifndef WEIR_TOOLS_DEMO_PROGRAM_RECORD_H_
#define WEIR_TOOLS_DEMO_PROGRAM_RECORD_H_

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/demo_program/reports.h"

namespace weir::demo {

// What was seen of the late subscriber's death.
struct KillRecord {
  pid_t pid = 0;
  bool by_sigkill = false;                                        // waitpid says so
  std::array<uint64_t, kStreams> held = {};                       // samples, as of its last report
  std::array<uint64_t, kStreams> steady_before = {};              // messages the other one had got by then
  std::array<uint64_t, kStreams> steady_gap_ns = {};              // its longest gap from the kill on, until the end
  std::set<std::string> files = {};                               // that it had made in the domain's folder
  std::optional<std::set<std::string>> files_after_cleanup = {};  // of these, nothing if it was not looked
};

struct Record {
  absl::Status failure = absl::OkStatus();  // why the demo could not be played to its end
  int stopped_by = 0;                       // a signal's number
  bool quit = false;                        // somebody pressed q
  double elapsed_s = 0;
  std::vector<std::string> events = {};  // what happened, with its time

  std::optional<PublisherReport> publisher = {};  // last reports
  std::optional<SubscriberReport> steady = {};
  std::optional<SubscriberReport> late = {};  // if it got as far as its first messages
  std::optional<KillRecord> kill = {};

  std::string domain_path = {};
  bool domain_gone = false;
  std::set<std::string> left_behind = {};  // files, if it is not

  bool early() const { return stopped_by != 0 || quit; }
};

}  // namespace weir::demo

#endif  // WEIR_TOOLS_DEMO_PROGRAM_RECORD_H_
