// Is a mistake found? Looks for a failing schedule in one scenario after the other, cheap searches first.
#ifndef WEIR_TESTS_PROVE_HUNT_H_
#define WEIR_TESTS_PROVE_HUNT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/prove/scheduler.h"
#include "tests/prove/search.h"
#include "tests/prove/sites.h"

namespace weir::prove {

struct Found {
  std::string scenario;
  Failure failure;
  uint64_t schedules = 0;  // until it was found, in all scenarios
};

struct HuntBudget {
  uint64_t random_schedules = 3000;  // in each scenario, before any is searched exhaustively
  double seconds = 20;               // in all
};

// Nothing if every scenario passes, as far as the budget goes.
std::optional<Found> Hunt(Scheduler& scheduler, const std::vector<Scenario>& scenarios, const HuntBudget& budget);

// All labelled operations that any schedule passes, each with the scenarios that pass it.
struct SiteUse {
  Site site;
  std::string name;  // different from all others
  std::vector<size_t> scenarios;
};
std::vector<SiteUse> FindSites(Scheduler& scheduler, const std::vector<Scenario>& scenarios);

}  // namespace weir::prove

#endif  // WEIR_TESTS_PROVE_HUNT_H_
