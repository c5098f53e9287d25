// The message: any trivially copyable struct will do.
#ifndef WEIR_EXAMPLES_TICKS_TICK_H_
#define WEIR_EXAMPLES_TICKS_TICK_H_

#include <weir/describe.h>

#include <cstdint>

struct Tick {
  int64_t price_e9 = 0;   // price x 10^9
  uint64_t quantity = 0;  // lots
  uint64_t number = 0;    // from 1

  static constexpr char kTopic[] = "ticks/eurusd";
  static constexpr uint64_t kCount = 1'000'000;
};
// Not needed, but then a program with another version of the struct is told which field differs.
WEIR_STRUCT(Tick, price_e9, quantity, number);

#endif  // WEIR_EXAMPLES_TICKS_TICK_H_
