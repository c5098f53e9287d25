// A tmpfs of a given size at a directory, seen by the calling process only and gone with it. For a Child: the process
// gets a mount namespace of its own (and a user namespace, if it is not root).
#ifndef WEIR_TESTS_SUPPORT_SMALL_FILESYSTEM_H_
#define WEIR_TESTS_SUPPORT_SMALL_FILESYSTEM_H_

#include <string>

namespace weir::test {

// Empty if it worked, else what this machine does not permit.
// `more`: further options of the mount, as in "huge=always".
std::string MountSmallFilesystem(const std::string& directory, const std::string& size, const std::string& more = "");

}  // namespace weir::test

#endif  // WEIR_TESTS_SUPPORT_SMALL_FILESYSTEM_H_
