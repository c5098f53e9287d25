@0x968b3ac0034b6e15;

using Cxx = import "/capnp/c++.capnp";
using import "/weir/messages/quote.capnp".Quote;
$Cxx.namespace("weir::msg");

struct Trade @0x8dd989c9c793e651 {
  # One trade as a venue reports it. Prices and quantities are scaled as in Quote.

  const priceScale @0xf23a2b91eb572aa3 :Int64 = Quote.priceScale;
  # A price field of 1 is 1 / priceScale of the currency the instrument is quoted in.

  const quantityScale @0xe4e929d66cad88fe :UInt64 = Quote.quantityScale;
  # A quantity field of 1 is 1 / quantityScale of a share, contract or coin.

  venueTimeNs @0 :UInt64;
  # [ns, CLOCK_REALTIME] When the venue made the trade, by the venue's own UTC clock. 0 if it does not say.

  receivedNs @1 :UInt64;
  # [ns, CLOCK_MONOTONIC] When the feed handler on this machine had read it.

  symbol @2 :Text;
  # Instrument, as the venue writes it.

  venue @3 :Text;
  # Market identifier code (ISO 10383) where there is one, such as "XNAS".

  tradeId @4 :UInt64;
  # [count] The venue's number of the trade. 0 if it has none.

  price @5 :Int64;
  # [1e-9 of the quote currency] Per share, contract or coin; see priceScale. May be negative.

  quantity @6 :UInt64;
  # [1e-8 of a share, contract or coin] That changed hands; see quantityScale.

  aggressor @7 :Side;
  # Who crossed the spread.

  enum Side @0xe9a857f294f0bfa5 {
    unknown @0;
    # Not said, or an auction.

    buyer @1;
    # A buyer took an offer.

    seller @2;
    # A seller hit a bid.
  }
}
