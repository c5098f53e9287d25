@0xdc971a7f7c74879e;

using Cxx = import "/capnp/c++.capnp";
using import "/weir/messages/trading.capnp".Side;
$Cxx.namespace("weir::msg");

struct ExecutionReport @0xcfbeff385ec3bc2d {
  # What became of an order, or of a request to cancel it. One message per event; the totals make it
  # readable without the events before it.

  venueTimeNs @0 :UInt64;
  # [ns, CLOCK_REALTIME] When it happened, by the venue's own UTC clock. 0 if it does not say.

  receivedNs @1 :UInt64;
  # [ns, CLOCK_MONOTONIC] When the gateway on this machine had read it.

  event @2 :Event;
  # What happened.

  clientOrderId @3 :UInt64;
  # [index] The sender's number of the order or request. 0 for an order that was not sent from here.

  originalClientOrderId @4 :UInt64;
  # [index] For an answer to a Cancel: the number of the order it was for. Else 0.

  venueOrderId @5 :Text;
  # The venue's name of the order.

  executionId @6 :Text;
  # The venue's name of this event.

  account @7 :Text;
  # For whom.

  symbol @8 :Text;
  # Instrument, as the venue writes it.

  venue @9 :Text;
  # Market identifier code (ISO 10383) where there is one, such as "XNAS".

  side @10 :Side;
  # Of the order.

  price @11 :Int64;
  # [1e-9 of the quote currency] The order's limit; see Quote.priceScale. Says nothing for a market order.

  quantity @12 :UInt64;
  # [1e-8 of a share, contract or coin] The order's; see Quote.quantityScale.

  lastPrice @13 :Int64;
  # [1e-9 of the quote currency] Of this fill. Says nothing while lastQuantity is 0.

  lastQuantity @14 :UInt64;
  # [1e-8 of a share, contract or coin] Of this fill. 0 if the event is none.

  filledQuantity @15 :UInt64;
  # [1e-8 of a share, contract or coin] Of all fills up to now.

  leavesQuantity @16 :UInt64;
  # [1e-8 of a share, contract or coin] Still standing at the venue.

  averagePrice @17 :Int64;
  # [1e-9 of the quote currency] Of all fills up to now, weighted by quantity. Says nothing while filledQuantity is 0.

  fee @18 :Int64;
  # [1e-9 of feeCurrency] For this fill; negative if the venue pays.

  feeCurrency @19 :Text;
  # ISO 4217 code, or the coin. Empty if no fee is known.

  liquidity @20 :Liquidity;
  # Which side of the trade the order was on.

  reason @21 :Text;
  # Why it was rejected, cancelled or expired, in the venue's words. Empty if it does not say.

  enum Event @0xe49e8e94e03daf8b {
    unknown @0;
    # Nothing that this list has.

    accepted @1;
    # The order stands at the venue.

    rejected @2;
    # The order does not stand.

    partlyFilled @3;
    # A part was traded, the rest stands.

    filled @4;
    # The last part was traded.

    cancelled @5;
    # The rest was taken back.

    cancelRejected @6;
    # A Cancel came to nothing; the order is as it was.

    expired @7;
    # The order's time is over.

    tradeBroken @8;
    # The venue took an earlier fill back; lastPrice and lastQuantity say which.
  }

  enum Liquidity @0x86fc4d8cf0cd818d {
    unknown @0;
    # Not said.

    maker @1;
    # The order stood in the book.

    taker @2;
    # The order took one from the book.

    auction @3;
    # Neither.
  }
}
