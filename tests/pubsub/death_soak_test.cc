// A thousand deaths. See death_rounds.h.
// weir-test: crashable soak timeout=900
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tests/pubsub/death_rounds.h"
#include "tests/support/random.h"

namespace weir {
namespace {

TEST(DeathSoakTest, AThousandProcessesAreKilledAndNobodyStallsAndNoSlotIsLost) {
  constexpr int kDeaths = 1000;
  test::DeathRounds rounds;
  ASSERT_NO_FATAL_FAILURE(rounds.Start());
  const std::set<std::string> points = rounds.FindCrashPoints(20);
  EXPECT_GT(points.size(), 40u);
  auto random = test::SeededRandom("soak");
  // At every point early, then at each of them some time later; the rest at any point and at any time.
  for (int nth : {1, 2, 3, 10, 40}) {
    for (const std::string& point : points) {
      if (testing::Test::HasFailure()) break;
      rounds.KillAt(point, nth);
    }
  }
  while (rounds.killed() < kDeaths && !testing::Test::HasFailure()) {
    if (random() % 3 == 0) {
      rounds.KillAt("", 1 + static_cast<int>(random() % 5000));
    } else {
      rounds.KillAtSomeTime();
    }
  }
  EXPECT_GE(rounds.killed(), kDeaths);
  rounds.Finish();
}

}  // namespace
}  // namespace weir
