// The play: who starts when, who is killed, and what is looked at. Needs no judgement; see judge.h.
#ifndef WEIR_TOOLS_DEMO_PROGRAM_SCENARIO_H_
#define WEIR_TOOLS_DEMO_PROGRAM_SCENARIO_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/demo_program/child_process.h"
#include "tools/demo_program/domain_folder.h"
#include "tools/demo_program/record.h"
#include "tools/demo_program/scoreboard.h"
#include "tools/demo_program/view.h"

namespace weir::demo {

// Plays once, in a domain of its own. Blocks for about `seconds`, or until a stop signal comes (see stop_signals.h) or
// the view's user quits. All processes have ended when Play returns, whatever happened.
class Scenario {
 public:
  static constexpr double kSecondsMin = 3;

  Scenario(double seconds, View& view);
  ~Scenario();
  Scenario(const Scenario&) = delete;
  Scenario& operator=(const Scenario&) = delete;

  Record Play();

 private:
  struct Endpoints;  // this process's own place in the domain

  // The acts, in this order. Each returns early if something fails or the demo is stopped.
  absl::Status Act();
  absl::Status StartFirst();
  absl::Status StartLate();
  absl::Status KillLate();
  absl::Status LookForFilesOfTheDead();
  absl::Status StopAll();
  void EndAll();

  absl::Status Start(std::unique_ptr<ChildProcess>& child, const std::string& name, std::vector<std::string> arguments);
  // Goes on until the condition holds; what did not happen within ten seconds is a failure.
  absl::Status Await(const std::string& what, const std::function<bool()>& condition);
  absl::Status PlayUntil(double elapsed_s);
  // A moment: takes reports, shows, and notices who ended and who wants to stop.
  absl::Status Tick();
  void TakeReports();
  absl::Status CheckChildren();
  absl::Status StopChild(std::unique_ptr<ChildProcess>& child, uint64_t patience_ns);
  void Event(const std::string& text);
  double elapsed_s() const;

  const double seconds_;
  View& view_;
  const std::string domain_;
  const DomainFolder folder_;
  Record record_;
  Scoreboard scoreboard_;
  std::unique_ptr<Endpoints> endpoints_;
  std::unique_ptr<ChildProcess> publisher_, steady_, late_;
  std::set<std::string> files_before_late_;
  bool late_joined_ = false;
  uint64_t begin_ns_ = 0;   // when the first message had come; 0 before that
  uint64_t killed_ns_ = 0;  // 0 before that
  bool measuring_ = true;   // whether steady's gaps count: not when nothing is published any more
};

}  // namespace weir::demo

#endif  // WEIR_TOOLS_DEMO_PROGRAM_SCENARIO_H_
