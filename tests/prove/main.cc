// prove: runs the scenarios of this folder. tools/prove builds and runs it.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "tests/prove/hunt.h"
#include "tests/prove/scenarios.h"
#include "tests/prove/scheduler.h"
#include "tests/prove/search.h"

namespace weir::prove {
namespace {

void PrintRow(const Scenario& scenario, const Report& report) {
  std::printf("%-32s %11llu %10llu %11llu %5d %7.1f  %s\n", scenario.name.c_str(),
              static_cast<unsigned long long>(report.schedules), static_cast<unsigned long long>(report.complete),
              static_cast<unsigned long long>(report.states), report.steps_longest, report.seconds,
              report.failure     ? "FAILED"
              : report.exhausted ? "all"
                                 : "some");
  if (report.failure) {
    std::printf("    %s\n    --scenario %s --schedule %s\n", report.failure->what.c_str(), scenario.name.c_str(),
                report.failure->schedule.c_str());
  }
  std::fflush(stdout);
}

int HuntLabels(Scheduler& scheduler, const std::string& name, double seconds) {
  const std::vector<Scenario> all = AllScenarios();
  for (const SiteUse& use : FindSites(scheduler, all)) {
    if (use.site.Name().find(name) == std::string::npos) continue;
    std::vector<Scenario> scenarios;
    for (const size_t i : use.scenarios) scenarios.push_back(all[i]);
    scheduler.sites().Weaken(use.site);
    const auto found = Hunt(scheduler, scenarios, {.seconds = seconds});
    scheduler.sites().WeakenNone();
    std::printf("%-60s %s\n", use.site.Name().c_str(), found ? "found" : "SURVIVES");
    if (found) {
      std::printf("    %s after %llu: %s\n", found->scenario.c_str(), static_cast<unsigned long long>(found->schedules),
                  found->failure.what.c_str());
    }
    std::fflush(stdout);
  }
  return 0;
}

int Main(int argc, char** argv) {
  CLI::App app{"Explores every interleaving of the queue's real code"};
  std::string name;
  std::string schedule;
  double seconds = 60;
  bool labels = false;
  uint64_t seed = 0;
  app.add_option("--scenario", name, "Only scenarios whose name contains this");
  app.add_option("--schedule", schedule, "Replay this schedule and print its steps");
  app.add_option("--seconds", seconds, "At most so long for each scenario");
  app.add_option("--seed", seed, "Random schedules from this seed on, instead of all");
  app.add_flag("--labels", labels, "Weaken every labelled order, one at a time; each must be found");
  CLI11_PARSE(app, argc, argv);

  Scheduler scheduler;
  if (labels) return HuntLabels(scheduler, name, seconds);
  int failed = 0;
  for (const Scenario& scenario : AllScenarios()) {
    if (scenario.name.find(name) == std::string::npos) continue;
    if (!schedule.empty()) {
      if (scenario.name != name) continue;
      const auto failure = Replay(scheduler, scenario, schedule);
      for (const std::string& line : scheduler.trace()) std::printf("%s\n", line.c_str());
      std::printf("%s\n", failure ? failure->what.c_str() : "passed");
      return failure ? 1 : 0;
    }
    const Report report = seed != 0 ? WalkRandomly(scheduler, scenario, seed, {.seconds = seconds})
                                    : Exhaust(scheduler, scenario, {.seconds = seconds});
    PrintRow(scenario, report);
    failed += report.failure.has_value();
  }
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace weir::prove

int main(int argc, char** argv) {
  return weir::prove::Main(argc, argv);
}
