#include "middleware/os/membarrier.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>

namespace weir::os {
namespace {

bool Call(int command) {
  // EINTR is not among its errors. ENOSYS, EINVAL (command unknown), EPERM (not registered, or a filter): cannot be
  // had.
  return ::syscall(SYS_membarrier, command, 0u, 0) == 0;
}

bool Forbidden() {
  return std::getenv("WEIR_NO_MEMBARRIER") != nullptr;
}

}  // namespace

bool RegisterGlobalExpedited() {
  return !Forbidden() && Call(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED);
}
bool GlobalExpedited() {
  return Call(MEMBARRIER_CMD_GLOBAL_EXPEDITED);
}
bool RegisterPrivateExpedited() {
  return !Forbidden() && Call(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
}
bool PrivateExpedited() {
  return Call(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

}  // namespace weir::os
