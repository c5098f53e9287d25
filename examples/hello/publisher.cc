// Publishes five greetings. Start it before or after the subscriber.
#include <weir/capnp.h>
#include <weir/weir.h>

#include <cstdio>

#include "greeting.capnp.h"

namespace {

absl::Status Run() {
  auto node = weir::Node::Create({.name = "hello-publisher"});
  if (!node.ok()) return node.status();
  auto publisher = node->CreatePublisher<hello::Greeting>("greetings");
  if (!publisher.ok()) return publisher.status();
  if (auto status = publisher->WaitForSubscribers(1, absl::Seconds(30)); !status.ok()) return status;

  for (unsigned number = 1; number <= 5; ++number) {
    auto loan = publisher->Loan();  // a slot of shared memory
    if (!loan.ok()) return loan.status();
    hello::Greeting::Builder greeting = loan->builder();  // builds the message there
    greeting.setText("Hello, weir!");
    greeting.setNumber(number);
    auto sent = publisher->Publish(*std::move(loan));  // hands out where it is
    if (!sent.ok()) return sent.status();
    std::printf("published greeting %u\n", number);
  }
  return absl::OkStatus();
}

}  // namespace

int main() {
  const absl::Status status = Run();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
