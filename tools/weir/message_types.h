// Types by what people call them on a command line.
#ifndef WEIR_TOOLS_WEIR_MESSAGE_TYPES_H_
#define WEIR_TOOLS_WEIR_MESSAGE_TYPES_H_

#include <weir/message.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace weir::tool {

// The types of weir::messages, sorted: "Imu".
std::vector<std::string> LibraryTypeNames();

// "Imu" or "weir.msg.Imu": one of weir::messages. "FILE.capnp:Type" or "FILE.capnp:Outer.Inner": parsed from the file,
// whose imports are looked for beside it and, those that begin with a slash, in `import_folders`. "bytes": weir::Bytes.
// NotFound: no such type or file; InvalidArgument: the file's errors, with their places.
absl::StatusOr<MessageType> TypeByName(std::string_view name, const std::vector<std::string>& import_folders);

}  // namespace weir::tool

#endif  // WEIR_TOOLS_WEIR_MESSAGE_TYPES_H_
