// Cap'n Proto messages: built in slots, read in place.
#include <gtest/gtest.h>
#include <weir/capnp.h>
#include <weir/messages/image.capnp.h>
#include <weir/messages/imu.capnp.h>
#include <weir/messages/quote.capnp.h>
#include <weir/messages/system_status.capnp.h>
#include <weir/weir.h>

#include <cstring>
#include <string>
#include <vector>

#include "tests/support/child.h"
#include "tests/support/test_root.h"

namespace weir {
namespace {

class CapnpTest : public testing::Test {
 protected:
  Node MakeNode() {
    auto node = Node::Create({.name = "capnp", .domain = "d", .root = root_.path()});
    EXPECT_TRUE(node.ok()) << node.status();
    return *std::move(node);
  }
  template <class T>
  Publisher<T> MakePublisher(Node& node, const PublisherOptions& options = {}) {
    auto publisher = node.CreatePublisher<T>("topic", options);
    EXPECT_TRUE(publisher.ok()) << publisher.status();
    return *std::move(publisher);
  }
  template <class T>
  Subscriber<T> MakeSubscriber(Node& node, const SubscriberOptions& options = {}) {
    auto subscriber = node.CreateSubscriber<T>("topic", options);
    EXPECT_TRUE(subscriber.ok()) << subscriber.status();
    return *std::move(subscriber);
  }
  void TearDown() override { EXPECT_TRUE(root_.IsEmpty()); }

  test::TestRoot root_;
};

TEST_F(CapnpTest, AStructIsBuiltInTheSlotAndReadInPlace) {
  Node node = MakeNode();
  auto publisher = MakePublisher<msg::Imu>(node);
  auto subscriber = MakeSubscriber<msg::Imu>(node);
  auto loan = publisher.Loan();
  ASSERT_TRUE(loan.ok()) << loan.status();
  auto imu = loan->builder();
  imu.initHeader().setFrameId("base_link");
  imu.getHeader().setStampNs(123456789);
  ASSERT_TRUE(publisher.Publish(*std::move(loan)).ok());

  auto taken = subscriber.Take();
  ASSERT_TRUE(taken) << OutcomeName(taken.why()) << subscriber.last_error();
  EXPECT_TRUE(taken->Validate().ok()) << taken->Validate();
  EXPECT_STREQ(taken->reader().getHeader().getFrameId().cStr(), "base_link");
  EXPECT_EQ(taken->reader().getHeader().getStampNs(), 123456789);
}

TEST_F(CapnpTest, AnUntouchedLoanIsAMessageOfDefaults) {
  Node node = MakeNode();
  auto publisher = MakePublisher<msg::Imu>(node);
  auto subscriber = MakeSubscriber<msg::Imu>(node);
  auto loan = publisher.Loan();
  ASSERT_TRUE(loan.ok());
  ASSERT_TRUE(publisher.Publish(*std::move(loan)).ok());
  auto taken = subscriber.Take();
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->reader().getHeader().getFrameId().size(), 0u);
  EXPECT_TRUE(taken->Validate().ok());
}

TEST_F(CapnpTest, ASlotThatIsUsedAgainShowsNothingOfItsEarlierMessage) {
  Node node = MakeNode();
  auto publisher = MakePublisher<msg::Imu>(node);
  auto subscriber = MakeSubscriber<msg::Imu>(node);
  for (int i = 0; i < 500; ++i) {
    auto loan = publisher.Loan();
    ASSERT_TRUE(loan.ok());
    if (i % 2 == 0) loan->builder().initHeader().setFrameId(std::string(static_cast<size_t>(i % 97), 'x'));
    if (i % 3 == 0) {
      auto dropped = publisher.Loan();  // built, then given back
      ASSERT_TRUE(dropped.ok());
      dropped->builder().initHeader().setFrameId(std::string(700, 'y'));
    }
    ASSERT_TRUE(publisher.Publish(*std::move(loan)).ok());
    auto taken = subscriber.Take();
    ASSERT_TRUE(taken);
    const std::string frame = taken->reader().getHeader().getFrameId().cStr();
    EXPECT_EQ(frame, i % 2 == 0 ? std::string(static_cast<size_t>(i % 97), 'x') : "");
    EXPECT_TRUE(taken->Validate().ok()) << taken->Validate();
  }
}

TEST_F(CapnpTest, AMessageThatOutgrowsItsSlotGoesOnInFurtherSlots) {
  Node node = MakeNode();
  auto publisher = MakePublisher<msg::SystemStatus>(node);
  auto subscriber = MakeSubscriber<msg::SystemStatus>(node, {.depth = 64, .max_borrowed = 8});
  std::vector<Sample<msg::SystemStatus>> held;
  const unsigned counts[] = {1, 10, 100, 1000, 10'000, 3, 50'000, 2};
  for (unsigned count : counts) {
    auto loan = publisher.Loan();
    ASSERT_TRUE(loan.ok()) << loan.status();
    auto cores = loan->builder().initCores(count);
    for (unsigned i = 0; i < count; ++i) cores[i].setLoad(static_cast<float>(i));
    loan->builder().setHostname(std::string(count, 'h'));
    auto sent = publisher.Publish(*std::move(loan));
    ASSERT_TRUE(sent.ok()) << sent.status();
    auto taken = subscriber.Take();
    ASSERT_TRUE(taken) << OutcomeName(taken.why()) << subscriber.last_error();
    held.push_back(*std::move(taken));
  }
  for (size_t n = 0; n < held.size(); ++n) {
    auto reader = held[n].reader();
    ASSERT_EQ(reader.getCores().size(), counts[n]);
    auto cores = reader.getCores();  // once: each get counts against the traversal limit
    for (unsigned i = 0; i < counts[n]; ++i) ASSERT_EQ(cores[i].getLoad(), static_cast<float>(i));
    EXPECT_EQ(reader.getHostname().size(), counts[n]);
    EXPECT_TRUE(held[n].Validate().ok()) << held[n].Validate();
  }
  EXPECT_EQ(subscriber.counts().torn, 0u);
}

TEST_F(CapnpTest, TheNextLoanStartsLargeEnoughForWhatWasSeen) {
  Node node = MakeNode();
  auto publisher = MakePublisher<msg::SystemStatus>(node);
  auto subscriber = MakeSubscriber<msg::SystemStatus>(node);
  for (int i = 0; i < 10; ++i) {
    auto loan = publisher.Loan();
    ASSERT_TRUE(loan.ok());
    loan->builder().initCores(5000);
    ASSERT_TRUE(publisher.Publish(*std::move(loan)).ok());
    auto taken = subscriber.Take();
    ASSERT_TRUE(taken);
  }
  const uint64_t committed = publisher.counts().pool_bytes_committed;
  for (int i = 0; i < 1000; ++i) {
    auto loan = publisher.Loan();
    ASSERT_TRUE(loan.ok());
    loan->builder().initCores(5000);
    ASSERT_TRUE(publisher.Publish(*std::move(loan)).ok());
    ASSERT_TRUE(subscriber.Take());
  }
  EXPECT_EQ(publisher.counts().pool_bytes_committed, committed);
}

TEST_F(CapnpTest, ManySegmentsNeedATableOfTheirOwnAndArriveWhole) {
  Node node = MakeNode();
  auto publisher = MakePublisher<msg::SystemStatus>(node);
  auto subscriber = MakeSubscriber<msg::SystemStatus>(node);
  for (int round = 0; round < 20; ++round) {
    auto loan = publisher.Loan();
    ASSERT_TRUE(loan.ok());
    // Each text replaces the one before, which stays behind as garbage, so the message outgrows segment after segment.
    for (unsigned size = 500; size < 200'000; size = size * 5 / 4) loan->builder().setHostname(std::string(size, 'q'));
    auto blob = loan->AddBlob(100);
    ASSERT_TRUE(blob.ok());
    ASSERT_TRUE(publisher.Publish(*std::move(loan)).ok());
    auto taken = subscriber.Take();
    ASSERT_TRUE(taken) << OutcomeName(taken.why()) << subscriber.last_error();
    EXPECT_GT(taken->reader().getHostname().size(), 100'000u);
    EXPECT_TRUE(taken->Validate().ok()) << taken->Validate();
  }
}

TEST_F(CapnpTest, ABlobIsAdoptedWithoutACopy) {
  Node node = MakeNode();
  auto publisher = MakePublisher<msg::Image>(node);
  auto subscriber = MakeSubscriber<msg::Image>(node);
  for (size_t size : {1u << 20, 1000u * 1000 + 3, 17u}) {
    auto loan = publisher.Loan();
    ASSERT_TRUE(loan.ok());
    auto image = loan->builder();
    image.setWidth(640);
    auto blob = loan->AddBlob(size);
    ASSERT_TRUE(blob.ok()) << blob.status();
    for (size_t i = 0; i < size; ++i) (*blob)[i] = static_cast<std::byte>(i * 7);
    image.adoptData(loan->Adopt(*blob));
    ASSERT_TRUE(publisher.Publish(*std::move(loan)).ok());

    auto taken = subscriber.Take();
    ASSERT_TRUE(taken) << OutcomeName(taken.why()) << subscriber.last_error();
    auto data = taken->reader().getData();
    ASSERT_EQ(data.size(), size);
    for (size_t i = 0; i < size; ++i) ASSERT_EQ(data[i], static_cast<kj::byte>(i * 7));
    EXPECT_EQ(taken->reader().getWidth(), 640u);
    EXPECT_TRUE(taken->Validate().ok()) << taken->Validate();
    // In place: it begins at the same place within its page as where it was written.
    EXPECT_EQ(reinterpret_cast<uintptr_t>(data.begin()) % 4096, reinterpret_cast<uintptr_t>(blob->data()) % 4096);
  }
}

TEST_F(CapnpTest, AFrontPartOfABlobCanBeAdoptedAndForeignMemoryIsCopied) {
  Node node = MakeNode();
  auto publisher = MakePublisher<msg::Image>(node);
  auto subscriber = MakeSubscriber<msg::Image>(node);
  auto loan = publisher.Loan();
  ASSERT_TRUE(loan.ok());
  auto blob = loan->AddBlob(1000);
  ASSERT_TRUE(blob.ok());
  std::memset(blob->data(), 0xaa, blob->size());
  loan->builder().adoptData(loan->Adopt(blob->first(501)));
  ASSERT_TRUE(publisher.Publish(*std::move(loan)).ok());
  auto taken = subscriber.Take();
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->reader().getData().size(), 501u);

  auto second = publisher.Loan();
  ASSERT_TRUE(second.ok());
  alignas(8) std::byte own[64];
  std::memset(own, 0x5a, sizeof(own));
  second->builder().adoptData(second->Adopt(own));
  ASSERT_TRUE(publisher.Publish(*std::move(second)).ok());
  auto copied = subscriber.Take();
  ASSERT_TRUE(copied);
  EXPECT_EQ(copied->reader().getData().size(), 64u);
  EXPECT_EQ(copied->reader().getData()[63], 0x5a);
}

TEST_F(CapnpTest, CopyBeforeReadCopiesAllSegments) {
  Node node = MakeNode();
  auto publisher = MakePublisher<msg::Image>(node);
  auto subscriber = MakeSubscriber<msg::Image>(node, {.copy_before_read = true});
  for (int i = 0; i < 5; ++i) {
    auto loan = publisher.Loan();
    ASSERT_TRUE(loan.ok());
    auto blob = loan->AddBlob(5000);
    ASSERT_TRUE(blob.ok());
    std::memset(blob->data(), i, blob->size());
    loan->builder().adoptData(loan->Adopt(*blob));
    ASSERT_TRUE(publisher.Publish(*std::move(loan)).ok());
    auto taken = subscriber.Take();
    ASSERT_TRUE(taken) << OutcomeName(taken.why()) << subscriber.last_error();
    EXPECT_EQ(taken->reader().getData().size(), 5000u);
    EXPECT_EQ(taken->reader().getData()[4999], i);
    EXPECT_TRUE(taken->Validate().ok());
  }
}

TEST_F(CapnpTest, AMessageThatFindsNoSlotIsRefusedByPublishAndThePublisherGoesOn) {
  Node node = MakeNode();
  auto publisher = MakePublisher<msg::SystemStatus>(node, {.pool_bytes_max = 256 << 10});
  auto subscriber = MakeSubscriber<msg::SystemStatus>(node);
  auto loan = publisher.Loan();
  ASSERT_TRUE(loan.ok());
  loan->builder().setHostname(std::string(1 << 20, 'x'));  // more than the pool; goes on in private memory
  EXPECT_EQ(loan->builder().getHostname().size(), 1u << 20);
  auto sent = publisher.Publish(*std::move(loan));
  EXPECT_EQ(sent.status().code(), absl::StatusCode::kResourceExhausted) << sent.status();
  EXPECT_NE(std::string(sent.status().message()).find("pool_bytes_max"), std::string::npos) << sent.status();
  EXPECT_EQ(subscriber.Take().why(), Outcome::kEmpty);
  for (int i = 0; i < 100; ++i) {
    auto next = publisher.Loan();
    ASSERT_TRUE(next.ok()) << next.status();
    next->builder().setHostname("ok");
    ASSERT_TRUE(publisher.Publish(*std::move(next)).ok());
    auto taken = subscriber.Take();
    ASSERT_TRUE(taken);
    EXPECT_STREQ(taken->reader().getHostname().cStr(), "ok");
  }
}

TEST_F(CapnpTest, ASlotThatHeldABlobIsZeroedBeforeAMessageIsBuiltInIt) {
  Node node = MakeNode();
  auto publisher = MakePublisher<msg::Image>(node);
  auto subscriber = MakeSubscriber<msg::Image>(node);
  for (int i = 0; i < 50; ++i) {
    {
      auto loan = publisher.Loan(1000);
      ASSERT_TRUE(loan.ok());
      auto blob = loan->AddBlob(1000);  // of the class that the next message's own slot comes from
      ASSERT_TRUE(blob.ok());
      std::memset(blob->data(), 0xff, blob->size());
      loan->builder().adoptData(loan->Adopt(blob->first(static_cast<size_t>(8 * (i % 20)))));
      ASSERT_TRUE(publisher.Publish(*std::move(loan)).ok());
      ASSERT_TRUE(subscriber.Take());
    }
    auto loan = publisher.Loan(1000);
    ASSERT_TRUE(loan.ok());
    auto data = loan->builder().initData(900);
    for (kj::byte byte : data) ASSERT_EQ(byte, 0) << "round " << i;
    EXPECT_EQ(loan->builder().getWidth(), 0u);
    ASSERT_TRUE(publisher.Publish(*std::move(loan)).ok());
    ASSERT_TRUE(subscriber.Take());
  }
}

TEST_F(CapnpTest, AMessageInManySlotsDoesNotMakeLaterLoansImpossible) {
  Node node = MakeNode();
  auto publisher = MakePublisher<msg::SystemStatus>(node, {.pool_bytes_max = 8 << 20});
  auto subscriber = MakeSubscriber<msg::SystemStatus>(node);
  {
    auto loan = publisher.Loan();
    ASSERT_TRUE(loan.ok());
    loan->builder().initCores(150'000);  // more than half the pool
    ASSERT_TRUE(publisher.Publish(*std::move(loan)).ok());
    auto taken = subscriber.Take();
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->reader().getCores().size(), 150'000u);
    for (int i = 0; i < 20; ++i) {  // while it is held
      auto next = publisher.Loan();
      ASSERT_TRUE(next.ok()) << next.status();
      next->builder().setHostname("small");
      ASSERT_TRUE(publisher.Publish(*std::move(next)).ok());
    }
  }
}

TEST_F(CapnpTest, AnImpossibleBlobIsRefused) {
  Node node = MakeNode();
  auto publisher = MakePublisher<msg::Image>(node);
  auto loan = publisher.Loan();
  ASSERT_TRUE(loan.ok());
  for (size_t size : {SIZE_MAX, SIZE_MAX - 7, size_t{1} << 40, size_t{1} << 30}) {
    EXPECT_FALSE(loan->AddBlob(size).ok()) << size;
  }
  ASSERT_TRUE(publisher.Publish(*std::move(loan)).ok());
}

TEST_F(CapnpTest, AnotherTypeOnTheSameTopicIsRefused) {
  Node node = MakeNode();
  auto publisher = MakePublisher<msg::Imu>(node);
  auto other = node.CreateSubscriber<msg::Quote>("topic");
  EXPECT_EQ(other.status().code(), absl::StatusCode::kFailedPrecondition);
  const std::string text(other.status().message());
  EXPECT_NE(text.find("Imu"), std::string::npos) << text;
  EXPECT_NE(text.find("Quote"), std::string::npos) << text;
}

TEST_F(CapnpTest, TheSchemaLiesWithTheTopicWhileItExists) {
  Node node = MakeNode();
  auto subscriber = MakeSubscriber<msg::Imu>(node);
  int schemas = 0;
  for (const std::string& name : root_.Contents()) schemas += name.find("schema.") != std::string::npos;
  EXPECT_EQ(schemas, 1);
}

TEST_F(CapnpTest, ATooSmallTraversalLimitThrowsAndALargerOneDoesNot) {
  Node node = MakeNode();
  auto publisher = MakePublisher<msg::SystemStatus>(node);
  auto small = MakeSubscriber<msg::SystemStatus>(node, {.traversal_limit_bytes = 64});
  auto usual = MakeSubscriber<msg::SystemStatus>(node);
  auto loan = publisher.Loan();
  ASSERT_TRUE(loan.ok());
  loan->builder().setHostname(std::string(1000, 'x'));
  ASSERT_TRUE(publisher.Publish(*std::move(loan)).ok());
  auto a = small.Take();
  auto b = usual.Take();
  ASSERT_TRUE(a && b);
  EXPECT_THROW(a->reader().getHostname(), kj::Exception);
  EXPECT_EQ(b->reader().getHostname().size(), 1000u);
}

TEST_F(CapnpTest, ProcessesExchangeBigImagesWithoutLosingASlot) {
  constexpr int kImages = 300;
  constexpr size_t kBytes = 1 << 20;
  test::Child child([&](test::Channel&) {
    Node node = MakeNode();
    auto publisher = MakePublisher<msg::Image>(node, {.max_block = absl::Seconds(30)});
    ASSERT_TRUE(publisher.WaitForSubscribers(1, absl::Seconds(30)).ok());
    for (int i = 0; i < kImages; ++i) {
      auto loan = publisher.Loan();
      ASSERT_TRUE(loan.ok()) << loan.status();
      auto blob = loan->AddBlob(kBytes);
      ASSERT_TRUE(blob.ok()) << blob.status();
      std::memset(blob->data(), i % 256, kBytes);
      loan->builder().setWidth(static_cast<uint32_t>(i));
      loan->builder().adoptData(loan->Adopt(*blob));
      auto sent = publisher.Publish(*std::move(loan));
      ASSERT_TRUE(sent.ok());
      ASSERT_EQ(sent->accepted, 1u);
    }
    EXPECT_LT(publisher.counts().pool_bytes_committed, 64u << 20);
  });
  Node node = MakeNode();
  auto subscriber = MakeSubscriber<msg::Image>(node, {.depth = 4, .when_full = WhenFull::kBlock});
  for (int i = 0; i < kImages; ++i) {
    auto taken = subscriber.TakeFor(absl::Seconds(30));
    ASSERT_TRUE(taken) << OutcomeName(taken.why()) << subscriber.last_error();
    EXPECT_EQ(taken->reader().getWidth(), static_cast<uint32_t>(i));
    auto data = taken->reader().getData();
    ASSERT_EQ(data.size(), kBytes);
    EXPECT_EQ(data[0], i % 256);
    EXPECT_EQ(data[kBytes - 1], i % 256);
  }
  EXPECT_EQ(child.Wait(), test::ChildEnd::Exited(0));
}

}  // namespace
}  // namespace weir
