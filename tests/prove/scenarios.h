// What is checked: small worlds in which everything that matters happens once or twice.
#ifndef WEIR_TESTS_PROVE_SCENARIOS_H_
#define WEIR_TESTS_PROVE_SCENARIOS_H_

#include <vector>

#include "tests/prove/search.h"

namespace weir::prove {

// All of them, those that find mistakes soonest first.
std::vector<Scenario> AllScenarios();

}  // namespace weir::prove

#endif  // WEIR_TESTS_PROVE_SCENARIOS_H_
