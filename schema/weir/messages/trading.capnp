# What the messages of a trading program have in common. Prices and quantities are scaled integers everywhere: see
# Quote.priceScale and Quote.quantityScale.
@0xe6c5cce26a193992;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("weir::msg");

enum Side @0xd2e0d8cbc8519e1a {
  # Of an order, or of the orders at a price.

  unknown @0;
  # Not said.

  buy @1;
  # Bids.

  sell @2;
  # Asks.
}

enum OrderType @0xef941fa2c5128a98 {
  unknown @0;
  # Not said: an order without a type is not to be sent.

  limit @1;
  # At its price or better.

  market @2;
  # At whatever price there is.

  stop @3;
  # Becomes a market order when the market reaches stopPrice.

  stopLimit @4;
  # Becomes a limit order when the market reaches stopPrice.
}

enum TimeInForce @0xb9eac9ed6db326cd {
  day @0;
  # Until the venue closes.

  goodTillCancel @1;
  # Until it is filled or cancelled.

  goodTillTime @2;
  # Until expiresNs.

  immediateOrCancel @3;
  # What cannot be filled at once is cancelled.

  fillOrKill @4;
  # All at once or nothing.

  atOpening @5;
  # In the opening auction only.

  atClosing @6;
  # In the closing auction only.
}

struct PriceLevel @0xe105cbb161469ef5 {
  # All orders of one side at one price.

  price @0 :Int64;
  # [1e-9 of the quote currency] See Quote.priceScale. May be negative.

  quantity @1 :UInt64;
  # [1e-8 of a share, contract or coin] Of all orders at the price; see Quote.quantityScale.

  orderCount @2 :UInt32;
  # [count] Orders at the price. 0 if the venue does not say.
}
