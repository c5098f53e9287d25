// The registry as a file: made once, by whoever comes first, and checked by everybody who opens it.
#ifndef WEIR_DISCOVERY_REGISTRY_FILE_H_
#define WEIR_DISCOVERY_REGISTRY_FILE_H_

#include <sys/types.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "discovery/registry_layout.h"
#include "discovery/tables.h"
#include "middleware/base/hash.h"
#include "middleware/os/file.h"
#include "middleware/os/mapping.h"

namespace weir::discovery {

struct RegistryFile {
  os::FileDescriptor file;  // holds no lock: good for probing
  os::Mapping mapping;
  Tables tables;  // into `mapping`
};

// Makes an empty registry under its name. AlreadyExists: somebody else was faster. NotFound: the directory is gone.
absl::Status CreateRegistryFile(int dir_fd, mode_t mode);

// NotFound: there is none. FailedPrecondition: made by another version (both layout numbers are named). DataLoss: it is
// no registry, or half of one. `path`: of the directory, for messages.
absl::StatusOr<RegistryFile> OpenRegistryFile(int dir_fd, os::Access access, const std::string& path);

// The content of the schema file of that hash, if that is what it has. NotFound; DataLoss.
absl::StatusOr<std::string> ReadSchemaFile(int dir_fd, const Hash128& hash);

}  // namespace weir::discovery

#endif  // WEIR_DISCOVERY_REGISTRY_FILE_H_
