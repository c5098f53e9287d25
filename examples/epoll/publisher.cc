// Publishes five temperatures, one every 100 ms.
#include <absl/time/clock.h>
#include <weir/weir.h>

#include <cstdio>

#include "reading.h"

namespace {

absl::Status Run() {
  auto node = weir::Node::Create({.name = "thermometer"});
  if (!node.ok()) return node.status();
  auto publisher = node->CreatePublisher<Reading>(Reading::kTopic);
  if (!publisher.ok()) return publisher.status();
  if (auto status = publisher->WaitForSubscribers(1, absl::Seconds(30)); !status.ok()) return status;

  for (uint32_t number = 1; number <= 5; ++number) {
    auto loan = publisher->Loan();
    if (!loan.ok()) return loan.status();
    loan->value() = {.number = number, .celsius = 20.0f + 0.5f * static_cast<float>(number)};
    auto sent = publisher->Publish(*std::move(loan));
    if (!sent.ok()) return sent.status();
    absl::SleepFor(absl::Milliseconds(100));
  }
  std::printf("published 5 readings\n");
  return absl::OkStatus();
}

}  // namespace

int main() {
  const absl::Status status = Run();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
