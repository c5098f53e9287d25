// What the desk's programs say to each other: plain structs on exclusive topics.
#ifndef WEIR_EXAMPLES_TRADING_DESK_MARKET_H_
#define WEIR_EXAMPLES_TRADING_DESK_MARKET_H_

#include <weir/describe.h>

#include <cstdint>

enum class Side : uint8_t { kBid, kAsk };

// How many there are at a price from now on; 0: none.
struct Update {
  static constexpr char kTopic[] = "desk/updates";

  uint64_t number;  // from 1, without gaps
  int64_t price;    // in cents
  uint32_t quantity;
  Side side;
};
WEIR_STRUCT(Update, number, price, quantity, side);

// The feed's own book after its last update.
struct Summary {
  static constexpr char kTopic[] = "desk/summary";

  uint64_t updates;
  uint64_t levels;
  uint64_t digest;  // of all levels
};
WEIR_STRUCT(Summary, updates, levels, digest);

struct Order {
  static constexpr char kTopic[] = "desk/orders";

  uint64_t number;   // from 1
  uint64_t tick_ns;  // CLOCK_MONOTONIC: when the update was published that the order is an answer to
  int64_t price;
  uint32_t quantity;  // 0: there will be no more orders
  Side side;
};
WEIR_STRUCT(Order, number, tick_ns, price, quantity, side);

// The whole of order `number` was traded.
struct Fill {
  static constexpr char kTopic[] = "desk/fills";

  uint64_t number;
  int64_t price;
  uint32_t quantity;
  Side side;
};
WEIR_STRUCT(Fill, number, price, quantity, side);

#endif  // WEIR_EXAMPLES_TRADING_DESK_MARKET_H_
