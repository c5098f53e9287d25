@0xa9f45bf32cd82de4;

using Cxx = import "/capnp/c++.capnp";
using import "/weir/messages/geometry.capnp".Quaternion;
using import "/weir/messages/geometry.capnp".Vector3;
using import "/weir/messages/header.capnp".Header;
$Cxx.namespace("weir::msg");

struct Transform @0xb6cb4e1a5c041046 {
  # How one frame lies in another. A point p of the child is rotation * p + translation in the parent.

  header @0 :Header;
  # When it was so; header.frameId is the parent.

  childFrameId @1 :Text;
  # Name of the child's frame.

  translation @2 :Vector3;
  # [m] The child's origin, in the parent.

  rotation @3 :Quaternion;
  # Turns a vector given in the child into the parent.

  isStatic @4 :Bool;
  # It holds for all times, so header.stampNs says nothing.
}
