# The part that sensor messages have in common: when and where.
#
# In every schema of this folder the comment of a numeric field starts with its unit in brackets. A point in time also
# names its clock: CLOCK_MONOTONIC counts from boot and never jumps, so it is what ages and latencies on this machine
# are computed from; CLOCK_REALTIME counts from 1970-01-01 00:00 UTC and is what other machines understand.
@0xe67aaff3de2a8b4c;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("weir::msg");

struct Header @0xdc18456661e46061 {
  stampNs @0 :UInt64;
  # [ns, CLOCK_MONOTONIC] When the content was true: the middle of an exposure, the end of a sampling interval. Not when
  # it was published, which every sample knows anyway. 0 if unknown.

  frameId @1 :Text;
  # Name of the right-handed coordinate frame that the content is given in, such as "imu" or "camera/left". Empty if
  # the content has no place.
}
