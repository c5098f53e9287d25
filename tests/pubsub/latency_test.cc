// Latencies from Publish to Take: what is measured, what is not, and what the histogram says of them.
#include <gtest/gtest.h>
#include <weir/inspect.h>
#include <weir/weir.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "tests/pubsub/payload.h"
#include "tests/support/child.h"
#include "tests/support/random.h"
#include "tests/support/test_root.h"

namespace weir {
namespace {

using test::Channel;
using test::Child;
using test::ChildEnd;
using test::Payload;

TEST(LatencyHistogramTest, AQuantileIsOffBySixPercentAtMost) {
  auto random = test::SeededRandom("quantiles");
  for (const double spread : {0.1, 1.0, 3.0}) {
    std::lognormal_distribution<double> latencies(std::log(2000.0), spread);
    LatencyHistogram histogram;
    std::vector<uint64_t> all;
    uint64_t sum = 0;
    for (int i = 0; i < 100'000; ++i) {
      all.push_back(std::clamp(static_cast<uint64_t>(latencies(random)), LatencyHistogram::kLowestNs,
                               LatencyHistogram::kHighestNs));
      histogram.Add(all.back());
      sum += all.back();
    }
    std::sort(all.begin(), all.end());
    ASSERT_EQ(histogram.count(), all.size());
    EXPECT_EQ(histogram.sum_ns, sum);
    EXPECT_DOUBLE_EQ(histogram.Mean(), static_cast<double>(sum) / static_cast<double>(all.size()));
    for (const double q : {0.0, 0.00001, 0.01, 0.5, 0.9, 0.99, 0.999, 0.99999, 1.0}) {
      const double rank = std::max(1.0, std::ceil(q * static_cast<double>(all.size())));
      const auto exact = static_cast<double>(all[static_cast<size_t>(rank) - 1]);
      EXPECT_LE(std::abs(histogram.Quantile(q) - exact), 0.06 * exact) << "spread " << spread << ", q " << q;
    }
  }
}

TEST(LatencyHistogramTest, HistogramsAreAddedAndSubtracted) {
  LatencyHistogram a, b;
  EXPECT_EQ(a.Quantile(0.5), 0);
  EXPECT_EQ(a.Mean(), 0);
  a.Add(100);
  a.Add(5);  // shorter than all buckets
  const LatencyHistogram earlier = a;
  b.Add(100);
  b.Add(~uint64_t{0});  // longer
  EXPECT_EQ(b.buckets.back(), 1u);
  a += b;
  EXPECT_EQ(a.count(), 4u);
  EXPECT_EQ(a - earlier, b);
  EXPECT_EQ(earlier + b, a);
  EXPECT_EQ(a.Quantile(0), LatencyHistogram::kLowestNs);
  EXPECT_EQ(a.Quantile(std::nan("")), a.Quantile(0));
  EXPECT_EQ(a.Quantile(7), a.Quantile(1));
}

class LatencyTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = Node::Create({.domain = "d", .root = root_.path()});
    ASSERT_TRUE(made.ok()) << made.status();
    node_.emplace(*std::move(made));
  }
  void TearDown() override {
    node_.reset();
    EXPECT_TRUE(root_.IsEmpty());
  }

  static void Publish(Publisher<Payload>& publisher, int messages) {
    for (int i = 0; i < messages; ++i) {
      auto loan = publisher.Loan();
      ASSERT_TRUE(loan.ok()) << loan.status();
      loan->value().Fill(1, 1);
      ASSERT_TRUE(publisher.Publish(*std::move(loan)).ok());
    }
  }
  // How many of them were stamped.
  static uint64_t TakeAll(Subscriber<Payload>& subscriber) {
    uint64_t stamped = 0;
    while (auto taken = subscriber.Take()) stamped += taken->info().published_ns != 0;
    return stamped;
  }

  test::TestRoot root_;
  std::optional<Node> node_;
};

TEST_F(LatencyTest, EveryMessageFromTheQueueIsMeasuredAndItsWaitingIsPartOfIt) {
  auto subscriber = node_->CreateSubscriber<Payload>("t", {.depth = 100});
  auto publisher = node_->CreatePublisher<Payload>("t");
  ASSERT_TRUE(subscriber.ok() && publisher.ok());
  Publish(*publisher, 10);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(TakeAll(*subscriber), 10u);
  const LatencyHistogram latency = subscriber->latency();
  EXPECT_EQ(latency.count(), 10u);
  EXPECT_GE(latency.Quantile(0), 20e6 * 0.94);
  EXPECT_GE(latency.Mean(), 20e6);
  Publish(*publisher, 1);
  ASSERT_EQ(TakeAll(*subscriber), 1u);
  EXPECT_EQ((subscriber->latency() - latency).count(), 1u);
  EXPECT_LT((subscriber->latency() - latency).sum_ns, latency.sum_ns);
}

TEST_F(LatencyTest, AnotherProcessReadsWhatTheSubscriberMeasured) {
  auto subscriber = node_->CreateSubscriber<Payload>("t", {.depth = 100});
  ASSERT_TRUE(subscriber.ok());
  Child child([&](Channel& parent) {
    auto node = Node::Create({.domain = "d", .root = root_.path()});
    auto publisher = node->CreatePublisher<Payload>("t");
    ASSERT_TRUE(publisher.ok()) << publisher.status();
    Publish(*publisher, 50);
    parent.Send("published");
    EXPECT_EQ(parent.ReceiveText(), "taken");
    auto inspector = Inspector::Open({.domain = "d", .root = root_.path()});
    ASSERT_TRUE(inspector.ok()) << inspector.status();
    auto domain = inspector->Look();
    ASSERT_TRUE(domain.ok()) << domain.status();
    ASSERT_EQ(domain->subscribers.size(), 1u);
    parent.Send(domain->subscribers[0].latency);
  });
  ASSERT_EQ(child.channel().ReceiveText(), "published");
  EXPECT_EQ(TakeAll(*subscriber), 50u);
  child.channel().Send("taken");
  EXPECT_EQ(child.channel().Receive<LatencyHistogram>(), subscriber->latency());
  EXPECT_EQ(subscriber->latency().count(), 50u);
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
}

TEST_F(LatencyTest, TheAgeOfAHistoryIsNoLatency) {
  auto publisher = node_->CreatePublisher<Payload>("t", {.history = 3});
  ASSERT_TRUE(publisher.ok());
  Publish(*publisher, 3);
  auto subscriber = node_->CreateSubscriber<Payload>("t");
  ASSERT_TRUE(subscriber.ok());
  Publish(*publisher, 2);
  EXPECT_EQ(TakeAll(*subscriber), 5u);
  EXPECT_EQ(subscriber->counts().from_history, 3u);
  EXPECT_EQ(subscriber->latency().count(), 2u);
}

TEST_F(LatencyTest, WhereEitherSideHasItOffNothingIsMeasured) {
  auto publisher = node_->CreatePublisher<Payload>("t");
  auto silent = node_->CreatePublisher<Payload>("t", {.metrics = Metrics::kOff});
  auto subscriber = node_->CreateSubscriber<Payload>("t", {.depth = 100});
  auto blind = node_->CreateSubscriber<Payload>("t", {.depth = 100, .metrics = Metrics::kOff});
  ASSERT_TRUE(publisher.ok() && silent.ok() && subscriber.ok() && blind.ok());
  Publish(*publisher, 5);
  Publish(*silent, 7);
  EXPECT_EQ(TakeAll(*subscriber), 5u);
  EXPECT_EQ(TakeAll(*blind), 5u);
  EXPECT_EQ(subscriber->latency().count(), 5u);
  EXPECT_EQ(blind->latency(), LatencyHistogram());
  EXPECT_EQ(blind->counts().delivered, 12u);
  EXPECT_EQ(subscriber->counts().queued_max, 12u);
  EXPECT_EQ(blind->counts().queued_max, 0u);
}

TEST_F(LatencyTest, WithSamplingTheFirstMessageAndThenEachNthIsStamped) {
  auto publisher = node_->CreatePublisher<Payload>("t", {.stamp_every = 4});
  auto subscriber = node_->CreateSubscriber<Payload>("t", {.depth = 100});
  ASSERT_TRUE(publisher.ok() && subscriber.ok());
  // Far more messages than slots: in a slot that is used again an earlier message's stamp must not stay.
  for (uint64_t first = 1; first <= 5000; first += 50) {
    Publish(*publisher, 50);
    while (auto taken = subscriber->Take()) {
      ASSERT_EQ(taken->info().published_ns != 0, taken->info().sequence % 4 == 1) << taken->info().sequence;
    }
  }
  EXPECT_EQ(subscriber->latency().count(), 1250u);

  // A history is merged by stamp, so all of it has one.
  auto latched = node_->CreatePublisher<Payload>("h", {.history = 1, .stamp_every = 4});
  auto all = node_->CreateSubscriber<Payload>("h", {.depth = 100});
  ASSERT_TRUE(latched.ok() && all.ok());
  Publish(*latched, 9);
  EXPECT_EQ(TakeAll(*all), 9u);
}

TEST_F(LatencyTest, ASamplingRateBeyondItsLimitsIsRefused) {
  for (const uint32_t every : {0u, 65537u}) {
    auto publisher = node_->CreatePublisher<Payload>("t", {.stamp_every = every});
    EXPECT_EQ(publisher.status().code(), absl::StatusCode::kInvalidArgument) << publisher.status();
  }
  EXPECT_TRUE(node_->CreatePublisher<Payload>("t", {.stamp_every = 65536}).ok());
}

}  // namespace
}  // namespace weir
