// A queue in memory of its own, in any of the four forms and with any first position, for the tests of this folder.
#ifndef WEIR_TESTS_QUEUE_TEST_QUEUE_H_
#define WEIR_TESTS_QUEUE_TEST_QUEUE_H_

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "middleware/base/words.h"
#include "middleware/queue/borrow_table.h"
#include "middleware/queue/queue.h"
#include "middleware/queue/queue_layout.h"

namespace weir::queue {

// Zeroed memory that is mapped twice, so that a pointer stored in it would be caught: it means something else on the
// other side. ThreadSanitizer knows memory by its address, so there both sides are the same.
class TwiceMapped {
 public:
  explicit TwiceMapped(size_t bytes) : bytes_(bytes) {
    const int file = memfd_create("weir-test-queue", MFD_CLOEXEC);
    if (file < 0 || ftruncate(file, static_cast<off_t>(bytes)) != 0) std::abort();
    first_ = Map(file);
#if defined(__SANITIZE_THREAD__)
    second_ = first_;
#else
    second_ = Map(file);
#endif
    close(file);
  }
  TwiceMapped(const TwiceMapped&) = delete;
  TwiceMapped& operator=(const TwiceMapped&) = delete;
  ~TwiceMapped() {
    munmap(first_, bytes_);
    if (second_ != first_) munmap(second_, bytes_);
  }

  std::byte* first() const {
    return first_;
  }
  std::byte* second() const {
    return second_;
  }

 private:
  std::byte* Map(int file) const {
    void* address = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (address == MAP_FAILED) std::abort();
    return static_cast<std::byte*>(address);
  }

  size_t bytes_;
  std::byte* first_ = nullptr;
  std::byte* second_ = nullptr;
};

// What the whole suite runs over.
struct Form {
  bool exclusive;
  WhenFull when_full;

  bool evicts() const { return when_full == WhenFull::kOverwriteOldest; }
};

inline constexpr Form kForms[] = {{false, WhenFull::kOverwriteOldest},
                                  {false, WhenFull::kDropNewest},
                                  {true, WhenFull::kOverwriteOldest},
                                  {true, WhenFull::kDropNewest}};

// Where a queue's first position lies. The lap is 32 bits of the position above the ring's size.
enum class Start : uint8_t {
  kZero,
  kBelowLapSign,      // the lap is about to become negative, read as a signed number
  kBelowLapWrap,      // the lap is about to become 0
  kBelowPositionSign  // the position is about to become negative, read as a signed number
};
inline constexpr Start kStarts[] = {Start::kZero, Start::kBelowLapSign, Start::kBelowLapWrap,
                                    Start::kBelowPositionSign};

// Not at the start of a lap, except for 0, and less than a lap below what is to be crossed.
inline Position StartPosition(Start start, uint32_t depth) {
  const uint64_t cells = CellCount(depth);
  switch (start) {
    case Start::kZero:
      return 0;
    case Start::kBelowLapSign:  // lap(t) = t / cells + 1 becomes 2^31
      return ((uint64_t{1} << 31) - 2) * cells + cells - 3;
    case Start::kBelowLapWrap:  // lap(t) is 2^32 - 1, then 0
      return ((uint64_t{1} << 32) - 2) * cells + cells - 3;
    case Start::kBelowPositionSign:
      return (uint64_t{1} << 63) - 3;
  }
  return 0;
}

// For the names of tests that run over forms and starts.
inline std::string NameOf(Form form) {
  return std::string(form.exclusive ? "ExclusiveProducer" : "SharedProducers") +
         (form.evicts() ? "SharedHead" : "OwnedHead");
}
inline std::string NameOf(Start start) {
  constexpr const char* kNames[] = {"FromZero", "BelowLapSign", "BelowLapWrap", "BelowPositionSign"};
  return kNames[static_cast<size_t>(start)];
}
inline void PrintTo(Form form, std::ostream* out) {
  *out << NameOf(form);
}
inline void PrintTo(Start start, std::ostream* out) {
  *out << NameOf(start);
}
inline std::string NameOfFormAndStart(const testing::TestParamInfo<std::tuple<Form, Start>>& info) {
  return NameOf(std::get<0>(info.param)) + NameOf(std::get<1>(info.param));
}

// Depths that are a power of two, just beside one, below the smallest ring, and at both limits.
inline constexpr uint32_t kDepths[] = {1, 2, 3, 63, 64, 65, 100, 1000, 65535, 65536};

// The n-th message of these tests, from 1. What it says can be told from the ref.
inline Ref Message(uint32_t number, PublisherIndex publisher = 0) {
  return Ref(publisher, number);
}

template <class A>
class TestQueue {
 public:
  TestQueue(Form form, uint32_t depth, Position start)
      : form_(form), depth_(depth), memory_(QueueFileBytes(depth)), entries_(1), table_(entries_.data(), 1) {
    new (memory_.first()) QueueHeader<A>();
    InitializeQueue(producers_view(), start);
    consumer_ = std::make_unique<Consumer<A>>(consumers_view());
  }

  uint32_t depth() const { return depth_; }
  uint32_t cell_count() const { return CellCount(depth_); }
  Form form() const { return form_; }
  QueueView<A> producers_view() const { return ViewAt(memory_.first()); }
  QueueView<A> consumers_view() const { return ViewAt(memory_.second()); }
  QueueHeader<A>& header() const { return *producers_view().header; }
  Producer<A> NewProducer() const { return Producer<A>(producers_view()); }

  Consumer<A>& consumer() { return *consumer_; }
  BorrowTable<A>& table() { return table_; }
  TakeResult Take() {
    const TakeResult result = consumer_->Take(table_, 0);
    if (result.status == TakeStatus::kTaken) table_.Clear(0);
    return result;
  }

  // The refs from head on, oldest first, as somebody would find them who only looks.
  std::vector<Ref> Look() const {
    const QueueView<A> queue = consumers_view();
    std::vector<Ref> refs;
    const Position end = FindEnd(queue);
    for (Position at = queue.header->head.load(kRelaxed); at != end && refs.size() <= queue.cell_mask; ++at) {
      refs.push_back(RefOf(queue.cell(at).load(kRelaxed)));
    }
    return refs;
  }

 private:
  QueueView<A> ViewAt(std::byte* memory) const {
    return MakeQueueView<A>(reinterpret_cast<QueueHeader<A>*>(memory),
                            reinterpret_cast<typename QueueView<A>::Cell*>(memory + kQueueCellsOffset), depth_,
                            form_.when_full, form_.exclusive);
  }

  Form form_;
  uint32_t depth_;
  TwiceMapped memory_;
  std::vector<typename BorrowTable<A>::Entry> entries_;
  BorrowTable<A> table_;
  std::unique_ptr<Consumer<A>> consumer_;
};

}  // namespace weir::queue

#endif  // WEIR_TESTS_QUEUE_TEST_QUEUE_H_
