#include <reading.capnp.h>
#include <weir/capnp.h>
#include <weir/weir.h>

#include <iostream>

int main() {
  auto node = weir::Node::Create({.name = "display", .domain = "packaging"});
  if (!node.ok()) return std::cerr << node.status() << "\n", 1;
  auto subscriber = node->CreateSubscriber<thermometer::Reading>("temperature");
  if (!subscriber.ok()) return std::cerr << subscriber.status() << "\n", 1;
  auto sample = subscriber->TakeFor(absl::Seconds(30));
  if (!sample) return std::cerr << "nothing on temperature after 30 s\n", 1;
  const auto reading = sample->reader();
  std::cout << reading.getHeader().getFrameId().cStr() << ": " << reading.getCelsius() << "\n";
}
