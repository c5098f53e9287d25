// A topic's record of its departed endpoints: made with the topic, added to before an endpoint's files go, read by
// whoever adds up what a topic has counted. middleware/metrics/departed_layout.h has the picture and the order of
// steps.
#ifndef WEIR_DISCOVERY_DEPARTED_H_
#define WEIR_DISCOVERY_DEPARTED_H_

#include <cstdint>
#include <optional>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "discovery/records.h"
#include "discovery/tables.h"
#include "middleware/base/words.h"
#include "middleware/metrics/departed_layout.h"
#include "middleware/os/file.h"
#include "middleware/os/mapping.h"
#include "middleware/queue/queue_layout.h"

namespace weir::discovery {

// By the lock's holder -----------------------------------------------------------------------------------------------

// ResourceExhausted: /dev/shm is full.
absl::Status MakeDepartedFile(const os::FileDescriptor& directory, os::FileModes modes, Incarnation topic);

// Adds the counters of an endpoint that counts no more, unless they were added before or the endpoint was never live.
// Never fails: what cannot be read is counted as unreadable, and if the record itself is damaged or gone nothing can be
// done about it. `queue`: the subscriber's, or nullptr if that is what cannot be read.
void FoldPublisher(const Tables& tables, const os::FileDescriptor& directory, const EndpointRecord& publisher);
void FoldSubscriber(const Tables& tables, const os::FileDescriptor& directory, const EndpointRecord& subscriber,
                    const queue::QueueView<queue::SystemAtomics>* queue);

// By anybody, without the lock ---------------------------------------------------------------------------------------

class DepartedFile {
 public:
  // NotFound: the topic is gone. DataLoss: the file is not that record. FailedPrecondition: made by another version.
  static absl::StatusOr<DepartedFile> Open(const os::FileDescriptor& directory, Incarnation topic,
                                           os::Access access = os::Access::kRead);

  // Calls `copy` with the record, again if it was replaced meanwhile, so that the last call saw a whole one. The number
  // of folds in it; nullopt if it was replaced all the time.
  //
  // How to add up a topic: Read; read the registry's entries, then the counters of those endpoints that are neither
  // marked as departed nor named by the record (last_incarnation); and compare folds() with what Read returned. If they
  // are equal, every endpoint is in the sum exactly once.
  std::optional<uint64_t> Read(absl::FunctionRef<void(const metrics::DepartedRecord&)> copy) const;
  uint64_t folds() const;

  metrics::DepartedHeader& header() const { return *reinterpret_cast<metrics::DepartedHeader*>(mapping_.data()); }
  metrics::DepartedRecord& record(uint64_t folds) const {
    return *reinterpret_cast<metrics::DepartedRecord*>(mapping_.data() + metrics::DepartedRecordOffset(folds));
  }

 private:
  os::Mapping mapping_;
};

}  // namespace weir::discovery

#endif  // WEIR_DISCOVERY_DEPARTED_H_
