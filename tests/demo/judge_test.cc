// weir-test: links=weir_demo_parts
#include "tools/demo_program/judge.h"

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace weir::demo {
namespace {

StreamReport Stream(uint64_t first, uint64_t last, uint64_t missed, uint64_t history) {
  StreamReport report;
  report.first_sequence = first;
  report.last_sequence = last;
  report.counts.delivered = last - first + 1 - missed;
  report.counts.missed = missed;
  report.counts.from_history = history;
  return report;
}

// A run in which everything went well.
Record GoodRun() {
  Record record;
  record.domain_path = "/dev/shm/weir-0/demo-1";
  record.domain_gone = true;
  record.publisher = PublisherReport{.final = 1};
  record.publisher->streams[kStatus].published = 400;
  record.publisher->streams[kImage].published = 120;
  record.steady = SubscriberReport{.role = Role::kSteady, .final = 1};
  record.steady->streams = {Stream(1, 400, 2, 0), Stream(1, 120, 0, 0)};
  record.late = SubscriberReport{.role = Role::kLate};
  record.late->streams = {Stream(21, 240, 0, 100), Stream(34, 70, 1, 3)};
  record.kill = KillRecord{.pid = 4711,
                           .by_sigkill = true,
                           .held = {8, 3},
                           .steady_before = {240, 70},
                           .steady_gap_ns = {11'000'000, 34'000'000},
                           .files = {"queue.1", "table.1"},
                           .files_after_cleanup = std::set<std::string>()};
  return record;
}

// The sentences of what is not as it should be after `spoil` was done to a good run.
std::vector<std::string> Complaints(const std::function<void(Record&)>& spoil) {
  Record record = GoodRun();
  spoil(record);
  std::vector<std::string> complaints;
  for (const Finding& finding : Judge(record)) {
    if (!finding.ok) complaints.push_back(finding.sentence);
  }
  return complaints;
}

TEST(JudgeTest, AGoodRunIsGood) {
  EXPECT_EQ(Complaints([](Record&) {}), std::vector<std::string>());
  EXPECT_EQ(Judge(GoodRun()).size(), 7u);
}

TEST(JudgeTest, EachFaultHasItsOwnComplaint) {
  const std::vector<std::function<void(Record&)>> faults = {
      [](Record& record) { --record.steady->streams[kStatus].counts.delivered; },
      [](Record& record) { ++record.publisher->streams[kImage].published; },
      [](Record& record) { record.steady->streams[kStatus].first_sequence = 2; },
      [](Record& record) { record.steady->final = 0; },
      [](Record& record) { record.publisher.reset(); },
      [](Record& record) { record.steady->streams[kImage].bad_content = 1; },
      [](Record& record) { record.late->streams[kImage].out_of_order = 1; },
      [](Record& record) { record.late->streams[kImage].counts.torn = 1; },
      [](Record& record) { record.steady->streams[kStatus].counts.invalid = 1; },
      [](Record& record) { record.late->streams[kStatus].counts.from_history = 0; },
      [](Record& record) { record.late->streams[kStatus].counts.from_history = kHistories[kStatus] + 1; },
      [](Record& record) { ++record.late->streams[kStatus].counts.delivered; },
      [](Record& record) { record.kill->by_sigkill = false; },
      [](Record& record) { record.kill->held[kImage] = 0; },
      [](Record& record) { record.kill->steady_gap_ns[kImage] = kStallNs; },
      [](Record& record) { record.kill->steady_gap_ns[kStatus] = 0; },
      [](Record& record) {
        record.kill->steady_before = {400, 120};
      },
      [](Record& record) { record.kill->files_after_cleanup = {"table.1"}; },
      [](Record& record) { record.kill->files_after_cleanup.reset(); },
      [](Record& record) { record.kill->files.clear(); },
      [](Record& record) { record.kill.reset(); },
      [](Record& record) { record.domain_gone = false; },
      [](Record& record) { record.failure = absl::InternalError("the publisher exited with 1"); },
  };
  for (size_t i = 0; i < faults.size(); ++i) {
    const std::vector<std::string> complaints = Complaints(faults[i]);
    ASSERT_EQ(complaints.size(), 1u) << "fault " << i << ", second: " << (complaints.empty() ? "" : complaints.back());
    EXPECT_TRUE(complaints[0].ends_with('.') || i + 1 == faults.size()) << complaints[0];
  }
}

TEST(JudgeTest, ARunThatWasStoppedEarlyIsJudgedByWhatItCameTo) {
  Record record;
  record.stopped_by = 2;
  record.domain_gone = true;
  for (const Finding& finding : Judge(record)) EXPECT_TRUE(finding.ok) << finding.sentence;
  EXPECT_TRUE(Complaints([](Record& run) {
                run.quit = true;
                run.kill.reset();
                run.late.reset();
              }).empty());
  EXPECT_EQ(Complaints([](Record& run) {
              run.quit = true;
              run.domain_gone = false;
            }).size(),
            1u);
}

TEST(JudgeTest, WhatWasLeftBehindIsNamed) {
  const auto complaints = Complaints([](Record& record) {
    record.domain_gone = false;
    record.left_behind = {"pool.1", "registry"};
  });
  ASSERT_EQ(complaints.size(), 1u);
  EXPECT_NE(complaints[0].find("pool.1, registry"), std::string::npos) << complaints[0];
}

}  // namespace
}  // namespace weir::demo
