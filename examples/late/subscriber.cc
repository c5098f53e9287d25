// Comes late: start it some seconds after the publisher.
#include <weir/weir.h>

#include <cstdio>

#include "price.h"

namespace {

absl::Status Run() {
  auto node = weir::Node::Create({.name = "customer"});
  if (!node.ok()) return node.status();
  auto subscriber = node->CreateSubscriber<Price>(Price::kTopic);
  if (!subscriber.ok()) return subscriber.status();
  for (int count = 0; count < 3; ++count) {
    auto taken = subscriber->TakeFor(absl::Seconds(30));
    if (!taken) return subscriber->StatusOf(taken.why());
    std::printf("%lld cents (message %llu, %s)\n", static_cast<long long>(taken->value().cents),
                static_cast<unsigned long long>(taken->info().sequence),
                taken->info().from_history ? "from history" : "live");
  }
  return absl::OkStatus();
}

}  // namespace

int main() {
  const absl::Status status = Run();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
