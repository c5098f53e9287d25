@0xc3a1f0e5d2b49786;

using Header = import "/weir/messages/header.capnp".Header;
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("thermometer");

struct Reading {
  header @0 :Header;
  celsius @1 :Float64;  # [degrees Celsius]
}
