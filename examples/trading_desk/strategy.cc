// Keeps the order book, and trades when one side of it is much longer than the other.
#include <weir/weir.h>

#include <cstdio>

#include "market.h"
#include "order_book.h"

namespace {

constexpr weir::TopicOptions kExclusive = {.exclusive = true};

// What to do now that the book has changed; quantity 0: nothing. Depends on the book and the own position only, so that
// the same seed gives the same orders.
Order Decide(const OrderBook& book, int64_t position) {
  Order order = {};
  if (!book.HasBothSides()) return order;
  const auto [bid, bid_quantity] = book.best_bid();
  const auto [ask, ask_quantity] = book.best_ask();
  if (ask - bid > 2) return order;
  if (bid_quantity > 10 * ask_quantity && position < 1000) {
    order.side = Side::kBid;
    order.price = ask;
    order.quantity = 100;
  } else if (ask_quantity > 10 * bid_quantity && position > -1000) {
    order.side = Side::kAsk;
    order.price = bid;
    order.quantity = 100;
  }
  return order;
}

class Strategy {
 public:
  Strategy(weir::Publisher<Order>& orders, weir::Subscriber<Fill>& fills) : orders_(orders), fills_(fills) {}

  absl::Status OnUpdate(const weir::Sample<Update>& sample) {
    const Update& update = sample.value();
    if (update.number != updates_ + 1) return absl::DataLossError("an update is missing");
    updates_ = update.number;
    book_.Apply(update);
    Order order = Decide(book_, position_);
    if (order.quantity == 0) return absl::OkStatus();
    order.number = ++sent_;
    order.tick_ns = sample.info().published_ns;
    position_ += order.side == Side::kBid ? order.quantity : -int64_t{order.quantity};
    return Send(order);
  }

  // Waits for the last fills.
  absl::Status Finish(const Summary& summary) {
    if (auto status = Send({}); !status.ok()) return status;
    int64_t filled = 0;
    for (uint64_t number = 1; number <= sent_; ++number) {
      auto fill = fills_.TakeFor(absl::Seconds(30), weir::WaitStrategy::Spin());
      if (!fill) return fills_.StatusOf(fill.why());
      if ((*fill)->number != number) return absl::DataLossError("a fill is missing");
      filled += (*fill)->side == Side::kBid ? (*fill)->quantity : -int64_t{(*fill)->quantity};
    }
    if (filled != position_) return absl::InternalError("the fills are not what was ordered");
    const Summary own = book_.Summarize(updates_);
    const bool equal = own.updates == summary.updates && own.levels == summary.levels && own.digest == summary.digest;
    std::printf("book after %llu updates: %zu bids up to %lld, %zu asks from %lld\n",
                static_cast<unsigned long long>(updates_), book_.bids().size(),
                static_cast<long long>(book_.best_bid().first), book_.asks().size(),
                static_cast<long long>(book_.best_ask().first));
    std::printf("%s\n", equal ? "the feed has the same" : "the feed has another");
    std::printf("sent %llu orders, position %lld\n", static_cast<unsigned long long>(sent_),
                static_cast<long long>(position_));
    return equal ? absl::OkStatus() : absl::DataLossError("the books differ");
  }

 private:
  absl::Status Send(const Order& order) {
    auto loan = orders_.Loan();
    if (!loan.ok()) return loan.status();
    loan->value() = order;
    return orders_.Publish(*std::move(loan)).status();
  }

  weir::Publisher<Order>& orders_;
  weir::Subscriber<Fill>& fills_;
  OrderBook book_;
  uint64_t updates_ = 0;
  uint64_t sent_ = 0;
  int64_t position_ = 0;  // once all is filled
};

absl::Status Run() {
  auto node = weir::Node::Create({.name = "strategy"});
  if (!node.ok()) return node.status();
  const auto lossless = [](uint32_t depth) {
    return weir::SubscriberOptions{.topic = kExclusive, .depth = depth, .when_full = weir::WhenFull::kBlock};
  };
  auto fills = node->CreateSubscriber<Fill>(Fill::kTopic, lossless(8192));
  if (!fills.ok()) return fills.status();
  auto orders = node->CreatePublisher<Order>(Order::kTopic, {.topic = kExclusive, .max_block = absl::Seconds(30)});
  if (!orders.ok()) return orders.status();
  if (auto status = orders->WaitForSubscribers(1, absl::Seconds(30)); !status.ok()) return status;
  auto summaries = node->CreateSubscriber<Summary>(Summary::kTopic, lossless(1));
  if (!summaries.ok()) return summaries.status();
  // Last, because the feed begins when it sees this one.
  auto updates = node->CreateSubscriber<Update>(Update::kTopic, lossless(4096));
  if (!updates.ok()) return updates.status();

  Strategy strategy(*orders, *fills);
  for (int polls = 0;; ++polls) {
    if (auto update = updates->Take()) {
      if (auto status = strategy.OnUpdate(*update); !status.ok()) return status;
    } else if (polls % 1024 == 0) {  // it comes once, after the last update
      if (auto summary = summaries->Take()) {
        // Everything the feed published before it is in our queue.
        while (auto rest = updates->Take()) {
          if (auto status = strategy.OnUpdate(*rest); !status.ok()) return status;
        }
        return strategy.Finish(summary->value());
      }
    }
  }
}

}  // namespace

int main() {
  const absl::Status status = Run();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
