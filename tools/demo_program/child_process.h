// A process of the demo: this program again, started with a subcommand.
#ifndef WEIR_TOOLS_DEMO_PROGRAM_CHILD_PROCESS_H_
#define WEIR_TOOLS_DEMO_PROGRAM_CHILD_PROCESS_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace weir::demo {

// Used by one thread. Killed by the destructor if it still runs.
class ChildProcess {
 public:
  // Started, not forked: nothing of this process goes over, neither memory nor open files.
  static absl::StatusOr<ChildProcess> Start(std::string name, std::vector<std::string> arguments);

  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess();

  const std::string& name() const { return name_; }
  pid_t pid() const { return pid_; }
  void Signal(int number);

  // How it ended, as waitpid says it; nothing while it runs. Does not wait.
  std::optional<int> Ended();
  // "exited with 1: <what it wrote to standard error>", "was killed by SIGKILL". It must have ended.
  std::string DescribeEnd();

 private:
  ChildProcess(std::string name, pid_t pid, int errors_fd) : name_(std::move(name)), pid_(pid), errors_fd_(errors_fd) {}
  void ReadErrors();

  std::string name_;
  pid_t pid_;
  int errors_fd_;  // the reading end of its standard error
  std::string errors_;
  std::optional<int> ended_;
};

}  // namespace weir::demo

#endif  // WEIR_TOOLS_DEMO_PROGRAM_CHILD_PROCESS_H_
