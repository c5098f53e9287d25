#include "tests/support/small_filesystem.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace weir::test {
namespace {

std::string Refused(const char* call) {
  return std::string(call) + ": " + std::strerror(errno);
}

bool WriteTo(const char* file, const std::string& text) {
  const int fd = open(file, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool done = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  return done;
}

}  // namespace

std::string MountSmallFilesystem(const std::string& directory, const std::string& size, const std::string& more) {
  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  const std::string options = "mode=700,size=" + size + (more.empty() ? "" : "," + more);
  if (unshare(uid == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0) return Refused("unshare");
  if (uid != 0) {
    // Be who we were; an unmapped user cannot create files.
    if (!WriteTo("/proc/self/setgroups", "deny")) return Refused("setgroups");
    if (!WriteTo("/proc/self/uid_map", std::to_string(uid) + " " + std::to_string(uid) + " 1")) {
      return Refused("uid_map");
    }
    if (!WriteTo("/proc/self/gid_map", std::to_string(gid) + " " + std::to_string(gid) + " 1")) {
      return Refused("gid_map");
    }
  }
  // Else the mount would be passed on to the namespace that we come from.
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return Refused("making mounts private");
  if (mount("weir-test", directory.c_str(), "tmpfs", 0, options.c_str()) != 0) return Refused("mount");
  return {};
}

}  // namespace weir::test
