// A message type of our own from one process to another.
#include <reading.capnp.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weir/capnp.h>
#include <weir/weir.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>

namespace {

int Subscribe(const std::string& root) {
  auto node = weir::Node::Create({.name = "display", .domain = "test_package", .root = root});
  if (!node.ok()) return std::cerr << node.status() << "\n", 1;
  auto subscriber = node->CreateSubscriber<thermometer::Reading>("temperature");
  if (!subscriber.ok()) return std::cerr << subscriber.status() << "\n", 1;
  auto sample = subscriber->TakeFor(absl::Seconds(30));
  if (!sample) return std::cerr << "nothing on temperature\n", 1;
  std::cout << sample->reader().getHeader().getFrameId().cStr() << ": " << sample->reader().getCelsius() << "\n";
  return sample->reader().getCelsius() == 180.5 ? 0 : 1;
}

int Publish(const std::string& root) {
  auto node = weir::Node::Create({.name = "thermometer", .domain = "test_package", .root = root});
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
  return published.ok() && published->accepted == 1 ? 0 : 1;
}

}  // namespace

int main() {
  std::string root = "/dev/shm/weir-test-package-XXXXXX";
  if (mkdtemp(root.data()) == nullptr) return std::cerr << "no folder " << root << "\n", 1;
  const pid_t subscriber = fork();
  if (subscriber == 0) _exit(Subscribe(root));
  int failed = Publish(root);
  int status = 0;
  failed += waitpid(subscriber, &status, 0) != subscriber || status != 0;
  std::filesystem::remove_all(root);
  return failed;
}
