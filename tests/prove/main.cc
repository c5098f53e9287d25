// weir_prove: runs the scenarios of this folder. tools/prove builds and runs it; docs/reliability.md explains.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/prove/hunt.h"
#include "tests/prove/scenarios.h"
#include "tests/prove/scheduler.h"
#include "tests/prove/search.h"

namespace weir::prove {
namespace {

using LongUnsigned = unsigned long long;  // what printf knows

struct Options {
  std::string scenario;
  std::string schedule;
  std::string hunt;
  std::optional<uint64_t> seed;
  double seconds = 60;
  double random_seconds = 2;
  bool explore = false;
  bool longer = false;
  bool labels = false;
  bool list = false;
};

void PrintFailure(const Scenario& scenario, const Failure& failure) {
  std::printf("    %s\n    --scenario %s --schedule %s\n", failure.what.c_str(), scenario.name.c_str(),
              failure.schedule.empty() ? "0" : failure.schedule.c_str());
}

void PrintHeading() {
  std::printf("%-34s %11s %11s %6s %8s\n", "scenario", "schedules", "states", "steps", "seconds");
}

void PrintRow(const std::string& name, const Report& report, const char* what) {
  std::printf("%-34s %11llu %11llu %6d %8.1f  %s\n", name.c_str(), static_cast<LongUnsigned>(report.schedules),
              static_cast<LongUnsigned>(report.states), report.steps_longest, report.seconds,
              report.failure ? "FAILED" : what);
  std::fflush(stdout);
}

// All schedules of each scenario as far as there is time, and random ones of the large ones.
int Explore(Scheduler& scheduler, const std::vector<Scenario>& scenarios, const Options& options) {
  Report total;
  int failed = 0;
  int complete = 0;
  int count = 0;
  const auto add = [&](const Scenario& scenario, const Report& report, const char* what) {
    PrintRow(scenario.name, report, what);
    if (report.failure) PrintFailure(scenario, *report.failure);
    total.schedules += report.schedules;
    total.states += report.states;
    total.steps_longest = std::max(total.steps_longest, report.steps_longest);
    total.seconds += report.seconds;
    failed += report.failure.has_value();
  };
  PrintHeading();
  for (const Scenario& scenario : scenarios) {
    if (!scenario.quick && !options.longer) continue;
    ++count;
    if (options.seed) {
      add(scenario, WalkRandomly(scheduler, scenario, *options.seed, {.seconds = options.seconds}), "random");
      continue;
    }
    const Report report = Exhaust(scheduler, scenario, {.seconds = options.seconds});
    const bool bounded = scenario.limits.preemptions >= 0;
    add(scenario, report, !report.exhausted ? "as far as it came" : bounded ? "all, bounded" : "all");
    complete += report.exhausted;
    if ((!report.exhausted || bounded) && !report.failure && options.explore) {
      const uint64_t seed = std::hash<std::string>()(scenario.name) >> 16;
      const std::string what = "random, --seed " + std::to_string(seed);
      add(scenario, WalkRandomly(scheduler, scenario, seed, {.seconds = options.random_seconds}), what.c_str());
    }
  }
  PrintRow("together", total, "");
  if (!options.seed) std::printf("%d of %d scenarios completely\n", complete, count);
  return failed == 0 ? 0 : 1;
}

void PrintHunt(const std::string& name, const std::optional<Found>& found) {
  if (found) {
    std::printf("found     %-64s after %llu schedules\n            %s\n            --scenario %s --schedule %s\n",
                name.c_str(), static_cast<LongUnsigned>(found->schedules), found->failure.what.c_str(),
                found->scenario.c_str(), found->failure.schedule.substr(0, 200).c_str());
  } else {
    std::printf("survives  %s\n", name.c_str());
  }
  std::fflush(stdout);
}

int HuntLabels(Scheduler& scheduler, const Options& options) {
  const std::vector<Scenario> all = AllScenarios();
  for (const SiteUse& use : FindSites(scheduler, all)) {
    if (use.name.find(options.scenario) == std::string::npos) continue;
    std::vector<Scenario> scenarios;
    for (const size_t i : use.scenarios) scenarios.push_back(all[i]);
    scheduler.sites().Weaken(use.site);
    const auto found = Hunt(scheduler, scenarios, {.seconds = options.seconds});
    scheduler.sites().WeakenNone();
    PrintHunt(use.name, found);
  }
  return 0;
}

int ReplayOne(Scheduler& scheduler, const std::vector<Scenario>& scenarios, const Options& options) {
  for (const Scenario& scenario : scenarios) {
    if (scenario.name != options.scenario) continue;
    const auto failure = Replay(scheduler, scenario, options.schedule);
    for (const std::string& line : scheduler.trace()) std::printf("%s\n", line.c_str());
    std::printf("%s\n", failure ? failure->what.c_str() : "passed");
    return failure ? 1 : 0;
  }
  std::fprintf(stderr, "--schedule needs the whole name of a --scenario\n");
  return 2;
}

int Main(int argc, char** argv) {
  CLI::App app{"Explores every interleaving of the queue's code"};
  Options options;
  app.add_option("--scenario", options.scenario, "Only scenarios (or labels) whose name contains this");
  app.add_option("--schedule", options.schedule, "Replay this schedule and print its steps");
  app.add_option("--seed", options.seed, "Random schedules from this seed on, instead of all");
  app.add_option("--seconds", options.seconds, "At most so long for each scenario, or each mistake");
  app.add_option("--random-seconds", options.random_seconds, "So long at random where not all was explored");
  app.add_flag("--explore", options.explore, "All scenarios, at random too");
  app.add_flag("--long", options.longer, "The large scenarios too");
  app.add_flag("--labels", options.labels, "Weaken every labelled order, one at a time");
  app.add_option("--hunt", options.hunt, "The mistake of that name is in this program: stop at the first failure");
  app.add_flag("--list", options.list, "The scenarios");
  CLI11_PARSE(app, argc, argv);

  Scheduler scheduler;
  std::vector<Scenario> scenarios;
  for (const Scenario& scenario : AllScenarios()) {
    if (scenario.name.find(options.scenario) != std::string::npos) scenarios.push_back(scenario);
  }
  if (!options.scenario.empty()) options.longer = true;
  if (options.list) {
    for (const Scenario& s : scenarios) std::printf("%-34s %s\n", s.name.c_str(), s.about.c_str());
    return 0;
  }
  if (!options.schedule.empty()) return ReplayOne(scheduler, scenarios, options);
  if (options.labels) return HuntLabels(scheduler, options);
  if (!options.hunt.empty()) {
    const auto found = Hunt(scheduler, scenarios, {.seconds = options.seconds});
    PrintHunt(options.hunt, found);
    return found ? 0 : 1;
  }
  return Explore(scheduler, scenarios, options);
}

}  // namespace
}  // namespace weir::prove

int main(int argc, char** argv) {
  return weir::prove::Main(argc, argv);
}
