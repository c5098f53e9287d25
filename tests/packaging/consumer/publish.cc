#include <reading.capnp.h>
#include <weir/capnp.h>
#include <weir/weir.h>

#include <iostream>

int main() {
  auto node = weir::Node::Create({.name = "thermometer", .domain = "packaging"});
  if (!node.ok()) return std::cerr << node.status() << "\n", 1;
  auto publisher = node->CreatePublisher<thermometer::Reading>("temperature");
  if (!publisher.ok()) return std::cerr << publisher.status() << "\n", 1;
  if (auto status = publisher->WaitForSubscribers(1, absl::Seconds(30)); !status.ok()) {
    return std::cerr << status << "\n", 1;
  }
  auto loan = publisher->Loan();
  if (!loan.ok()) return std::cerr << loan.status() << "\n", 1;
  loan->builder().initHeader().setFrameId("oven");
  loan->builder().setCelsius(180.5);
  auto published = publisher->Publish(*std::move(loan));
  if (!published.ok()) return std::cerr << published.status() << "\n", 1;
  return published->accepted == 1 ? 0 : 1;
}
