# Points, vectors and rotations: the parts that messages about space are made of. They say nothing of time and frame;
# the message they lie in does.
@0x9e37a9996cf6b8ab;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("weir::msg");

struct Vector3 @0xab868cf30c020c69 {
  # A direction with a length. The unit is that of the field whose type it is.

  x @0 :Float64;
  # [as the field says] Along the x axis.

  y @1 :Float64;
  # [as the field says] Along the y axis.

  z @2 :Float64;
  # [as the field says] Along the z axis.
}

struct Point @0x95d9928c455f976d {
  # A place, given by its distance from the origin of a frame.

  x @0 :Float64;
  # [m] Along the x axis.

  y @1 :Float64;
  # [m] Along the y axis.

  z @2 :Float64;
  # [m] Along the z axis.
}

struct Quaternion @0xfb9381b5f513bd13 {
  # A rotation as a unit quaternion. One that was never set does not rotate.

  w @0 :Float64 = 1;
  # [1] Scalar part.

  x @1 :Float64;
  # [1] Component x of the vector part.

  y @2 :Float64;
  # [1] Component y of the vector part.

  z @3 :Float64;
  # [1] Component z of the vector part.
}
