@0xe502b1bec252f3a1;

using Cxx = import "/capnp/c++.capnp";
using import "/weir/messages/header.capnp".Header;
$Cxx.namespace("weir::msg");

struct Imu @0xf1a43755d8cbab36 {
  # One reading of an inertial measurement unit. The three axes are those of the frame header.frameId, with x forward,
  # y left and z up where the device has such directions. All numbers lie in the struct itself, not behind pointers.

  header @0 :Header;
  # When and in which frame the reading was taken.

  angularVelocity :group {
    # Rotation of the frame against inertial space, positive by the right-hand rule.

    x @1 :Float64;
    # [rad/s] Around the x axis of header.frameId.

    y @2 :Float64;
    # [rad/s] Around the y axis of header.frameId.

    z @3 :Float64;
    # [rad/s] Around the z axis of header.frameId.
  }

  linearAcceleration :group {
    # Specific force, as the device feels it: at rest with z up it reads z = +9.81, in free fall it reads zero.

    x @4 :Float64;
    # [m/s^2] Along the x axis of header.frameId.

    y @5 :Float64;
    # [m/s^2] Along the y axis of header.frameId.

    z @6 :Float64;
    # [m/s^2] Along the z axis of header.frameId.
  }

  orientation :union {
    # Attitude as the device estimates it.

    unknown @7 :Void;
    # The device does not estimate it.

    quaternion :group {
      # Unit quaternion that turns a vector given in header.frameId into the local east-north-up frame.

      w @8 :Float64;
      # [1] Scalar part.

      x @9 :Float64;
      # [1] Component x of the vector part.

      y @10 :Float64;
      # [1] Component y of the vector part.

      z @11 :Float64;
      # [1] Component z of the vector part.
    }
  }

  temperatureCelsius @12 :Float32 = nan;
  # [degree Celsius] Of the sensing element. NaN if the device does not say.
}
