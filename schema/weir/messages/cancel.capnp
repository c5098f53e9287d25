@0xed12dd854bbbf6dc;

using Cxx = import "/capnp/c++.capnp";
using import "/weir/messages/trading.capnp".Side;
$Cxx.namespace("weir::msg");

struct Cancel @0x8b842ff8f83cf08b {
  # A request to take an order back. An ExecutionReport says whether that was possible.

  createdNs @0 :UInt64;
  # [ns, CLOCK_MONOTONIC] When it was decided.

  clientOrderId @1 :UInt64;
  # [index] Number that the sender gives to this request, from the same numbers as those of orders. Never 0.

  originalClientOrderId @2 :UInt64;
  # [index] The clientOrderId of the order to be cancelled. 0 if only venueOrderId is known.

  venueOrderId @3 :Text;
  # The venue's name of the order. Empty if the venue has not answered yet.

  account @4 :Text;
  # For whom.

  symbol @5 :Text;
  # Instrument of the order, as the venue writes it.

  venue @6 :Text;
  # Market identifier code (ISO 10383) where there is one, such as "XNAS".

  side @7 :Side;
  # Of the order; some venues ask for it.
}
