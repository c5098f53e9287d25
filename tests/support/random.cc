#include "tests/support/random.h"

#include <cinttypes>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>

#include "middleware/base/hash.h"

namespace weir::test {
namespace {

constexpr char kSeedVariable[] = "WEIR_TEST_SEED";

uint64_t SeedFromEnvironment() {
  FixSeed();
  const uint64_t seed = std::strtoull(std::getenv(kSeedVariable), nullptr, 0);
  std::printf("[ SEED     ] %s=%" PRIu64 "\n", kSeedVariable, seed);
  std::fflush(stdout);
  return seed;
}

}  // namespace

void FixSeed() {
  std::random_device device;
  const uint64_t seed = uint64_t{device()} << 32 | device();
  setenv(kSeedVariable, std::to_string(seed).c_str(), /*overwrite=*/0);
}

uint64_t Seed() {
  static const uint64_t seed = SeedFromEnvironment();
  return seed;
}

std::mt19937_64 SeededRandom(std::string_view purpose) {
  return std::mt19937_64(Seed() ^ HashBytes(std::as_bytes(std::span(purpose))).low);
}

}  // namespace weir::test
