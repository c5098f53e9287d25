// Goes through the schedules of a scenario: all of them, or random ones, or a given one.
#ifndef WEIR_TESTS_PROVE_SEARCH_H_
#define WEIR_TESTS_PROVE_SEARCH_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/prove/scheduler.h"

namespace weir::prove {

// What happens in one execution of a scenario; made anew for each.
class Play {
 public:
  virtual ~Play() = default;
  virtual void SetUp() = 0;  // adds threads, names what they share
  virtual void Check() = 0;  // after the last step of all: calls g_scheduler->Fail() if something is wrong
};

struct Scenario {
  std::string name;  // "queue.1x1.overwrite.wrap"
  std::string about;
  ExecutionLimits limits;
  std::function<std::unique_ptr<Play>()> make;
  bool exhaustive = true;  // false: too large, only random schedules
  bool quick = true;       // part of the quick form
};

struct Failure {
  std::string what;
  std::string schedule;  // to be given to Replay()
  uint64_t seed = 0;     // if it was a random one
};

struct Report {
  uint64_t schedules = 0;  // executions begun
  uint64_t complete = 0;   // of these, up to the end; the others met a state that was known already
  uint64_t states = 0;     // different ones, exhaustive search only
  uint64_t steps = 0;
  int steps_longest = 0;
  bool exhausted = false;  // there are no other schedules
  double seconds = 0;
  std::optional<Failure> failure;
};

struct Budget {
  double seconds = 1e9;
  uint64_t schedules = ~uint64_t{0};
  uint64_t states = uint64_t{400} << 20;  // 8 bytes each
};

Report Exhaust(Scheduler& scheduler, const Scenario& scenario, const Budget& budget);
// Execution i (from 0) takes its decisions from seed + i.
Report WalkRandomly(Scheduler& scheduler, const Scenario& scenario, uint64_t seed, const Budget& budget);
// The failure, and scheduler.trace() shows how it comes to be.
std::optional<Failure> Replay(Scheduler& scheduler, const Scenario& scenario, const std::string& schedule);

}  // namespace weir::prove

#endif  // WEIR_TESTS_PROVE_SEARCH_H_
