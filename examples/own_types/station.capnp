# What a weather station says. The numbers with @0x are yours to make, with `capnp id`; they are what a type is known by.
@0xd60d6f2f2a3c4ac1;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("weather");

struct Report @0xb9b5a4f0b6e1c2d3 {
  station @0 :Text;
  sky @1 :Sky;
  celsius @2 :List(Float32);
  # One per hour, the latest last.

  wind :union {
    calm @3 :Void;
    metresPerSecond @4 :Float32;
  }
}

enum Sky @0xe2d1c0b9a8978675 {
  clear @0;
  cloudy @1;
  rain @2;
}
