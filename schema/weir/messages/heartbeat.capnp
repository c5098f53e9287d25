@0xcc8ed98c414d4c1b;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("weir::msg");

struct Heartbeat @0xd082bb57e21edf4f {
  # A sign of life of a program or of a connection it keeps, sent at a fixed interval.

  stampNs @0 :UInt64;
  # [ns, CLOCK_MONOTONIC] When it was sent.

  sequence @1 :UInt64;
  # [count] From 1 when the source starts, one more each time.

  intervalNs @2 :UInt64;
  # [ns, CLOCK_MONOTONIC] Until the next one. Who hears nothing for some of these intervals may worry. 0 if irregular.

  source @3 :Text;
  # Of whom, such as "gateway/XNAS".

  state @4 :State;
  # How it is.

  detail @5 :Text;
  # For people. Empty if there is nothing to say.

  enum State @0x9d6646e6d9bfd5bb {
    unknown @0;
    # Not said.

    starting @1;
    # Not at work yet.

    ready @2;
    # At work.

    degraded @3;
    # At work with less than it should have; see detail.

    stopping @4;
    # The last ones before the end.

    failed @5;
    # Alive but not at work; see detail.
  }
}
