@0xb234694953874f5e;

using Cxx = import "/capnp/c++.capnp";
using import "/weir/messages/header.capnp".Header;
$Cxx.namespace("weir::msg");

struct CompressedImage @0xbc36d30d9ed0a092 {
  # One picture, or one access unit of a video, as its encoder wrote it. Publish data as an external blob
  # (Loan::AddBlob).

  header @0 :Header;
  # Middle of the exposure; the frame has x to the right, y down and z into the scene.

  format @1 :Format;
  # How to read data.

  width @2 :UInt32;
  # [px] Pixels in a row, once decoded. 0 if the publisher did not look.

  height @3 :UInt32;
  # [px] Rows, once decoded. 0 if the publisher did not look.

  isKeyFrame @4 :Bool;
  # Can be decoded without the messages before it. True for every single picture.

  data @5 :Data;
  # A whole file for single pictures; for video the access unit, with start codes where the format has them (Annex B).

  enum Format @0xabfef7f0873e8f48 {
    unknown @0;
    # Not said. Nothing but the publisher's documentation helps.

    jpeg @1;
    # A JPEG file.

    png @2;
    # A PNG file.

    webp @3;
    # A WebP file.

    h264 @4;
    # H.264, Annex B.

    h265 @5;
    # H.265, Annex B.

    vp9 @6;
    # VP9, one frame.

    av1 @7;
    # AV1, one temporal unit.
  }
}
