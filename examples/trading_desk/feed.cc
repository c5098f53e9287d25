// The feed handler: replays a made-up order flow, the same for the same seed:  trading_desk_feed [seed]
#include <weir/weir.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>

#include "market.h"
#include "order_book.h"

namespace {

constexpr uint64_t kUpdates = 20'000;
constexpr auto kInterval = std::chrono::microseconds(50);

// A market whose middle walks about, with levels that come, change and go on both sides of it.
class Market {
 public:
  explicit Market(uint64_t seed) : random_(seed) {}

  Update Next() {
    Update update = {.number = ++number_, .price = 0, .quantity = 0, .side = Below(2) == 0 ? Side::kBid : Side::kAsk};
    if (number_ % 16 == 0) middle_ += static_cast<int64_t>(Below(3)) - 1;
    // What the middle has walked over is taken out before something new is put in: the sides never cross.
    if (!book_.bids().empty() && book_.best_bid().first >= middle_) {
      update.side = Side::kBid;
      update.price = book_.best_bid().first;
    } else if (!book_.asks().empty() && book_.best_ask().first <= middle_) {
      update.side = Side::kAsk;
      update.price = book_.best_ask().first;
    } else {
      const auto distance = static_cast<int64_t>(1 + Below(10));
      update.price = update.side == Side::kBid ? middle_ - distance : middle_ + distance;
      update.quantity = static_cast<uint32_t>(Below(4) == 0 ? 0 : 100 * (1 + Below(50)));
    }
    book_.Apply(update);
    return update;
  }
  const OrderBook& book() const { return book_; }

 private:
  uint64_t Below(uint64_t limit) { return random_() % limit; }

  std::mt19937_64 random_;
  OrderBook book_;
  int64_t middle_ = 108'500;
  uint64_t number_ = 0;
};

absl::Status Run(uint64_t seed) {
  auto node = weir::Node::Create({.name = "feed"});
  if (!node.ok()) return node.status();
  const weir::PublisherOptions lossless = {.topic = {.exclusive = true}, .max_block = absl::Seconds(30)};
  auto summaries = node->CreatePublisher<Summary>(Summary::kTopic, lossless);
  if (!summaries.ok()) return summaries.status();
  auto updates = node->CreatePublisher<Update>(Update::kTopic, lossless);
  if (!updates.ok()) return updates.status();
  if (auto status = updates->WaitForSubscribers(1, absl::Seconds(30)); !status.ok()) return status;

  Market market(seed);
  auto next = std::chrono::steady_clock::now();
  for (uint64_t number = 1; number <= kUpdates; ++number) {
    std::this_thread::sleep_until(next);  // for the network
    next += kInterval;
    auto loan = updates->Loan();
    if (!loan.ok()) return loan.status();
    loan->value() = market.Next();
    auto sent = updates->Publish(*std::move(loan));
    if (!sent.ok()) return sent.status();
  }
  auto loan = summaries->Loan();
  if (!loan.ok()) return loan.status();
  loan->value() = market.book().Summarize(kUpdates);
  if (auto sent = summaries->Publish(*std::move(loan)); !sent.ok()) return sent.status();
  std::printf("published %llu updates of seed %llu\n", static_cast<unsigned long long>(kUpdates),
              static_cast<unsigned long long>(seed));
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  const absl::Status status = Run(argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 7);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
