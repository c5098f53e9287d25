#include "tests/support/supervisor.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/test_root.h"

namespace weir::test {
namespace {

struct Outcome {
  int exit_code;
  std::string output;
};

// Runs one of the disabled tests below in a process with a supervisor of its own.
Outcome RunUnderSupervisor(const std::string& test, const std::string& deadline_s) {
  const std::string program = std::filesystem::read_symlink("/proc/self/exe");
  const std::string command = std::string("env -u ") + kSupervisedVariable + " WEIR_TEST_DEADLINE_S=" + deadline_s +
                              " '" + program + "' --gtest_also_run_disabled_tests --gtest_filter=DISABLED_Behaviour." +
                              test + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  Outcome outcome{-1, {}};
  for (int byte = std::fgetc(pipe); byte != EOF; byte = std::fgetc(pipe)) outcome.output += static_cast<char>(byte);
  const int status = pclose(pipe);
  if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
  return outcome;
}

// The root that a behaviour printed as "root=<path>;".
std::string RootIn(const std::string& output) {
  const size_t start = output.find("root=") + 5;
  return output.substr(start, output.find(';', start) - start);
}

void LeaveRoot() {
  std::string path;
  {
    const TestRoot root;
    path = root.path();
  }
  std::filesystem::create_directory(path);
  std::printf("root=%s;\n", path.c_str());
  std::fflush(stdout);
}

TEST(DISABLED_Behaviour, Pass) {}
TEST(DISABLED_Behaviour, Fail) {
  FAIL() << "on purpose";
}
TEST(DISABLED_Behaviour, Hang) {
  LeaveRoot();
  pause();
}
TEST(DISABLED_Behaviour, Die) {
  LeaveRoot();
  kill(getpid(), SIGKILL);
}
TEST(DISABLED_Behaviour, LeaveARoot) {
  LeaveRoot();
}

TEST(SupervisorTest, PassesTheExitCodeOn) {
  EXPECT_EQ(RunUnderSupervisor("Pass", "30").exit_code, 0);
  EXPECT_EQ(RunUnderSupervisor("Fail", "30").exit_code, 1);
}

TEST(SupervisorTest, EndsAHangAndRemovesWhatItLeft) {
  const Outcome outcome = RunUnderSupervisor("Hang", "1");
  EXPECT_EQ(outcome.exit_code, 1) << outcome.output;
  EXPECT_NE(outcome.output.find("not finished after 1 s"), std::string::npos) << outcome.output;
  EXPECT_FALSE(std::filesystem::exists(RootIn(outcome.output))) << outcome.output;
}

TEST(SupervisorTest, NamesTheSignalOfADeathAndRemovesWhatItLeft) {
  const Outcome outcome = RunUnderSupervisor("Die", "30");
  EXPECT_EQ(outcome.exit_code, 128 + SIGKILL) << outcome.output;
  EXPECT_FALSE(std::filesystem::exists(RootIn(outcome.output))) << outcome.output;
}

TEST(SupervisorTest, ATestThatPassesAndLeavesARootHasFailed) {
  const Outcome outcome = RunUnderSupervisor("LeaveARoot", "30");
  EXPECT_EQ(outcome.exit_code, 1) << outcome.output;
  EXPECT_NE(outcome.output.find("left " + RootIn(outcome.output) + " behind"), std::string::npos) << outcome.output;
  EXPECT_FALSE(std::filesystem::exists(RootIn(outcome.output))) << outcome.output;
}

}  // namespace
}  // namespace weir::test
