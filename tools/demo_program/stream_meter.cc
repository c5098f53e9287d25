#include "tools/demo_program/stream_meter.h"

#include <algorithm>

namespace weir::demo {
namespace {

// The library may read its clock another way than we do, so that a nanosecond can look negative.
uint64_t Since(uint64_t then_ns, uint64_t now_ns) {
  return now_ns > then_ns ? now_ns - then_ns : 0;
}

}  // namespace

void StreamMeter::Add(const SampleInfo& info, uint64_t taken_ns, bool content_ok, size_t held,
                      const SubscriberCounts& counts) {
  const std::lock_guard lock(mutex_);
  if (report_.first_sequence == 0) report_.first_sequence = info.sequence;
  if (info.sequence <= report_.last_sequence) ++report_.out_of_order;
  report_.last_sequence = info.sequence;
  if (!content_ok) ++report_.bad_content;
  report_.held = held;
  report_.counts = counts;

  const uint64_t age_ns = Since(info.published_ns, taken_ns);
  if (info.from_history) {
    report_.history_oldest_age_ns = std::max(report_.history_oldest_age_ns, age_ns);
  } else {
    report_.latency.Add(age_ns);
  }
  if (last_taken_ns_ != 0) report_.gap_ns = std::max(report_.gap_ns, Since(last_taken_ns_, taken_ns));
  last_taken_ns_ = taken_ns;
}

void StreamMeter::AddInvalid(const SubscriberCounts& counts) {
  const std::lock_guard lock(mutex_);
  report_.counts = counts;
}

StreamReport StreamMeter::Report(uint64_t now_ns) {
  const std::lock_guard lock(mutex_);
  StreamReport report = report_;
  // A gap that lasts is one already.
  if (last_taken_ns_ != 0) report.gap_ns = std::max(report.gap_ns, Since(last_taken_ns_, now_ns));
  report_.gap_ns = 0;
  return report;
}

}  // namespace weir::demo
