#include "tools/demo_program/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"

namespace weir::demo {

absl::StatusOr<ChildProcess> ChildProcess::Start(std::string name, std::vector<std::string> arguments) {
  std::error_code error;
  const std::string program = std::filesystem::read_symlink("/proc/self/exe", error).string();
  if (error) return absl::InternalError("/proc/self/exe: " + error.message());

  std::array<int, 2> errors;
  if (pipe2(errors.data(), O_CLOEXEC | O_NONBLOCK) != 0) return absl::ErrnoToStatus(errno, "pipe2");
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);  // the table is there
  posix_spawn_file_actions_adddup2(&files, errors[1], STDERR_FILENO);
  pid_t pid = -1;
  const int failed = posix_spawn(&pid, program.c_str(), &files, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  close(errors[1]);
  if (failed != 0) {
    close(errors[0]);
    return absl::ErrnoToStatus(failed, absl::StrFormat("starting the %s process", name));
  }
  return ChildProcess(std::move(name), pid, errors[0]);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : name_(std::move(other.name_)),
      pid_(std::exchange(other.pid_, -1)),
      errors_fd_(std::exchange(other.errors_fd_, -1)),
      errors_(std::move(other.errors_)),
      ended_(other.ended_) {}

ChildProcess::~ChildProcess() {
  if (pid_ < 0) return;
  if (!ended_) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close(errors_fd_);
}

void ChildProcess::Signal(int number) {
  if (!Ended()) kill(pid_, number);  // it is not waited for yet, so its pid is still its own
}

std::optional<int> ChildProcess::Ended() {
  int status = 0;
  if (!ended_ && waitpid(pid_, &status, WNOHANG) == pid_) ended_ = status;
  ReadErrors();  // or else the pipe could become full
  return ended_;
}

void ChildProcess::ReadErrors() {
  std::array<char, 4096> buffer;
  for (ssize_t got; (got = read(errors_fd_, buffer.data(), buffer.size())) > 0;) {
    errors_.append(buffer.data(), static_cast<size_t>(got));
  }
}

std::string ChildProcess::DescribeEnd() {
  const int end = Ended().value_or(0);
  const char* signal_name = WIFSIGNALED(end) ? sigabbrev_np(WTERMSIG(end)) : nullptr;
  std::string text = signal_name == nullptr ? absl::StrFormat("exited with %d", WEXITSTATUS(end))
                                            : absl::StrFormat("was killed by SIG%s", signal_name);
  const size_t last = errors_.find_last_not_of(" \n");
  return last == std::string::npos ? text : text + ": " + errors_.substr(0, last + 1);
}

}  // namespace weir::demo
