// A joiner that is slow: at a chosen point of reading the history the publisher goes on. The storm in history_test.cc
// meets the same by chance.
// weir-test: crashable
#include <gtest/gtest.h>
#include <weir/weir.h>

#include <cstring>
#include <functional>

#include "middleware/base/crash_point.h"
#include "tests/support/test_root.h"

namespace weir {
namespace {

std::function<void()>* g_intruder = nullptr;

// Runs `intruder` when this process borrows from a history for the n-th time, once.
class IntrudeAtBorrow {
 public:
  IntrudeAtBorrow(int nth, std::function<void()> intruder) {
    intruder_ = [this, nth, intruder = std::move(intruder)] {
      if (++borrows_ == nth) intruder();
    };
    g_intruder = &intruder_;
    g_crash_hook.store([](const char* point) {
      if (g_intruder != nullptr && std::strcmp(point, "history.after_borrow") == 0) (*g_intruder)();
    });
  }
  ~IntrudeAtBorrow() {
    g_crash_hook.store(nullptr);
    g_intruder = nullptr;
  }
  int borrows() const { return borrows_; }

 private:
  int borrows_ = 0;
  std::function<void()> intruder_;
};

class HistoryRaceTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_TRUE(root_.IsEmpty()); }
  test::TestRoot root_;
};

// Whatever a publisher does while a subscriber reads its history: what arrives has no gap, no repeat, and begins with a
// message that the history had, or, if the history was overrun, with the first one after joining.
TEST_F(HistoryRaceTest, APublisherThatOverrunsItsHistoryWhileItIsReadLeavesNoGap) {
  constexpr uint32_t kHistory = 8;
  constexpr uint64_t kBefore = 13;
  for (int nth = 1; nth <= static_cast<int>(kHistory); ++nth) {
    for (uint64_t meanwhile = 1; meanwhile <= 2 * kHistory + 1; ++meanwhile) {
      SCOPED_TRACE(testing::Message() << meanwhile << " messages at borrow " << nth);
      auto node = Node::Create({.name = "history", .domain = "d", .root = root_.path()});
      ASSERT_TRUE(node.ok()) << node.status();
      auto publisher = node->CreatePublisher<uint64_t>("values", {.history = kHistory});
      ASSERT_TRUE(publisher.ok()) << publisher.status();
      uint64_t published = 0;
      const auto publish = [&](uint64_t count) {
        for (uint64_t i = 0; i < count; ++i) {
          auto loan = publisher->Loan();
          ASSERT_TRUE(loan.ok()) << loan.status();
          loan->value() = ++published;
          ASSERT_TRUE(publisher->Publish(*std::move(loan)).ok());
        }
      };
      publish(kBefore);
      const IntrudeAtBorrow intrude(nth, [&] { publish(meanwhile); });
      auto subscriber = node->CreateSubscriber<uint64_t>("values", {.depth = 64, .when_full = WhenFull::kDropNewest});
      ASSERT_TRUE(subscriber.ok()) << subscriber.status();
      ASSERT_GE(intrude.borrows(), nth);
      publish(2);

      uint64_t previous = 0;
      while (auto taken = subscriber->Take()) {
        EXPECT_EQ(taken->info().missed_before, 0u);
        if (previous == 0) {
          EXPECT_GT(taken->value(), kBefore - kHistory);
          EXPECT_LE(taken->value(), kBefore + 1);
        } else {
          EXPECT_EQ(taken->value(), previous + 1);
        }
        previous = taken->value();
      }
      EXPECT_EQ(previous, kBefore + meanwhile + 2);
    }
  }
}

}  // namespace
}  // namespace weir
