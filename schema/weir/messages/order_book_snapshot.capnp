@0xb06102832f080c76;

using Cxx = import "/capnp/c++.capnp";
using import "/weir/messages/trading.capnp".PriceLevel;
$Cxx.namespace("weir::msg");

struct OrderBookSnapshot @0xfdf0a0359a6173a5 {
  # An order book as a whole, or its best levels.

  venueTimeNs @0 :UInt64;
  # [ns, CLOCK_REALTIME] When the venue changed the book, by the venue's own UTC clock. 0 if it does not say.

  receivedNs @1 :UInt64;
  # [ns, CLOCK_MONOTONIC] When the feed handler on this machine had read it.

  symbol @2 :Text;
  # Instrument, as the venue writes it.

  venue @3 :Text;
  # Market identifier code (ISO 10383) where there is one, such as "XNAS".

  sequence @4 :UInt64;
  # [count] The venue's number of the book. The next OrderBookDelta has it as previousSequence.

  bids @5 :List(PriceLevel);
  # Best (highest) price first.

  asks @6 :List(PriceLevel);
  # Best (lowest) price first.

  levelsMax @7 :UInt32;
  # [count] Levels per side that the book was cut off at. 0 if it is whole.
}
