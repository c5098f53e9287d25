// Samples the machine it runs on: each core's load, memory, network, disks, temperatures.
#ifndef WEIR_TOOLS_DEMO_PROGRAM_PROC_SAMPLER_H_
#define WEIR_TOOLS_DEMO_PROGRAM_PROC_SAMPLER_H_

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "tools/demo_program/proc_text.h"
#include "tools/demo_program/temperatures.h"
#include "tools/demo_program/text_file.h"

namespace weir::demo {

struct CoreLoad {
  uint32_t core = 0;
  double load = 0;  // 0 (idle) to 1
};

struct NetworkRate {
  NetworkTotals totals = {};
  double received_bytes_per_s = 0;
  double sent_bytes_per_s = 0;
};

struct DiskRate {
  DiskTotals totals = {};
  double read_bytes_per_s = 0;
  double written_bytes_per_s = 0;
};

struct SystemReading {
  std::vector<CoreLoad> cores = {};
  Memory memory = {};
  Load load = {};
  uint32_t processes = 0;
  std::vector<NetworkRate> networks = {};
  std::vector<DiskRate> disks = {};
  std::vector<Temperature> temperatures = {};
  uint64_t interval_ns = 0;  // over which loads and rates are taken
};

// Used by one thread. What the machine does not have stays empty or zero.
//
// Loads and rates are taken over the last half second: the kernel counts a core's time in ticks of 10 ms, so that
// between two samples at 100 Hz a core is either idle or fully busy.
class ProcSampler {
 public:
  static constexpr uint64_t kWindowNs = 500'000'000;
  // What is slow to read and slow to change: thermometers, and the number of processes.
  static constexpr uint64_t kSlowPeriodNs = 1'000'000'000;

  // `root`: the folder that holds "proc" and "sys", "" for the machine itself.
  explicit ProcSampler(const std::string& root = "");

  // `now_ns` on any clock that goes forward. The first sample has no loads and rates yet: there is nothing to
  // compare with. The result is valid until the next call.
  const SystemReading& Sample(uint64_t now_ns);

 private:
  struct Totals {
    uint64_t at_ns = 0;
    std::vector<CoreTicks> cores;
    std::vector<NetworkTotals> networks;
    std::vector<DiskTotals> disks;
  };
  void Compare(const Totals& then, const Totals& now);

  TextFile stat_, meminfo_, loadavg_, net_dev_, diskstats_;
  Thermometers thermometers_;
  std::string proc_;
  uint64_t slow_at_ns_ = 0;
  std::deque<Totals> window_;  // oldest first
  SystemReading reading_;
};

}  // namespace weir::demo

#endif  // WEIR_TOOLS_DEMO_PROGRAM_PROC_SAMPLER_H_
