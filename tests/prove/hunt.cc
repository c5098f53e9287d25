#include "tests/prove/hunt.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace weir::prove {
namespace {

constexpr uint64_t kSitesSchedules = 300;

bool IsSame(const Site& a, const Site& b) {
  return a.line == b.line && a.kind == b.kind && std::strcmp(a.file, b.file) == 0;
}

}  // namespace

std::optional<Found> Hunt(Scheduler& scheduler, const std::vector<Scenario>& scenarios, const HuntBudget& budget) {
  const auto begin = std::chrono::steady_clock::now();
  const auto left = [&] {
    return budget.seconds - std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  uint64_t schedules = 0;
  const auto found = [&](const Scenario& scenario, const Report& report) {
    schedules += report.schedules;
    std::optional<Found> result;
    if (report.failure) result = {.scenario = scenario.name, .failure = *report.failure, .schedules = schedules};
    return result;
  };
  for (const Scenario& scenario : scenarios) {
    const Report report =
        WalkRandomly(scheduler, scenario, 1, {.seconds = left(), .schedules = budget.random_schedules});
    if (const auto result = found(scenario, report)) return result;
  }
  // All of the small ones; then of the large ones as much as there is time for.
  std::vector<const Scenario*> large;
  for (const Scenario& scenario : scenarios) {
    if (left() <= 0) return std::nullopt;
    const Report report = Exhaust(scheduler, scenario, {.seconds = std::min(left(), 0.5)});
    if (const auto result = found(scenario, report)) return result;
    if (!report.exhausted) large.push_back(&scenario);
  }
  for (const Scenario* scenario : large) {
    if (left() <= 0) return std::nullopt;
    const double share = std::max(0.5, left() / static_cast<double>(large.size()));
    const Report report = WalkRandomly(scheduler, *scenario, 1'000'000, {.seconds = share});
    if (const auto result = found(*scenario, report)) return result;
  }
  return std::nullopt;
}

std::vector<SiteUse> FindSites(Scheduler& scheduler, const std::vector<Scenario>& scenarios) {
  std::vector<SiteUse> all;
  for (size_t i = 0; i < scenarios.size(); ++i) {
    scheduler.sites().ForgetSeen();
    scheduler.sites().set_collecting(true);
    WalkRandomly(scheduler, scenarios[i], 1, {.schedules = kSitesSchedules});
    scheduler.sites().set_collecting(false);
    for (const Site& site : scheduler.sites().seen()) {
      auto use = std::find_if(all.begin(), all.end(), [&](const SiteUse& known) { return IsSame(known.site, site); });
      if (use == all.end()) use = all.insert(all.end(), SiteUse{.site = site, .name = site.Name(), .scenarios = {}});
      use->scenarios.push_back(i);
    }
  }
  std::sort(all.begin(), all.end(), [](const SiteUse& a, const SiteUse& b) {
    return a.name != b.name ? a.name < b.name : a.site.line < b.site.line;
  });
  for (size_t i = all.size(); i-- > 0;) {
    // The second of two in one function is "... 2".
    const size_t first = static_cast<size_t>(
        std::find_if(all.begin(), all.end(), [&](const SiteUse& use) { return use.name == all[i].site.Name(); }) -
        all.begin());
    if (first < i) all[i].name += " " + std::to_string(i - first + 1);
  }
  return all;
}

}  // namespace weir::prove
