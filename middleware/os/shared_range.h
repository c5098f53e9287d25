// One range of addresses per file and process, for ThreadSanitizer only (see mapping.h): counted, and unmapped when the
// last mapping of it goes. Private to this folder; compiled only with WEIR_SHARE_MAPPINGS.
#ifndef WEIR_OS_SHARED_RANGE_H_
#define WEIR_OS_SHARED_RANGE_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "middleware/os/file.h"
#include "middleware/os/fork_guard.h"

namespace weir::os::internal {

using MapFunction = absl::StatusOr<std::byte*> (*)(int fd, uint64_t bytes, Access access);

// A range that is long enough and lets us do what `access` says; a new one from `map` if there is none. New ones are
// writable whenever the file may be opened for writing, so that a later writer finds the range its readers have.
absl::StatusOr<std::byte*> AcquireSharedRange(int fd, uint64_t bytes, Access access, ForkGuard owner, MapFunction map);

void ReleaseSharedRange(std::byte* data);

}  // namespace weir::os::internal

#endif  // WEIR_OS_SHARED_RANGE_H_
