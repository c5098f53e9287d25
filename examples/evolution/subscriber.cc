// The monitor: takes the robot's status and answers with advice. Built with the new version of the type.
#include <weir/capnp.h>
#include <weir/weir.h>

#include <cstdio>

#include "new/status.capnp.h"

namespace {

using robot::Status;

absl::Status Run() {
  auto node = weir::Node::Create({.name = "evolution-monitor"});
  if (!node.ok()) return node.status();
  auto publisher = node->CreatePublisher<Status>("robot/advice");
  if (!publisher.ok()) return publisher.status();
  auto subscriber = node->CreateSubscriber<Status>("robot/status");
  if (!subscriber.ok()) return subscriber.status();

  for (int taken_count = 0; taken_count < 2; ++taken_count) {
    auto taken = subscriber->TakeFor(absl::Seconds(30));
    if (!taken) return subscriber->StatusOf(taken.why());
    Status::Reader status = taken->reader();
    // The robot knows nothing of temperatures: what is read is the default.
    std::printf("battery %u %%, temperature %d\n", unsigned{status.getBatteryPercent()}, int{status.getTemperature()});

    if (auto waited = publisher->WaitForSubscribers(1, absl::Seconds(30)); !waited.ok()) return waited;
    auto loan = publisher->Loan();
    if (!loan.ok()) return loan.status();
    const bool low = status.getBatteryPercent() < 20;
    loan->builder().setMode(low ? Status::Mode::CHARGING : Status::Mode::DRIVING);
    loan->builder().setHint("the robot does not see this");
    auto sent = publisher->Publish(*std::move(loan));
    if (!sent.ok()) return sent.status();
  }
  return absl::OkStatus();
}

}  // namespace

int main() {
  const absl::Status status = Run();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
