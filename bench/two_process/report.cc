#include "bench/two_process/report.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace weir::bench {
namespace {

using Json = nlohmann::ordered_json;

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double Quantile(std::vector<float>& values, double fraction) {
  if (values.empty()) return 0;
  const auto last = static_cast<double>(values.size() - 1);
  const auto at = values.begin() + static_cast<ptrdiff_t>(fraction * last);
  std::nth_element(values.begin(), at, values.end());
  return static_cast<double>(*at);
}

double Largest(const std::vector<double>& values) {
  return values.empty() ? 0 : *std::max_element(values.begin(), values.end());
}
double Smallest(const std::vector<double>& values) {
  return values.empty() ? 0 : *std::min_element(values.begin(), values.end());
}

std::string BytesText(uint64_t bytes) {
  if (bytes >= 1u << 20) return absl::StrCat(bytes >> 20, " MiB");
  if (bytes >= 1u << 10) return absl::StrCat(bytes >> 10, " KiB");
  return absl::StrCat(bytes, " B");
}

}  // namespace

Report::Report(const Scenarios& scenarios, const RunOptions& options, const Machine& machine, const Ticks& ticks)
    : scenarios_(scenarios),
      options_(options),
      machine_(machine),
      counter_clock_(ticks.is_counter()),
      rows_(scenarios.size()) {}

void Report::Add(size_t scenario, const SideResult& first, const SideResult& second) {
  Row& row = rows_[scenario];
  const bool throughput = scenarios_[scenario]->group() == Group::kThroughput;
  uint64_t missed = first.missed + second.missed;
  if (throughput) {
    // The numbers end with the producer's; what was missed right before the end mark shows only here.
    missed += first.sent - second.sent;
    row.sent += first.sent;
    row.received += second.received;
    row.sent_per_s.push_back(static_cast<double>(first.sent) / first.seconds);
    row.received_per_s.push_back(static_cast<double>(second.received) / second.seconds);
  } else {
    row.sent += first.sent + second.sent;
    row.received += first.received + second.received;
    const SideResult& timed = first.sample_count != 0 ? first : second;
    std::vector<float> samples(timed.samples_ns, timed.samples_ns + timed.sample_count);
    row.round_p50_ns.push_back(Quantile(samples, 0.5));
    row.samples_ns.insert(row.samples_ns.end(), samples.begin(), samples.end());
  }
  row.missed += missed;
  row.refused += first.refused;
  row.damaged += first.damaged + second.damaged;
  row.reclaim_passes += first.reclaim_passes;
  Check(scenario, first, second, missed);
}

void Report::Check(size_t scenario, const SideResult& first, const SideResult& second, uint64_t missed) {
  const Scenario& what = *scenarios_[scenario];
  const auto fault = [&](const std::string& text) {
    faults_.push_back(absl::StrCat(GroupName(what.group()), ", ", what.name(), ": ", text));
  };
  if (const uint64_t damaged = first.damaged + second.damaged; damaged != 0) {
    fault(absl::StrCat(damaged, " messages were damaged or out of order"));
  }
  if (what.is_lossless() && missed != 0) fault(absl::StrCat(missed, " messages were lost"));
  if (what.group() != Group::kThroughput) return;
  if (first.sent != second.received + missed + second.damaged) {
    fault(absl::StrCat(first.sent, " messages were sent, but ", second.received, " received and ", missed, " missed"));
  }
  if (!absl::StartsWith(what.name(), "weir")) return;
  // Weir counts by its own sequence, in which each refused publish has a number too.
  if (second.counted_missed != missed + first.refused) {
    fault(absl::StrCat("the subscriber counted ", second.counted_missed, " missed messages; it missed ", missed,
                       " that were sent, and ", first.refused, " publishes were refused"));
  }
  if (first.counted_evicted != missed) {
    fault(absl::StrCat("the publisher counted ", first.counted_evicted, " evicted messages, but ", missed,
                       " were missed"));
  }
}

Report::Percentiles Report::PercentilesOf(const Row& row) const {
  std::vector<float> samples = row.samples_ns;
  return {.p50 = Quantile(samples, 0.5),
          .p99 = Quantile(samples, 0.99),
          .p999 = Quantile(samples, 0.999),
          .max = Quantile(samples, 1)};
}

std::vector<size_t> Report::RowsOf(Group group) const {
  std::vector<size_t> rows;
  for (size_t i = 0; i < scenarios_.size(); ++i) {
    const Row& row = rows_[i];
    if (scenarios_[i]->group() == group && (!row.round_p50_ns.empty() || !row.received_per_s.empty())) {
      rows.push_back(i);
    }
  }
  return rows;
}

size_t Report::ReferenceOf(size_t scenario) const {
  const Scenario& what = *scenarios_[scenario];
  for (size_t i = 0; i < scenarios_.size(); ++i) {
    const Scenario& other = *scenarios_[i];
    if (other.group() != what.group()) continue;
    switch (what.group()) {
      case Group::kBusy:
        if (other.name() == kTwoLines) return i;
        break;
      case Group::kSleeping:
      case Group::kThroughput:
        return i;  // the first of its group
      case Group::kSizes:
        if (other.bytes() == what.bytes()) return i;
        break;
    }
  }
  return scenario;
}

double Report::Ratio(size_t scenario, size_t reference) const {
  const bool throughput = scenarios_[scenario]->group() == Group::kThroughput;
  const std::vector<double>& mine = throughput ? rows_[scenario].received_per_s : rows_[scenario].round_p50_ns;
  const std::vector<double>& theirs = throughput ? rows_[reference].received_per_s : rows_[reference].round_p50_ns;
  std::vector<double> ratios;
  for (size_t i = 0; i < mine.size() && i < theirs.size(); ++i) {
    if (theirs[i] > 0) ratios.push_back(mine[i] / theirs[i]);
  }
  return Median(std::move(ratios));
}

std::string Report::Table() const {
  std::string text;
  absl::StrAppendFormat(&text, "machine   %s%s, %d CPUs, %s, clock source %s%s\n", machine_.cpu_model,
                        machine_.is_virtual ? " (virtual machine)" : "", machine_.cpus, machine_.kernel,
                        machine_.clock_source,
                        machine_.governor.empty() ? "" : absl::StrCat(", governor ", machine_.governor));
  absl::StrAppendFormat(&text, "pinned    first process to CPU %d, second to CPU %d; times read from %s\n",
                        options_.cpus[0], options_.cpus[1],
                        counter_clock_ ? "the time-stamp counter" : "CLOCK_MONOTONIC");
  absl::StrAppendFormat(
      &text,
      "run       %s: %u rounds of each, alternating, after one that does not count; %llu exchanges of "
      "warm-up in each round\n",
      options_.mode, options_.rounds, static_cast<unsigned long long>(options_.warm_up_exchanges));
  absl::StrAppend(&text,
                  "weir      default options except as named; a message is filled, and read and checked, whole\n");

  const auto latency = [&](Group group, const char* title, const char* compared) {
    const std::vector<size_t> rows = RowsOf(group);
    if (rows.empty()) return;
    absl::StrAppendFormat(&text, "\n%-56s%9s%9s%9s%10s%11s%9s\n", title, "p50", "p99", "p99.9", "max", "best p50",
                          compared);
    for (const size_t i : rows) {
      const Scenario& what = *scenarios_[i];
      const Percentiles p = PercentilesOf(rows_[i]);
      const size_t reference = ReferenceOf(i);
      const std::string name =
          group == Group::kSizes ? absl::StrFormat("%8s  %s", BytesText(what.bytes()), what.name()) : what.name();
      absl::StrAppendFormat(&text, "%-56s%9.0f%9.0f%9.0f%10.0f%11.0f%9.2f\n", absl::StrCat("  ", name), p.p50, p.p99,
                            p.p999, p.max, Smallest(rows_[i].round_p50_ns), Ratio(i, reference));
    }
  };
  latency(Group::kBusy, "One way, 64 bytes, both sides polling [ns]", "x 2 lines");
  latency(Group::kSleeping, "One way, 64 bytes, the receiver sleeps [ns]", "x futex");
  latency(Group::kSizes, "One way by size, polling (socket: blocking) [ns]", "x socket");

  if (const std::vector<size_t> rows = RowsOf(Group::kThroughput); !rows.empty()) {
    absl::StrAppendFormat(&text, "\n%-44s%9s%9s%9s%14s%13s%12s\n",
                          absl::StrCat("One to one, 64 bytes, depth ", options_.depth, " [M/s]"), "median", "best",
                          "x ring", "received", "missed", "refused");
    for (const size_t i : rows) {
      const Row& row = rows_[i];
      absl::StrAppendFormat(&text, "%-44s%9.2f%9.2f%9.2f%14llu%13llu%12llu\n",
                            absl::StrCat("  ", scenarios_[i]->name()), Median(row.received_per_s) * 1e-6,
                            Largest(row.received_per_s) * 1e-6, Ratio(i, ReferenceOf(i)),
                            static_cast<unsigned long long>(row.received), static_cast<unsigned long long>(row.missed),
                            static_cast<unsigned long long>(row.refused));
    }
    absl::StrAppend(
        &text,
        "  received: whole and in order. missed: overwritten before they were taken. refused: publishes that "
        "a full queue did not take, tried again.\n");
  }
  for (const std::string& one : faults_) absl::StrAppend(&text, "\nFAULT: ", one);
  if (!faults_.empty()) absl::StrAppend(&text, "\n");
  return text;
}

Json Report::AsJson() const {
  Json json;
  json["machine"] = {
      {"cpu_model", machine_.cpu_model}, {"virtual", machine_.is_virtual},        {"cpus", machine_.cpus},
      {"kernel", machine_.kernel},       {"clock_source", machine_.clock_source}, {"governor", machine_.governor}};
  Json durations;
  for (int group = 0; group < kGroupCount; ++group) {
    durations[GroupName(static_cast<Group>(group))] = options_.duration_ns[static_cast<size_t>(group)];
  }
  json["run"] = {{"mode", options_.mode},
                 {"pinned", options_.cpus},
                 {"rounds", options_.rounds},
                 {"round_ns", durations},
                 {"warm_up_exchanges", options_.warm_up_exchanges},
                 {"throughput_depth", options_.depth}};
  Json rows = Json::array();
  for (size_t row_index = 0; row_index < rows_.size(); ++row_index) {
    const Row& row = rows_[row_index];
    const Scenario& what = *scenarios_[row_index];
    if (row.round_p50_ns.empty() && row.received_per_s.empty()) continue;
    Json one = {{"group", GroupName(what.group())}, {"name", what.name()},  {"bytes", what.bytes()}, {"sent", row.sent},
                {"received", row.received},         {"missed", row.missed}, {"damaged", row.damaged}};
    const size_t reference = ReferenceOf(row_index);
    one["compared_with"] = scenarios_[reference]->name();
    one["ratio"] = Ratio(row_index, reference);
    if (what.group() == Group::kThroughput) {
      one["refused"] = row.refused;
      one["reclaim_passes"] = row.reclaim_passes;
      one["median_per_s"] = Median(row.received_per_s);
      one["best_per_s"] = Largest(row.received_per_s);
      one["round_sent_per_s"] = row.sent_per_s;
      one["round_received_per_s"] = row.received_per_s;
    } else {
      const Percentiles p = PercentilesOf(row);
      one["samples"] = row.samples_ns.size();
      one["p50_ns"] = p.p50;
      one["p99_ns"] = p.p99;
      one["p99_9_ns"] = p.p999;
      one["max_ns"] = p.max;
      one["round_p50_ns"] = row.round_p50_ns;
    }
    rows.push_back(std::move(one));
  }
  json["rows"] = std::move(rows);
  json["faults"] = faults_;
  return json;
}

}  // namespace weir::bench
