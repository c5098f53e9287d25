// What a consumer is told early, to prefetch it: the ref it is about to take, and refs behind it. All forms and starts.
#include <cstdint>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "middleware/queue/queue.h"
#include "tests/queue/stepped_atomics.h"
#include "tests/queue/test_queue.h"

namespace weir::queue {
namespace {

using Queue = TestQueue<SteppedAtomics>;

class LookAheadTest : public testing::TestWithParam<std::tuple<Form, Start>> {
 protected:
  static constexpr uint32_t kDepth = 64;  // as many as there are cells

  void Push(uint32_t count) {
    for (; count > 0; --count) ASSERT_TRUE(producer_.Push(Message(++pushed_), false).accepted);
  }
  // Takes one, and returns what it is told to look at behind it.
  std::vector<uint32_t> TakeAndLook(uint32_t distance) {
    const TakeResult taken = queue_.Take();
    EXPECT_EQ(taken.status, TakeStatus::kTaken);
    std::vector<uint32_t> seen;
    queue_.consumer().LookAhead(taken.position, distance, [&](Ref ref) { seen.push_back(ref.offset_granules()); });
    return seen;
  }

  Queue queue_{std::get<0>(GetParam()), kDepth, StartPosition(std::get<1>(GetParam()), kDepth)};
  Producer<SteppedAtomics> producer_ = queue_.NewProducer();
  uint32_t pushed_ = 0;
};

INSTANTIATE_TEST_SUITE_P(AllForms, LookAheadTest,
                         testing::Combine(testing::ValuesIn(kForms), testing::ValuesIn(kStarts)), NameOfFormAndStart);

TEST_P(LookAheadTest, EachMessageBehindIsSeenOnceBeforeItIsTakenAndNoFurtherThanAsked) {
  Push(kDepth);
  uint32_t last = 1;  // the first one is taken before anybody looks
  for (uint32_t taken = 1; taken <= kDepth; ++taken) {
    for (const uint32_t seen : TakeAndLook(4)) {
      EXPECT_EQ(seen, ++last);
      EXPECT_LE(seen, taken + 4);
    }
    EXPECT_TRUE(last > taken || taken == kDepth);
  }
  EXPECT_EQ(last, kDepth);
}

TEST_P(LookAheadTest, WhatIsNotThereYetOrOfTheLapBeforeIsNotSeen) {
  for (int lap = 0; lap < 3; ++lap) {
    for (uint32_t i = 0; i < kDepth; ++i) {
      Push(1);
      EXPECT_TRUE(TakeAndLook(8).empty());
    }
  }
  Push(3);
  EXPECT_EQ(TakeAndLook(8), (std::vector<uint32_t>{pushed_ - 1, pushed_}));
  EXPECT_TRUE(TakeAndLook(8).empty());
  Push(1);
  EXPECT_EQ(TakeAndLook(8), std::vector<uint32_t>{pushed_});
}

TEST_P(LookAheadTest, TheHintOfATakeComesBeforeTheTableNamesTheRef) {
  Push(2);
  for (uint32_t number = 1; number <= 2; ++number) {
    std::vector<Ref> hinted;
    const TakeResult result = queue_.consumer().Take(queue_.table(), 0, [&](Ref ref) {
      EXPECT_TRUE(queue_.table().IsFree(0));
      hinted.push_back(ref);
    });
    EXPECT_EQ(result.ref, Message(number));
    EXPECT_EQ(hinted, std::vector<Ref>{Message(number)});
    queue_.table().Clear(0);
  }
  EXPECT_EQ(queue_.consumer().Take(queue_.table(), 0, [](Ref) { FAIL() << "nothing is there"; }).status,
            TakeStatus::kEmpty);
}

}  // namespace
}  // namespace weir::queue
