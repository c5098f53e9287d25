// The two processes between which everything is measured, and the one that tells them what to do.
//
// The coordinator forks both workers, sleeps while they measure, and reads what they wrote into shared memory. So it
// disturbs nothing, and when a worker dies it is there to say so and to end the other one.
#ifndef WEIR_BENCH_TWO_PROCESS_WORKERS_H_
#define WEIR_BENCH_TWO_PROCESS_WORKERS_H_

#include <sys/types.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/two_process/scenario.h"

namespace weir::bench {

struct WorkerOptions {
  std::array<int, 2> cpus = {0, 1};
  std::string domain;
  uint64_t warm_up_exchanges = 1000;
};

class Workers {
 public:
  // `scenarios` and `ticks` must outlive the workers.
  static absl::StatusOr<std::unique_ptr<Workers>> Start(const Scenarios& scenarios, const Ticks& ticks,
                                                        const WorkerOptions& options);
  // Ends the workers, which leave their domain; kills those that do not.
  ~Workers();

  // One round of one scenario; blocks until both sides are through with it. What they measured is then in result().
  absl::Status Run(size_t scenario, uint64_t duration_ns);
  const SideResult& result(Side side) const { return memory_->results[static_cast<size_t>(side)]; }

 private:
  struct Command {
    uint32_t scenario;
    uint32_t round;
    uint64_t duration_ns;
  };
  struct Memory {
    std::atomic<uint32_t> arrived;
    SideResult results[2];
  };
  struct Process {
    pid_t pid = -1;
    int fd = -1;  // commands there, one byte back
  };

  Workers(const Scenarios& scenarios, const Ticks& ticks, WorkerOptions options)
      : scenarios_(scenarios), ticks_(ticks), options_(std::move(options)) {}

  absl::Status Fork(Side side);
  absl::Status Work(Side side, int fd);
  absl::Status AwaitAnswers(const std::string& doing);

  const Scenarios& scenarios_;
  const Ticks& ticks_;
  WorkerOptions options_;
  Shared<Memory> memory_;
  std::array<Process, 2> processes_;
  uint32_t rounds_ = 0;
};

}  // namespace weir::bench

#endif  // WEIR_BENCH_TWO_PROCESS_WORKERS_H_
