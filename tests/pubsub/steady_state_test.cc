// In steady state, that is once the pool has grown to what its subscribers hold and while nobody joins, leaves or
// sleeps, Loan, Publish, Take and dropping a sample allocate nothing and make no system call. Both are watched from
// outside the library: every way to get memory is counted where the linker sends it, and system calls are made fatal by
// the kernel.
// weir-test: not-under=asan,tsan
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <weir/capnp.h>
#include <weir/messages/quote.capnp.h>
#include <weir/weir.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "middleware/os/process.h"
#include "tests/pubsub/payload.h"
#include "tests/pubsub/shared_page.h"
#include "tests/support/child.h"
#include "tests/support/skip.h"
#include "tests/support/test_root.h"

// Counting allocations ------------------------------------------------------------------------------------------------

namespace {

// Of the calling thread, while it is watched.
thread_local bool g_watched = false;
thread_local uint64_t g_allocations = 0;
thread_local const char* g_last = "";

void Count(const char* what) {
  if (!g_watched) return;
  ++g_allocations;
  g_last = what;
}

}  // namespace

extern "C" {
// What glibc's own are called beside their usual names.
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
void __libc_free(void*);

void* malloc(size_t size) {
  Count("malloc");
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  Count("calloc");
  return __libc_calloc(count, size);
}
void* realloc(void* old, size_t size) {
  Count("realloc");
  return __libc_realloc(old, size);
}
void* memalign(size_t alignment, size_t size) {
  Count("memalign");
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  Count("aligned_alloc");
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** result, size_t alignment, size_t size) {
  Count("posix_memalign");
  *result = __libc_memalign(alignment, size);
  return *result == nullptr ? ENOMEM : 0;
}
void* valloc(size_t size) {
  Count("valloc");
  return __libc_memalign(4096, size);
}
void* mmap(void* address, size_t length, int protection, int flags, int fd, off_t offset) {
  Count("mmap");
  return reinterpret_cast<void*>(syscall(SYS_mmap, address, length, protection, flags, fd, offset));
}
void* mmap64(void* address, size_t length, int protection, int flags, int fd, off64_t offset) {
  Count("mmap64");
  return reinterpret_cast<void*>(syscall(SYS_mmap, address, length, protection, flags, fd, offset));
}
}  // extern "C"

void* operator new(size_t size) {
  Count("operator new");
  if (void* memory = __libc_malloc(size)) return memory;
  throw std::bad_alloc();
}
void* operator new(size_t size, std::align_val_t alignment) {
  Count("aligned operator new");
  if (void* memory = __libc_memalign(static_cast<size_t>(alignment), size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  __libc_free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  __libc_free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  __libc_free(memory);
}
void operator delete(void* memory, size_t, std::align_val_t) noexcept {
  __libc_free(memory);
}

namespace weir {
namespace {

using test::Child;
using test::ChildEnd;
using test::Payload;

class Watch {
 public:
  Watch() : before_(g_allocations) { g_watched = true; }
  ~Watch() { g_watched = false; }
  uint64_t allocations() const { return g_allocations - before_; }

 private:
  uint64_t before_;
};

// Making system calls fatal -------------------------------------------------------------------------------------------

constexpr int kMadeASystemCall = 99;

void SayWhichAndExit(int, siginfo_t* info, void*) {
  char text[] = "system call number     \n";
  int number = info->si_syscall;
  for (char* digit = text + 22; number > 0; number /= 10) *--digit = static_cast<char>('0' + number % 10);
  static_cast<void>(!write(STDERR_FILENO, text, sizeof(text) - 1));
  _exit(kMadeASystemCall);
}

// From here on this process may write(), to say something, and exit. Anything else ends it.
bool ForbidSystemCalls() {
  struct sigaction action = {};
  action.sa_sigaction = SayWhichAndExit;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSYS, &action, nullptr);
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program = {.len = std::size(filter), .filter = filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// Why this machine cannot show it; empty if it can.
std::string WhyNotWatchable() {
  Child child([](test::Channel&) {
    fclose(stderr);  // what the handler would say is no failure here
    if (!ForbidSystemCalls()) _exit(98);
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    _exit(0);
  });
  const ChildEnd end = child.Wait();
  if (end == ChildEnd::Exited(98)) return "this kernel or container has no seccomp filters";
  if (end == ChildEnd::Exited(kMadeASystemCall)) return "on this machine reading the clock is a system call";
  EXPECT_EQ(end, ChildEnd::Exited(0));
  return "";
}

// A publisher and a subscriber of one kind of message and one form of queue -------------------------------------------

struct Case {
  bool exclusive = false;
  WhenFull when_full = WhenFull::kOverwriteOldest;
  uint32_t history = 0;
  bool copy_before_read = false;
  Metrics metrics = Metrics::kOn;
};

// All four forms of a queue, and what else is on the way of a message.
constexpr Case kCases[] = {
    {.exclusive = false, .when_full = WhenFull::kOverwriteOldest},
    {.exclusive = false, .when_full = WhenFull::kDropNewest},
    {.exclusive = false, .when_full = WhenFull::kBlock},
    {.exclusive = true, .when_full = WhenFull::kOverwriteOldest},
    {.exclusive = true, .when_full = WhenFull::kDropNewest},
    {.exclusive = true, .when_full = WhenFull::kBlock},
    {.exclusive = false, .when_full = WhenFull::kOverwriteOldest, .history = 10},
    {.exclusive = true, .when_full = WhenFull::kDropNewest, .history = 1, .copy_before_read = true},
    {.exclusive = true, .when_full = WhenFull::kOverwriteOldest, .metrics = Metrics::kOff},
};

std::string NameOf(const Case& c) {
  const char* policies[] = {"overwriting", "dropping the newest", "blocking"};
  return std::string(c.exclusive ? "exclusive, " : "shared, ") + policies[static_cast<size_t>(c.when_full)] +
         (c.history != 0 ? ", with history" : "") + (c.copy_before_read ? ", copying" : "") +
         (c.metrics == Metrics::kOff ? ", without stamps" : "");
}

// Building and checking a message; false if it is not what it should be.
template <class T>
struct Kind;
template <>
struct Kind<Payload> {
  static auto Loan(Publisher<Payload>& publisher) { return publisher.Loan(); }
  static void Build(weir::Loan<Payload>& loan, uint64_t number) { loan.value().Fill(1, number); }
  static bool Check(const Sample<Payload>& sample) {
    return sample.value().IsWhole() && sample.value().number == sample.info().sequence;
  }
};
template <>
struct Kind<Bytes> {
  static auto Loan(Publisher<Bytes>& publisher) { return publisher.Loan(777); }
  static void Build(weir::Loan<Bytes>& loan, uint64_t number) {
    std::memset(loan.bytes().data(), static_cast<int>(number % 256), loan.bytes().size());
  }
  static bool Check(const Sample<Bytes>& sample) {
    for (std::byte byte : sample.bytes()) {
      if (byte != static_cast<std::byte>(sample.info().sequence % 256)) return false;
    }
    return sample.bytes().size() == 777;
  }
};
template <>
struct Kind<msg::Quote> {
  static auto Loan(Publisher<msg::Quote>& publisher) { return publisher.Loan(); }
  static void Build(weir::Loan<msg::Quote>& loan, uint64_t number) {
    auto quote = loan.builder();
    quote.setSequence(number);
    quote.setSymbol("WEIR");
    quote.setVenue(number % 2 == 0 ? "XNAS" : "a longer name of a venue, for another length of the message");
    quote.setBidPrice(static_cast<int64_t>(number) * 3);
  }
  static bool Check(const Sample<msg::Quote>& sample) {
    auto quote = sample.reader();
    return quote.getSequence() == sample.info().sequence && quote.getSymbol() == "WEIR" &&
           quote.getVenue().size() > 3 && quote.getBidPrice() == static_cast<int64_t>(quote.getSequence()) * 3;
  }
};

constexpr uint32_t kDepth = 20;
constexpr uint32_t kMaxBorrowed = 9;

// Both ends in one thread.
template <class T>
class Pair {
 public:
  Pair(const std::string& root, const Case& c) : case_(c) {
    auto node = Node::Create({.name = "steady", .domain = "d", .root = root});
    EXPECT_TRUE(node.ok()) << node.status();
    auto publisher = node->CreatePublisher<T>(
        "topic", {.topic = {.exclusive = c.exclusive}, .history = c.history, .metrics = c.metrics});
    EXPECT_TRUE(publisher.ok()) << publisher.status();
    publisher_.emplace(*std::move(publisher));
    auto subscriber = node->CreateSubscriber<T>("topic", {.topic = {.exclusive = c.exclusive},
                                                          .depth = kDepth,
                                                          .max_borrowed = kMaxBorrowed,
                                                          .when_full = c.when_full,
                                                          .copy_before_read = c.copy_before_read,
                                                          .metrics = c.metrics});
    EXPECT_TRUE(subscriber.ok()) << subscriber.status();
    subscriber_.emplace(*std::move(subscriber));
  }

  // A round: as many messages as make the queue overflow (or not, if a full one would make the publisher wait), then
  // one sample dropped and one taken, so that max_borrowed of them are held all the time. False if anything was wrong.
  bool Round() {
    const int messages = case_.when_full == WhenFull::kBlock ? 1 : 3;
    for (int i = 0; i < messages; ++i) {
      auto loan = Kind<T>::Loan(*publisher_);
      if (!loan.ok()) return false;
      Kind<T>::Build(*loan, ++number_);
      if (!publisher_->Publish(*std::move(loan)).ok()) return false;
    }
    { auto dropped_again = Kind<T>::Loan(*publisher_); }
    std::optional<Sample<T>>& place = held_[next_];
    next_ = (next_ + 1) % kMaxBorrowed;
    if (place) {
      if (!Kind<T>::Check(*place)) return false;
      if (subscriber_->Take().why() != Outcome::kTooManyHeld) return false;  // they really are all held
      place.reset();
    }
    auto taken = subscriber_->Take();
    if (!taken || !Kind<T>::Check(*taken)) return false;
    place.emplace(*std::move(taken));
    return true;
  }

  // No slot is shorter than two cache lines.
  uint64_t SlotsAtMost() const { return publisher_->counts().pool_bytes_committed / 128; }
  uint64_t committed() const { return publisher_->counts().pool_bytes_committed; }
  const Publisher<T>& publisher() const { return *publisher_; }

 private:
  const Case case_;
  std::optional<Publisher<T>> publisher_;
  std::optional<Subscriber<T>> subscriber_;
  std::optional<Sample<T>> held_[kMaxBorrowed];
  size_t next_ = 0;
  uint64_t number_ = 0;
};

template <class T>
class SteadyStateTest : public testing::Test {
 protected:
  test::TestRoot root_;
};

class NameOfKind {
 public:
  template <class T>
  static std::string GetName(int) {
    if (std::is_same_v<T, Payload>) return "Plain";
    return std::is_same_v<T, Bytes> ? "Bytes" : "Capnp";
  }
};
using Kinds = testing::Types<Payload, Bytes, msg::Quote>;
TYPED_TEST_SUITE(SteadyStateTest, Kinds, NameOfKind);

TYPED_TEST(SteadyStateTest, AllocatesNothingWithAllSamplesHeldInEveryFormOfQueue) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(NameOf(c));
    {
      Pair<TypeParam> pair(this->root_.path(), c);
      const uint64_t rounds = 10 * pair.SlotsAtMost();
      for (uint64_t i = 0; i < rounds; ++i) ASSERT_TRUE(pair.Round());
      const uint64_t committed = pair.committed();
      bool good = true;
      uint64_t allocations = 0;
      {
        const Watch watch;
        for (uint64_t i = 0; i < rounds && good; ++i) good = pair.Round();
        allocations = watch.allocations();
      }
      EXPECT_TRUE(good);
      EXPECT_EQ(allocations, 0u) << "the last one by " << g_last;
      EXPECT_EQ(pair.committed(), committed);
      EXPECT_GE(rounds, 5000u);
    }
    EXPECT_TRUE(this->root_.IsEmpty());
  }
}

TYPED_TEST(SteadyStateTest, MakesNoSystemCallInEveryFormOfQueue) {
  if (const std::string why = WhyNotWatchable(); !why.empty()) WEIR_SKIP(why);
  for (const Case& c : kCases) {
    SCOPED_TRACE(NameOf(c));
    Child child([&](test::Channel&) {
      Pair<TypeParam> pair(this->root_.path(), c);
      const uint64_t rounds = 10 * pair.SlotsAtMost();
      for (uint64_t i = 0; i < rounds; ++i) ASSERT_TRUE(pair.Round());
      std::fflush(nullptr);
      if (!ForbidSystemCalls()) _exit(98);
      for (uint64_t i = 0; i < rounds; ++i) {
        if (!pair.Round()) _exit(1);
      }
      _exit(0);  // not the way to end, but every other is a system call
    });
    const ChildEnd end = child.Wait();
    EXPECT_EQ(end, ChildEnd::Exited(0));
    // As after any death: who comes next cleans up.
    ASSERT_TRUE(Node::Create({.domain = "d", .root = this->root_.path()}).ok());
    ASSERT_TRUE(this->root_.IsEmpty());
  }
}

// With fewer processors than processes a spinning one has to be preempted; without system calls it cannot give way.
void Relax() {
  for (int i = 0; i < 20; ++i) os::CpuRelax();
}

// Two processes, both without system calls: a message travels by memory alone.
struct Shared {
  std::atomic<uint64_t> published{0};
  std::atomic<uint64_t> taken{0};
  std::atomic<int> ready{0};  // both are warm
};

TYPED_TEST(SteadyStateTest, TwoProcessesExchangeMessagesWithoutASystemCallOnEitherSide) {
  if (const std::string why = WhyNotWatchable(); !why.empty()) WEIR_SKIP(why);
  constexpr uint64_t kWarm = 10'000, kMessages = 40'000;
  // Nobody may yield: if the two have to share a core, each turn takes a slice of its time, so turns are long. But no
  // longer than what the pool has in reserve, or it would have to grow.
  constexpr uint32_t kLongDepth = 80;
  for (const Case& c : {kCases[0], kCases[5]}) {
    SCOPED_TRACE(NameOf(c));
    test::SharedPage<Shared> shared;
    Child publishing([&](test::Channel&) {
      absl::StatusOr<Node> node = Node::Create({.domain = "d", .root = this->root_.path()});
      ASSERT_TRUE(node.ok()) << node.status();
      auto publisher = node->CreatePublisher<TypeParam>(
          "topic", {.topic = {.exclusive = c.exclusive}, .max_block = absl::ZeroDuration()});
      ASSERT_TRUE(publisher.ok()) << publisher.status();
      ASSERT_TRUE(publisher->WaitForSubscribers(1, absl::Seconds(20)).ok());
      const auto run_to = [&](uint64_t end) {
        for (uint64_t number = shared->published; number < end;) {
          auto loan = Kind<TypeParam>::Loan(*publisher);
          if (!loan.ok()) return false;
          Kind<TypeParam>::Build(*loan, ++number);
          const auto sent = publisher->Publish(*std::move(loan));
          if (!sent.ok() || sent->accepted != 1) return false;
          shared->published = number;
          while (number - shared->taken > kLongDepth / 2) Relax();  // else it would be evicted, or we had to wait
        }
        return true;
      };
      ASSERT_TRUE(run_to(kWarm));
      while (shared->taken != kWarm) usleep(100);
      if (!ForbidSystemCalls()) _exit(98);
      ++shared->ready;
      while (shared->ready != 2) Relax();
      _exit(run_to(kMessages) ? 0 : 1);
    });
    Child taking([&](test::Channel&) {
      absl::StatusOr<Node> node = Node::Create({.domain = "d", .root = this->root_.path()});
      ASSERT_TRUE(node.ok()) << node.status();
      auto subscriber = node->CreateSubscriber<TypeParam>("topic", {.topic = {.exclusive = c.exclusive},
                                                                    .depth = kLongDepth,
                                                                    .max_borrowed = kMaxBorrowed,
                                                                    .when_full = c.when_full});
      ASSERT_TRUE(subscriber.ok()) << subscriber.status();
      std::optional<Sample<TypeParam>> held[kMaxBorrowed];
      const auto run_to = [&](uint64_t end) {
        for (uint64_t taken_count = shared->taken; taken_count < end;) {
          auto& place = held[taken_count % kMaxBorrowed];
          if (place && !Kind<TypeParam>::Check(*place)) return false;
          place.reset();
          auto taken = subscriber->Take();
          if (taken.why() == Outcome::kEmpty) {
            Relax();
            continue;
          }
          if (!taken || !Kind<TypeParam>::Check(*taken) || taken->info().sequence != taken_count + 1) return false;
          place.emplace(*std::move(taken));
          shared->taken = ++taken_count;
        }
        return true;
      };
      ASSERT_TRUE(run_to(kWarm));
      if (!ForbidSystemCalls()) _exit(98);
      ++shared->ready;
      _exit(run_to(kMessages) ? 0 : 1);
    });
    const ChildEnd end = publishing.Wait();
    EXPECT_EQ(end, ChildEnd::Exited(0));
    EXPECT_EQ(taking.Wait(), ChildEnd::Exited(0));
    EXPECT_EQ(shared->taken, kMessages);
    ASSERT_TRUE(Node::Create({.domain = "d", .root = this->root_.path()}).ok());
    ASSERT_TRUE(this->root_.IsEmpty());
  }
}

// That the watching itself works.

TEST(WatchTest, EveryWayToGetMemoryIsCounted) {
  void* volatile memory = nullptr;
  const auto count = [&](auto allocate) {
    const Watch watch;
    allocate();
    return watch.allocations();
  };
  EXPECT_EQ(count([] {}), 0u);
  EXPECT_EQ(count([&] { memory = malloc(10); }), 1u);
  EXPECT_EQ(count([&] { memory = realloc(memory, 1000); }), 1u);
  free(memory);
  EXPECT_EQ(count([&] { memory = calloc(10, 10); }), 1u);
  free(memory);
  EXPECT_EQ(count([&] { memory = aligned_alloc(64, 128); }), 1u);
  free(memory);
  EXPECT_EQ(count([&] { memory = memalign(64, 128); }), 1u);
  free(memory);
  EXPECT_EQ(count([&] {
              void* aligned = nullptr;
              EXPECT_EQ(posix_memalign(&aligned, 64, 128), 0);
              memory = aligned;
            }),
            1u);
  free(memory);
  EXPECT_EQ(count([&] { memory = ::operator new(10); }), 1u);
  ::operator delete(memory);
  EXPECT_EQ(count([&] { memory = ::operator new (128, std::align_val_t{64}); }), 1u);
  ::operator delete (memory, std::align_val_t{64});
  EXPECT_EQ(count([&] { memory = ::operator new[](10); }), 1u);
  ::operator delete[](memory);
  EXPECT_EQ(count([&] { memory = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }), 1u);
  munmap(memory, 4096);
  EXPECT_GE(count([] { std::deque<int>().push_back(1); }), 1u);
  // In a library that is linked dynamically too.
  EXPECT_GE(count([&] { memory = strdup("text"); }), 1u);
  free(memory);
}

TEST(WatchTest, ASystemCallIsTheEndOfAProcessThatMayMakeNone) {
  if (const std::string why = WhyNotWatchable(); !why.empty()) WEIR_SKIP(why);
  Child child([](test::Channel&) {
    std::fflush(nullptr);
    fclose(stderr);  // it would say which
    if (!ForbidSystemCalls()) _exit(98);
    getppid();
    _exit(0);
  });
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(kMadeASystemCall));
}

}  // namespace
}  // namespace weir
