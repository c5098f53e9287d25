@0xe0c2b7a5d4938f16;
# The same type, a year later: the same id, two fields and one mode more, and one field with a better name.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("robot");

struct Status @0xc9f1d2e3a4b58677 {
  batteryPercent @0 :UInt8;
  mode @1 :Mode;
  temperature @2 :Int16 = 20;  # degrees Celsius
  hint @3 :Text;

  enum Mode {
    idle @0;
    driving @1;
    charging @2;
  }
}
