// Checks of what all domains share: memory, limits, kernel.
#include <linux/magic.h>
#include <linux/membarrier.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "tools/weir/checks.h"
#include "tools/weir/units.h"

namespace weir::tool {
namespace {

// Less than a registry and the pools of a few publishers.
constexpr uint64_t kMemoryBytesMin = 128 << 20;
// An endpoint maps the files of its peers, and a descriptor is open while it does; a subscriber's fd() keeps some.
constexpr rlim_t kDescriptorsMin = 256;

// The directory itself or the nearest that exists above it.
std::string ExistingPart(const std::string& root) {
  std::filesystem::path path = root;
  std::error_code error;
  while (!std::filesystem::exists(path, error) && path.has_parent_path() && path != path.parent_path()) {
    path = path.parent_path();
  }
  return path.string();
}

void CheckMemory(const std::string& root, std::vector<Finding>& findings) {
  const std::string path = ExistingPart(root);
  struct statvfs space = {};
  struct statfs kind = {};
  if (statvfs(path.c_str(), &space) != 0 || statfs(path.c_str(), &kind) != 0) return;
  const auto bytes = static_cast<double>(space.f_blocks) * static_cast<double>(space.f_frsize);
  const auto free_bytes = static_cast<double>(space.f_bavail) * static_cast<double>(space.f_frsize);
  if (kind.f_type != TMPFS_MAGIC) {
    findings.push_back({.check = "not_memory",
                        .what = absl::StrCat(path, " is on a disk's file system"),
                        .why = "every message that is written is also written to the disk, sooner or later",
                        .remedy = "choose a root on tmpfs, such as a directory in /dev/shm"});
    return;
  }
  if (bytes > 0 && 1 - free_bytes / bytes >= kNearlyFull) {
    findings.push_back({.check = "memory_full",
                        .what = absl::StrCat(path, " has ", Bytes(free_bytes), " free of ", Bytes(bytes)),
                        .why = "when it is full, endpoints cannot be created and pools cannot grow: loans are refused",
                        .remedy = "mount -o remount,size=... /dev/shm, or see who fills it: du -sh /dev/shm/*"});
  }
  if (bytes > 0 && bytes < static_cast<double>(kMemoryBytesMin)) {
    findings.push_back({.check = "memory_small",
                        .what = absl::StrCat(path, " holds no more than ", Bytes(bytes)),
                        .why = "a domain takes 6 MiB and a publisher's pool may grow to 1 GiB",
                        .remedy = "give a container more: docker run --shm-size=1g"});
  }
}

void CheckLimits(std::vector<Finding>& findings) {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kDescriptorsMin) return;
  findings.push_back({.check = "descriptors_limit",
                      .what = absl::StrCat("a process started here may have ", limit.rlim_cur, " descriptors open"),
                      .why = "an endpoint opens the files of its peers; without descriptors it cannot be created",
                      .remedy = "ulimit -n 1024"});
}

void CheckMembarrier(std::vector<Finding>& findings) {
  const long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
  if (commands >= 0 && (commands & MEMBARRIER_CMD_GLOBAL_EXPEDITED) != 0) return;
  findings.push_back({.check = "membarrier",
                      .what = "this kernel, or what the container forbids, has no membarrier",
                      .why = "publishers fall back to a fence per message, which costs some nanoseconds each",
                      .remedy = "allow the system call membarrier in the container's seccomp profile"});
}

}  // namespace

std::vector<Finding> CheckMachine(const std::string& root) {
  std::vector<Finding> findings;
  CheckMemory(root, findings);
  CheckLimits(findings);
  CheckMembarrier(findings);
  return findings;
}

}  // namespace weir::tool
