#include "tests/support/test_root.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "tests/support/supervisor.h"

namespace weir::test {
namespace {

namespace fs = std::filesystem;

constexpr char kSharedMemory[] = "/dev/shm";

// The supervisor removes the roots of the process it started, so that process's children keep its pid in their names;
// it tells them through the environment.
std::string NameStem() {
  const char* test_process = std::getenv(kSupervisedVariable);
  long pid = test_process != nullptr ? std::strtol(test_process, nullptr, 10) : 0;
  if (pid == 0) pid = getpid();
  return kTestRootPrefix + std::to_string(pid) + "-";
}

}  // namespace

TestRoot::TestRoot() : owner_(getpid()) {
  for (int number = 1;; ++number) {
    path_ = std::string(kSharedMemory) + "/" + NameStem() + std::to_string(number);
    if (mkdir(path_.c_str(), 0700) == 0) return;
    if (errno != EEXIST) {
      std::perror(path_.c_str());
      std::abort();
    }
  }
}

TestRoot::~TestRoot() {
  if (getpid() == owner_) RemoveTree(path_);
}

std::vector<std::string> TestRoot::Contents() const {
  std::vector<std::string> found;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(path_)) {
    found.push_back(fs::relative(entry.path(), path_).string() + (entry.is_directory() ? "/" : ""));
  }
  std::sort(found.begin(), found.end());
  return found;
}

testing::AssertionResult TestRoot::IsEmpty() const {
  const std::vector<std::string> contents = Contents();
  if (contents.empty()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "left in " << path_ << ": " << testing::PrintToString(contents);
}

std::vector<std::string> TestRootsOf(pid_t test_process) {
  const std::string stem = test_process == 0 ? kTestRootPrefix : kTestRootPrefix + std::to_string(test_process) + "-";
  std::vector<std::string> found;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(kSharedMemory, ignored)) {
    if (entry.path().filename().string().starts_with(stem)) found.push_back(entry.path().string());
  }
  return found;
}

void RemoveTree(const std::string& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

}  // namespace weir::test
