// After its first messages a publisher or subscriber faults on no page of shared memory any more, however much of the
// pool comes into use later: its pages are entered into the page table when they are committed, and when somebody maps
// them. Counted by the kernel, in two processes, whose private memory is made ready as docs/realtime.md advises.
// weir-test: not-under=asan,tsan
#include <gtest/gtest.h>
#include <malloc.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <weir/capnp.h>
#include <weir/messages/image.capnp.h>
#include <weir/messages/quote.capnp.h>
#include <weir/weir.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/pubsub/payload.h"
#include "tests/pubsub/shared_page.h"
#include "tests/support/child.h"
#include "tests/support/locked_memory.h"
#include "tests/support/skip.h"
#include "tests/support/test_root.h"

#ifndef MADV_POPULATE_READ  // Linux 5.14
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

namespace weir {
namespace {

using test::Channel;
using test::Child;
using test::ChildEnd;
using test::Payload;

// Building and checking a message of each kind, and how many of them are in flight at once.

template <class T>
struct Kind;

template <>
struct Kind<Payload> {
  static constexpr uint64_t kBurst = 1500, kMessages = 100'000;
  static bool Publish(Publisher<Payload>& publisher, uint64_t number) {
    auto loan = publisher.Loan();
    if (!loan.ok()) return false;
    loan->value().Fill(1, number);
    return publisher.Publish(*std::move(loan)).ok();
  }
  static bool Check(const Sample<Payload>& sample) { return sample.value().IsWhole(); }
};

template <>
struct Kind<msg::Quote> {
  static constexpr uint64_t kBurst = 1500, kMessages = 100'000;
  static bool Publish(Publisher<msg::Quote>& publisher, uint64_t number) {
    auto loan = publisher.Loan();
    if (!loan.ok()) return false;
    loan->builder().setSequence(number);
    loan->builder().setSymbol("WEIR");
    return publisher.Publish(*std::move(loan)).ok();
  }
  static bool Check(const Sample<msg::Quote>& sample) {
    return sample.reader().getSequence() == sample.info().sequence && sample.reader().getSymbol() == "WEIR";
  }
};

template <>
struct Kind<msg::Image> {  // with a blob
  static constexpr uint64_t kBurst = 100, kMessages = 100'000, kBlobBytes = 20'000;
  static bool Publish(Publisher<msg::Image>& publisher, uint64_t number) {
    auto loan = publisher.Loan();
    if (!loan.ok()) return false;
    auto blob = loan->AddBlob(kBlobBytes);
    if (!blob.ok()) return false;
    for (size_t at = 0; at < kBlobBytes; at += 1000) (*blob)[at] = static_cast<std::byte>(number);  // every page
    loan->builder().adoptData(loan->Adopt(*blob));
    return publisher.Publish(*std::move(loan)).ok();
  }
  static bool Check(const Sample<msg::Image>& sample) {
    const auto data = sample.reader().getData();
    for (size_t at = 0; at < kBlobBytes; at += 1000) {
      if (data[at] != static_cast<uint8_t>(sample.info().sequence)) return false;
    }
    return data.size() == kBlobBytes;
  }
};

uint64_t Faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_minflt + usage.ru_majflt);
}

// What the program itself is to do: memory that malloc has ready and keeps, and every private page touched. Of shared
// mappings it touches nothing: those are what is tested. (mlockall would do the same, and more.) False: this kernel
// cannot.
void PrepareHeap() {
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  void* volatile memory = std::malloc(64u << 20);
  std::memset(memory, 1, 64u << 20);
  std::free(memory);
}
bool TouchPrivateMemory() {
  struct Range {
    unsigned long begin, end;
    bool writable;
  };
  std::vector<Range> ranges;
  {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
      Range range{};
      char rights[5] = "";
      if (std::sscanf(line.c_str(), "%lx-%lx %4s", &range.begin, &range.end, rights) != 3) return false;
      range.writable = rights[1] == 'w';
      if (rights[0] == 'r' && rights[3] == 'p') ranges.push_back(range);
    }
  }
  bool known = true;
  for (const Range& range : ranges) {
    const int advice = range.writable ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
    // Some (the kernel's own, [vvar]) cannot be; only an unknown advice counts.
    if (madvise(reinterpret_cast<void*>(range.begin), range.end - range.begin, advice) != 0 && range.writable) {
      known = false;
    }
  }
  return known;
}

struct Shared {
  std::atomic<uint64_t> published{0};
  std::atomic<uint64_t> taken{0};
  std::atomic<int> ready{0};
  std::atomic<bool> failed{false};
};

// Messages up to which both are warm: the subscriber has mapped the pool with the first. They touch a small part of the
// pool and of the queue, whose cells take half a megabyte: the others come into use while faults are counted.
constexpr uint64_t kWarm = 20;

template <class T>
class PageFaultTest : public testing::Test {
 protected:
  static constexpr uint64_t kEnd = kWarm + (Kind<T>::kMessages / Kind<T>::kBurst) * Kind<T>::kBurst;

  // A burst is published before any of it is taken, so that the pool has to be used as far as the burst is long, which
  // it was not in the warm-up.
  void Publish(bool lock_memory, Shared& shared, Channel& parent) {
    PrepareHeap();
    auto node = Node::Create({.domain = "d", .root = root_.path()});
    ASSERT_TRUE(node.ok()) << node.status();
    auto publisher = node->CreatePublisher<T>("topic", {.pool_bytes_initial = 6u << 20, .lock_memory = lock_memory});
    ASSERT_TRUE(publisher.ok()) << publisher.status();
    ASSERT_TRUE(publisher->WaitForSubscribers(1, absl::Seconds(20)).ok());
    const auto run_to = [&](uint64_t end, uint64_t burst) {
      for (uint64_t number = shared.published; number < end && !shared.failed;) {
        while (shared.taken != number && !shared.failed) sched_yield();
        const uint64_t stop = number + burst;
        while (number < stop) {
          if (!Kind<T>::Publish(*publisher, ++number)) return false;
        }
        shared.published = number;
      }
      return !shared.failed;
    };
    shared.failed = !run_to(kWarm, 1);
    const uint64_t committed = publisher->counts().pool_bytes_committed;
    ASSERT_TRUE(TouchPrivateMemory());
    Meet(shared);
    const uint64_t before = Faults();
    const bool went_well = run_to(kEnd, Kind<T>::kBurst);
    const uint64_t faults = Faults() - before;
    if (!went_well) shared.failed = true;
    EXPECT_TRUE(went_well);
    EXPECT_EQ(publisher->counts().pool_bytes_committed, committed) << "the test's pool is too small";
    EXPECT_EQ(publisher->counts().bytes_unlocked, 0u);
    parent.Send(faults);
  }

  void Take(bool lock_memory, Shared& shared, Channel& parent) {
    PrepareHeap();
    auto node = Node::Create({.domain = "d", .root = root_.path()});
    ASSERT_TRUE(node.ok()) << node.status();
    auto subscriber = node->CreateSubscriber<T>(
        "topic", {.depth = 65'536, .when_full = WhenFull::kDropNewest, .lock_memory = lock_memory});
    ASSERT_TRUE(subscriber.ok()) << subscriber.status();
    const auto run_to = [&](uint64_t end, uint64_t burst) {
      for (uint64_t number = shared.taken; number < end && !shared.failed;) {
        while (shared.published != number + burst && !shared.failed) sched_yield();
        for (const uint64_t stop = number + burst; number < stop;) {
          auto taken = subscriber->Take();
          if (!taken || taken->info().sequence != ++number || !Kind<T>::Check(*taken)) return false;
        }
        shared.taken = number;
      }
      return !shared.failed;
    };
    shared.failed = !run_to(kWarm, 1);
    ASSERT_TRUE(TouchPrivateMemory());
    Meet(shared);
    const uint64_t before = Faults();
    const bool went_well = run_to(kEnd, Kind<T>::kBurst);
    const uint64_t faults = Faults() - before;
    if (!went_well) shared.failed = true;
    EXPECT_TRUE(went_well) << subscriber->last_error();
    EXPECT_EQ(subscriber->counts().bytes_unlocked, 0u);
    parent.Send(faults);
  }

  void Run(bool lock_memory) {
    test::SharedPage<Shared> shared;
    Child publishing([&](Channel& parent) { Publish(lock_memory, *shared, parent); });
    Child taking([&](Channel& parent) { Take(lock_memory, *shared, parent); });
    EXPECT_EQ(publishing.channel().Receive<uint64_t>(), 0u) << "faults of the publisher";
    EXPECT_EQ(taking.channel().Receive<uint64_t>(), 0u) << "faults of the subscriber";
    EXPECT_EQ(publishing.Wait(), ChildEnd::Exited(0));
    EXPECT_EQ(taking.Wait(), ChildEnd::Exited(0));
    EXPECT_EQ(shared->taken, kEnd);
    ASSERT_TRUE(Node::Create({.domain = "d", .root = root_.path()}).ok());
    EXPECT_TRUE(root_.IsEmpty());
  }

  static void Meet(Shared& shared) {
    ++shared.ready;
    while (shared.ready != 2 && !shared.failed) sched_yield();
  }

  test::TestRoot root_;
};

using Kinds = testing::Types<Payload, msg::Quote, msg::Image>;
TYPED_TEST_SUITE(PageFaultTest, Kinds);

// Why this machine cannot show it; empty if it can.
std::string WhyNotCountable(uint64_t lock_bytes) {
  std::string why;
  Child child([&](Channel& parent) {
    if (!TouchPrivateMemory()) {
      parent.Send("this kernel cannot populate memory on demand (before 5.14)");
    } else if (lock_bytes != 0 && mlock(std::malloc(lock_bytes), lock_bytes) != 0) {
      parent.Send("this process may not lock " + std::to_string(lock_bytes) + " bytes in memory");
    } else {
      parent.Send("");
    }
  });
  return child.channel().ReceiveText().value_or("the child that was to try it ended");
}

TYPED_TEST(PageFaultTest, NoPageFaultsAfterTheFirstMessagesHoweverMuchOfThePoolIsUsed) {
  if (const std::string why = WhyNotCountable(0); !why.empty()) WEIR_SKIP(why);
  this->Run(/*lock_memory=*/false);
}

TYPED_TEST(PageFaultTest, NoPageFaultsInLockedMemoryEither) {
  if (const std::string why = WhyNotCountable(7u << 20); !why.empty()) WEIR_SKIP(why);
  this->Run(/*lock_memory=*/true);
}

// That the counting works.
TEST(FaultCountTest, TheFirstTouchOfASharedPageIsCountedAndTheSecondIsNot) {
  constexpr size_t kPages = 100;
  auto* pages =
      static_cast<char*>(mmap(nullptr, kPages * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(pages, MAP_FAILED);
  madvise(pages, kPages * 4096, MADV_NOHUGEPAGE);
  const auto touch = [&] {
    const uint64_t before = Faults();
    for (size_t i = 0; i < kPages; ++i) static_cast<volatile char*>(pages)[i * 4096] = 1;
    return Faults() - before;
  };
  EXPECT_GE(touch(), kPages);
  EXPECT_LT(touch(), kPages);
  munmap(pages, kPages * 4096);
}

}  // namespace
}  // namespace weir
