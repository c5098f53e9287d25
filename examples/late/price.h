#ifndef WEIR_EXAMPLES_LATE_PRICE_H_
#define WEIR_EXAMPLES_LATE_PRICE_H_

#include <cstdint>

struct Price {
  int64_t cents = 0;

  static constexpr char kTopic[] = "price/lamp";
};

#endif  // WEIR_EXAMPLES_LATE_PRICE_H_
