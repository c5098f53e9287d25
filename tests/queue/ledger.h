// What went into a queue and what came out of it, as producers and consumers noted it, each for himself; and whether
// that fits together: pushed = taken + evicted + still queued, as sets of positions and refs.
#ifndef WEIR_TESTS_QUEUE_LEDGER_H_
#define WEIR_TESTS_QUEUE_LEDGER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "middleware/base/limits.h"
#include "middleware/base/words.h"
#include "middleware/queue/queue.h"
#include "tests/queue/test_queue.h"

namespace weir::queue {

// One per thread.
struct Notes {
  struct Message {
    Position position;
    Ref ref;
  };
  std::vector<Message> pushed;
  std::vector<Message> taken;
  std::set<Ref> maybe_pushed;  // by a push that was ended by a death
  uint64_t evicted = 0;        // as counted
  uint64_t maybe_evicted = 0;  // at most so many more
  uint64_t refused = 0;

  void Pushed(Ref ref, const PushResult& result) {
    EXPECT_FALSE(result.corrupt);
    evicted += result.evicted;
    if (result.accepted) {
      pushed.push_back({result.position, ref});
    } else {
      ++refused;
    }
  }

  void Taken(const TakeResult& result) {
    ASSERT_NE(result.status, TakeStatus::kCorrupt);
    if (result.status == TakeStatus::kTaken) taken.push_back({result.position, result.ref});
  }

  void Add(const Notes& other) {
    pushed.insert(pushed.end(), other.pushed.begin(), other.pushed.end());
    taken.insert(taken.end(), other.taken.begin(), other.taken.end());
    maybe_pushed.insert(other.maybe_pushed.begin(), other.maybe_pushed.end());
    evicted += other.evicted;
    maybe_evicted += other.maybe_evicted;
    refused += other.refused;
  }
};

// Positions of the messages that were removed by an eviction: pushed, but neither taken nor queued. Fails the test if
// the sets do not fit together. `notes` are everybody's; the queue is at rest.
template <class A>
std::set<Position> CheckAccounts(const TestQueue<A>& queue, Position start, const Notes& notes) {
  const Position head = queue.header().head.load(kRelaxed);
  const Position end = FindEnd(queue.consumers_view());

  std::map<Position, Ref> pushed;
  for (const auto& [position, ref] : notes.pushed) {
    EXPECT_TRUE(pushed.emplace(position, ref).second) << "two pushes at position " << position;
  }
  std::set<Ref> unsure = notes.maybe_pushed;
  const auto expect_pushed = [&](Position position, Ref ref) {
    const auto found = pushed.find(position);
    if (found != pushed.end()) {
      EXPECT_EQ(found->second, ref) << "at position " << position;
    } else {  // then it is of one who died, who pushed it once
      EXPECT_EQ(unsure.erase(ref), 1u) << "nobody pushed " << ref.word() << " at position " << position;
      pushed.emplace(position, ref);
    }
  };

  std::set<Position> taken;
  for (const auto& [position, ref] : notes.taken) {
    EXPECT_TRUE(taken.insert(position).second) << "taken twice at position " << position;
    EXPECT_LT(position - start, head - start) << "taken, but head has not passed it";
    expect_pushed(position, ref);
  }
  std::vector<Ref> queued = queue.Look();
  EXPECT_LE(queued.size(), queue.depth());
  EXPECT_EQ(queued.size(), end - head);
  for (size_t i = 0; i < queued.size(); ++i) expect_pushed(head + i, queued[i]);

  std::set<Position> evicted;
  for (Position at = start; at != head; ++at) {
    if (!taken.contains(at)) evicted.insert(at);
  }
  uint64_t unexplained = 0;  // positions of which nobody knows what was there
  for (Position at = start; at != end; ++at) unexplained += !pushed.contains(at);
  EXPECT_LE(unexplained, unsure.size());
  for (const auto& [position, ref] : pushed) EXPECT_LT(position - start, end - start) << "pushed, but not in the queue";
  EXPECT_GE(evicted.size(), notes.evicted);
  EXPECT_LE(evicted.size(), notes.evicted + notes.maybe_evicted);
  EXPECT_EQ(pushed.size() + unexplained, taken.size() + evicted.size() + queued.size());
  return evicted;
}

// What one publisher pushed is taken in its order.
inline void CheckOrder(const std::vector<Notes::Message>& taken) {
  std::array<uint32_t, kPublishersPerTopicMax> last{};
  for (const auto& [position, ref] : taken) {
    ASSERT_GT(ref.offset_granules(), last[ref.publisher()])
        << "at position " << position << ", publisher " << unsigned{ref.publisher()};
    last[ref.publisher()] = ref.offset_granules();
  }
}

}  // namespace weir::queue

#endif  // WEIR_TESTS_QUEUE_LEDGER_H_
