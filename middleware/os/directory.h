// The directory of a domain, <root>/<domain>/: found or made, checked once, then used through its descriptor only.
//
// What is checked, of the root and of the domain's directory: it is a directory and no symbolic link (a link could
// lead anywhere by the time of the next call); it is ours; the world has no access. Anybody may create
// /dev/shm/weir-<our uid> before we do, because /dev/shm is open to all; that it is not ours is how we notice.
//
// Two forms. A private domain: root and domain 0700, owned by us. A group domain: somebody made a root with mode 2770
// (set-group-id and writable by the group) on purpose and names it; the domains in it get the same mode, belong to
// whoever came first, and their files belong to the group because the set-group-id bit is inherited.
//
// Threads: any. Blocking: as the filesystem does. Allocation: yes.
#ifndef WEIR_OS_DIRECTORY_H_
#define WEIR_OS_DIRECTORY_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "middleware/os/file.h"
#include "middleware/os/file_descriptor.h"

namespace weir::os {

// $WEIR_ROOT, or /dev/shm/weir-<effective uid>. The variable is ignored in a set-user-id program: there it is the
// caller's word, not the owner's.
std::string DefaultRoot();

struct DomainDirectory {
  FileDescriptor root;
  FileDescriptor dir;
  FileModes modes;
};

enum class IfMissing : uint8_t { kCreate, kFail };

// Opens <root>/<domain>. kCreate makes what is missing of the two (not the root's parents); kFail is for tools: it
// returns NotFound, and changes nothing. FailedPrecondition: a symbolic link, no directory, or a mode that lets the
// world in; the text says which chmod helps. PermissionDenied: somebody else's. InvalidArgument: a domain that is no
// plain name.
//
// The last node to close removes an empty directory. Whoever opened it a moment before holds a directory in which
// nothing can be created (NotFound) and calls this again.
absl::StatusOr<DomainDirectory> OpenDomainDirectory(std::string_view root, std::string_view domain,
                                                    IfMissing if_missing);

// Opens a root that exists, checked in the same way, to look for its domains.
absl::StatusOr<FileDescriptor> OpenRootDirectory(std::string_view root);

enum class RemoveRoot : uint8_t { kNo, kIfEmpty };

// Removes <domain> if it is empty and then, if asked, the root if that is empty too. That something is still in it, or
// that it is gone already, is not an error. An explicit root was made by a person or a script: leave it to them.
absl::Status RemoveDomainDirectory(std::string_view root, std::string_view domain, RemoveRoot remove_root);

// The names in a directory without "." and "..", in no order. Other processes create and remove files meanwhile: a
// name may be gone by the time it is used.
absl::StatusOr<std::vector<std::string>> ListDirectory(int dir_fd);

}  // namespace weir::os

#endif  // WEIR_OS_DIRECTORY_H_
