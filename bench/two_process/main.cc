// weir_bench: latency and throughput between two processes on two cores, beside a cache-line handoff, a futex, a Unix
// socket and a plain ring in shared memory, in the same run.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "bench/two_process/machine.h"
#include "bench/two_process/report.h"
#include "bench/two_process/scenario.h"
#include "bench/two_process/workers.h"

namespace weir::bench {
namespace {

constexpr int kExitSkipped = 77;  // what ctest understands as "not here"
constexpr uint64_t kMs = 1'000'000;

// By group: busy, sleeping, sizes, throughput.
struct Mode {
  const char* name;
  uint32_t rounds;
  std::array<uint64_t, kGroupCount> duration_ns;
  std::vector<uint64_t> sizes;
};

const Mode& FullMode() {
  static const Mode mode = {"full",
                            10,
                            {200 * kMs, 300 * kMs, 150 * kMs, 400 * kMs},
                            {64, 1u << 10, 16u << 10, 256u << 10, 1u << 20, 4u << 20}};
  return mode;
}
const Mode& QuickMode() {
  static const Mode mode = {"quick", 5, {50 * kMs, 80 * kMs, 40 * kMs, 100 * kMs}, {64, 64u << 10, 1u << 20, 4u << 20}};
  return mode;
}
const Mode& SmokeMode() {
  static const Mode mode = {"smoke", 1, {5 * kMs, 20 * kMs, 10 * kMs, 20 * kMs}, {64, 1u << 20}};
  return mode;
}

int Main(int argc, char** argv) {
  CLI::App app("Measures what a message costs between two processes, beside what the machine itself can do.");
  bool quick = false, smoke = false, list = false;
  std::string json, cpus_text;
  std::vector<std::string> only, groups;
  uint32_t rounds = 0, depth = 1024;
  double scale = 1;
  app.add_flag("--quick", quick, "less than 20 s instead of two minutes");
  app.add_flag("--smoke", smoke, "only shows that everything runs and nothing is lost; the times mean nothing");
  app.add_option("--only", only, "only what has this in its name (and what that is compared with); may be repeated");
  app.add_option("--group", groups, "only this group of rows; may be repeated")
      ->check(CLI::IsMember({"busy", "sleeping", "sizes", "throughput"}));
  app.add_option("--rounds", rounds, "rounds of each instead of the mode's");
  app.add_option("--scale", scale, "makes each round this much longer")->check(CLI::PositiveNumber);
  app.add_option("--depth", depth, "queue depth of the throughput rows")->check(CLI::Range(1, 65536));
  app.add_option("--cpus", cpus_text, "two CPUs to pin to, as in 0,1; default: the first two that are different cores");
  app.add_option("--json", json, "write the results there; - is standard output, which then has nothing else");
  app.add_flag("--list", list, "name what would be measured");
  CLI11_PARSE(app, argc, argv);

  const Mode& mode = smoke ? SmokeMode() : quick ? QuickMode() : FullMode();
  std::vector<int> cpus = ChooseCpus();
  if (!cpus_text.empty()) {
    cpus.assign(2, -1);
    if (std::sscanf(cpus_text.c_str(), "%d,%d", &cpus[0], &cpus[1]) != 2 || cpus[0] == cpus[1]) {
      std::cerr << "--cpus takes two different numbers, as in 0,1\n";
      return 2;
    }
  }
  if (cpus.size() < 2) {
    std::cerr << "weir_bench needs two CPUs; this process may use " << cpus.size() << "\n";
    return kExitSkipped;
  }

  RunOptions options = {.mode = mode.name,
                        .cpus = {cpus[0], cpus[1]},
                        .rounds = rounds != 0 ? rounds : mode.rounds,
                        .duration_ns = mode.duration_ns,
                        .depth = depth,
                        .warm_up_exchanges = smoke ? 100u : 2000u};
  for (uint64_t& ns : options.duration_ns) ns = static_cast<uint64_t>(static_cast<double>(ns) * scale);

  Scenarios scenarios;
  AddHandoffScenarios(scenarios);
  AddRingScenarios(scenarios, depth);
  AddSocketScenarios(scenarios, mode.sizes);
  AddWeirScenarios(scenarios, mode.sizes, depth);
  if (!only.empty()) {
    std::erase_if(scenarios, [&](const std::unique_ptr<Scenario>& one) {
      return one->name() != kTwoLines && std::none_of(only.begin(), only.end(), [&](const std::string& part) {
               return one->name().find(part) != std::string::npos;
             });
    });
  }
  if (!groups.empty()) {
    std::erase_if(scenarios, [&](const std::unique_ptr<Scenario>& one) {
      return std::find(groups.begin(), groups.end(), GroupName(one->group())) == groups.end();
    });
  }
  if (list) {
    for (const auto& one : scenarios)
      std::cout << GroupName(one->group()) << ": " << one->name() << ", " << one->bytes() << " bytes\n";
    return 0;
  }

  const Ticks ticks;
  Report report(scenarios, options, DescribeMachine(), ticks);
  auto workers = Workers::Start(
      scenarios, ticks, {.cpus = options.cpus, .domain = "weir-bench", .warm_up_exchanges = options.warm_up_exchanges});
  if (!workers.ok()) {
    std::cerr << "weir_bench: " << workers.status() << "\n";
    return 1;
  }
  for (int group = 0; group < kGroupCount; ++group) {
    const uint64_t duration_ns = options.duration_ns[static_cast<size_t>(group)];
    for (uint32_t round = 0; round <= options.rounds; ++round) {
      for (size_t i = 0; i < scenarios.size(); ++i) {
        if (static_cast<int>(scenarios[i]->group()) != group) continue;
        if (absl::Status status = (*workers)->Run(i, duration_ns); !status.ok()) {
          std::cerr << "weir_bench: " << status << "\n";
          return 1;
        }
        if (round != 0) report.Add(i, (*workers)->result(Side::kFirst), (*workers)->result(Side::kSecond));
      }
    }
  }

  if (json != "-") std::cout << report.Table();
  if (!json.empty()) {
    const std::string text = report.AsJson().dump(2) + "\n";
    if (json == "-") {
      std::cout << text;
    } else if (std::ofstream file(json); !(file << text)) {
      std::cerr << "weir_bench: cannot write " << json << "\n";
      return 1;
    }
  }
  return report.faults().empty() ? 0 : 1;
}

}  // namespace
}  // namespace weir::bench

int main(int argc, char** argv) {
  return weir::bench::Main(argc, argv);
}
