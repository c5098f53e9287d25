// What a file of a domain has to be before anybody trusts it. Private to this folder.
#ifndef WEIR_OS_FILE_RIGHTS_H_
#define WEIR_OS_FILE_RIGHTS_H_

#include <sys/stat.h>

#include <string_view>

#include "absl/status/status.h"

namespace weir::os::internal {

// Of that type (S_IFREG, S_IFIFO), ours, the directory's owner's or its group's, and not open to the world.
absl::Status CheckRights(int dir_fd, int fd, std::string_view name, mode_t type);

}  // namespace weir::os::internal

#endif  // WEIR_OS_FILE_RIGHTS_H_
