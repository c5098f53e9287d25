// Follows the commands, until Ctrl-C. Stands still when there are none.
#include <signal.h>
#include <weir/capnp.h>
#include <weir/messages/twist.capnp.h>
#include <weir/weir.h>

#include <cstdio>

#include "topics.h"

namespace {

weir::Subscriber<weir::msg::Twist>* running_subscriber = nullptr;  // for the signal handler

absl::Status Run() {
  auto node = weir::Node::Create({.name = "wheels"});
  if (!node.ok()) return node.status();
  // Only the newest command counts.
  auto commands = node->CreateSubscriber<weir::msg::Twist>(kCommandTopic, {.depth = 1});
  if (!commands.ok()) return commands.status();
  running_subscriber = &*commands;
  signal(SIGINT, [](int) { running_subscriber->Interrupt(); });

  double speed = 0;
  std::printf("speed %.2f m/s\n", speed);
  for (;;) {
    auto command = commands->TakeFor(absl::Seconds(1));
    if (command.why() == weir::Outcome::kInterrupted) return absl::OkStatus();
    if (command.why() == weir::Outcome::kInvalid) return commands->last_error();
    const double wanted = command ? command->reader().getLinear().getX() : 0;
    if (wanted != speed) std::printf("speed %.2f m/s\n", wanted);
    speed = wanted;
  }
}

}  // namespace

int main() {
  const absl::Status status = Run();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
