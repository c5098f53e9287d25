#include "bench/two_process/machine.h"

#include <sched.h>
#include <sys/utsname.h>

#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "bench/two_process/ticks.h"

namespace weir::bench {
namespace {

std::string CpuFile(int cpu, const char* name) {
  return absl::StrCat("/sys/devices/system/cpu/cpu", cpu, "/", name);
}

std::vector<int> AllowedCpus() {
  std::vector<int> allowed;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return allowed;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) allowed.push_back(cpu);
  }
  return allowed;
}

}  // namespace

std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

Machine DescribeMachine() {
  Machine machine;
  std::ifstream cpu_info("/proc/cpuinfo");
  for (std::string line; std::getline(cpu_info, line);) {
    const size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;
    if (machine.cpu_model.empty() && absl::StartsWith(line, "model name")) machine.cpu_model = line.substr(colon + 2);
    if (absl::StartsWith(line, "flags") && absl::StrContains(line, " hypervisor")) machine.is_virtual = true;
  }
  if (machine.cpu_model.empty()) machine.cpu_model = "a processor that /proc/cpuinfo does not name";
  machine.cpus = static_cast<int>(AllowedCpus().size());
  utsname names;
  if (uname(&names) == 0) machine.kernel = absl::StrCat(names.sysname, " ", names.release, " ", names.machine);
  machine.clock_source = FirstLine("/sys/devices/system/clocksource/clocksource0/current_clocksource");
  machine.governor = FirstLine(CpuFile(0, "cpufreq/scaling_governor"));
  return machine;
}

std::vector<int> ChooseCpus() {
  const std::vector<int> allowed = AllowedCpus();
  if (allowed.size() < 2) return allowed;
  // Hardware threads of one core share its caches, which would measure something else.
  const std::string siblings = FirstLine(CpuFile(allowed[0], "topology/thread_siblings_list"));
  for (const int cpu : allowed) {
    if (cpu != allowed[0] && FirstLine(CpuFile(cpu, "topology/thread_siblings_list")) != siblings) {
      return {allowed[0], cpu};
    }
  }
  return {allowed[0], allowed[1]};
}

Ticks::Ticks() {
#if defined(__x86_64__)
  is_counter_ = FirstLine("/sys/devices/system/clocksource/clocksource0/current_clocksource") == "tsc";
  if (!is_counter_) return;
  const uint64_t begin_ns = MonotonicNs();
  const uint64_t begin_ticks = __builtin_ia32_rdtsc();
  uint64_t end_ns;
  do {
    end_ns = MonotonicNs();
  } while (end_ns - begin_ns < 20'000'000);
  ns_per_tick_ = static_cast<double>(end_ns - begin_ns) / static_cast<double>(__builtin_ia32_rdtsc() - begin_ticks);
#endif
}

}  // namespace weir::bench
