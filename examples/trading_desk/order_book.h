// How much there is at which price.
#ifndef WEIR_EXAMPLES_TRADING_DESK_ORDER_BOOK_H_
#define WEIR_EXAMPLES_TRADING_DESK_ORDER_BOOK_H_

#include <cstdint>
#include <map>

#include "market.h"

class OrderBook {
 public:
  using Levels = std::map<int64_t, uint32_t>;  // by price

  void Apply(const Update& update) {
    Levels& levels = update.side == Side::kBid ? bids_ : asks_;
    if (update.quantity == 0) {
      levels.erase(update.price);
    } else {
      levels[update.price] = update.quantity;
    }
  }

  const Levels& bids() const { return bids_; }
  const Levels& asks() const { return asks_; }
  bool HasBothSides() const { return !bids_.empty() && !asks_.empty(); }
  Levels::const_reference best_bid() const { return *bids_.rbegin(); }
  Levels::const_reference best_ask() const { return *asks_.begin(); }

  Summary Summarize(uint64_t updates) const {
    uint64_t digest = 0;
    for (const Levels* levels : {&bids_, &asks_}) {
      for (const auto& [price, quantity] : *levels) {
        digest = (digest ^ static_cast<uint64_t>(price) ^ uint64_t{quantity} << 40) * 0x9e3779b97f4a7c15u;
      }
    }
    return {.updates = updates, .levels = bids_.size() + asks_.size(), .digest = digest};
  }

 private:
  Levels bids_;
  Levels asks_;
};

#endif  // WEIR_EXAMPLES_TRADING_DESK_ORDER_BOOK_H_
