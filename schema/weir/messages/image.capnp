@0x90d10539f0996265;

using Cxx = import "/capnp/c++.capnp";
using import "/weir/messages/header.capnp".Header;
$Cxx.namespace("weir::msg");

struct Image @0xa7c140200f18b0e3 {
  # One picture. Publish data as an external blob (Loan::AddBlob) that the camera or decoder wrote into directly; then
  # nothing is copied on the way to the subscribers.

  header @0 :Header;
  # Middle of the exposure; the frame has x to the right, y down and z into the scene.

  width @1 :UInt32;
  # [px] Pixels in a row.

  height @2 :UInt32;
  # [px] Rows.

  strideBytes @3 :UInt32;
  # [bytes] From the first byte of a row to the first byte of the next; at least width x bytes per pixel, more if rows
  # are padded. 0 for compressed encodings, which have no rows.

  encoding @4 :Encoding;
  # How to read data.

  data @5 :Data;
  # The rows, top one first: at least strideBytes x height bytes, or all of a compressed picture.

  enum Encoding @0xff6ae0c5c3cde5ff {
    # The number in a name is bits per channel. Channels follow each other in memory in the order of the name. Channels
    # of 16 bits are little-endian.

    unknown @0;
    # Not said. Nothing but the publisher's documentation helps.

    mono8 @1;
    # 1 byte per pixel, brightness.

    mono16 @2;
    # 2 bytes per pixel, brightness.

    rgb8 @3;
    # 3 bytes per pixel.

    bgr8 @4;
    # 3 bytes per pixel.

    rgba8 @5;
    # 4 bytes per pixel, alpha not premultiplied.

    bgra8 @6;
    # 4 bytes per pixel, alpha not premultiplied.

    bayerRggb8 @7;
    # 1 byte per pixel, colour filter with red at row 0, column 0 and blue at row 1, column 1.

    bayerBggr8 @8;
    # 1 byte per pixel, colour filter with blue at row 0, column 0 and red at row 1, column 1.

    yuyv8 @9;
    # YUV 4:2:2 packed as Y0 U Y1 V: 4 bytes for 2 pixels of a row.

    nv12 @10;
    # YUV 4:2:0: height rows of Y, then height / 2 rows of interleaved U and V, all of strideBytes.

    depth16 @11;
    # 2 bytes per pixel, distance along z in millimetres; 0 is no measurement.

    depth32f @12;
    # 4 bytes per pixel, distance along z in metres as an IEEE float; NaN is no measurement.

    jpeg @13;
    # A whole JPEG file.

    png @14;
    # A whole PNG file.
  }
}
