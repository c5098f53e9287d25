@0xe889370a53dae2e3;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("weir::msg");

struct Quote @0x9178a08d8d3fab59 {
  # Best bid and offer of one instrument at one venue. Prices and quantities are scaled integers, because decimal
  # fractions have no exact binary floating-point form.

  const priceScale @0xfc359bd0ed665aae :Int64 = 1000000000;
  # A price field of 1 is 1 / priceScale of the currency the instrument is quoted in. Reaches +-9.2e9 in steps of 1e-9.

  const quantityScale @0xa57df4b591ffba53 :UInt64 = 100000000;
  # A quantity field of 1 is 1 / quantityScale of a share, contract or coin. Reaches 1.8e11 in steps of 1e-8.

  venueTimeNs @0 :UInt64;
  # [ns, CLOCK_REALTIME] When the venue changed the quote, by the venue's own UTC clock. 0 if it does not say.

  receivedNs @1 :UInt64;
  # [ns, CLOCK_MONOTONIC] When the feed handler on this machine had read it.

  symbol @2 :Text;
  # Instrument, as the venue writes it.

  venue @3 :Text;
  # Market identifier code (ISO 10383) where there is one, such as "XNAS".

  sequence @4 :UInt64;
  # [count] The venue's number of the update that led to this quote. 0 if it has none.

  bidPrice @5 :Int64;
  # [1e-9 of the quote currency] Highest price somebody buys at; see priceScale. Says nothing while bidQuantity is 0.

  bidQuantity @6 :UInt64;
  # [1e-8 of a share, contract or coin] Wanted at bidPrice; see quantityScale. 0 if nobody bids.

  askPrice @7 :Int64;
  # [1e-9 of the quote currency] Lowest price somebody sells at; see priceScale. Says nothing while askQuantity is 0.

  askQuantity @8 :UInt64;
  # [1e-8 of a share, contract or coin] Offered at askPrice; see quantityScale. 0 if nobody offers.
}
