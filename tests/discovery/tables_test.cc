// Reading entries while they are written.
#include "discovery/tables.h"

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "middleware/base/limits.h"

namespace weir::discovery {
namespace {

class TablesTest : public testing::Test {
 protected:
  TablesTest() : memory_(kRegistryFileBytes / kPageBytes + 1), tables_(memory_[0].bytes) {}

  // An endpoint all of whose fields follow from one number.
  void Write(uint32_t index, uint64_t n) {
    EndpointEntry& entry = tables_.endpoint(index);
    PutState(entry.state, EndpointState::kFree);
    {
      const EntryWrite write(entry.version);
      Put(entry.kind, EndpointKind::kSubscriber);
      Put(entry.incarnation, n);
      Put(entry.topic, n % kTopicsMax);
      Put(entry.node, n % kNodesMax);
      Put(entry.index_in_topic, n % kSubscribersPerTopicMax);
      Put(entry.depth, n % kQueueDepthMax + 1);
      Put(entry.created_ns, n * 3);
      Put(entry.pid, n);
      Put(entry.flags, n);
      Put(entry.max_borrowed, n % kBorrowedMax);
    }
    PutState(entry.state, EndpointState::kLive);
  }

  static bool IsWhole(const EndpointRecord& record) {
    const uint64_t n = record.incarnation;
    return record.topic == n % kTopicsMax && record.node == n % kNodesMax &&
           record.index_in_topic == n % kSubscribersPerTopicMax && record.depth == n % kQueueDepthMax + 1 &&
           record.created_ns == n * 3 && record.pid == static_cast<uint32_t>(n) &&
           record.flags == static_cast<uint32_t>(n) && record.max_borrowed == n % kBorrowedMax;
  }

  struct alignas(kPageBytes) Page {
    std::byte bytes[kPageBytes];
  };
  std::vector<Page> memory_;
  Tables tables_;
};

TEST_F(TablesTest, ReadersNeverSeeAMixtureWhileAWriterChurns) {
  Write(0, 1);
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> torn{0};
  std::atomic<uint64_t> whole{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      EndpointRecord record;
      while (!stop.load(std::memory_order_relaxed)) {
        if (tables_.Read(0, record) != ReadResult::kRead) continue;
        (record.state == EndpointState::kLive && IsWhole(record) ? whole : torn)
            .fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  // Until the readers have seen enough, but not for ever where they hardly get a core.
  for (uint64_t n = 2; n < 2'000'000 && (n < 100'000 || whole.load(std::memory_order_relaxed) < 1000); ++n) {
    Write(0, n);
    // Sometimes without a pause, sometimes with one long enough for a whole read.
    for (uint64_t i = 0; i < n % 32; ++i) queue::SystemAtomics::Relax();
  }
  stop.store(true);
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(torn, 0u);
  EXPECT_GT(whole, 0u);
}

TEST_F(TablesTest, AnEntryWhoseWriterDiedIsNotThereAndIsWrittenAnew) {
  Write(0, 5);
  EndpointEntry& entry = tables_.endpoint(0);
  PutState(entry.state, EndpointState::kFree);
  const uint32_t version = entry.version.load(queue::kRelaxed);
  entry.version.store(version + 1, queue::kRelaxed);  // odd, for ever
  Put(entry.incarnation, 6);
  EndpointRecord record;
  EXPECT_EQ(tables_.Read(0, record), ReadResult::kNotThere);
  Write(0, 7);
  ASSERT_EQ(tables_.Read(0, record), ReadResult::kRead);
  EXPECT_EQ(record.incarnation, 7u);
  EXPECT_EQ(entry.version.load(queue::kRelaxed) % 2, 0u);
}

TEST_F(TablesTest, AnEntryThatNeverBecomesEvenIsGivenUpOn) {
  Write(0, 5);
  tables_.endpoint(0).version.store(1, queue::kRelaxed);
  EndpointRecord record;
  EXPECT_EQ(tables_.Read(0, record), ReadResult::kUnstable);
  EndBrokenWrite(tables_.endpoint(0).version);
  EXPECT_EQ(tables_.Read(0, record), ReadResult::kRead);
}

TEST_F(TablesTest, IndicesBeyondTheTablesAreInvalid) {
  EndpointRecord endpoint;
  NodeRecord node;
  TopicRecord topic;
  EXPECT_EQ(tables_.Read(kEndpointsMax, endpoint), ReadResult::kInvalid);
  EXPECT_EQ(tables_.ReadLocked(UINT32_MAX, endpoint), ReadResult::kInvalid);
  EXPECT_EQ(tables_.Read(kNodesMax, node), ReadResult::kInvalid);
  EXPECT_EQ(tables_.Read(kTopicsMax, topic), ReadResult::kInvalid);
  EXPECT_EQ(tables_.ReadPublisher(kTopicsMax, 0, endpoint), ReadResult::kInvalid);
  EXPECT_EQ(tables_.ReadSubscriber(0, kSubscribersPerTopicMax, endpoint), ReadResult::kInvalid);
  EXPECT_EQ(tables_.StateOf(kEndpointsMax, 1), EndpointState::kFree);
}

TEST_F(TablesTest, ANumberThatIsNotNamedBackIsNobody) {
  Write(3, kTopicsMax);  // topic 0, index 0
  EndpointRecord record;
  EXPECT_EQ(tables_.ReadSubscriber(0, 0, record), ReadResult::kNotThere);
  Put(tables_.topic(0).subscriber_endpoint[0], 4);
  EXPECT_EQ(tables_.ReadSubscriber(0, 0, record), ReadResult::kRead);
  Put(tables_.topic(0).subscriber_endpoint[1], 4);
  EXPECT_EQ(tables_.ReadSubscriber(0, 1, record), ReadResult::kNotThere);
  Put(tables_.topic(0).publisher_endpoint[0], 4);
  EXPECT_EQ(tables_.ReadPublisher(0, 0, record), ReadResult::kNotThere);
  Put(tables_.topic(0).subscriber_endpoint[0], UINT32_MAX);
  EXPECT_EQ(tables_.ReadSubscriber(0, 0, record), ReadResult::kInvalid);
}

}  // namespace
}  // namespace weir::discovery
