// Refs in a queue that lead nowhere, and slots that do not say what they should: a peer whose memory went wrong, but
// whose queue is one. Each is an invalid message with its reason, and the next message is taken as if nothing had been.
//
// weir-test: not-under=tsan
#include <fcntl.h>
#include <unistd.h>
#include <weir/capnp.h>
#include <weir/dynamic.h>
#include <weir/inspect.h>
#include <weir/messages/quote.capnp.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "discovery/endpoint_files.h"
#include "discovery/names.h"
#include "discovery/snapshot.h"
#include "middleware/pool/pool_layout.h"
#include "middleware/queue/queue.h"
#include "tests/pubsub/bad_input.h"
#include "tests/support/random.h"

namespace weir {
namespace {

using absl::StatusCode;
using test::Says;
using test::Small;

// Writes into the domain's files, past all the library's checks.
class Saboteur {
 public:
  Saboteur(const std::string& root, const char* domain) : snapshot_(*discovery::Snapshot::Open(root, domain)) {}

  // Into the queue of the only subscriber, as a member of the topic would.
  bool Push(Ref ref) {
    for (const discovery::EndpointRecord& record : snapshot_.Endpoints()) {
      if (record.kind != discovery::EndpointKind::kSubscriber) continue;
      auto queue = discovery::OpenQueue(snapshot_.directory(), record.incarnation, os::Access::kReadWrite);
      EXPECT_TRUE(queue.ok()) << queue.status();
      queue::Producer<queue::SystemAtomics> producer(queue->view);
      return producer.Push(ref, /*evict=*/true).accepted;
    }
    return false;
  }

  // The last ref that is queued.
  Ref Newest() {
    for (const discovery::EndpointRecord& record : snapshot_.Endpoints()) {
      if (record.kind != discovery::EndpointKind::kSubscriber) continue;
      auto queue = discovery::OpenQueue(snapshot_.directory(), record.incarnation, os::Access::kRead);
      EXPECT_TRUE(queue.ok()) << queue.status();
      return queue::RefOf(queue->view.cell(queue::FindEnd(queue->view) - 1).load(queue::kAcquire));
    }
    return Ref();
  }

  // Into the slot that the ref names; its pool has granules of 64 bytes.
  void WriteSlot(Ref ref, uint64_t offset, const void* bytes, size_t size) {
    const Incarnation incarnation = snapshot_.Topic(0).publisher_incarnation(ref.publisher());
    const std::string path =
        snapshot_.path() + "/" + discovery::EndpointFileName(discovery::FileKind::kPool, incarnation);
    const os::FileDescriptor file(open(path.c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_TRUE(file.valid()) << path;
    ASSERT_EQ(pwrite(file.get(), bytes, size,
                     static_cast<off_t>(uint64_t{ref.offset_granules()} * kGranuleBytesMin + offset)),
              static_cast<ssize_t>(size));
  }
  template <class Value>
  void WriteSlot(Ref ref, uint64_t offset, Value value) {
    WriteSlot(ref, offset, &value, sizeof(value));
  }

 private:
  discovery::Snapshot snapshot_;
};

class BadRefsTest : public test::BadInputTest {
 protected:
  template <class Endpoint>
  static void Send(Endpoint& publisher, int64_t number) {
    auto loan = publisher.Loan();
    ASSERT_TRUE(loan.ok()) << loan.status();
    loan->value().number = number;
    ASSERT_TRUE(publisher.Publish(*std::move(loan)).ok());
  }
};

TEST_F(BadRefsTest, ARefThatLeadsNowhereIsAnInvalidMessageWithItsReason) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<Small>("t");
  auto subscriber = node.CreateSubscriber<Small>("t");
  ASSERT_TRUE(publisher.ok() && subscriber.ok());
  Saboteur saboteur(root_.path(), kDomain);
  Send(*publisher, 1);
  ASSERT_TRUE(subscriber->Take());
  struct Case {
    Ref ref;
    std::string reason;
  };
  const std::vector<Case> cases = {
      {Ref(), "lies outside its pool: granule 0 of publisher 0"},
      {Ref(0, 1), "lies outside its pool: granule 1"},                      // in the page of facts
      {Ref(0, (1u << 24) - 1), "lies outside its pool: granule 16777215"},  // beyond its end
      {Ref(1, 200), "names publisher 1, which the registry does not know"},
      {Ref(255, (1u << 24) - 1), "names publisher 255, which the registry does not know"},
  };
  int64_t number = 1;
  for (const Case& each : cases) {
    SCOPED_TRACE(each.reason);
    ASSERT_TRUE(saboteur.Push(each.ref));
    Send(*publisher, ++number);
    ASSERT_EQ(subscriber->Take().why(), Outcome::kInvalid);
    EXPECT_TRUE(Says(subscriber->last_error(), StatusCode::kDataLoss, {"a message of \"t\" ", each.reason}));
    auto taken = subscriber->Take();
    ASSERT_TRUE(taken) << OutcomeName(taken.why());
    EXPECT_EQ(taken->value().number, number);
  }
  EXPECT_EQ(subscriber->counts().invalid, cases.size());
}

TEST_F(BadRefsTest, ARefIntoThePoolOfAnEarlierPublisherIsNotReadFromItsSuccessors) {
  Node node = MakeNode();
  auto subscriber = node.CreateSubscriber<Small>("t");
  ASSERT_TRUE(subscriber.ok()) << subscriber.status();
  Ref stale;
  {
    auto publisher = node.CreatePublisher<Small>("t", {.pool_bytes_initial = 4u << 20});
    ASSERT_TRUE(publisher.ok()) << publisher.status();
    Send(*publisher, 1);
    ASSERT_TRUE(subscriber->Take());
    stale = Ref(0, (2u << 20) / kGranuleBytesMin);  // within this pool, beyond the next one's end
  }
  auto successor = node.CreatePublisher<Small>("t");
  ASSERT_TRUE(successor.ok()) << successor.status();
  Send(*successor, 2);
  ASSERT_TRUE(Saboteur(root_.path(), kDomain).Push(stale));
  auto taken = subscriber->Take();
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->info().publisher, 0u);  // the index was used again
  EXPECT_EQ(taken->value().number, 2);
  EXPECT_EQ(subscriber->Take().why(), Outcome::kInvalid);
  EXPECT_TRUE(Says(subscriber->last_error(), StatusCode::kDataLoss, {"lies outside its pool"}));
}

TEST_F(BadRefsTest, AHeaderThatIsWrongIsAnInvalidMessageWithItsNumbers) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<Small>("t");
  auto subscriber = node.CreateSubscriber<Small>("t");
  ASSERT_TRUE(publisher.ok() && subscriber.ok());
  Saboteur saboteur(root_.path(), kDomain);
  int64_t number = 0;
  const auto expect_invalid = [&](auto damage, const std::string& reason) {
    Send(*publisher, ++number);
    damage(saboteur.Newest());
    ASSERT_EQ(subscriber->Take().why(), Outcome::kInvalid) << reason;
    EXPECT_TRUE(Says(subscriber->last_error(), StatusCode::kDataLoss,
                     {"a message of \"t\" from publisher 0 has a damaged header", reason}));
  };
  expect_invalid([&](Ref ref) { saboteur.WriteSlot(ref, offsetof(pool::SlotHeader, sequence), uint64_t{0}); },
                 "sequence 0, 8");
  for (const uint32_t bytes : {0u, 7u, 9u, 1u << 30, ~0u}) {
    expect_invalid([&](Ref ref) { saboteur.WriteSlot(ref, offsetof(pool::SlotHeader, body_bytes), bytes); },
                   absl::StrCat(bytes, " bytes"));
  }
}

TEST_F(BadRefsTest, SegmentsThatLieElsewhereAreAnInvalidMessage) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<msg::Quote>("t");
  auto subscriber = node.CreateSubscriber<msg::Quote>("t");
  ASSERT_TRUE(publisher.ok() && subscriber.ok());
  Saboteur saboteur(root_.path(), kDomain);
  struct Case {
    uint32_t segment_count;
    pool::SegmentEntry first;
    std::string reason;
  };
  for (const Case& each : std::vector<Case>{
           {513, {}, "a message has 513 further segments; at most 512"},
           {~0u, {}, "4294967295 further segments"},
           {1, {.offset_granules = 0, .words = 1}, "segment 1 of a message lies outside its pool: granule 0, 1 words"},
           {1, {.offset_granules = ~0u, .words = 1}, "segment 1 of a message lies outside its pool"},
           {1, {.offset_granules = 200, .words = ~0u}, "granule 200, 4294967295 words"},
           {5, {.offset_granules = ~0u, .words = 5}, "a message's segment table lies outside its pool"},
       }) {
    SCOPED_TRACE(each.reason);
    auto loan = publisher->Loan();
    ASSERT_TRUE(loan.ok()) << loan.status();
    loan->builder().setSymbol("ABC");
    ASSERT_TRUE(publisher->Publish(*std::move(loan)).ok());
    const Ref ref = saboteur.Newest();
    saboteur.WriteSlot(ref, offsetof(pool::SlotHeader, segment_count), each.segment_count);
    saboteur.WriteSlot(ref, offsetof(pool::SlotHeader, segments), each.first);
    ASSERT_EQ(subscriber->Take().why(), Outcome::kInvalid);
    EXPECT_TRUE(Says(subscriber->last_error(), StatusCode::kDataLoss, {"topic \"t\": ", each.reason}));
  }
}

TEST_F(BadRefsTest, AStampFromTheFutureOrThePastChangesNothingButTheStamp) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<Small>("t", {.history = 4});
  auto subscriber = node.CreateSubscriber<Small>("t");
  ASSERT_TRUE(publisher.ok() && subscriber.ok());
  Saboteur saboteur(root_.path(), kDomain);
  int64_t number = 0;
  for (const uint64_t stamp : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}, uint64_t{1} << 63}) {
    Send(*publisher, ++number);
    saboteur.WriteSlot(saboteur.Newest(), offsetof(pool::SlotHeader, published_ns), stamp);
    auto taken = subscriber->Take();
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->value().number, number);
    EXPECT_EQ(taken->info().published_ns, stamp);
    EXPECT_EQ(taken->info().missed_before, 0u);
    // Whoever looks sees the stamp as it is; ages are for the reader to make, and a stamp ahead of the clock is age 0.
    auto inspector = Inspector::Open({.domain = kDomain, .root = root_.path()});
    ASSERT_TRUE(inspector.ok()) << inspector.status();
    auto domain = inspector->Look();
    ASSERT_TRUE(domain.ok()) << domain.status();
    ASSERT_EQ(domain->subscribers.size(), 1u);
    ASSERT_EQ(domain->subscribers[0].held.size(), 1u);
    EXPECT_EQ(domain->subscribers[0].held[0].published_ns, stamp);
  }
  // Histories are merged by stamp, but one publisher's messages keep their order, stamped or not.
  auto joiner = node.CreateSubscriber<Small>("t");
  ASSERT_TRUE(joiner.ok()) << joiner.status();
  uint64_t delivered = 0;
  while (auto taken = joiner->Take()) ++delivered;
  EXPECT_EQ(delivered, 4u);
}

TEST_F(BadRefsTest, RandomRefsAndHeadersNeverDoMoreThanMakeMessagesInvalid) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<msg::Quote>("t", {.history = 8});
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  std::mt19937_64 random = test::SeededRandom("bad refs");
  for (int round = 0; round < 300; ++round) {
    auto subscriber = node.CreateSubscriber<msg::Quote>("t", {.copy_before_read = random() % 2 == 0});
    ASSERT_TRUE(subscriber.ok()) << subscriber.status();
    Saboteur saboteur(root_.path(), kDomain);
    for (int i = 0; i < 10; ++i) {
      auto loan = publisher->Loan();
      ASSERT_TRUE(loan.ok()) << loan.status();
      loan->builder().setSymbol("ABC");
      ASSERT_TRUE(publisher->Publish(*std::move(loan)).ok());
      if (random() % 2 == 0) {
        pool::SlotHeader header;
        const std::string bytes = test::RandomBytes(random, sizeof(header));
        // Small numbers get further than large ones.
        std::string small = bytes;
        for (char& byte : small) byte = random() % 4 == 0 ? byte : '\0';
        saboteur.WriteSlot(saboteur.Newest(), 0, random() % 2 == 0 ? bytes.data() : small.data(), bytes.size());
      } else {
        saboteur.Push(Ref(static_cast<uint32_t>(random() % 2 == 0 ? random() : random() % 4096)));
      }
    }
    for (int i = 0; i < 60; ++i) {
      auto taken = subscriber->Take();
      if (taken.why() == Outcome::kEmpty) break;
      if (!taken) {
        EXPECT_FALSE(subscriber->last_error().ok());
        continue;
      }
      if (taken->Validate().ok()) {
        EXPECT_LE(taken->reader().getSymbol().size(), 1u << 20);
      }
    }
  }
}

}  // namespace
}  // namespace weir
