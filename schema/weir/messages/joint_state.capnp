@0xde8500bbf2ac541e;

using Cxx = import "/capnp/c++.capnp";
using import "/weir/messages/header.capnp".Header;
$Cxx.namespace("weir::msg");

struct JointState @0xd2176efd22e759d4 {
  # The joints of a robot at one moment.

  header @0 :Header;
  # When all of them were measured. The frame is empty.

  joints @1 :List(Joint);
  # In an order that the publisher does not change.

  struct Joint @0xc9dc2903871a889f {
    name @0 :Text;
    # As in the robot's description.

    position @1 :Float64 = nan;
    # [rad or m] Of a turning or a sliding joint. NaN if not measured.

    velocity @2 :Float64 = nan;
    # [rad/s or m/s] Likewise. NaN if not measured.

    effort @3 :Float64 = nan;
    # [N m or N] Likewise. NaN if not measured.
  }
}
