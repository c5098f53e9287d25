// Publishes a line of text every 100 ms, by an Asio timer.
#include <weir/weir.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "line.h"

namespace {

namespace asio = boost::asio;

constexpr std::array<std::string_view, 3> kLines = {"The fog comes", "on little cat feet.", "It sits looking"};

class Writer {
 public:
  Writer(asio::io_context& io, weir::Publisher<weir::Bytes>& publisher) : timer_(io), publisher_(publisher) {}

  void Start() {
    timer_.expires_after(std::chrono::milliseconds(100));
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      status_ = Publish(kLines[next_++]);
      if (status_.ok() && next_ < kLines.size()) Start();
    });
  }
  const absl::Status& status() const { return status_; }

 private:
  absl::Status Publish(std::string_view line) {
    auto loan = publisher_.Loan(line.size());
    if (!loan.ok()) return loan.status();
    std::memcpy(loan->bytes().data(), line.data(), line.size());
    return publisher_.Publish(*std::move(loan)).status();
  }

  asio::steady_timer timer_;
  weir::Publisher<weir::Bytes>& publisher_;
  size_t next_ = 0;
  absl::Status status_;
};

absl::Status Run() {
  auto node = weir::Node::Create({.name = "poet"});
  if (!node.ok()) return node.status();
  auto publisher = node->CreatePublisher<weir::Bytes>(kTopic);
  if (!publisher.ok()) return publisher.status();
  if (auto status = publisher->WaitForSubscribers(1, absl::Seconds(30)); !status.ok()) return status;
  asio::io_context io;
  Writer writer(io, *publisher);
  writer.Start();
  io.run();
  std::printf("published %zu lines\n", kLines.size());
  return writer.status();
}

}  // namespace

int main() {
  const absl::Status status = Run();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
