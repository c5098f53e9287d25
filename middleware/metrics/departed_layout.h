// The shared file of a topic, "departed.<the topic's incarnation>": what its endpoints that are gone had counted, added
// up. It is made with the topic and goes with it.
//
//      0 +---------------------------+
//        | facts, folds              |
//   4096 +---------------------------+
//        | DepartedRecord [0]        |  the one that counts while `folds` is even
//   8192 +---------------------------+
//        | DepartedRecord [1]        |  the one that counts while `folds` is odd
//  12288 +---------------------------+
//
// An endpoint's counters are added ("folded in") before its files are removed:
//
//   1. mark the endpoint that was folded in last as departed in the registry, if its entry is still there
//   2. write the other record: what the present one has, and the endpoint's; name the endpoint
//   3. folds + 1
//   4. mark the endpoint's entry as departed; only then do its files go
//
// A death before 3 leaves nothing done, one between 3 and 4 is made good by 1 of whoever folds next; both records are
// never written at once, and an endpoint that is marked, or named by the record that counts, is in it. So nothing is
// lost and nothing is added twice. All memory is allocated when the topic is made: a full /dev/shm costs no counts.
//
// Writer: the holder of the registry's lock. Readers: everybody, without a lock (discovery/departed.h).
#ifndef WEIR_METRICS_DEPARTED_LAYOUT_H_
#define WEIR_METRICS_DEPARTED_LAYOUT_H_

#include <cstddef>
#include <cstdint>

#include "middleware/base/limits.h"
#include "middleware/base/words.h"
#include "middleware/metrics/counters_layout.h"
#include "middleware/metrics/histogram.h"
#include "middleware/queue/atomics.h"

namespace weir::metrics {

inline constexpr uint64_t kDepartedMagic = 0x3150454452494557;  // "WEIRDEP1" in memory

// Written before the file has its name, never again.
struct DepartedFacts {
  uint64_t magic = kDepartedMagic;
  uint32_t layout = kLayoutNumber;
  uint32_t reserved = 0;
  Incarnation topic = 0;
  uint64_t file_bytes = 0;
};
static_assert(sizeof(DepartedFacts) == 32);

struct DepartedHeader {
  DepartedFacts facts;
  // Writer: the lock's holder, +1 as the commit of a fold. A reader that finds the same number before and after reading
  // has read one whole record. A death leaves a committed number.
  alignas(kIsolationBytes) queue::SystemAtomics::Atomic<uint64_t> folds;
};
static_assert(offsetof(DepartedHeader, folds) == 128);
static_assert(sizeof(DepartedHeader) <= kPageBytes);

// Every field: written by the lock's holder while the other record counts. A death leaves a mixture, which the next
// fold writes over.
struct DepartedRecord {
  Counter last_incarnation;  // of the endpoint that was folded in last, and its index in the registry; 0: none
  Counter last_endpoint;
  Counter publishers;  // whose counters are in here
  Counter subscribers;
  Counter unreadable;   // endpoints whose file was damaged or gone, so that theirs are not
  Counter left_queued;  // messages that were in the queues of the subscribers when these went
  Counter removed;      // and those that had been taken from these queues or evicted
  PublisherCounters published;
  SubscriberCounters received;
  Histogram latency;
};
static_assert(sizeof(DepartedRecord) <= kPageBytes);

// to = a + b, but for the endpoint's name.
inline void StoreSum(const DepartedRecord& a, const DepartedRecord& b, DepartedRecord& to) {
  for (const auto sum : {&DepartedRecord::publishers, &DepartedRecord::subscribers, &DepartedRecord::unreadable,
                         &DepartedRecord::left_queued, &DepartedRecord::removed}) {
    (to.*sum).Set((a.*sum).value() + (b.*sum).value());
  }
  StoreSum(a.published, b.published, to.published);
  StoreSum(a.received, b.received, to.received);
  StoreSum(a.latency, b.latency, to.latency);
}

inline constexpr size_t DepartedRecordOffset(uint64_t folds) {
  return (1 + folds % 2) * kPageBytes;
}
inline constexpr uint64_t kDepartedFileBytes = 3 * kPageBytes;

}  // namespace weir::metrics

#endif  // WEIR_METRICS_DEPARTED_LAYOUT_H_
