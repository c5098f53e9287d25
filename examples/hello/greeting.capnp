@0xd1a6f7c3f1a2b9e4;
# A message type of our own. Two lines of CMake make it usable: see ../CMakeLists.txt.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("hello");

struct Greeting @0xa5b8c1d97f30e264 {
  text @0 :Text;      # what to say
  number @1 :UInt32;  # how many greetings there were before this one, plus one
}
