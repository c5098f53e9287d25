#include "middleware/os/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "middleware/base/strings.h"
#include "middleware/os/name.h"
#include "middleware/os/process.h"
#include "middleware/os/status.h"

namespace weir::os {
namespace {

constexpr mode_t kPrivateMode = S_IRWXU;                    // 0700
constexpr mode_t kGroupMode = S_ISGID | S_IRWXU | S_IRWXG;  // 2770
constexpr mode_t kModeBits = S_ISGID | S_IRWXU | S_IRWXG | S_IRWXO;

// How often a join starts over because somebody removed, as empty, what it had just made; each time costs the other
// side as much as us, so losing a few times in a row is rare already.
constexpr int kLostRacesMax = 1000;

// How long another user's half-made group directory (between its mkdir and its chmod) is given.
constexpr int kHalfMadeMax = 50;
constexpr uint64_t kHalfMadePauseNs = 1'000'000;

std::string BuiltInRoot() {
  return absl::StrCat("/dev/shm/weir-", ::geteuid());
}

// With a slash behind it a symbolic link is followed in spite of O_NOFOLLOW.
std::string WithoutTrailingSlashes(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return std::string(path);
}

struct Opened {
  FileDescriptor fd;
  struct stat info = {};
};

absl::StatusOr<Opened> OpenDirectory(int parent_fd, const std::string& name, const std::string& path) {
  Opened opened;
  opened.fd.reset(::openat(parent_fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!opened.fd.valid()) {
    const int error = errno;
    // The kernel says ENOTDIR of a symbolic link too when it is asked for a directory and no link.
    if (error == ENOTDIR || error == ELOOP) {
      return absl::FailedPreconditionError(absl::StrCat("'", path, "' is a symbolic link, or not a directory"));
    }
    return ErrnoStatus(error, AsStd(absl::StrCat("cannot open the directory '", path, "'")));
  }
  if (::fstat(opened.fd.get(), &opened.info) != 0) {
    return ErrnoStatus(errno, AsStd(absl::StrCat("cannot look at the directory '", path, "'")));
  }
  return opened;
}

// Makes the directory if it is missing. fchmod, because the umask may have taken bits away.
absl::Status MakeDirectory(int parent_fd, const std::string& name, const std::string& path, mode_t mode) {
  if (::mkdirat(parent_fd, name.c_str(), mode & (S_IRWXU | S_IRWXG)) != 0) {
    if (errno == EEXIST) return absl::OkStatus();
    return ErrnoStatus(errno, AsStd(absl::StrCat("cannot create the directory '", path, "'")));
  }
  absl::StatusOr<Opened> made = OpenDirectory(parent_fd, name, path);
  if (!made.ok()) return made.status();
  if (::fchmod(made->fd.get(), mode) != 0) {
    return ErrnoStatus(errno, AsStd(absl::StrCat("cannot set the mode of '", path, "'")));
  }
  return absl::OkStatus();
}

absl::Status WrongMode(const std::string& path, mode_t mode, std::string_view hint) {
  return absl::FailedPreconditionError(
      absl::StrFormat("the directory '%s' has mode %04o: %s", path, mode & 07777u, AsAbsl(hint)));
}

absl::Status NotOurs(const std::string& path, uid_t uid) {
  return absl::PermissionDeniedError(
      absl::StrCat("the directory '", path, "' belongs to uid ", uid, ", not to us (uid ", ::geteuid(), ")"));
}

// Whether the root is a group's; or why it may not be used.
absl::StatusOr<bool> CheckRoot(const std::string& path, const struct stat& info) {
  const mode_t mode = info.st_mode & kModeBits;
  const bool ours = info.st_uid == ::geteuid();
  // A group's root is used because somebody named it. Nobody names the built-in one, and anybody can make it.
  if (mode == kGroupMode && (ours || path != BuiltInRoot())) return true;
  if (!ours) return NotOurs(path, info.st_uid);
  if ((mode & (S_IRWXG | S_IRWXO)) != 0) {
    return WrongMode(path, mode, "others could get at its domains; chmod 0700 makes it private, chmod 2770 a group's");
  }
  return false;
}

enum class DomainState { kGood, kHalfMade };

absl::StatusOr<DomainState> CheckDomain(const std::string& path, const Opened& domain, const Opened& root, bool group,
                                        IfMissing if_missing) {
  const mode_t mode = domain.info.st_mode & kModeBits;
  const mode_t wanted = group ? kGroupMode : kPrivateMode;
  const bool ours = domain.info.st_uid == ::geteuid();
  if (!group && !ours) return NotOurs(path, domain.info.st_uid);
  if (group && domain.info.st_gid != root.info.st_gid) {
    return absl::PermissionDeniedError(absl::StrCat("the directory '", path, "' belongs to group ", domain.info.st_gid,
                                                    ", its root to group ", root.info.st_gid));
  }
  const mode_t forbidden = (S_IRWXG | S_IRWXO) & ~wanted;
  if ((mode & forbidden) != 0) {
    return WrongMode(path, mode,
                     group ? "the world could get at it; chmod 2770" : "others could get at it; chmod 0700");
  }
  // Who only looks changes nothing; what cannot be read will say so itself.
  if ((mode & wanted) == wanted || if_missing == IfMissing::kFail) return DomainState::kGood;
  // Its maker is between mkdir and fchmod, or died there. If that was one of ours, we may finish it.
  if (!ours) return DomainState::kHalfMade;
  if (::fchmod(domain.fd.get(), wanted) != 0) {
    return ErrnoStatus(errno, AsStd(absl::StrCat("cannot set the mode of '", path, "'")));
  }
  return DomainState::kGood;
}

}  // namespace

std::string DefaultRoot() {
  const char* named = ::secure_getenv("WEIR_ROOT");
  if (named != nullptr && *named != '\0') return named;
  return BuiltInRoot();
}

absl::StatusOr<DomainDirectory> OpenDomainDirectory(std::string_view root, std::string_view domain,
                                                    IfMissing if_missing) {
  absl::StatusOr<std::string> name = internal::PlainName(domain);
  if (!name.ok()) return name.status();
  if (root.empty()) return absl::InvalidArgumentError("the root is an empty path");
  const std::string root_path = WithoutTrailingSlashes(root);
  const std::string path = absl::StrCat(root_path, "/", *name);
  const bool create = if_missing == IfMissing::kCreate;

  absl::Status last;
  int half_made = 0;
  for (int lost_races = 0; lost_races < kLostRacesMax && half_made < kHalfMadeMax; ++lost_races) {
    if (create) {
      last = MakeDirectory(AT_FDCWD, root_path, root_path, kPrivateMode);
      if (absl::IsNotFound(last)) continue;
      if (!last.ok()) return last;
    }
    absl::StatusOr<Opened> root_dir = OpenDirectory(AT_FDCWD, root_path, root_path);
    last = root_dir.status();
    if (create && absl::IsNotFound(last)) continue;  // removed between the two calls
    if (!root_dir.ok()) return last;
    absl::StatusOr<bool> group = CheckRoot(root_path, root_dir->info);
    if (!group.ok()) return group.status();

    if (create) {
      last = MakeDirectory(root_dir->fd.get(), *name, path, *group ? kGroupMode : kPrivateMode);
      if (absl::IsNotFound(last)) continue;
      if (!last.ok()) return last;
    }
    absl::StatusOr<Opened> domain_dir = OpenDirectory(root_dir->fd.get(), *name, path);
    last = domain_dir.status();
    if (create && absl::IsNotFound(last)) continue;
    if (!domain_dir.ok()) return last;
    absl::StatusOr<DomainState> state = CheckDomain(path, *domain_dir, *root_dir, *group, if_missing);
    if (!state.ok()) return state.status();
    if (*state == DomainState::kGood) {
      const FileModes modes = *group ? FileModes{.shared_write = 0660, .owner_write = 0640} : FileModes{};
      return DomainDirectory{std::move(root_dir->fd), std::move(domain_dir->fd), modes};
    }
    last = WrongMode(path, domain_dir->info.st_mode, "not a group's; its owner should chmod 2770 it, or remove it");
    ++half_made;
    SleepFor(kHalfMadePauseNs);
  }
  return last;
}

absl::StatusOr<FileDescriptor> OpenRootDirectory(std::string_view root) {
  if (root.empty()) return absl::InvalidArgumentError("the root is an empty path");
  const std::string path = WithoutTrailingSlashes(root);
  absl::StatusOr<Opened> opened = OpenDirectory(AT_FDCWD, path, path);
  if (!opened.ok()) return opened.status();
  if (absl::StatusOr<bool> group = CheckRoot(path, opened->info); !group.ok()) return group.status();
  return std::move(opened->fd);
}

absl::Status RemoveDomainDirectory(std::string_view root, std::string_view domain, RemoveRoot remove_root) {
  absl::StatusOr<std::string> name = internal::PlainName(domain);
  if (!name.ok()) return name.status();
  const std::string root_path = WithoutTrailingSlashes(root);
  // EBUSY is a mount point: somebody's, and not ours to take away. POSIX allows EEXIST for "not empty".
  const auto gone_or_in_use = [](int error) {
    return error == ENOENT || error == ENOTEMPTY || error == EEXIST || error == EBUSY;
  };
  absl::StatusOr<Opened> root_dir = OpenDirectory(AT_FDCWD, root_path, root_path);
  if (absl::IsNotFound(root_dir.status())) return absl::OkStatus();
  if (!root_dir.ok()) return root_dir.status();
  if (::unlinkat(root_dir->fd.get(), name->c_str(), AT_REMOVEDIR) != 0 && !gone_or_in_use(errno)) {
    return ErrnoStatus(errno, AsStd(absl::StrCat("cannot remove the directory '", root_path, "/", *name, "'")));
  }
  if (remove_root == RemoveRoot::kIfEmpty && ::rmdir(root_path.c_str()) != 0 && !gone_or_in_use(errno)) {
    return ErrnoStatus(errno, AsStd(absl::StrCat("cannot remove the directory '", root_path, "'")));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> ListDirectory(int dir_fd) {
  // A description of its own, because the reading position belongs to the description.
  FileDescriptor own(::openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!own.valid()) return ErrnoStatus(errno, "cannot open a directory for listing");
  struct Close {
    void operator()(DIR* dir) const { ::closedir(dir); }
  };
  const std::unique_ptr<DIR, Close> dir(::fdopendir(own.get()));
  if (dir == nullptr) return ErrnoStatus(errno, "cannot list a directory");
  own.release();  // closedir() closes it
  std::vector<std::string> names;
  for (;;) {
    errno = 0;  // readdir() says "end" and "error" with the same null
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    const std::string_view name(entry->d_name);
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return ErrnoStatus(errno, "cannot list a directory");
  return names;
}

}  // namespace weir::os
