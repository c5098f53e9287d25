#include "tests/prove/search.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <random>
#include <string_view>
#include <utility>

namespace weir::prove {
namespace {

constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

// The first letter of a schedule that is not bound to the scenario's number of preemptions.
constexpr char kUnbounded[] = "~";

std::string Spell(const std::vector<uint8_t>& choices) {
  std::string text;
  for (const uint8_t choice : choices) text += kDigits[choice];
  // What is left out is 0.
  text.erase(text.find_last_not_of('0') + 1);
  return text;
}

class Clock {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

// States by their hash, each with the largest number of preemptions that were left there.
class KnownStates {
 public:
  uint64_t size() const { return size_; }

  // True if it was known with as much budget or more.
  bool Meet(uint64_t hash, int budget) {
    if (size_ * 2 >= slots_.size()) Grow();
    const uint64_t left = static_cast<uint64_t>(budget + 1) & kBudgetMask;  // 0: there is no bound
    const uint64_t key = hash | kBudgetMask;                                // never 0
    uint64_t& slot = Find(key);
    if (slot == 0) {
      slot = (key & ~kBudgetMask) | left;
      if (slot == 0) slot = uint64_t{1} << 63;
      ++size_;
      return false;
    }
    if ((slot & kBudgetMask) >= left) return true;
    slot = (slot & ~kBudgetMask) | left;
    return false;
  }

 private:
  static constexpr uint64_t kBudgetMask = 7;

  uint64_t& Find(uint64_t key) {
    size_t at = key * 0x9e3779b97f4a7c15u >> std::countl_zero(slots_.size() - 1);
    while (slots_[at] != 0 && (slots_[at] | kBudgetMask) != key) at = (at + 1) & (slots_.size() - 1);
    return slots_[at];
  }
  void Grow() {
    std::vector<uint64_t> old(std::max<size_t>(1 << 12, slots_.size() * 2));
    old.swap(slots_);
    for (const uint64_t slot : old) {
      if (slot != 0) Find(slot | kBudgetMask) = slot;
    }
  }

  std::vector<uint64_t> slots_;
  uint64_t size_ = 0;
};

// Depth first: the first possibility at each decision, then back to the last one that has another.
class DepthFirst : public Decider {
 public:
  int Choose(int count) override {
    if (at_ == path_.size()) path_.push_back({0, static_cast<uint8_t>(count)});
    const Decision& decision = path_[at_++];
    if (decision.count != count) diverged_ = true;
    return decision.choice;
  }
  bool WantsStates() const override { return at_ == path_.size(); }
  bool IsKnown(uint64_t hash, int budget) override { return known_.Meet(hash, budget); }

  bool Next() {
    at_ = 0;
    while (!path_.empty() && path_.back().choice + 1 == path_.back().count) path_.pop_back();
    if (path_.empty()) return false;
    ++path_.back().choice;
    return true;
  }
  // The same decisions did not lead to the same place: something depends on more than results and decisions.
  bool diverged() const { return diverged_; }
  uint64_t states() const { return known_.size(); }
  std::string schedule() const {
    std::vector<uint8_t> choices;
    for (const Decision& decision : path_) choices.push_back(decision.choice);
    return Spell(choices);
  }

 private:
  struct Decision {
    uint8_t choice;
    uint8_t count;
  };
  std::vector<Decision> path_;
  size_t at_ = 0;
  bool diverged_ = false;
  KnownStates known_;
};

class RandomChoices : public Decider {
 public:
  explicit RandomChoices(uint64_t seed) : random_(seed), calm_(2 + random_() % 14) {}
  // The first possibility is to go on as if nothing happened. Some executions change threads often, some seldom.
  int Choose(int count) override {
    const int choice = random_() % calm_ != 0 ? 0 : static_cast<int>(random_() % static_cast<uint64_t>(count));
    choices_.push_back(static_cast<uint8_t>(choice));
    return choice;
  }
  bool WantsStates() const override { return false; }
  bool IsKnown(uint64_t, int) override { return false; }
  std::string schedule() const { return Spell(choices_); }

 private:
  std::mt19937_64 random_;
  uint64_t calm_;
  std::vector<uint8_t> choices_;
};

class GivenChoices : public Decider {
 public:
  explicit GivenChoices(std::string schedule) : schedule_(std::move(schedule)) {}
  int Choose(int count) override {
    if (at_ >= schedule_.size()) return 0;
    const size_t choice = kDigits.find(schedule_[at_++]);
    return choice < static_cast<size_t>(count) ? static_cast<int>(choice) : 0;
  }
  bool WantsStates() const override { return false; }
  bool IsKnown(uint64_t, int) override { return false; }

 private:
  std::string schedule_;
  size_t at_ = 0;
};

Outcome ExecuteOnce(Scheduler& scheduler, const Scenario& scenario, Decider& decider, const ExecutionLimits& limits) {
  const std::unique_ptr<Play> play = scenario.make();
  return scheduler.Execute(
      limits, decider, [&play] { play->SetUp(); }, [&play] { play->Check(); });
}

void Count(const Scheduler& scheduler, Outcome outcome, Report& report) {
  ++report.schedules;
  report.complete += outcome != Outcome::kCut;
  report.steps += static_cast<uint64_t>(scheduler.steps());
  report.steps_longest = std::max(report.steps_longest, scheduler.steps());
}

}  // namespace

Report Exhaust(Scheduler& scheduler, const Scenario& scenario, const Budget& budget) {
  Report report;
  const Clock clock;
  DepthFirst decider;
  for (;;) {
    const Outcome outcome = ExecuteOnce(scheduler, scenario, decider, scenario.limits);
    Count(scheduler, outcome, report);
    if (outcome == Outcome::kFailed || decider.diverged()) {
      report.failure = {.what = decider.diverged() ? "the checker itself: not deterministic" : scheduler.failure(),
                        .schedule = decider.schedule()};
      break;
    }
    if (!decider.Next()) {
      report.exhausted = true;
      break;
    }
    if (report.schedules >= budget.schedules || decider.states() >= budget.states ||
        (report.schedules % 256 == 0 && clock.seconds() > budget.seconds)) {
      break;
    }
  }
  report.states = decider.states();
  report.seconds = clock.seconds();
  return report;
}

Report WalkRandomly(Scheduler& scheduler, const Scenario& scenario, uint64_t seed, const Budget& budget) {
  Report report;
  const Clock clock;
  ExecutionLimits limits = scenario.limits;
  limits.preemptions = ExecutionLimits::kAnyNumber;
  for (; report.schedules < budget.schedules; ++seed) {
    RandomChoices decider(seed);
    const Outcome outcome = ExecuteOnce(scheduler, scenario, decider, limits);
    Count(scheduler, outcome, report);
    if (outcome == Outcome::kFailed) {
      report.failure = {.what = scheduler.failure(), .schedule = kUnbounded + decider.schedule(), .seed = seed};
      break;
    }
    if (report.schedules % 64 == 0 && clock.seconds() > budget.seconds) break;
  }
  report.seconds = clock.seconds();
  return report;
}

std::optional<Failure> Replay(Scheduler& scheduler, const Scenario& scenario, const std::string& schedule) {
  const bool unbounded = schedule.starts_with(kUnbounded);
  GivenChoices decider(unbounded ? schedule.substr(1) : schedule);
  ExecutionLimits limits = scenario.limits;
  if (unbounded) limits.preemptions = ExecutionLimits::kAnyNumber;
  scheduler.set_tracing(true);
  const Outcome outcome = ExecuteOnce(scheduler, scenario, decider, limits);
  scheduler.set_tracing(false);
  if (outcome != Outcome::kFailed) return std::nullopt;
  return Failure{.what = scheduler.failure(), .schedule = schedule, .seed = 0};
}

}  // namespace weir::prove
