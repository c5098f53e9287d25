#include "tools/demo_program/judge.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "tools/demo_program/text.h"

namespace weir::demo {
namespace {

// "a system_status, b image"
template <class PerStream>
std::string ForBoth(PerStream&& text) {
  return text(kStatus) + ", " + text(kImage);
}

// Every message that was published since the first one taken was taken or is known to be missed.
Finding JudgeAccounting(const Record& record) {
  const SubscriberReport& steady = *record.steady;
  const PublisherReport& publisher = *record.publisher;
  bool ok = true;
  const std::string numbers = ForBoth([&](Stream stream) {
    const StreamReport& got = steady.streams[stream];
    const uint64_t published = publisher.streams[stream].published;
    ok &= got.first_sequence == std::min<uint64_t>(published, 1) && got.last_sequence == published &&
          got.counts.delivered + got.counts.missed == published;
    return absl::StrFormat("%s of %s %s (missed %s)", Grouped(got.counts.delivered), Grouped(published),
                           kStreamNames[stream], Grouped(got.counts.missed));
  });
  if (ok) return {true, "Every message is accounted for: steady took " + numbers + "."};
  return {false, absl::StrFormat("Messages are unaccounted for: steady took %s, with sequences %d to %d and %d to %d.",
                                 numbers, steady.streams[kStatus].first_sequence, steady.streams[kStatus].last_sequence,
                                 steady.streams[kImage].first_sequence, steady.streams[kImage].last_sequence)};
}

Finding JudgeContent(const Record& record) {
  uint64_t samples = 0, invalid = 0, disordered = 0, bad = 0, torn = 0;
  for (const auto& report : {record.steady, record.late}) {
    if (!report) continue;
    for (const StreamReport& stream : report->streams) {
      samples += stream.counts.delivered;
      invalid += stream.counts.invalid;
      torn += stream.counts.torn;
      disordered += stream.out_of_order;
      bad += stream.bad_content;
    }
  }
  if (samples > 0 && invalid + disordered + bad + torn == 0) {
    return {true, absl::StrFormat("All %s samples were whole, in order, and contained what was published.",
                                  Grouped(samples))};
  }
  return {false, absl::StrFormat("Of %s samples %d were invalid, %d out of order, %d torn, %d had wrong content.",
                                 Grouped(samples), invalid, disordered, torn, bad)};
}

Finding JudgeHistory(const Record& record) {
  const SubscriberReport& late = *record.late;
  bool ok = true;
  const std::string numbers = ForBoth([&](Stream stream) {
    const StreamReport& got = late.streams[stream];
    // History and queue join without a seam: nothing twice, nothing left out that was not counted as missed.
    ok &= got.counts.from_history > 0 && got.counts.from_history <= kHistories[stream] &&
          got.counts.delivered + got.counts.missed == got.last_sequence - got.first_sequence + 1;
    return absl::StrFormat("%d %s (up to %s old)", got.counts.from_history, kStreamNames[stream],
                           DurationText(got.history_oldest_age_ns));
  });
  if (ok)
    return {true, "The late subscriber got from history " + numbers + "; the live messages followed without a seam."};
  return {false, absl::StrFormat("History did not join the live messages: late got from it %s, then up to %s.", numbers,
                                 ForBoth([&](Stream stream) {
                                   const StreamReport& got = late.streams[stream];
                                   return absl::StrFormat("%s %d after %d with %d taken and %d missed",
                                                          kStreamNames[stream], got.last_sequence, got.first_sequence,
                                                          got.counts.delivered, got.counts.missed);
                                 }))};
}

Finding JudgeKill(const KillRecord& kill) {
  const std::string held =
      ForBoth([&](Stream stream) { return absl::StrFormat("%d %s", kill.held[stream], kStreamNames[stream]); });
  if (kill.by_sigkill && kill.held[kStatus] > 0 && kill.held[kImage] > 0) {
    return {true,
            absl::StrFormat("The late subscriber (pid %d) was killed by SIGKILL while it held %s.", kill.pid, held)};
  }
  return {false, absl::StrFormat("The late subscriber (pid %d) was %skilled by SIGKILL while it held %s.", kill.pid,
                                 kill.by_sigkill ? "" : "not ", held)};
}

Finding JudgeStall(const Record& record) {
  const KillRecord& kill = *record.kill;
  bool ok = true;
  const std::string gaps = ForBoth([&](Stream stream) {
    const uint64_t gap_ns = kill.steady_gap_ns[stream];
    const uint64_t more = record.steady->streams[stream].counts.delivered - kill.steady_before[stream];
    ok &= gap_ns > 0 && gap_ns < kStallNs && more > 0;
    return absl::StrFormat("%s %s over %s", kStreamNames[stream], DurationText(gap_ns),
                           Plural(more, "message", "messages"));
  });
  if (ok) return {true, "Nothing stalled: steady's longest pause from the kill on was " + gaps + "."};
  return {false,
          absl::StrFormat("The other stream stalled: steady's longest pause from the kill on was %s; %s is the limit.",
                          gaps, DurationText(kStallNs))};
}

Finding JudgeCleanup(const KillRecord& kill) {
  const std::string had = Plural(kill.files.size(), "file", "files");
  if (!kill.files_after_cleanup) return {false, "Nobody looked whether the files of the dead went."};
  if (kill.files.empty()) return {false, "The late subscriber made no files, so there was nothing to clean up."};
  if (kill.files_after_cleanup->empty()) {
    return {true, absl::StrFormat("The dead one's %s were gone after the next subscriber had joined.", had)};
  }
  return {false, absl::StrFormat("Of the dead one's %s there are still, after the next subscriber had joined: %s.", had,
                                 absl::StrJoin(*kill.files_after_cleanup, ", "))};
}

Finding JudgeEnd(const Record& record) {
  if (record.domain_gone) return {true, "Nothing is left behind: " + record.domain_path + " is gone."};
  return {false, absl::StrFormat("%s was left behind, with %s.", record.domain_path,
                                 record.left_behind.empty() ? "no files" : absl::StrJoin(record.left_behind, ", "))};
}

}  // namespace

std::vector<Finding> Judge(const Record& record) {
  std::vector<Finding> findings;
  if (!record.failure.ok()) {
    findings.push_back({false, "The demo could not go on: " + std::string(record.failure.message())});
  }
  // After a failure the numbers of those who did not come to their end say nothing.
  const bool whole = record.failure.ok();
  if (whole && record.steady && record.steady->final && record.publisher && record.publisher->final) {
    findings.push_back(JudgeAccounting(record));
  } else if (whole && !record.early()) {
    findings.push_back({false, "The publisher or the steady subscriber ended without a last report."});
  }
  const bool has_samples = record.steady && record.steady->streams[kStatus].counts.delivered > 0;
  if (whole && (has_samples || !record.early())) findings.push_back(JudgeContent(record));
  if (whole && record.late) findings.push_back(JudgeHistory(record));
  if (whole && record.kill && record.steady && (record.kill->files_after_cleanup || !record.early())) {
    findings.push_back(JudgeKill(*record.kill));
    findings.push_back(JudgeStall(record));
    findings.push_back(JudgeCleanup(*record.kill));
  } else if (whole && !record.early()) {
    findings.push_back({false, "Nobody was killed."});
  }
  findings.push_back(JudgeEnd(record));
  return findings;
}

}  // namespace weir::demo
