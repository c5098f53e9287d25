#include "tests/support/supervisor.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/test_root.h"

namespace weir::test {
namespace {

constexpr char kDeadlineVariable[] = "WEIR_TEST_DEADLINE_S";

// Roots of test processes that are gone: a machine that was switched off, a test whose supervisor was killed.
void RemoveRootsOfTheDead() {
  for (const std::string& path : TestRootsOf(0)) {
    const std::string name = std::filesystem::path(path).filename();
    const auto owner = static_cast<pid_t>(std::strtol(name.c_str() + std::strlen(kTestRootPrefix), nullptr, 10));
    if (owner > 0 && kill(owner, 0) != 0 && errno == ESRCH) RemoveTree(path);
  }
}

// The status of waitpid(), or -1 after killing a child that missed the deadline.
int WaitUntil(pid_t child, std::chrono::steady_clock::time_point deadline) {
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > deadline) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      return -1;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return status;
}

int ExitCodeOf(int status, long deadline_s) {
  if (status == -1) {
    std::fprintf(stderr, "[ WATCHDOG ] killed: not finished after %ld s (%s)\n", deadline_s, kDeadlineVariable);
    return 1;
  }
  if (WIFSIGNALED(status)) {
    std::fprintf(stderr, "[ WATCHDOG ] the test process was ended by signal %d (%s)\n", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    return 128 + WTERMSIG(status);
  }
  return WEXITSTATUS(status);
}

}  // namespace

void SuperviseThisProcess() {
  if (std::getenv(kSupervisedVariable) != nullptr) return;  // already below one, or on request
  RemoveRootsOfTheDead();

  const char* deadline_text = std::getenv(kDeadlineVariable);
  const long deadline_s = deadline_text != nullptr ? std::strtol(deadline_text, nullptr, 10) : 600;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(deadline_s);

  const pid_t supervisor = getpid();
  const pid_t child = fork();
  if (child < 0) {
    std::perror("fork");
    std::exit(1);
  }
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != supervisor) _exit(1);  // it died before the line above
    setenv(kSupervisedVariable, std::to_string(getpid()).c_str(), 1);
    return;
  }

  int code = ExitCodeOf(WaitUntil(child, deadline), deadline_s);
  for (const std::string& path : TestRootsOf(child)) {
    if (code == 0) {
      std::fprintf(stderr, "[ WATCHDOG ] the tests passed but left %s behind\n", path.c_str());
      code = 1;
    }
    RemoveTree(path);
  }
  std::exit(code);
}

}  // namespace weir::test
