// The robot: tells its status and follows advice. Built with the old version of the type.
#include <weir/capnp.h>
#include <weir/weir.h>

#include <cstdint>
#include <cstdio>

#include "old/status.capnp.h"

namespace {

using robot::Status;

const char* NameOf(Status::Mode mode) {
  switch (mode) {
    case Status::Mode::IDLE:
      return "idle";
    case Status::Mode::DRIVING:
      return "driving";
  }
  return "a mode I do not know";  // an enum may have grown
}

absl::Status Run() {
  auto node = weir::Node::Create({.name = "evolution-robot"});
  if (!node.ok()) return node.status();
  auto advice = node->CreateSubscriber<Status>("robot/advice");
  if (!advice.ok()) return advice.status();
  auto publisher = node->CreatePublisher<Status>("robot/status");
  if (!publisher.ok()) return publisher.status();
  if (auto status = publisher->WaitForSubscribers(1, absl::Seconds(30)); !status.ok()) return status;

  for (const unsigned battery : {80u, 15u}) {
    auto loan = publisher->Loan();
    if (!loan.ok()) return loan.status();
    loan->builder().setBattery(static_cast<uint8_t>(battery));
    loan->builder().setMode(Status::Mode::DRIVING);
    auto sent = publisher->Publish(*std::move(loan));
    if (!sent.ok()) return sent.status();

    auto taken = advice->TakeFor(absl::Seconds(30));
    if (!taken) return advice->StatusOf(taken.why());
    std::printf("battery %u %%, driving; advice: %s\n", battery, NameOf(taken->reader().getMode()));
  }
  return absl::OkStatus();
}

}  // namespace

int main() {
  const absl::Status status = Run();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
