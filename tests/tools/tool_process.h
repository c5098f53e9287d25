// The program `weir` as a user runs it: a process of its own, with pipes.
//
//   ToolRun run = RunTool(root.path(), {"ls", "--names"});
//   EXPECT_EQ(run.code, 0) << run.err;
//
//   ToolProcess echo(root.path(), {"echo", "ticks"});
//   EXPECT_EQ(echo.ReadLine(), "{...}");
//   echo.Signal(SIGINT);
//   EXPECT_EQ(echo.Finish().code, 0);
//
// For tests with `// weir-test: runs=weir_tool`. The tool's domains lie under the root that is given (WEIR_ROOT).
#ifndef WEIR_TESTS_TOOLS_TOOL_PROCESS_H_
#define WEIR_TESTS_TOOLS_TOOL_PROCESS_H_

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace weir::test {

struct ToolRun {
  int code = -1;  // exit code; 1000 + the signal if one killed it
  std::string out;
  std::string err;
};

class ToolProcess {
 public:
  ToolProcess(const std::string& root, const std::vector<std::string>& arguments, std::string_view input = "") {
    std::array<int, 2> in, out, err;
    if (pipe2(in.data(), O_CLOEXEC) != 0 || pipe2(out.data(), O_CLOEXEC) != 0 || pipe2(err.data(), O_CLOEXEC) != 0) {
      std::abort();
    }
    std::vector<char*> argv;
    std::string program = WEIR_TOOL_PATH;
    argv.push_back(program.data());
    std::vector<std::string> copies = arguments;
    for (std::string& argument : copies) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      dup2(in[0], STDIN_FILENO);
      dup2(out[1], STDOUT_FILENO);
      dup2(err[1], STDERR_FILENO);
      setenv("WEIR_ROOT", root.c_str(), 1);
      execv(program.c_str(), argv.data());
      _exit(127);
    }
    close(in[0]);
    close(out[1]);
    close(err[1]);
    out_ = out[0];
    err_ = err[0];
    // Less than a pipe holds, so that this does not wait.
    if (!input.empty() && write(in[1], input.data(), input.size()) != static_cast<ssize_t>(input.size())) std::abort();
    close(in[1]);
  }
  ~ToolProcess() {
    if (!end_.has_value()) {
      kill(pid_, SIGKILL);
      Finish();
    }
  }
  ToolProcess(const ToolProcess&) = delete;
  ToolProcess& operator=(const ToolProcess&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int number) { kill(pid_, number); }
  void CloseOutput() { CloseOnce(out_); }

  // The next line it prints; nothing if there will be none.
  std::optional<std::string> ReadLine() {
    size_t end;
    while ((end = buffered_.find('\n')) == std::string::npos) {
      if (!ReadSome(out_, buffered_)) return std::nullopt;
    }
    std::string line = buffered_.substr(0, end);
    buffered_.erase(0, end + 1);
    return line;
  }

  // Reads the rest and waits for its end.
  ToolRun Finish() {
    if (end_.has_value()) return *end_;
    ToolRun run;
    run.out = std::move(buffered_);
    while (out_ >= 0 || err_ >= 0) {
      pollfd waiting[] = {{out_, POLLIN, 0}, {err_, POLLIN, 0}};
      poll(waiting, 2, -1);
      if (waiting[0].revents != 0 && !ReadSome(out_, run.out)) CloseOnce(out_);
      if (waiting[1].revents != 0 && !ReadSome(err_, run.err)) CloseOnce(err_);
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    run.code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    end_ = run;
    return run;
  }

 private:
  static bool ReadSome(int fd, std::string& text) {
    char bytes[65536];
    const ssize_t count = fd < 0 ? 0 : read(fd, bytes, sizeof(bytes));
    if (count <= 0) return false;
    text.append(bytes, static_cast<size_t>(count));
    return true;
  }
  static void CloseOnce(int& fd) {
    if (fd >= 0) close(fd);
    fd = -1;
  }

  pid_t pid_ = -1;
  int out_ = -1, err_ = -1;
  std::string buffered_;
  std::optional<ToolRun> end_;
};

inline ToolRun RunTool(const std::string& root, const std::vector<std::string>& arguments,
                       std::string_view input = "") {
  return ToolProcess(root, arguments, input).Finish();
}

// What is the same in every run: pids, ids, durations, what pools take and the root are masked, runs of spaces are one.
inline std::string Masked(std::string text, const std::string& root) {
  for (size_t at; (at = text.find(root)) != std::string::npos;) text.replace(at, root.size(), "ROOT");
  text = std::regex_replace(text, std::regex("\\b" + std::to_string(getpid()) + "\\b"), "PID");
  text = std::regex_replace(text, std::regex("\\b[0-9a-f]{16}\\b"), "ID");
  text = std::regex_replace(text, std::regex(R"(\b[0-9]+(\.[0-9]+)? (ns|us|ms|s)\b)"), "TIME");
  text = std::regex_replace(text, std::regex(R"(\b[0-9.]+ KiB)"), "SIZE");
  return std::regex_replace(text, std::regex(" +"), " ");
}

}  // namespace weir::test

#endif  // WEIR_TESTS_TOOLS_TOOL_PROCESS_H_
