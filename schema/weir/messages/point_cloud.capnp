@0x8fd778a4361571fc;

using Cxx = import "/capnp/c++.capnp";
using import "/weir/messages/header.capnp".Header;
$Cxx.namespace("weir::msg");

struct PointCloud @0x9eadb299def1ac73 {
  # Points in space with what was measured at each. The points lie in data one after the other, each strideBytes long;
  # fields says what is where in a point. Publish data as an external blob (Loan::AddBlob).

  header @0 :Header;
  # When the last point was measured; the frame of the coordinates.

  width @1 :UInt32;
  # [points] In a row; all points if the cloud has no rows.

  height @2 :UInt32 = 1;
  # [points] Rows. More than 1 if neighbours in data are neighbours in the scene, as in a depth image.

  strideBytes @3 :UInt32;
  # [bytes] From one point to the next.

  fields @4 :List(Field);
  # What a point consists of. Coordinates are called x, y and z and are in metres.

  isDense @5 :Bool;
  # No coordinate is NaN or infinite.

  data @6 :Data;
  # width * height points, row by row, numbers little-endian.

  struct Field @0xc1eb3cefeb23e145 {
    name @0 :Text;
    # Such as "x", "intensity", "ring", or "timeNs" for the time before header.stampNs.

    offsetBytes @1 :UInt32;
    # [bytes] From the start of the point.

    kind @2 :Kind;
    # What kind of number it is.

    count @3 :UInt32 = 1;
    # [count] Numbers of that kind, one after the other.
  }

  enum Kind @0xca1b9a6a9cfdbfc3 {
    unknown @0;
    # Not said; skip it.

    int8 @1;
    # 1 byte, signed.

    uint8 @2;
    # 1 byte.

    int16 @3;
    # 2 bytes, signed.

    uint16 @4;
    # 2 bytes.

    int32 @5;
    # 4 bytes, signed.

    uint32 @6;
    # 4 bytes.

    int64 @7;
    # 8 bytes, signed.

    uint64 @8;
    # 8 bytes.

    float32 @9;
    # 4 bytes, IEEE.

    float64 @10;
    # 8 bytes, IEEE.
  }
}
