// A borrow table: which slots one subscriber holds at this moment. It is the only thing that keeps a taken slot from
// being reused; there is no count and no flag anywhere else, so a subscriber that dies leaves nothing to undo: its
// table is ignored with it.
//
// The file "table.<incarnation>":
//
//      0 +-----------------------+
//        | facts                 |  written once, before the registry names the table
//   4096 +-----------------------+
//        | subscriber's counters |  middleware/metrics/counters_layout.h
//   8192 +-----------------------+
//        | histogram             |  of latencies, middleware/metrics/histogram.h
//  12288 +-----------------------+
//        | entries[entry_count]  |  32 bits each: a ref, or 0
//        +-----------------------+
//
// Writer: the subscriber only (any thread of it may clear an entry, one thread at a time fills them). Readers: the
// publishers of the topic, when they reclaim. What a death leaves: entries that name slots; nobody reads a dead
// subscriber's table.
#ifndef WEIR_QUEUE_BORROW_TABLE_H_
#define WEIR_QUEUE_BORROW_TABLE_H_

#include <cstddef>
#include <cstdint>

#include "middleware/base/limits.h"
#include "middleware/base/words.h"
#include "middleware/queue/atomics.h"

namespace weir::queue {

inline constexpr uint64_t kTableMagic = 0x3142415452494557;  // "WEIRTAB1"
inline constexpr size_t kTableCountersOffset = kPageBytes;
inline constexpr size_t kTableHistogramOffset = 2 * kPageBytes;
inline constexpr size_t kTableEntriesOffset = 3 * kPageBytes;
static_assert(kTableHistogramOffset == 8192 && kTableEntriesOffset == 12288);

struct TableFacts {
  uint64_t magic = kTableMagic;
  uint32_t layout = kLayoutNumber;
  uint32_t entry_count = 0;
  Incarnation incarnation = 0;
  uint64_t entries_offset = kTableEntriesOffset;
  uint64_t file_bytes = 0;
};
static_assert(sizeof(TableFacts) == 40);

constexpr uint64_t TableFileBytes(uint32_t entry_count) {
  return kTableEntriesOffset + uint64_t{entry_count} * sizeof(uint32_t);
}

template <class A>
class BorrowTable {
 public:
  using Entry = typename A::template Atomic<uint32_t>;

  BorrowTable() = default;
  BorrowTable(Entry* entries, uint32_t entry_count) : entries_(entries), entry_count_(entry_count) {}

  uint32_t entry_count() const { return entry_count_; }

  // The subscriber's side ------------------------------------------------------------------------------------------

  // Looks for a free entry in [first, last), starting at `hint`. Returns last when all are taken.
  uint32_t FindFree(uint32_t first, uint32_t last, uint32_t hint) const {
    if (hint < first || hint >= last) hint = first;
    for (uint32_t i = hint; i < last; ++i) {
      if (IsFree(i)) return i;
    }
    for (uint32_t i = first; i < hint; ++i) {
      if (IsFree(i)) return i;
    }
    return last;
  }

  bool IsFree(uint32_t index) const {
    // sync(borrow.reuse): acquire; pairs with the release in Clear(), which may have run on another thread: what that
    // thread did with the sample is over before the entry names the next one.
    return entries_[index].load(kAcquire, "borrow.reuse") == 0;
  }

  // Names a slot. Must come before the head moves past it (a slot between "passed" and "borrowed" would be reused).
  void Set(uint32_t index, Ref ref) {
    // sync(borrow.entry): release; pairs with the acquire in ForEach(). Release although nothing is written before it
    // that a publisher reads: it continues the order "earlier reads of the slot, then this store" that Clear()
    // promises.
    entries_[index].store(ref.word(), kRelease, "borrow.entry");
  }

  // Ends a loan of the slot. Everything read from the slot before is done.
  void Clear(uint32_t index) {
    // sync(borrow.entry): release; pairs with the acquire in ForEach(): a publisher that sees the entry free also knows
    // that the reads of the slot are over. sync(borrow.reuse): release; the same store is what IsFree() acquires.
    entries_[index].store(0, kRelease, "borrow.entry");
  }

  // The publisher's side -------------------------------------------------------------------------------------------

  // Calls visit(Ref) for each entry in use.
  template <class Visit>
  void ForEach(Visit visit) const {
    for (uint32_t i = 0; i < entry_count_; ++i) {
      // sync(borrow.entry): acquire; pairs with the release in Set() and Clear().
      const uint32_t word = entries_[i].load(kAcquire, "borrow.entry");
      if (word != 0) visit(Ref(word));
    }
  }

 private:
  Entry* entries_ = nullptr;
  uint32_t entry_count_ = 0;
};

}  // namespace weir::queue

#endif  // WEIR_QUEUE_BORROW_TABLE_H_
