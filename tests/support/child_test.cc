#include "tests/support/child.h"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <fstream>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"

namespace weir::test {
namespace {

using std::chrono::milliseconds;

TEST(ChildTest, SendsValuesTextAndMegabytes) {
  std::vector<uint64_t> million(1'000'000);
  std::iota(million.begin(), million.end(), 1);
  Child child([&](Channel& parent) {
    parent.Send(42);
    parent.Send("a sentence");
    parent.SendVector(million);
    EXPECT_EQ(parent.Receive<int>(), 7);
  });
  EXPECT_EQ(child.channel().Receive<int>(), 42);
  EXPECT_EQ(child.channel().ReceiveText(), "a sentence");
  EXPECT_EQ(child.channel().ReceiveVector<uint64_t>(), million);
  child.channel().Send(7);
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
}

TEST(ChildTest, AFailedExpectationInTheChildIsAFailedExit) {
  Child child([](Channel&) {
    testing::TestPartResultArray swallowed;  // its text would look like a failure of this test
    testing::ScopedFakeTestPartResultReporter reporter(&swallowed);
    throw std::runtime_error("on purpose");
  });
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(1));
  Child failing([](Channel&) {
    close(STDOUT_FILENO);
    EXPECT_EQ(1, 2);
  });
  EXPECT_EQ(failing.Wait(), ChildEnd::Exited(1));
}

TEST(ChildTest, KillIsSeenByWaitAndByReceive) {
  Child child([](Channel&) { pause(); });
  child.Kill();
  EXPECT_EQ(child.channel().Receive<int>(), std::nullopt);
  EXPECT_EQ(child.Wait(), ChildEnd::KilledBy(SIGKILL));
  EXPECT_EQ(child.Wait(), ChildEnd::KilledBy(SIGKILL));
  EXPECT_FALSE(child.channel().Send(1) && child.channel().Send(2));
}

TEST(ChildTest, AHangEnds) {
  Child child([](Channel&) { pause(); });
  EXPECT_EQ(child.Wait(milliseconds(20)), ChildEnd());
}

TEST(ChildTest, AStoppedChildSaysNothingUntilItGoesOn) {
  Child child([](Channel& parent) {
    while (const std::optional<int> number = parent.Receive<int>()) parent.Send(*number + 1);
  });
  child.Stop();
  child.channel().Send(1);
  EXPECT_EQ(child.channel().Receive<int>(milliseconds(20)), std::nullopt);
  child.Continue();
  EXPECT_EQ(child.channel().Receive<int>(), 2);
}

TEST(ChildTest, DiesWithItsParent) {
  Child child([](Channel& parent) {
    Child grandchild([](Channel&) { pause(); });
    parent.Send(grandchild.pid());
    pause();
  });
  const std::optional<pid_t> grandchild = child.channel().Receive<pid_t>();
  ASSERT_TRUE(grandchild);
  child.Kill();
  EXPECT_EQ(child.Wait(), ChildEnd::KilledBy(SIGKILL));
  // It becomes a child of init, which may take its time to reap it; a process that only waits to be reaped runs no
  // more.
  while (kill(*grandchild, 0) == 0) {
    std::string state;
    std::ifstream stat("/proc/" + std::to_string(*grandchild) + "/stat");
    stat >> state >> state >> state;
    if (state == "Z") break;
    usleep(1000);
  }
}

}  // namespace
}  // namespace weir::test
