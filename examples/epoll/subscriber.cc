// A plain epoll loop: a subscriber, a timer and signals side by side.
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <weir/weir.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>

#include "reading.h"

namespace {

// Closes what it holds. Not for subscriber.fd(), which is the subscriber's own.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

absl::Status Watch(const Descriptor& epoll, int fd) {
  epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, "epoll_ctl");
}

absl::Status Run() {
  auto node = weir::Node::Create({.name = "display"});
  if (!node.ok()) return node.status();
  auto subscriber = node->CreateSubscriber<Reading>(Reading::kTopic);
  if (!subscriber.ok()) return subscriber.status();
  auto messages = subscriber->fd();
  if (!messages.ok()) return messages.status();

  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  const Descriptor signal_fd(signalfd(-1, &signals, SFD_CLOEXEC));
  const Descriptor timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
  const itimerspec every_second = {.it_interval = {.tv_sec = 1, .tv_nsec = 0}, .it_value = {.tv_sec = 1, .tv_nsec = 0}};
  const Descriptor epoll(epoll_create1(EPOLL_CLOEXEC));
  if (timerfd_settime(timer.get(), 0, &every_second, nullptr) != 0) return absl::ErrnoToStatus(errno, "timerfd");
  for (const int fd : {*messages, timer.get(), signal_fd.get()}) {
    if (auto status = Watch(epoll, fd); !status.ok()) return status;
  }

  int count = 0;
  for (;;) {
    std::array<epoll_event, 3> events;
    const int ready = epoll_wait(epoll.get(), events.data(), events.size(), -1);
    if (ready < 0 && errno != EINTR) return absl::ErrnoToStatus(errno, "epoll_wait");
    for (int i = 0; i < ready; ++i) {
      const int fd = events[static_cast<size_t>(i)].data.fd;
      if (fd == signal_fd.get()) {
        std::printf("stopped after %d readings\n", count);
        return absl::OkStatus();
      }
      uint64_t expirations;
      if (fd == timer.get() && read(fd, &expirations, sizeof(expirations)) < 0)
        return absl::ErrnoToStatus(errno, "timer");
      // A message, or the timer: once a second we look anyhow, because a publisher that is killed between its push and
      // its signal leaves the descriptor as it was. Until Take() says that there is none, or epoll reports it again.
      while (auto taken = subscriber->Take()) {
        std::printf("reading %u: %.1f degrees\n", (*taken)->number, static_cast<double>((*taken)->celsius));
        ++count;
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
