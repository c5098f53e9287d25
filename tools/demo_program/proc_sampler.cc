#include "tools/demo_program/proc_sampler.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

namespace weir::demo {
namespace {

// Counters go back when a device is replaced or an interface restarted; that is no negative rate.
double Rate(uint64_t then, uint64_t now, double seconds) {
  return now <= then || seconds <= 0 ? 0 : static_cast<double>(now - then) / seconds;
}

template <class Totals>
const Totals* FindByName(const std::vector<Totals>& all, const std::string& name) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const Totals& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

// Each process is a folder of its number.
uint32_t CountProcesses(const std::string& proc) {
  uint32_t count = 0;
  std::error_code ignored;  // a missing folder has none
  for (std::filesystem::directory_iterator entry(proc, ignored), end; entry != end; entry.increment(ignored)) {
    if (entry->path().filename().string().find_first_not_of("0123456789") == std::string::npos) ++count;
  }
  return count;
}

}  // namespace

ProcSampler::ProcSampler(const std::string& root)
    : stat_(root + "/proc/stat"),
      meminfo_(root + "/proc/meminfo"),
      loadavg_(root + "/proc/loadavg"),
      net_dev_(root + "/proc/net/dev"),
      diskstats_(root + "/proc/diskstats"),
      thermometers_(root),
      proc_(root + "/proc") {}

const SystemReading& ProcSampler::Sample(uint64_t now_ns) {
  Totals now{.at_ns = now_ns,
             .cores = ParseStat(stat_.Read()),
             .networks = ParseNetDev(net_dev_.Read()),
             .disks = ParseDiskstats(diskstats_.Read())};
  reading_.memory = ParseMeminfo(meminfo_.Read());
  reading_.load = ParseLoadavg(loadavg_.Read());
  if (window_.empty() || now_ns - slow_at_ns_ >= kSlowPeriodNs) {
    slow_at_ns_ = now_ns;
    reading_.temperatures = thermometers_.Read();
    reading_.processes = CountProcesses(proc_);
  }

  while (window_.size() > 1 && now_ns - window_.front().at_ns > kWindowNs) window_.pop_front();
  Compare(window_.empty() ? now : window_.front(), now);
  window_.push_back(std::move(now));
  return reading_;
}

void ProcSampler::Compare(const Totals& then, const Totals& now) {
  const double seconds = static_cast<double>(now.at_ns - then.at_ns) * 1e-9;
  reading_.interval_ns = now.at_ns - then.at_ns;
  reading_.cores.clear();
  for (const CoreTicks& core : now.cores) {
    const auto before = std::find_if(then.cores.begin(), then.cores.end(),
                                     [&](const CoreTicks& other) { return other.core == core.core; });
    CoreLoad load{.core = core.core};
    // A core that came back from being off may count anew.
    if (before != then.cores.end() && core.total > before->total && core.busy >= before->busy) {
      load.load = std::min(
          1.0, static_cast<double>(core.busy - before->busy) / static_cast<double>(core.total - before->total));
    }
    reading_.cores.push_back(load);
  }
  reading_.networks.clear();
  for (const NetworkTotals& network : now.networks) {
    NetworkRate rate{.totals = network};
    if (const NetworkTotals* before = FindByName(then.networks, network.name)) {
      rate.received_bytes_per_s = Rate(before->received_bytes, network.received_bytes, seconds);
      rate.sent_bytes_per_s = Rate(before->sent_bytes, network.sent_bytes, seconds);
    }
    reading_.networks.push_back(std::move(rate));
  }
  reading_.disks.clear();
  for (const DiskTotals& disk : now.disks) {
    DiskRate rate{.totals = disk};
    if (const DiskTotals* before = FindByName(then.disks, disk.name)) {
      rate.read_bytes_per_s = Rate(before->read_bytes, disk.read_bytes, seconds);
      rate.written_bytes_per_s = Rate(before->written_bytes, disk.written_bytes, seconds);
    }
    reading_.disks.push_back(std::move(rate));
  }
}

}  // namespace weir::demo
