@0xb5cb13f8b50d4c21;

using Cxx = import "/capnp/c++.capnp";
using import "/weir/messages/header.capnp".Header;
$Cxx.namespace("weir::msg");

struct LaserScan @0xe354904a651e439a {
  # One sweep of a scanner that turns around the z axis of its frame. Ray i points to angleFirst + i * angleStep.

  header @0 :Header;
  # When the first ray was measured; the scanner's frame, with angle 0 along x.

  angleFirst @1 :Float32;
  # [rad] Direction of the first ray, counter-clockwise from x.

  angleStep @2 :Float32;
  # [rad] From one ray to the next; negative for a scanner that turns clockwise.

  rayIntervalNs @3 :UInt64;
  # [ns, CLOCK_MONOTONIC] From one ray to the next. 0 if all are measured at once.

  scanIntervalNs @4 :UInt64;
  # [ns, CLOCK_MONOTONIC] From one sweep to the next. 0 if unknown.

  rangeMin @5 :Float32;
  # [m] Shorter distances are no measurement.

  rangeMax @6 :Float32;
  # [m] Longer distances are no measurement.

  ranges @7 :List(Float32);
  # [m] Distance per ray. Infinite: nothing within rangeMax. NaN: no measurement.

  intensities @8 :List(Float32);
  # [as the device says] Strength of the echo per ray. Empty if the device has none.
}
