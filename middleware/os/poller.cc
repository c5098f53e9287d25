#include "middleware/os/poller.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "middleware/base/strings.h"
#include "middleware/os/clock.h"
#include "middleware/os/status.h"

namespace weir::os {
namespace {

constexpr uint64_t kTimerKey = Poller::kNever;
constexpr uint64_t kEventKey = Poller::kNever - 1;
constexpr int kBatch = 64;
static_assert(Poller::kReadable == EPOLLIN);

absl::Status Watch(int epoll, int fd, uint32_t events, uint64_t key) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = key;
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0) return absl::OkStatus();
  if (errno == EPERM) {
    return absl::FailedPreconditionError(absl::StrCat("descriptor ", fd, " cannot be waited on: a regular file?"));
  }
  return ErrnoStatus(errno, AsStd(absl::StrCat("cannot wait on descriptor ", fd)));
}

void Empty(int fd) {
  uint64_t count;
  while (::read(fd, &count, sizeof(count)) < 0 && errno == EINTR) {
  }
}

}  // namespace

Poller::Poller(FileDescriptor epoll, FileDescriptor timer, FileDescriptor event)
    : epoll_(std::move(epoll)), timer_(std::move(timer)), event_(std::move(event)) {}

absl::StatusOr<Poller> Poller::Create() {
  FileDescriptor epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return ErrnoStatus(errno, "cannot make an epoll instance");
  FileDescriptor timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer.valid()) return ErrnoStatus(errno, "cannot make a timer");
  FileDescriptor event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event.valid()) return ErrnoStatus(errno, "cannot make an eventfd");
  if (absl::Status status = Watch(epoll.get(), timer.get(), EPOLLIN, kTimerKey); !status.ok()) return status;
  if (absl::Status status = Watch(epoll.get(), event.get(), EPOLLIN, kEventKey); !status.ok()) return status;
  return Poller(std::move(epoll), std::move(timer), std::move(event));
}

absl::Status Poller::Add(int fd, uint32_t events, uint64_t key) {
  return Watch(epoll_.get(), fd, events, key);
}

void Poller::Remove(int fd) {
  epoll_event unused{};
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, &unused);  // one that is closed is gone already
}

void Poller::SetTimer(uint64_t deadline_ns) {
  if (deadline_ns == timer_ns_) return;
  itimerspec timer{};
  if (deadline_ns != kNever) {
    const uint64_t ns = deadline_ns != 0 ? deadline_ns : 1;  // 0 would switch it off
    timer.it_value.tv_sec = static_cast<time_t>(ns / 1'000'000'000u);
    timer.it_value.tv_nsec = static_cast<long>(ns % 1'000'000'000u);
  }
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &timer, nullptr);
  timer_ns_ = deadline_ns;
}

Poller::Outcome Poller::Wait(uint64_t deadline_ns, std::vector<Ready>& ready) {
  const size_t at_most = ready.size();
  ready.clear();
  Outcome outcome;
  const bool past = deadline_ns != kNever && deadline_ns <= MonotonicNow();
  if (!past) SetTimer(deadline_ns);
  std::array<epoll_event, kBatch> events;
  // Ends: after the first batch that has something in it, at the deadline, or interrupted.
  for (bool timed_out = past;;) {
    // Two more, which may be our own.
    const int room = static_cast<int>(at_most + 2 < kBatch ? at_most + 2 : kBatch);
    const int count = ::epoll_wait(epoll_.get(), events.data(), room, timed_out ? 0 : -1);
    if (count < 0 && errno == EINTR && !timed_out) continue;
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      if (event.data.u64 == kTimerKey) {
        Empty(timer_.get());
        timer_ns_ = kNever;  // it has run out
        timed_out = true;
      } else if (event.data.u64 == kEventKey) {
        Empty(event_.get());
        outcome.interrupted = true;
      } else if (ready.size() < at_most) {
        ready.push_back({.key = event.data.u64, .events = event.events});
      }
    }
    if (timed_out || outcome.interrupted || !ready.empty() || count < 0) return outcome;
  }
}

void Poller::Interrupt() {
  const uint64_t one = 1;
  while (::write(event_.get(), &one, sizeof(one)) < 0 && errno == EINTR) {
  }
}

}  // namespace weir::os
