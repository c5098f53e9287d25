// weir-test: crashable
#include "tests/support/crash_at.h"

#include <signal.h>

#include "gtest/gtest.h"
#include "tests/support/child.h"

namespace weir::test {
namespace {

void PassThreePoints() {
  WEIR_CRASH_POINT("test.first");
  WEIR_CRASH_POINT("test.second");
  WEIR_CRASH_POINT("test.first");
}

TEST(CrashAtTest, KillsAtTheNthPassOfThePoint) {
  Child survivor([](Channel&) {
    CrashAt("test.first", 3);
    PassThreePoints();
  });
  EXPECT_EQ(survivor.Wait(), ChildEnd::Exited(0));
  Child victim([](Channel&) {
    CrashAt("test.first", 2);
    PassThreePoints();
  });
  EXPECT_EQ(victim.Wait(), ChildEnd::KilledBy(SIGKILL));
  Child anywhere([](Channel&) {
    CrashAt("", 3);
    PassThreePoints();
  });
  EXPECT_EQ(anywhere.Wait(), ChildEnd::KilledBy(SIGKILL));
}

TEST(CrashAtTest, RecordsThePointsPassed) {
  RecordCrashPoints();
  PassThreePoints();
  g_crash_hook.store(nullptr);
  EXPECT_EQ(RecordedCrashPoints(), (std::set<std::string>{"test.first", "test.second"}));
}

}  // namespace
}  // namespace weir::test
