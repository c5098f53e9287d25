// Takes a million ticks, busy polling: Take() never sleeps and makes no system call.
#include <absl/time/clock.h>
#include <weir/weir.h>

#include <cstdio>

#include "tick.h"

namespace {

absl::Status Run() {
  auto node = weir::Node::Create({.name = "strategy"});
  if (!node.ok()) return node.status();
  // The publisher waits when our queue is full, so that no tick is lost.
  auto subscriber = node->CreateSubscriber<Tick>(
      Tick::kTopic, {.topic = {.exclusive = true}, .depth = 4096, .when_full = weir::WhenFull::kBlock});
  if (!subscriber.ok()) return subscriber.status();

  uint64_t last = 0;
  uint64_t missed = 0;
  uint64_t volume = 0;
  const absl::Time give_up = absl::Now() + absl::Seconds(60);
  for (uint64_t polls = 1; last < Tick::kCount; ++polls) {
    if (auto taken = subscriber->Take()) {
      missed += taken->info().missed_before;
      volume += taken->value().quantity;
      last = taken->value().number;
    } else if (polls % (1 << 20) == 0 && absl::Now() > give_up) {
      return absl::DeadlineExceededError("no more ticks");
    }
  }
  std::printf("took ticks up to number %llu, missed %llu, volume %llu lots\n", static_cast<unsigned long long>(last),
              static_cast<unsigned long long>(missed), static_cast<unsigned long long>(volume));
  return absl::OkStatus();
}

}  // namespace

int main() {
  const absl::Status status = Run();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
