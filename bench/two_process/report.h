// From rounds to rows: what is printed, and what goes into the JSON.
#ifndef WEIR_BENCH_TWO_PROCESS_REPORT_H_
#define WEIR_BENCH_TWO_PROCESS_REPORT_H_

#include <array>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/two_process/machine.h"
#include "bench/two_process/scenario.h"

namespace weir::bench {

struct RunOptions {
  std::string mode;
  std::array<int, 2> cpus = {0, 1};
  uint32_t rounds = 0;
  std::array<uint64_t, kGroupCount> duration_ns = {};  // of one round, by group
  uint32_t depth = 0;
  uint64_t warm_up_exchanges = 0;
};

class Report {
 public:
  Report(const Scenarios& scenarios, const RunOptions& options, const Machine& machine, const Ticks& ticks);

  // What one round measured. The order of calls does not matter.
  void Add(size_t scenario, const SideResult& first, const SideResult& second);

  // Something was lost or damaged: one sentence each.
  const std::vector<std::string>& faults() const { return faults_; }

  std::string Table() const;
  nlohmann::ordered_json AsJson() const;

 private:
  struct Row {
    // Latency: samples of all rounds, and each round's median.
    std::vector<float> samples_ns;
    std::vector<double> round_p50_ns;
    // Throughput, by round.
    std::vector<double> sent_per_s;
    std::vector<double> received_per_s;
    uint64_t sent = 0;
    uint64_t received = 0;
    uint64_t missed = 0;
    uint64_t refused = 0;
    uint64_t damaged = 0;
    uint64_t reclaim_passes = 0;
  };
  struct Percentiles {
    double p50, p99, p999, max;
  };

  void Check(size_t scenario, const SideResult& first, const SideResult& second, uint64_t missed);
  Percentiles PercentilesOf(const Row& row) const;
  std::vector<size_t> RowsOf(Group group) const;
  // What a row is compared with: the same group's yardstick, of the same size.
  size_t ReferenceOf(size_t scenario) const;
  // Median over rounds of "this row's median / the reference's median of the same round"; 0 if there is none.
  double Ratio(size_t scenario, size_t reference) const;

  const Scenarios& scenarios_;
  RunOptions options_;
  Machine machine_;
  bool counter_clock_;
  std::vector<Row> rows_;
  std::vector<std::string> faults_;
};

}  // namespace weir::bench

#endif  // WEIR_BENCH_TWO_PROCESS_REPORT_H_
