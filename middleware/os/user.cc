#include "middleware/os/user.h"

#include <unistd.h>

namespace weir::os {

uint32_t EffectiveUser() {
  return geteuid();
}

}  // namespace weir::os
