// The way to the exchange: takes orders, says that they are filled, and measures how long it took from the market's
// update to here.
#include <weir/weir.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "market.h"

namespace {

uint64_t NowNs() {  // CLOCK_MONOTONIC, as the stamps are
  return static_cast<uint64_t>(std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
}

void PrintLatencies(std::vector<uint64_t> latencies_ns) {
  if (latencies_ns.empty()) return;
  std::sort(latencies_ns.begin(), latencies_ns.end());
  const auto percentile_us = [&](double share) {
    const auto index = static_cast<size_t>(share * static_cast<double>(latencies_ns.size() - 1));
    return static_cast<double>(latencies_ns[index]) / 1000;
  };
  std::printf("tick to trade: p50 %.1f us, p90 %.1f us, p99 %.1f us, longest %.1f us\n", percentile_us(0.5),
              percentile_us(0.9), percentile_us(0.99), percentile_us(1));
}

absl::Status Run() {
  auto node = weir::Node::Create({.name = "gateway"});
  if (!node.ok()) return node.status();
  auto fills =
      node->CreatePublisher<Fill>(Fill::kTopic, {.topic = {.exclusive = true}, .max_block = absl::Seconds(30)});
  if (!fills.ok()) return fills.status();
  auto orders = node->CreateSubscriber<Order>(
      Order::kTopic, {.topic = {.exclusive = true}, .depth = 1024, .when_full = weir::WhenFull::kBlock});
  if (!orders.ok()) return orders.status();

  std::vector<uint64_t> latencies_ns;
  uint64_t bought = 0;
  uint64_t sold = 0;
  for (;;) {
    auto taken = orders->TakeFor(absl::Seconds(60), weir::WaitStrategy::Spin());
    if (!taken) return orders->StatusOf(taken.why());
    const Order& order = taken->value();
    if (order.quantity == 0) break;
    const uint64_t now = NowNs();
    latencies_ns.push_back(now > order.tick_ns ? now - order.tick_ns
                                               : 0);  // two processes' clocks differ by up to 2 us
    (order.side == Side::kBid ? bought : sold) += order.quantity;

    auto loan = fills->Loan();
    if (!loan.ok()) return loan.status();
    loan->value() = {.number = order.number, .price = order.price, .quantity = order.quantity, .side = order.side};
    auto sent = fills->Publish(*std::move(loan));
    if (!sent.ok()) return sent.status();
  }
  std::printf("filled %zu orders: bought %llu, sold %llu\n", latencies_ns.size(),
              static_cast<unsigned long long>(bought), static_cast<unsigned long long>(sold));
  PrintLatencies(std::move(latencies_ns));
  return absl::OkStatus();
}

}  // namespace

int main() {
  const absl::Status status = Run();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
