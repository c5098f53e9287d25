#include "tests/support/child.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <thread>

#include "gtest/gtest.h"

namespace weir::test {
namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void DieOf(const char* what) {
  std::perror(what);
  std::abort();
}

bool ReadFully(int fd, std::span<std::byte> target, Clock::time_point deadline) {
  while (!target.empty()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd readable = {fd, POLLIN, 0};
    const int ready = poll(&readable, 1, static_cast<int>(std::max<int64_t>(left, 0)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    const ssize_t got = recv(fd, target.data(), target.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    target = target.subspan(static_cast<size_t>(got));
  }
  return true;
}

bool WriteFully(int fd, std::span<const std::byte> source) {
  while (!source.empty()) {
    const ssize_t sent = send(fd, source.data(), source.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    source = source.subspan(static_cast<size_t>(sent));
  }
  return true;
}

int FailuresSoFar() {
  const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
  if (test == nullptr) return 0;
  int failures = 0;
  for (int part = 0; part < test->result()->total_part_count(); ++part) {
    if (test->result()->GetTestPartResult(part).failed()) ++failures;
  }
  return failures;
}

[[noreturn]] void RunAsChild(const std::function<void(Channel&)>& body, int fd, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);  // it died before the line above
  const int failures_before = FailuresSoFar();
  bool thrown = false;
  {
    Channel channel(fd);
    try {
      body(channel);
    } catch (const std::exception& error) {
      std::cerr << "the child's body threw: " << error.what() << std::endl;
      thrown = true;
    }
  }
  std::fflush(nullptr);
  _exit(thrown || FailuresSoFar() != failures_before ? 1 : 0);
}

}  // namespace

Channel::~Channel() {
  close(fd_);
}

bool Channel::SendBytes(std::span<const std::byte> message) {
  const uint64_t bytes = message.size();
  return WriteFully(fd_, std::as_bytes(std::span(&bytes, 1))) && WriteFully(fd_, message);
}

std::optional<std::vector<std::byte>> Channel::ReceiveBytes(std::chrono::milliseconds limit) {
  const Clock::time_point deadline = Clock::now() + limit;
  uint64_t bytes = 0;
  if (!ReadFully(fd_, std::as_writable_bytes(std::span(&bytes, 1)), deadline)) return std::nullopt;
  std::vector<std::byte> message(bytes);
  if (!ReadFully(fd_, message, deadline)) return std::nullopt;
  return message;
}

std::optional<std::string> Channel::ReceiveText(std::chrono::milliseconds limit) {
  const std::optional<std::vector<std::byte>> bytes = ReceiveBytes(limit);
  if (!bytes) return std::nullopt;
  return std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size());
}

std::ostream& operator<<(std::ostream& out, const ChildEnd& end) {
  switch (end.kind) {
    case ChildEnd::Kind::kExited:
      return out << "exited with " << end.number;
    case ChildEnd::Kind::kKilled:
      return out << "killed by " << strsignal(end.number);
    case ChildEnd::Kind::kHung:
      break;
  }
  return out << "hung";
}

Child::Child(const std::function<void(Channel& parent)>& body) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) DieOf("socketpair");
  std::fflush(nullptr);  // else both would print what is buffered
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) DieOf("fork");
  if (pid_ == 0) {
    close(ends[0]);
    RunAsChild(body, ends[1], parent);
  }
  close(ends[1]);
  channel_.emplace(ends[0]);
}

Child::~Child() {
  if (end_) return;
  Kill();
  Wait();
}

void Child::Kill() {
  if (!end_) kill(pid_, SIGKILL);
}

void Child::Stop() {
  if (end_) return;
  kill(pid_, SIGSTOP);
  waitid(P_PID, static_cast<id_t>(pid_), nullptr, WSTOPPED | WEXITED | WNOWAIT);
}

void Child::Continue() {
  if (!end_) kill(pid_, SIGCONT);
}

ChildEnd Child::Wait(std::chrono::milliseconds limit) {
  if (end_) return *end_;
  const Clock::time_point deadline = Clock::now() + limit;
  int status = 0;
  while (waitpid(pid_, &status, WNOHANG) == 0) {
    if (Clock::now() > deadline) {
      kill(pid_, SIGKILL);
      waitpid(pid_, &status, 0);
      end_ = ChildEnd{};
      return *end_;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  end_ = WIFSIGNALED(status) ? ChildEnd::KilledBy(WTERMSIG(status)) : ChildEnd::Exited(WEXITSTATUS(status));
  return *end_;
}

}  // namespace weir::test
