// How a subscriber waits: sleeping in the kernel, and a descriptor for poll().
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "middleware/os/clock.h"
#include "middleware/os/fifo.h"
#include "middleware/os/futex.h"
#include "middleware/os/membarrier.h"
#include "middleware/os/process.h"
#include "middleware/pubsub/subscriber_core.h"
#include "middleware/queue/waking.h"

namespace weir::internal {
namespace {

// No sleep is longer, because a publisher may die between its push and its wake.
constexpr uint64_t kSleepSliceNs = 1'000'000'000;

// Looks between two looks at the clock while a subscriber waits for a message.
constexpr int kLooksPerClock = 16;

}  // namespace

RawTaken SubscriberCore::TakeUntil(uint64_t deadline_ns, const WaitStrategy& strategy) {
  queue::QueueHeader<Atomics>* header = guard_.InOwner() ? consumer_.queue().header : nullptr;
  uint64_t spin_until_ns = 0;  // read when the first look has found nothing
  for (int looks = 0;; ++looks) {
    if (interrupted_.load(std::memory_order_relaxed) != 0) {  // relaxed: carries no data
      interrupted_.store(0, std::memory_order_relaxed);
      return {.sample = {}, .why = Outcome::kInterrupted};
    }
    RawTaken taken = Take();
    if (taken.why != Outcome::kEmpty) return taken;
    if (looks % kLooksPerClock != 0) {
      os::CpuRelax();
      continue;
    }
    const uint64_t now = os::MonotonicNow();
    if (now >= deadline_ns) return {.sample = {}, .why = Outcome::kTimedOut};
    if (spin_until_ns == 0) {
      const int64_t spin_ns = strategy.sleep ? std::max<int64_t>(0, absl::ToInt64Nanoseconds(strategy.spin)) : 0;
      spin_until_ns = strategy.sleep ? now + static_cast<uint64_t>(spin_ns) : deadline_ns;
    }
    if (now < spin_until_ns) {
      os::CpuRelax();
      continue;
    }
    const auto result = queue::Sleep<Atomics>(
        header->wake_word, header->sleepers, [this] { HeavyFence(); },
        [this] { return consumer_.HasMessage() || interrupted_.load(std::memory_order_relaxed) != 0; },
        [&](auto& word, uint32_t value) { SleepOn(word.raw(), value, std::min(deadline_ns, now + kSleepSliceNs)); });
    if (result == queue::SleepResult::kSlept) counters().sleeps.Add(1);
    looks = -1;  // and looks at the clock after the next look for a message
  }
}

void SubscriberCore::HeavyFence() {
  if (node_->can_fence_others() && os::GlobalExpedited()) return;
  consumer_.queue().header->force_fence.store(1, queue::kRelaxed);
}

// A descriptor for poll()
// ------------------------------------------------------------------------------------------------------

absl::StatusOr<int> SubscriberCore::Descriptor() {
  if (!guard_.InOwner()) return node_->CheckOwner();
  if (wake_.valid()) return wake_.get();
  auto wake = os::CreateFifo(node_->registry().directory().get(),
                             discovery::EndpointFileName(discovery::FileKind::kWake, slot_.incarnation),
                             node_->registry().modes().shared_write);
  if (!wake.ok()) {
    return absl::Status(wake.status().code(), absl::StrCat("no descriptor for the subscriber of \"", topic_name_,
                                                           "\": ", wake.status().message()));
  }
  wake_ = *std::move(wake);
  Arm();
  if (HasMessage()) os::SignalFifo(wake_.get());
  return wake_.get();
}

void SubscriberCore::Arm() {
  queue::QueueHeader<Atomics>& header = *consumer_.queue().header;
  queue::Arm<Atomics>(header.arming, header.sleepers, [this] { HeavyFence(); });
  armed_ = true;
}

void SubscriberCore::Disarm() {
  queue::Disarm<Atomics>(consumer_.queue().header->sleepers);
  armed_ = false;
}

// The queue was found empty. Sees to it that the descriptor becomes readable with the next message; true if that one
// has come already. Drained and still armed would mean that the signal of this arming may just have been drained, so it
// is armed anew then.
bool SubscriberCore::RearmAndLook() {
  const bool drained = os::DrainFifo(wake_.get());
  if (armed_ && !drained) return false;
  if (armed_) Disarm();
  Arm();
  return consumer_.HasMessage();
}

void SubscriberCore::Interrupt() {
  if (!guard_.InOwner()) return;
  interrupted_.store(1, std::memory_order_relaxed);
  // The word changes in any case, so that a sleeper that has not slept yet does not; no look at the count, no fence
  // needed.
  queue::QueueHeader<Atomics>& header = *consumer_.queue().header;
  header.wake_word.fetch_add(1, queue::kRelaxed);
  os::FutexWake(header.wake_word.raw(), os::kWakeAll);
}

}  // namespace weir::internal
