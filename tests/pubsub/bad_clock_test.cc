// A wall clock that is set forward, back, to before 1970 or stands still, while Weir runs. CLOCK_MONOTONIC, by which
// everything is timed, cannot jump; this shows that nothing else is used.
//
// weir-test: not-under=asan,tsan
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <weir/inspect.h>

#include <atomic>
#include <cstdint>
#include <set>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "middleware/os/clock.h"
#include "tests/pubsub/bad_input.h"
#include "tests/support/wait.h"

namespace {

// What is added to CLOCK_REALTIME, and whether it stands still at that value.
std::atomic<int64_t> shift_ns{0};
std::atomic<bool> frozen{false};

}  // namespace

// In place of the C library's, for this program and the libraries in it.
extern "C" int clock_gettime(clockid_t clock, timespec* now) noexcept {
  const auto result = static_cast<int>(syscall(SYS_clock_gettime, clock, now));
  if (clock != CLOCK_REALTIME || result != 0) return result;
  const int64_t real_ns = frozen.load() ? 0 : int64_t{now->tv_sec} * 1'000'000'000 + now->tv_nsec;
  int64_t shown_ns = real_ns + shift_ns.load();
  int64_t seconds = shown_ns / 1'000'000'000;
  shown_ns %= 1'000'000'000;
  if (shown_ns < 0) {
    shown_ns += 1'000'000'000;
    --seconds;
  }
  now->tv_sec = seconds;
  now->tv_nsec = shown_ns;
  return 0;
}

namespace weir {
namespace {

using test::Says;
using test::Small;

constexpr int64_t kDayNs = int64_t{86'400} * 1'000'000'000;

class BadClockTest : public test::BadInputTest {
 protected:
  BadClockTest() {
    shift_ns = 0;
    frozen = false;
  }
  ~BadClockTest() override {
    shift_ns = 0;
    frozen = false;
  }
  static void Send(Publisher<Small>& publisher, int64_t number) {
    auto loan = publisher.Loan();
    ASSERT_TRUE(loan.ok()) << loan.status();
    loan->value().number = number;
    ASSERT_TRUE(publisher.Publish(*std::move(loan)).ok());
  }
};

TEST_F(BadClockTest, TheTestsClockIsTheOneThatIsUsed) {
  const absl::Time before = absl::Now();
  shift_ns = 10 * kDayNs;
  EXPECT_GT(absl::Now() - before, absl::Hours(239));
}

TEST_F(BadClockTest, TakeUntilKeepsTheMomentThatItWasGivenAndNeitherHangsNorSpins) {
  Node node = MakeNode();
  auto subscriber = node.CreateSubscriber<Small>("t");
  ASSERT_TRUE(subscriber.ok()) << subscriber.status();
  for (const int64_t jump : {kDayNs, -kDayNs, 20'000 * kDayNs, -20'000 * kDayNs}) {
    shift_ns = 0;
    const uint64_t sleeps_before = subscriber->counts().sleeps;
    std::atomic<bool> jumped{false};
    std::thread clock_setter([&] {
      EXPECT_TRUE(test::WaitUntilTrue([&] { return subscriber->counts().sleeps >= sleeps_before; }));
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      shift_ns = jump;
      jumped = true;
    });
    const uint64_t begin_ns = os::MonotonicNow();
    EXPECT_EQ(subscriber->TakeUntil(absl::Now() + absl::Milliseconds(300)).why(), Outcome::kTimedOut);
    EXPECT_GE(os::MonotonicNow() - begin_ns, 290'000'000u);
    clock_setter.join();
    EXPECT_TRUE(jumped);
    EXPECT_GE(subscriber->counts().sleeps, sleeps_before + 1);   // it slept,
    EXPECT_LE(subscriber->counts().sleeps, sleeps_before + 10);  // and not in a thousand pieces
  }
}

TEST_F(BadClockTest, AMessageIsTakenWhateverTheClockDoesMeanwhile) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<Small>("t");
  auto subscriber = node.CreateSubscriber<Small>("t");
  ASSERT_TRUE(publisher.ok() && subscriber.ok());
  uint64_t last_stamp = 0;
  for (const int64_t jump : {kDayNs, -kDayNs, int64_t{0}, -20'700 * kDayNs}) {
    std::thread sender([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      shift_ns = jump;
      Send(*publisher, jump);
    });
    auto taken = subscriber->TakeUntil(absl::Now() + absl::Seconds(20));
    sender.join();
    ASSERT_TRUE(taken) << OutcomeName(taken.why());
    EXPECT_EQ(taken->value().number, jump);
    // Stamps are of the other clock, and do not go back.
    EXPECT_GT(taken->info().published_ns, last_stamp);
    EXPECT_LE(taken->info().published_ns, os::MonotonicNow() + os::kTickClockErrorNs);
    last_stamp = taken->info().published_ns;
  }
}

TEST_F(BadClockTest, ADomainCanBeMadeAtAnyTimeOfTheWorld) {
  frozen = true;
  for (const int64_t now_ns : {int64_t{0}, int64_t{1}, int64_t{-1}, -30'000 * kDayNs, 100'000 * kDayNs}) {
    SCOPED_TRACE(now_ns);
    shift_ns = now_ns;
    Node node = MakeNode();
    auto publisher = node.CreatePublisher<Small>("t", {.history = 2});
    ASSERT_TRUE(publisher.ok()) << publisher.status();
    Send(*publisher, 1);
    shift_ns = -now_ns;
    auto subscriber = node.CreateSubscriber<Small>("t");
    ASSERT_TRUE(subscriber.ok()) << subscriber.status();
    EXPECT_TRUE(subscriber->Take());
    auto inspector = Inspector::Open({.domain = kDomain, .root = root_.path()});
    ASSERT_TRUE(inspector.ok()) << inspector.status();
    auto domain = inspector->Look();
    ASSERT_TRUE(domain.ok()) << domain.status();
    EXPECT_EQ(domain->publishers.size(), 1u);
  }
}

TEST_F(BadClockTest, ADomainThatIsMadeAnewAtTheSameTimeGivesNoNumberTwice) {
  // Without its registry the old domain's processes go on, in the same directory as the new one's: two publishers of
  // one number would be one file.
  frozen = true;
  std::set<uint64_t> publisher_ids;
  for (int round = 0; round < 20; ++round) {
    Node node = MakeNode();
    auto subscriber = node.CreateSubscriber<Small>("t");
    auto publisher = node.CreatePublisher<Small>("t");
    ASSERT_TRUE(subscriber.ok() && publisher.ok());
    ASSERT_EQ(unlink((DomainPath() + "/registry").c_str()), 0);
    Node other = MakeNode("other");
    auto other_subscriber = other.CreateSubscriber<Small>("t");
    auto other_publisher = other.CreatePublisher<Small>("t");
    ASSERT_TRUE(other_subscriber.ok() && other_publisher.ok());
    Send(*other_publisher, 2);
    auto taken = other_subscriber->Take();
    ASSERT_TRUE(taken);
    EXPECT_TRUE(publisher_ids.insert(taken->info().publisher_id).second);
    // The old publisher's pool went with the old registry: that is said, and no other's message delivered in its place.
    Send(*publisher, 1);
    EXPECT_EQ(subscriber->Take().why(), Outcome::kInvalid);
    EXPECT_TRUE(Says(subscriber->last_error(), absl::StatusCode::kNotFound, {"whose pool cannot be used"}));
  }
}

}  // namespace
}  // namespace weir
