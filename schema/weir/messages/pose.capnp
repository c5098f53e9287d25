@0xbe887a9f22d19d1b;

using Cxx = import "/capnp/c++.capnp";
using import "/weir/messages/geometry.capnp".Point;
using import "/weir/messages/geometry.capnp".Quaternion;
using import "/weir/messages/header.capnp".Header;
$Cxx.namespace("weir::msg");

struct Pose @0xc1bdce488ead56fd {
  # Where something is and how it is turned. As an element of a list it may leave out the header of its own.

  header @0 :Header;
  # When it was so; the frame that position and orientation are given in.

  position @1 :Point;
  # The origin of the body's frame, in header.frameId.

  orientation @2 :Quaternion;
  # Turns a vector given in the body's frame into header.frameId.

  covariance @3 :List(Float64);
  # [m^2, m rad, rad^2] Of x, y, z and the rotations around x, y, z of header.frameId: 6 x 6 numbers, row by row. Empty
  # if unknown.
}
