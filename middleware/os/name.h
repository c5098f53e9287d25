// A name inside a directory, as the system calls want it. Private to this folder.
#ifndef WEIR_OS_NAME_H_
#define WEIR_OS_NAME_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "middleware/base/strings.h"

namespace weir::os::internal {

// The name with a NUL behind it. InvalidArgument if it is empty or could lead out of its directory.
inline absl::StatusOr<std::string> PlainName(std::string_view name) {
  constexpr std::string_view kForbidden("/\0", 2);
  if (name.empty() || name == "." || name == ".." || name.find_first_of(kForbidden) != std::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat("'", AsAbsl(name), "' is no plain file name"));
  }
  return std::string(name);
}

}  // namespace weir::os::internal

#endif  // WEIR_OS_NAME_H_
