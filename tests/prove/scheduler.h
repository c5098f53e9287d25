// Runs a few threads as fibers, one step at a time, and asks a Decider for everything that a real machine decides by
// itself: who goes next, which store a load returns, who stops for ever.
//
// An execution is fixed by its decisions, so it can be run again, and everything is explored by running it again with
// other decisions (search.h). What a thread has done so far is fixed by what its operations returned; together with
// the memory model's state that makes two moments comparable.
//
// Between executions, while an execution is set up and when it is over ("direct"), operations act at once on the newest
// values.
//
// When an execution is abandoned in the middle, its fibers are dropped without unwinding. A thread's body therefore
// owns nothing on its stack that needs a destructor.
#ifndef WEIR_TESTS_PROVE_SCHEDULER_H_
#define WEIR_TESTS_PROVE_SCHEDULER_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <source_location>
#include <string>
#include <vector>

#include "middleware/queue/atomics.h"
#include "tests/prove/memory.h"
#include "tests/prove/sites.h"

namespace weir::prove {

class Decider {
 public:
  virtual ~Decider() = default;
  // One of `count` >= 2 possibilities, from 0.
  virtual int Choose(int count) = 0;
  // Asked in every state in which somebody may go next. `hash` stands for the state, `budget` for how many preemptions
  // are left. True: no need to go on from here.
  virtual bool WantsStates() const = 0;
  virtual bool IsKnown(uint64_t hash, int budget) = 0;
};

struct ExecutionLimits {
  static constexpr int kAnyNumber = -1;
  int preemptions = kAnyNumber;  // how often a thread that could go on is made to wait
  int deaths = 0;                // how many of the mortal threads may stop for ever
  int stale_reads = kStaleReadsDefault;
  int steps = 2000;  // more in one execution count as a loop that does not end
};

enum class Outcome : uint8_t { kDone, kCut, kFailed };

// What an atomic, or a payload word, of the policy consists of.
struct Cell {
  uint64_t value = 0;  // the newest
  int id = -1;         // -1: has no name yet; only to be touched directly
};

class Scheduler {
 public:
  static constexpr int kAnybody = -1;
  static constexpr int kNobody = -2;

  Scheduler();
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // One execution: set_up adds threads and names cells, then the threads run, then, if all came to an end, check.
  Outcome Execute(const ExecutionLimits& limits, Decider& decider, const std::function<void()>& set_up,
                  const std::function<void()>& check);
  const std::string& failure() const { return failure_; }
  int steps() const { return steps_; }

  // In set_up ---------------------------------------------------------------------------------------------------
  struct ThreadOptions {
    bool mortal = false;
    bool awaited = false;  // somebody calls AwaitEnd() for it
  };
  int AddThread(std::string name, std::function<void()> body, ThreadOptions options);
  // `writer`: the only thread that stores to it, kNobody or kAnybody. Loads that can return one value only are no step.
  void NameAtomic(Cell& cell, std::string name, int writer = kAnybody);
  void NameWord(Cell& cell, std::string name);

  // In threads --------------------------------------------------------------------------------------------------
  [[noreturn]] void Fail(std::string why);
  // FUTEX_WAIT without a timeout; but a thread that may wait for somebody dead wakes up some time. False then.
  bool FutexWait(Cell& word, uint64_t value);
  void FutexWake(Cell& word);
  // Waits until a thread has ended or died; what it did happens before.
  void AwaitEnd(int thread);
  // membarrier(GLOBAL_EXPEDITED).
  void HeavyFence();
  // The thread has looked at something outside the memory model that depends on how far others are.
  void Observe(uint64_t value) {
    if (current_ >= 0) Result(value);
  }
  // A word of the trace.
  void Note(std::string text);

  bool IsDead(int thread) const { return threads_[static_cast<size_t>(thread)].status == Status::kDead; }
  int current() const { return current_; }

  // The policy ----------------------------------------------------------------------------------------------------
  uint64_t Load(Cell& cell, std::memory_order order, queue::Label label, const std::source_location& where);
  void Store(Cell& cell, uint64_t value, std::memory_order order, queue::Label label,
             const std::source_location& where);
  bool CompareExchange(Cell& cell, uint64_t& expected, uint64_t desired, std::memory_order order, queue::Label label,
                       const std::source_location& where);
  // `mask`: of the bits that the type has.
  uint64_t Add(Cell& cell, uint64_t delta, uint64_t mask, std::memory_order order, queue::Label label,
               const std::source_location& where);
  void Fence(std::memory_order order, queue::Label label, const std::source_location& where);
  void LightFence(queue::Label label, const std::source_location& where);
  uint64_t ReadWord(Cell& cell);
  void WriteWord(Cell& cell, uint64_t value);

  Sites& sites() { return sites_; }

  // The trace of one execution, for people.
  void set_tracing(bool tracing) { tracing_ = tracing; }
  const std::vector<std::string>& trace() const { return trace_; }

 private:
  enum class Status : uint8_t { kReady, kAsleep, kAwaiting, kEnded, kDead };
  struct Thread {
    std::string name;
    std::function<void()> body;
    ThreadOptions options;
    Status status = Status::kReady;
    bool begun = false;
    bool timed_out = false;
    int waits_for = 0;     // a location, or a thread
    uint64_t history = 0;  // of all results
  };
  struct Location {
    std::string name;
    int writer;
  };
  struct Fibers;

  bool IsEnabled(int thread) const;
  void Step();      // before each operation: perhaps somebody else goes first
  void Count();     // a step of this execution
  void PickNext();  // sets current_, or the outcome
  bool WakeAllByTimeout();
  uint64_t HashOfState() const;
  void BackToMain();  // from a fiber
  void RunInFiber(int fiber, const std::function<void()>& body);
  [[noreturn]] void Abandon(Outcome outcome);
  int NamedLocation(const Cell& cell);
  void Result(uint64_t value);
  void Trace(const char* what, const Cell& cell, uint64_t value, const char* more = "");

  Memory memory_;
  Sites sites_;
  std::unique_ptr<Fibers> fibers_;
  ExecutionLimits limits_;
  Decider* decider_ = nullptr;

  std::vector<Thread> threads_;
  std::vector<Location> locations_;
  std::vector<std::string> word_names_;
  int current_ = -1;  // -1: direct
  int preemptions_left_ = 0;
  int deaths_left_ = 0;
  int steps_ = 0;
  bool over_ = false;
  Outcome outcome_ = Outcome::kDone;
  std::string failure_;
  bool tracing_ = false;
  std::vector<std::string> trace_;
};

// The one of this process; the policy has no other way to find it.
inline Scheduler* g_scheduler = nullptr;

}  // namespace weir::prove

#endif  // WEIR_TESTS_PROVE_SCHEDULER_H_
