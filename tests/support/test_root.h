// A directory in shared memory that one test has to itself, to be given to Weir as the root of its domains.
#ifndef WEIR_TESTS_SUPPORT_TEST_ROOT_H_
#define WEIR_TESTS_SUPPORT_TEST_ROOT_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace weir::test {

// /dev/shm/weir-test-<pid>-<n>, where <pid> is the test process, in its forked children too.
inline constexpr char kTestRootPrefix[] = "weir-test-";

class TestRoot {
 public:
  TestRoot();   // mode 0700; aborts the test process if it cannot be made
  ~TestRoot();  // removes the directory and all that is in it, in the process that made it
  TestRoot(const TestRoot&) = delete;
  TestRoot& operator=(const TestRoot&) = delete;

  const std::string& path() const { return path_; }

  // Everything in it, as sorted paths relative to path(); directories end in '/'.
  std::vector<std::string> Contents() const;

  // EXPECT_TRUE(root.IsEmpty()) names what was left.
  testing::AssertionResult IsEmpty() const;

 private:
  std::string path_;
  pid_t owner_;
};

// The roots in /dev/shm of one test process, or of all of them with 0.
std::vector<std::string> TestRootsOf(pid_t test_process);

// Removes a directory with everything in it; what is missing or not ours is skipped.
void RemoveTree(const std::string& path);

}  // namespace weir::test

#endif  // WEIR_TESTS_SUPPORT_TEST_ROOT_H_
