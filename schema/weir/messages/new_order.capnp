@0xf0de997b7a87e400;

using Cxx = import "/capnp/c++.capnp";
using import "/weir/messages/trading.capnp".OrderType;
using import "/weir/messages/trading.capnp".Side;
using import "/weir/messages/trading.capnp".TimeInForce;
$Cxx.namespace("weir::msg");

struct NewOrder @0xef9f2b71d7084ab6 {
  # An order to be sent to a venue. ExecutionReports say what becomes of it.

  createdNs @0 :UInt64;
  # [ns, CLOCK_MONOTONIC] When it was decided.

  clientOrderId @1 :UInt64;
  # [index] Number that the sender gives it, unique within the account and day. Never 0.

  account @2 :Text;
  # For whom.

  strategy @3 :Text;
  # Who decided. Empty if not said.

  symbol @4 :Text;
  # Instrument, as the venue writes it.

  venue @5 :Text;
  # Market identifier code (ISO 10383) where there is one, such as "XNAS".

  side @6 :Side;
  # Buy or sell.

  type @7 :OrderType;
  # What the prices mean.

  timeInForce @8 :TimeInForce;
  # How long it stands.

  expiresNs @9 :UInt64;
  # [ns, CLOCK_REALTIME] End of an order with timeInForce goodTillTime, as UTC. 0 for all others.

  price @10 :Int64;
  # [1e-9 of the quote currency] Limit; see Quote.priceScale. Says nothing for types without a limit.

  stopPrice @11 :Int64;
  # [1e-9 of the quote currency] Where a stop order begins to count. Says nothing for other types.

  quantity @12 :UInt64;
  # [1e-8 of a share, contract or coin] To be bought or sold; see Quote.quantityScale.

  displayQuantity @13 :UInt64;
  # [1e-8 of a share, contract or coin] How much of it others may see. 0 for all.

  isPostOnly @14 :Bool;
  # To be rejected if it would trade at once.

  isReduceOnly @15 :Bool;
  # May make a position smaller, not turn it round.
}
