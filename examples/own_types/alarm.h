// A plain struct beside it: fixed size, no schema file, described by WEIR_STRUCT.
#ifndef OWN_TYPES_ALARM_H_
#define OWN_TYPES_ALARM_H_

#include <weir/describe.h>

#include <cstdint>

namespace weather {

enum class Danger : uint8_t { kFrost, kStorm };

struct Alarm {
  Danger danger;
  float celsius;
};
WEIR_STRUCT(Alarm, danger, celsius);

}  // namespace weather

#endif  // OWN_TYPES_ALARM_H_
