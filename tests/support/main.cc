// The main() of every test.
#include "gtest/gtest.h"
#include "tests/support/random.h"
#include "tests/support/supervisor.h"

int main(int argc, char** argv) {
  weir::test::FixSeed();
  weir::test::SuperviseThisProcess();
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
