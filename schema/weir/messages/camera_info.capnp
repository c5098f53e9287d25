@0xf802864919dde1d5;

using Cxx = import "/capnp/c++.capnp";
using import "/weir/messages/header.capnp".Header;
$Cxx.namespace("weir::msg");

struct CameraInfo @0xa0b2e440c7050c41 {
  # How a camera maps directions to pixels. Goes with the images of the same header.stampNs and header.frameId.

  header @0 :Header;
  # As the image's.

  width @1 :UInt32;
  # [px] Pixels in a row at calibration.

  height @2 :UInt32;
  # [px] Rows at calibration.

  intrinsics :group {
    # A point (x, y, z) in header.frameId, undistorted, appears at u = focalLengthX * x / z + principalPointX and
    # v = focalLengthY * y / z + principalPointY. All 0 if the camera is not calibrated.

    focalLengthX @3 :Float64;
    # [px] Along the rows.

    focalLengthY @4 :Float64;
    # [px] Along the columns.

    principalPointX @5 :Float64;
    # [px] From the centre of the leftmost pixel to the right.

    principalPointY @6 :Float64;
    # [px] From the centre of the topmost pixel downwards.
  }

  distortionModel @7 :DistortionModel;
  # What the numbers in distortion mean.

  distortion @8 :List(Float64);
  # [1] Coefficients in the order that the model names.

  rectification @9 :List(Float64);
  # [1] Rotation that makes the image planes of a stereo pair parallel: 3 x 3 numbers, row by row. Empty for one camera.

  projection @10 :List(Float64);
  # [px] From points in the rectified frame to pixels of the rectified image: 3 x 4 numbers, row by row; the last column
  # is in px m. Empty if the images are not rectified.

  binningX @11 :UInt32 = 1;
  # [px] Pixels at calibration for one pixel of the image, along the rows.

  binningY @12 :UInt32 = 1;
  # [px] Pixels at calibration for one pixel of the image, along the columns.

  region :group {
    # The part of the sensor that the image shows, before binning. All 0 for the whole.

    x @13 :UInt32;
    # [px] Columns left out on the left.

    y @14 :UInt32;
    # [px] Rows left out at the top.

    width @15 :UInt32;
    # [px] Columns shown.

    height @16 :UInt32;
    # [px] Rows shown.
  }

  enum DistortionModel @0xfda20c563e13f0ef {
    none @0;
    # The image has no distortion; no coefficients.

    radialTangential @1;
    # Brown and Conrady: k1, k2, p1, p2, k3.

    rational @2;
    # k1, k2, p1, p2, k3, k4, k5, k6.

    equidistant @3;
    # Kannala and Brandt, for fisheye lenses: k1, k2, k3, k4.
  }
}
