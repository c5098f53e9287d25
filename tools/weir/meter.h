// What hz, bw and latency have in common: a subscription that harms nobody, reports once a second, a last one at the
// end.
#ifndef WEIR_TOOLS_WEIR_METER_H_
#define WEIR_TOOLS_WEIR_METER_H_

#include <weir/dynamic.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/weir/commands.h"
#include "tools/weir/domain_json.h"

namespace weir::tool {

struct MeterOptions {
  std::string topic;
  double for_s = 0;    // 0: until Ctrl-C
  double every_s = 1;  // between reports
  bool json = false;
  bool spin = false;  // look for messages without sleeping
};

// The options that all meters have.
void AddMeterOptions(CLI::App& command, MeterOptions& options);

class Meter {
 public:
  virtual ~Meter() = default;
  // A message that was published after the subscription began. `taken_ns`: [CLOCK_MONOTONIC], right after the take.
  virtual void OnMessage(const DynamicSample& sample, uint64_t taken_ns) = 0;
  // One line about what came since the last one, or lately.
  virtual std::string ReportText() = 0;
  virtual Json ReportJson() = 0;
  // About all of it, when there was at least one message.
  virtual std::string SummaryText(absl::Duration duration) = 0;
  virtual Json SummaryJson() = 0;
  virtual uint64_t messages() const = 0;
};

absl::StatusOr<ExitCode> RunMeter(const Globals& globals, const char* command, const MeterOptions& options,
                                  Meter& meter);

}  // namespace weir::tool

#endif  // WEIR_TOOLS_WEIR_METER_H_
