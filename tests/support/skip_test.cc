#include "tests/support/skip.h"

#include <cstdlib>

#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"
#include "tests/support/child.h"

namespace weir::test {
namespace {

TEST(SkipTest, IsAFailureWhereEverythingIsRequired) {
  // In a child: the environment is not ours to change for the tests after this one.
  Child child([](Channel&) {
    setenv("WEIR_REQUIRE_ALL", "1", 1);
    EXPECT_FATAL_FAILURE(WEIR_SKIP("no such clock"), "no such clock");
    EXPECT_TRUE(EverythingIsRequired());
    unsetenv("WEIR_REQUIRE_ALL");
    EXPECT_FALSE(EverythingIsRequired());
  });
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
}

}  // namespace
}  // namespace weir::test
