// What a real Prometheus gets to see in prometheus_test.py: messages at a known rate, and messages with known
// latencies. Reads lines from standard input: `stop` ends the sending, and what was sent is printed as one line of
// JSON; at its end the program ends too.
#include <weir/weir.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

struct Message {
  uint64_t number = 0;
};

namespace {

using Clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC, as are Weir's stamps

constexpr auto kRatePeriod = std::chrono::milliseconds(2);
constexpr auto kLatencyPeriod = std::chrono::milliseconds(20);
// Each well inside a bucket of the exporter: (1.05 ms, 2.10 ms] and (4.19 ms, 8.39 ms].
constexpr auto kOrdinaryDelay = std::chrono::microseconds(1400);
constexpr auto kLongDelay = std::chrono::microseconds(5500);

std::atomic<bool> stopped = false;

void Send(weir::Publisher<Message>& publisher, uint64_t number) {
  auto loan = publisher.Loan();
  if (!loan.ok()) std::abort();
  loan->value().number = number;
  if (!publisher.Publish(*std::move(loan)).ok()) std::abort();
}

// Nobody subscribes: what is asked for is the publisher's own count.
uint64_t SendAtRate(weir::Publisher<Message>& publisher) {
  uint64_t sent = 0;
  for (auto next = Clock::now(); !stopped; next += kRatePeriod) {
    std::this_thread::sleep_until(next);
    Send(publisher, ++sent);
  }
  return sent;
}

// Every message is taken after a delay; every fourth after a long one. Returns the latencies in seconds.
std::vector<double> SendWithLatency(weir::Publisher<Message>& publisher, weir::Subscriber<Message>& subscriber) {
  std::vector<double> latencies;
  for (auto next = Clock::now(); !stopped; next += kLatencyPeriod) {
    std::this_thread::sleep_until(next);
    Send(publisher, latencies.size() + 1);
    std::this_thread::sleep_for(latencies.size() % 4 == 3 ? kLongDelay : kOrdinaryDelay);
    auto sample = subscriber.Take();
    if (!sample) std::abort();
    const auto now_ns = std::chrono::nanoseconds(Clock::now().time_since_epoch()).count();
    latencies.push_back((static_cast<double>(now_ns) - static_cast<double>(sample->info().published_ns)) / 1e9);
  }
  return latencies;
}

double Quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<size_t>(std::ceil(q * static_cast<double>(values.size())));
  return values[std::max<size_t>(rank, 1) - 1];
}

}  // namespace

int main() {
  auto node = weir::Node::Create({.name = "traffic", .domain = "lab"});
  if (!node.ok()) return std::cerr << node.status() << "\n", 1;
  auto rate = node->CreatePublisher<Message>("rate");
  auto latency = node->CreatePublisher<Message>("latency");
  auto subscriber = node->CreateSubscriber<Message>("latency");
  if (!rate.ok() || !latency.ok() || !subscriber.ok()) return 1;

  uint64_t sent = 0;
  std::vector<double> latencies;
  std::thread rate_thread([&] { sent = SendAtRate(*rate); });
  std::thread latency_thread([&] { latencies = SendWithLatency(*latency, *subscriber); });
  std::cout << "sending" << std::endl;
  std::string line;
  while (std::getline(std::cin, line) && line != "stop") {
  }
  stopped = true;
  rate_thread.join();
  latency_thread.join();
  if (latencies.empty()) return 1;
  std::cout << "{\"per_second\": " << 1.0 / std::chrono::duration<double>(kRatePeriod).count() << ", \"sent\": " << sent
            << ", \"taken\": " << latencies.size() << ", \"p50\": " << Quantile(latencies, 0.5)
            << ", \"p95\": " << Quantile(latencies, 0.95) << "}" << std::endl;
  while (std::getline(std::cin, line)) {
  }
  return 0;
}
