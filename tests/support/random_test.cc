#include "tests/support/random.h"

#include "gtest/gtest.h"
#include "tests/support/child.h"

namespace weir::test {
namespace {

TEST(RandomTest, APurposeYieldsTheSameInEveryProcess) {
  Child child([](Channel& parent) { parent.Send(SeededRandom("here")()); });
  EXPECT_EQ(child.channel().Receive<uint64_t>(), SeededRandom("here")());
  EXPECT_NE(SeededRandom("here")(), SeededRandom("there")());
}

}  // namespace
}  // namespace weir::test
