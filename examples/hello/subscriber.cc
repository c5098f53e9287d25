// Takes five greetings and prints them.
#include <weir/capnp.h>
#include <weir/weir.h>

#include <cstdio>

#include "greeting.capnp.h"

namespace {

absl::Status Run() {
  auto node = weir::Node::Create({.name = "hello-subscriber"});
  if (!node.ok()) return node.status();
  auto subscriber = node->CreateSubscriber<hello::Greeting>("greetings");
  if (!subscriber.ok()) return subscriber.status();

  for (int taken_count = 0; taken_count < 5; ++taken_count) {
    auto taken = subscriber->TakeFor(absl::Seconds(30));
    if (!taken) return subscriber->StatusOf(taken.why());
    hello::Greeting::Reader greeting = taken->reader();  // reads where the publisher wrote
    std::printf("%s (number %u)\n", greeting.getText().cStr(), greeting.getNumber());
  }  // the sample goes out of scope: the slot may be used again
  return absl::OkStatus();
}

}  // namespace

int main() {
  const absl::Status status = Run();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
