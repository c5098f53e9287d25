// Takes lines of text in an Asio program.
#include <signal.h>
#include <weir/weir.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdio>

#include "line.h"

namespace {

namespace asio = boost::asio;

// A subscriber as a part of an io_context. Used by the thread that runs that.
class Reader {
 public:
  Reader(asio::io_context& io, weir::Subscriber<weir::Bytes>& subscriber, int fd)
      : descriptor_(io, fd), timer_(io), subscriber_(subscriber) {}
  // The descriptor is the subscriber's: Asio must not close it.
  ~Reader() { descriptor_.release(); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  void Start() {
    WaitForMessages();
    LookAgain();
  }
  int count() const { return count_; }

 private:
  void WaitForMessages() {
    descriptor_.async_wait(asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code& error) {
      if (error) return;  // cancelled
      TakeAll();
      WaitForMessages();
    });
  }

  // A publisher that is killed between its push and its signal leaves the descriptor as it was.
  void LookAgain() {
    timer_.expires_after(std::chrono::seconds(1));
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      TakeAll();
      LookAgain();
    });
  }

  // Until there is none: Asio waits for the descriptor to become readable, not for it to be so.
  void TakeAll() {
    while (auto taken = subscriber_.Take()) {
      const auto bytes = taken->bytes();
      std::printf("%.*s\n", static_cast<int>(bytes.size()), reinterpret_cast<const char*>(bytes.data()));
      ++count_;
    }
  }

  asio::posix::stream_descriptor descriptor_;
  asio::steady_timer timer_;
  weir::Subscriber<weir::Bytes>& subscriber_;
  int count_ = 0;
};

absl::Status Run() {
  auto node = weir::Node::Create({.name = "reader"});
  if (!node.ok()) return node.status();
  auto subscriber = node->CreateSubscriber<weir::Bytes>(kTopic);
  if (!subscriber.ok()) return subscriber.status();
  auto fd = subscriber->fd();
  if (!fd.ok()) return fd.status();

  asio::io_context io;
  Reader reader(io, *subscriber, *fd);
  reader.Start();
  asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&](const boost::system::error_code&, int) { io.stop(); });
  io.run();
  std::printf("stopped after %d lines\n", reader.count());
  return absl::OkStatus();
}

}  // namespace

int main() {
  const absl::Status status = Run();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
