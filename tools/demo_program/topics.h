// The topics of the demo.
#ifndef WEIR_TOOLS_DEMO_PROGRAM_TOPICS_H_
#define WEIR_TOOLS_DEMO_PROGRAM_TOPICS_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace weir::demo {

// What is published and measured. The numbers are indices in the reports.
enum Stream : size_t { kStatus = 0, kImage = 1 };
inline constexpr size_t kStreams = 2;
inline constexpr std::array<const char*, kStreams> kStreamNames = {"system_status", "image"};

inline constexpr std::array<uint32_t, kStreams> kRatesHz = {100, 30};
inline constexpr std::array<uint32_t, kStreams> kHistories = {100, 3};  // messages kept for late subscribers

// How the processes tell the parent what they see.
inline constexpr char kSubscriberReports[] = "demo/subscriber_reports";
inline constexpr char kPublisherReports[] = "demo/publisher_reports";
inline constexpr uint64_t kReportPeriodNs = 100'000'000;

}  // namespace weir::demo

#endif  // WEIR_TOOLS_DEMO_PROGRAM_TOPICS_H_
