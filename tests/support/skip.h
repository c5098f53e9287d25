// WEIR_SKIP(reason): for what this machine cannot do (no second core, no TSC, a system call that the container
// forbids). Where everything is required, with WEIR_REQUIRE_ALL=1 in the environment, it is a failure.
#ifndef WEIR_TESTS_SUPPORT_SKIP_H_
#define WEIR_TESTS_SUPPORT_SKIP_H_

#include <cstdlib>
#include <string_view>

#include "gtest/gtest.h"

namespace weir::test {

inline bool EverythingIsRequired() {
  const char* value = std::getenv("WEIR_REQUIRE_ALL");
  return value != nullptr && std::string_view(value) == "1";
}

}  // namespace weir::test

#define WEIR_SKIP(reason)                                                                                    \
  do {                                                                                                       \
    if (::weir::test::EverythingIsRequired()) FAIL() << "skipped although WEIR_REQUIRE_ALL=1: " << (reason); \
    GTEST_SKIP() << (reason);                                                                                \
  } while (false)

#endif  // WEIR_TESTS_SUPPORT_SKIP_H_
