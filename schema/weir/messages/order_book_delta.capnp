@0x80c9f6bdbf4a63be;

using Cxx = import "/capnp/c++.capnp";
using import "/weir/messages/trading.capnp".PriceLevel;
using import "/weir/messages/trading.capnp".Side;
$Cxx.namespace("weir::msg");

struct OrderBookDelta @0xd077b8a362fc378a {
  # What changed in an order book. Apply it to a book whose last sequence is previousSequence; any other book needs an
  # OrderBookSnapshot first.

  venueTimeNs @0 :UInt64;
  # [ns, CLOCK_REALTIME] When the venue changed the book, by the venue's own UTC clock. 0 if it does not say.

  receivedNs @1 :UInt64;
  # [ns, CLOCK_MONOTONIC] When the feed handler on this machine had read it.

  symbol @2 :Text;
  # Instrument, as the venue writes it.

  venue @3 :Text;
  # Market identifier code (ISO 10383) where there is one, such as "XNAS".

  sequence @4 :UInt64;
  # [count] The venue's number of the book after this change.

  previousSequence @5 :UInt64;
  # [count] The venue's number of the book before this change.

  changes @6 :List(Change);
  # In the order in which they are to be made.

  struct Change @0xa091a11fb6333f62 {
    side @0 :Side;
    # Bids or asks.

    level @1 :PriceLevel;
    # What there is now at the price; quantity 0 removes the price from the book.
  }
}
