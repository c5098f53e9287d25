@0xaf164a52f0b567d9;

using Cxx = import "/capnp/c++.capnp";
using import "/weir/messages/geometry.capnp".Point;
using import "/weir/messages/geometry.capnp".Quaternion;
using import "/weir/messages/geometry.capnp".Vector3;
using import "/weir/messages/header.capnp".Header;
$Cxx.namespace("weir::msg");

struct Odometry @0x9fa723a293ac6ca5 {
  # Where a vehicle believes to be and how it moves, without jumps but with drift.

  header @0 :Header;
  # When it was so; the frame that position and orientation are given in, such as "odom".

  childFrameId @1 :Text;
  # The vehicle's frame, which the velocities are given in, such as "base".

  position @2 :Point;
  # The vehicle's origin, in header.frameId.

  orientation @3 :Quaternion;
  # Turns a vector given in childFrameId into header.frameId.

  linearVelocity @4 :Vector3;
  # [m/s] Of the vehicle's origin, in childFrameId.

  angularVelocity @5 :Vector3;
  # [rad/s] Of the vehicle, in childFrameId, positive by the right-hand rule.

  poseCovariance @6 :List(Float64);
  # [m^2, m rad, rad^2] Of x, y, z and the rotations around x, y, z of header.frameId: 6 x 6 numbers, row by row. Empty
  # if unknown.

  twistCovariance @7 :List(Float64);
  # [m^2/s^2, m rad/s^2, rad^2/s^2] Of linear x, y, z and angular x, y, z of childFrameId: 6 x 6 numbers, row by row.
  # Empty if unknown.
}
