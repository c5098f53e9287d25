// What the demo's processes tell their parent ten times a second, as plain structs over topics of their own.
#ifndef WEIR_TOOLS_DEMO_PROGRAM_REPORTS_H_
#define WEIR_TOOLS_DEMO_PROGRAM_REPORTS_H_

#include <array>
#include <cstdint>
#include <type_traits>

#include "tools/demo_program/histogram.h"
#include "tools/demo_program/topics.h"
#include "weir/counts.h"

namespace weir::demo {

enum class Role : uint32_t { kSteady = 0, kLate = 1 };
constexpr const char* RoleName(Role role) {
  return role == Role::kSteady ? "steady" : "late";
}

// One subscription. Except for gap_ns, everything counts from the beginning.
struct StreamReport {
  SubscriberCounts counts = {};
  uint64_t first_sequence = 0;  // 0: nothing was taken yet
  uint64_t last_sequence = 0;
  uint64_t out_of_order = 0;           // samples with a sequence not above the one before
  uint64_t bad_content = 0;            // samples that do not contain what their publisher puts there
  uint64_t held = 0;                   // samples held right now
  uint64_t history_oldest_age_ns = 0;  // when it was taken, the oldest sample from history was published so long ago
  uint64_t gap_ns = 0;                 // longest time without a sample since the previous report, up to now
  Histogram latency = {};              // from Publish to Take, without samples from history
};

struct SubscriberReport {
  Role role = Role::kSteady;
  int32_t pid = 0;
  uint64_t at_ns = 0;  // CLOCK_MONOTONIC
  uint64_t final = 0;  // 1 in the last report of a process
  std::array<StreamReport, kStreams> streams = {};
};

struct PublisherReport {
  int32_t pid = 0;
  uint32_t final = 0;
  uint64_t at_ns = 0;
  std::array<PublisherCounts, kStreams> streams = {};
};

static_assert(std::is_trivially_copyable_v<SubscriberReport> && std::is_trivially_copyable_v<PublisherReport>);

}  // namespace weir::demo

#endif  // WEIR_TOOLS_DEMO_PROGRAM_REPORTS_H_
