// Publishes five prices, and then does nothing for five seconds.
#include <absl/time/clock.h>
#include <weir/weir.h>

#include <cstdio>

#include "price.h"

namespace {

absl::Status Publish(weir::Publisher<Price>& publisher, int64_t cents) {
  auto loan = publisher.Loan();
  if (!loan.ok()) return loan.status();
  loan->value().cents = cents;
  return publisher.Publish(*std::move(loan)).status();
}

absl::Status Run() {
  auto node = weir::Node::Create({.name = "shop"});
  if (!node.ok()) return node.status();
  auto publisher = node->CreatePublisher<Price>(Price::kTopic, {.history = 3});  // keeps the last three
  if (!publisher.ok()) return publisher.status();
  for (int64_t cents : {1000, 1100, 1200, 1300, 1400}) {
    if (auto status = Publish(*publisher, cents); !status.ok()) return status;
  }
  std::printf("published 5 prices, nobody listened\n");
  std::fflush(stdout);

  absl::SleepFor(absl::Seconds(5));  // a history lives as long as its publisher
  std::printf("closed\n");
  return absl::OkStatus();
}

}  // namespace

int main() {
  const absl::Status status = Run();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
