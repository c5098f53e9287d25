// weir-test: serial
#include "middleware/os/membarrier.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <thread>

#include "gtest/gtest.h"
#include "middleware/os/process.h"
#include "tests/support/child.h"
#include "tests/support/skip.h"

namespace weir::os {
namespace {

using test::Channel;
using test::Child;
using test::ChildEnd;

// Waits for the other thread: busily, so that the two meet, but not for long where there is no core for both.
template <class Condition>
void SpinUntil(Condition condition) {
  for (int i = 0; !condition(); ++i) {
    if (i < 2000) {
      CpuRelax();
    } else {
      std::this_thread::yield();
    }
  }
}

// Dekker's pattern: each side sets its flag and then looks at the other's. Without a full fence on both sides both may
// see nothing (on x86 too). One side has a compiler barrier only, the other calls the heavy fence. Returns how often
// both saw nothing.
template <class Heavy>
int BothMissed(int rounds, Heavy heavy) {
  struct alignas(128) Word {
    std::atomic<int> value{0};
  };
  Word light_flag, heavy_flag, turn, done;
  int light_saw = 0;
  std::thread light([&] {
    for (int round = 1; round <= rounds; ++round) {
      SpinUntil([&] { return turn.value.load(std::memory_order_acquire) == round; });
      light_flag.value.store(round, std::memory_order_relaxed);
      std::atomic_signal_fence(std::memory_order_seq_cst);
      light_saw = heavy_flag.value.load(std::memory_order_relaxed);
      done.value.store(round, std::memory_order_release);
    }
  });
  int missed = 0;
  for (int round = 1; round <= rounds; ++round) {
    turn.value.store(round, std::memory_order_release);
    for (int i = round % 64; i > 0; --i) CpuRelax();  // meets the other side at various moments
    heavy_flag.value.store(round, std::memory_order_relaxed);
    heavy();
    const int heavy_saw = light_flag.value.load(std::memory_order_relaxed);
    SpinUntil([&] { return done.value.load(std::memory_order_acquire) == round; });
    if (light_saw != round && heavy_saw != round) ++missed;
  }
  light.join();
  return missed;
}

TEST(MembarrierTest, OneSidePaysForTheFencesOfBothAcrossThreads) {
  if (!RegisterPrivateExpedited()) WEIR_SKIP("membarrier is not permitted here");
  EXPECT_EQ(BothMissed(4'000, [] { ASSERT_TRUE(PrivateExpedited()); }), 0);
}

TEST(MembarrierTest, TheGlobalOneCoversEveryRegisteredProcess) {
  if (!RegisterGlobalExpedited()) WEIR_SKIP("membarrier is not permitted here");
  EXPECT_EQ(BothMissed(4'000, [] { ASSERT_TRUE(GlobalExpedited()); }), 0);
}

TEST(MembarrierTest, CallingTheGlobalOneNeedsNoRegistration) {
  if (!RegisterGlobalExpedited()) WEIR_SKIP("membarrier is not permitted here");
  // exec ends a registration, a fork does not; so this only shows that the call is there to be made.
  EXPECT_TRUE(GlobalExpedited());
}

TEST(MembarrierTest, RegisteringTwiceIsFine) {
  EXPECT_EQ(RegisterGlobalExpedited(), RegisterGlobalExpedited());
  EXPECT_EQ(RegisterPrivateExpedited(), RegisterPrivateExpedited());
}

TEST(MembarrierTest, TheEnvironmentCanForbidIt) {
  Child child([](Channel&) {
    setenv("WEIR_NO_MEMBARRIER", "1", 1);
    EXPECT_FALSE(RegisterGlobalExpedited());
    EXPECT_FALSE(RegisterPrivateExpedited());
  });
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
}

TEST(MembarrierTest, AFilteredSystemCallIsAnAnswerAndNotAnError) {
  Child child([](Channel&) {
    sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program = {4, filter};
    ASSERT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ASSERT_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
    EXPECT_FALSE(RegisterGlobalExpedited());
    EXPECT_FALSE(GlobalExpedited());
    EXPECT_FALSE(RegisterPrivateExpedited());
    EXPECT_FALSE(PrivateExpedited());
  });
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
}

}  // namespace
}  // namespace weir::os
