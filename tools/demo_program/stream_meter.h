// Measures one subscription: the taking thread adds, the reporting thread reads.
#ifndef WEIR_TOOLS_DEMO_PROGRAM_STREAM_METER_H_
#define WEIR_TOOLS_DEMO_PROGRAM_STREAM_METER_H_

#include <cstddef>
#include <cstdint>
#include <mutex>

#include "tools/demo_program/reports.h"
#include "weir/counts.h"
#include "weir/outcomes.h"

namespace weir::demo {

// Any thread. Add and Report hold a lock for as long as it takes to copy a report.
class StreamMeter {
 public:
  // A sample was taken at `taken_ns`. `counts` are the subscriber's, read after that.
  void Add(const SampleInfo& info, uint64_t taken_ns, bool content_ok, size_t held, const SubscriberCounts& counts);
  // A take brought something that could not be read.
  void AddInvalid(const SubscriberCounts& counts);
  // Everything so far; the longest gap only since the previous call.
  StreamReport Report(uint64_t now_ns);

 private:
  std::mutex mutex_;
  StreamReport report_;
  uint64_t last_taken_ns_ = 0;  // 0: nothing was taken yet
};

}  // namespace weir::demo

#endif  // WEIR_TOOLS_DEMO_PROGRAM_STREAM_METER_H_
