// Randomness that can be had again. The first use prints the seed; WEIR_TEST_SEED=<seed> brings it back.
#ifndef WEIR_TESTS_SUPPORT_RANDOM_H_
#define WEIR_TESTS_SUPPORT_RANDOM_H_

#include <cstdint>
#include <random>
#include <string_view>

namespace weir::test {

// Puts a seed into the environment, unless there is one. main() calls it, so that all processes of a test have the
// same.
void FixSeed();

// The seed of this run.
uint64_t Seed();

// A generator of its own for each purpose, so that neither --gtest_filter nor another test changes what it yields.
std::mt19937_64 SeededRandom(std::string_view purpose);

}  // namespace weir::test

#endif  // WEIR_TESTS_SUPPORT_RANDOM_H_
