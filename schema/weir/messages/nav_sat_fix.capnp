@0xd6046644780b96ea;

using Cxx = import "/capnp/c++.capnp";
using import "/weir/messages/header.capnp".Header;
$Cxx.namespace("weir::msg");

struct NavSatFix @0xcca46689bbd5c299 {
  # A position from satellites, on the WGS 84 ellipsoid.

  header @0 :Header;
  # When the fix was valid; the frame of the antenna.

  utcNs @1 :UInt64;
  # [ns, CLOCK_REALTIME] The same moment as UTC, from the satellites and not from this machine's clock. 0 if unknown.

  status @2 :Status;
  # Whether there is a fix, and of what quality.

  latitude @3 :Float64 = nan;
  # [degree] North of the equator. NaN without a fix.

  longitude @4 :Float64 = nan;
  # [degree] East of Greenwich. NaN without a fix.

  altitude @5 :Float64 = nan;
  # [m] Above the ellipsoid, not above the sea. NaN if unknown.

  covariance @6 :List(Float64);
  # [m^2] Of the position towards east, north and up: 3 x 3 numbers, row by row. Empty if unknown.

  satelliteCount @7 :UInt16;
  # [count] Satellites used. 0 if unknown.

  enum Status @0xbe1f68eecccd6d74 {
    unknown @0;
    # Not said.

    noFix @1;
    # The receiver looks for satellites.

    fix @2;
    # Without corrections.

    differential @3;
    # With corrections of a satellite or ground station.

    rtkFloat @4;
    # Carrier phase, ambiguities not resolved: decimetres.

    rtkFixed @5;
    # Carrier phase, ambiguities resolved: centimetres.

    deadReckoning @6;
    # Carried on from the last fix by other sensors.
  }
}
