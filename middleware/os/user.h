// Who this process acts as.
#ifndef WEIR_OS_USER_H_
#define WEIR_OS_USER_H_

#include <cstdint>

namespace weir::os {

// The effective user id: what the kernel checks files against. Any thread; one system call, never fails.
uint32_t EffectiveUser();

}  // namespace weir::os

#endif  // WEIR_OS_USER_H_
