@0xdb1abadde6babd4c;

using Cxx = import "/capnp/c++.capnp";
using import "/weir/messages/geometry.capnp".Vector3;
using import "/weir/messages/header.capnp".Header;
$Cxx.namespace("weir::msg");

struct Twist @0xf0cb645715d93932 {
  # How fast something moves and turns; as a command: how fast it should.

  header @0 :Header;
  # When it was so, or when the command was given; the frame of the two vectors, for a vehicle usually its own.

  linear @1 :Vector3;
  # [m/s] Velocity of the body's origin.

  angular @2 :Vector3;
  # [rad/s] Rotation, positive by the right-hand rule.

  covariance @3 :List(Float64);
  # [m^2/s^2, m rad/s^2, rad^2/s^2] Of linear x, y, z and angular x, y, z: 6 x 6 numbers, row by row. Empty if unknown.
}
