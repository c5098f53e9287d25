// What the figures were measured on. Says nothing about whose machine it is.
#ifndef WEIR_BENCH_TWO_PROCESS_MACHINE_H_
#define WEIR_BENCH_TWO_PROCESS_MACHINE_H_

#include <string>
#include <vector>

namespace weir::bench {

struct Machine {
  std::string cpu_model;
  int cpus = 0;             // that this process may use
  bool is_virtual = false;  // a hypervisor announces itself
  std::string kernel;
  std::string clock_source;
  std::string governor;  // of the first CPU; empty if the kernel does not say
};

Machine DescribeMachine();

// Two CPUs that this process may use, on different cores if there are such. Fewer if there are not two.
std::vector<int> ChooseCpus();

// A line of a file under /proc or /sys, empty if it cannot be read.
std::string FirstLine(const std::string& path);

}  // namespace weir::bench

#endif  // WEIR_BENCH_TWO_PROCESS_MACHINE_H_
