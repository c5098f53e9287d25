// Publishes a million ticks as fast as its subscriber takes them.
#include <weir/weir.h>

#include <cstdio>

#include "tick.h"

namespace {

absl::Status Run() {
  auto node = weir::Node::Create({.name = "feed"});
  if (!node.ok()) return node.status();
  // Exclusive: one publisher at a time. A push is then a plain store.
  auto publisher =
      node->CreatePublisher<Tick>(Tick::kTopic, {.topic = {.exclusive = true}, .max_block = absl::Seconds(30)});
  if (!publisher.ok()) return publisher.status();
  if (auto status = publisher->WaitForSubscribers(1, absl::Seconds(30)); !status.ok()) return status;

  uint64_t dropped = 0;
  for (uint64_t number = 1; number <= Tick::kCount; ++number) {
    auto loan = publisher->Loan();
    if (!loan.ok()) return loan.status();
    loan->value() = {.price_e9 = 1'085'000'000 + static_cast<int64_t>(number % 1000), .quantity = 3, .number = number};
    auto sent = publisher->Publish(*std::move(loan));
    if (!sent.ok()) return sent.status();
    dropped += sent->dropped;
  }
  std::printf("published %llu ticks, dropped %llu\n", static_cast<unsigned long long>(Tick::kCount),
              static_cast<unsigned long long>(dropped));
  return absl::OkStatus();
}

}  // namespace

int main() {
  const absl::Status status = Run();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
