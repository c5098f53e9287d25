@0xe0c2b7a5d4938f16;
# What the robot was built with.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("robot");

struct Status @0xc9f1d2e3a4b58677 {
  battery @0 :UInt8;  # percent
  mode @1 :Mode;

  enum Mode {
    idle @0;
    driving @1;
  }
}
