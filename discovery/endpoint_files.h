// Opening a subscriber's two files, by whoever connects to them: the publishers of its topic, and cleanup. What they
// say is another process's word and checked here, once; the view that comes out is safe to use within its mapping.
#ifndef WEIR_DISCOVERY_ENDPOINT_FILES_H_
#define WEIR_DISCOVERY_ENDPOINT_FILES_H_

#include "absl/status/statusor.h"
#include "middleware/base/words.h"
#include "middleware/os/file.h"
#include "middleware/os/mapping.h"
#include "middleware/queue/borrow_table.h"
#include "middleware/queue/queue_layout.h"

namespace weir::discovery {

struct MappedQueue {
  os::Mapping mapping;
  queue::QueueView<queue::SystemAtomics> view;  // into `mapping`
};

struct MappedTable {
  os::Mapping mapping;
  queue::BorrowTable<queue::SystemAtomics> table;  // into `mapping`; read-only unless opened otherwise
};

// NotFound: the file is gone, so the subscriber is leaving or dead. DataLoss: the file is not that queue's (magic,
// lengths, counts, incarnation). FailedPrecondition: made by another version. The queue is whole, also if only read
// (kRead) or closed already.
absl::StatusOr<MappedQueue> OpenQueue(const os::FileDescriptor& directory, Incarnation incarnation, os::Access access);
absl::StatusOr<MappedTable> OpenTable(const os::FileDescriptor& directory, Incarnation incarnation, os::Access access);

}  // namespace weir::discovery

#endif  // WEIR_DISCOVERY_ENDPOINT_FILES_H_
