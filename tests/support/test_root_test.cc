#include "tests/support/test_root.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/child.h"

namespace weir::test {
namespace {

TEST(TestRootTest, EveryRootIsANewEmptyDirectoryAndGoesWithItsObject) {
  std::string path;
  {
    const TestRoot first;
    const TestRoot second;
    EXPECT_NE(first.path(), second.path());
    EXPECT_TRUE(std::filesystem::is_directory(first.path()));
    EXPECT_TRUE(first.IsEmpty());
    path = first.path();
    std::filesystem::create_directory(path + "/domain");
    std::ofstream(path + "/domain/registry") << "x";
    EXPECT_EQ(first.Contents(), (std::vector<std::string>{"domain/", "domain/registry"}));
    EXPECT_FALSE(first.IsEmpty());
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(TestRootTest, AForkedChildDoesNotRemoveItsParentsRoot) {
  std::optional<TestRoot> root(std::in_place);
  Child child([&](Channel&) { root.reset(); });
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
  EXPECT_TRUE(std::filesystem::exists(root->path()));
}

TEST(TestRootTest, ARootOfAKilledChildCarriesThePidOfTheTestProcess) {
  Child child([](Channel& parent) {
    const TestRoot root;
    parent.Send(root.path());
    parent.Receive<int>();
  });
  const std::optional<std::string> path = child.channel().ReceiveText();
  ASSERT_TRUE(path);
  child.Kill();
  EXPECT_EQ(child.Wait(), ChildEnd::KilledBy(SIGKILL));
  const std::vector<std::string> ours = TestRootsOf(getpid());
  EXPECT_EQ(std::count(ours.begin(), ours.end(), *path), 1);
  RemoveTree(*path);  // else the supervisor would call it a failure
}

}  // namespace
}  // namespace weir::test
