#include "tests/support/locked_memory.h"

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace weir::test {

uint64_t LockedBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmLck:")) return std::stoull(line.substr(6)) * 1024;
  }
  return 0;
}

std::string LimitLockedMemory(uint64_t bytes) {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capget, &header, data) != 0) return std::string("capget: ") + std::strerror(errno);
  constexpr uint32_t kMask = CAP_TO_MASK(CAP_IPC_LOCK);
  auto& words = data[CAP_TO_INDEX(CAP_IPC_LOCK)];
  words.effective &= ~kMask;
  words.permitted &= ~kMask;
  words.inheritable &= ~kMask;
  if (syscall(SYS_capset, &header, data) != 0) return std::string("capset: ") + std::strerror(errno);
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return std::string("getrlimit: ") + std::strerror(errno);
  limit.rlim_cur = bytes;
  if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < bytes) limit.rlim_max = bytes;  // root may
  if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0) return std::string("setrlimit: ") + std::strerror(errno);
  return "";
}

}  // namespace weir::test
