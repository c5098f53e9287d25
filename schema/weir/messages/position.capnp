@0xd3d60535abcbcf60;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("weir::msg");

struct Position @0xa5d114775545f8b3 {
  # What an account has of one instrument.

  stampNs @0 :UInt64;
  # [ns, CLOCK_MONOTONIC] When it was computed.

  venueTimeNs @1 :UInt64;
  # [ns, CLOCK_REALTIME] Of the last event in it, by the venue's own UTC clock. 0 if there was none.

  account @2 :Text;
  # Whose.

  symbol @3 :Text;
  # Instrument, as the venue writes it.

  venue @4 :Text;
  # Market identifier code (ISO 10383) where there is one, such as "XNAS". Empty for the sum over all venues.

  quantity @5 :Int64;
  # [1e-8 of a share, contract or coin] Held; negative if sold short. See Quote.quantityScale.

  averagePrice @6 :Int64;
  # [1e-9 of the quote currency] Paid per share, contract or coin of quantity; see Quote.priceScale. Says nothing while
  # quantity is 0.

  markPrice @7 :Int64;
  # [1e-9 of the quote currency] That unrealizedProfit was computed with. Says nothing while quantity is 0.

  realizedProfit @8 :Int64;
  # [1e-9 of the quote currency] Of what was closed since the day began, fees taken off.

  unrealizedProfit @9 :Int64;
  # [1e-9 of the quote currency] If quantity were closed at markPrice.

  openBuyQuantity @10 :UInt64;
  # [1e-8 of a share, contract or coin] In buy orders that stand.

  openSellQuantity @11 :UInt64;
  # [1e-8 of a share, contract or coin] In sell orders that stand.
}
