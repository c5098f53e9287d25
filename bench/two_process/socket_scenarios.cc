// Unix stream sockets, as most programs use them: blocking, one call per message.
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>

#include "absl/strings/str_cat.h"
#include "bench/two_process/exchange.h"
#include "bench/two_process/scenario.h"

namespace weir::bench {
namespace {

// Both ends, made before the fork; each worker uses its own.
class SocketPair {
 public:
  SocketPair() {
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_) != 0) throw std::bad_alloc();
  }
  SocketPair(const SocketPair&) = delete;
  SocketPair& operator=(const SocketPair&) = delete;
  ~SocketPair() {
    close(ends_[0]);
    close(ends_[1]);
  }
  int end(Side side) const { return ends_[static_cast<int>(side)]; }

 private:
  int ends_[2];
};

absl::Status SendAll(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return absl::InternalError(absl::StrCat("send: ", std::strerror(errno)));
    bytes = bytes.subspan(static_cast<size_t>(sent));
  }
  return absl::OkStatus();
}

absl::Status ReceiveAll(int fd, std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = recv(fd, bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return absl::InternalError(absl::StrCat("recv: ", std::strerror(errno)));
    bytes = bytes.subspan(static_cast<size_t>(got));
  }
  return absl::OkStatus();
}

// A message of any length; only its first 64 bytes are filled and looked at.
class SocketEnd {
 public:
  SocketEnd(int fd, uint64_t bytes) : fd_(fd), out_(bytes), in_(bytes) {}

  absl::Status Send(uint64_t number, uint64_t ticks) {
    Payload payload;
    Fill(payload, number, ticks);
    std::memcpy(out_.data(), &payload, sizeof payload);
    return SendAll(fd_, out_);
  }
  absl::Status Receive(Received& got) {
    if (absl::Status status = ReceiveAll(fd_, in_); !status.ok()) return status;
    Payload payload;
    std::memcpy(&payload, in_.data(), sizeof payload);
    got = {.number = payload.number, .sent_ticks = payload.sent_ticks, .is_whole = IsWhole(payload)};
    return absl::OkStatus();
  }

 private:
  int fd_;
  std::vector<std::byte> out_;
  std::vector<std::byte> in_;
};

class SocketLatency final : public Scenario {
 public:
  SocketLatency(Group group, uint64_t bytes) : Scenario(group, "unix socket", bytes) {}

  absl::Status Run(const Round& round) override {
    SocketEnd end(sockets_.end(round.side), bytes());
    const auto send = [&](uint64_t number, uint64_t ticks) { return end.Send(number, ticks); };
    const auto receive = [&](Received& got) { return end.Receive(got); };
    return group() == Group::kSleeping ? PingAfterSleep(round, send, receive, kSleepPauseNs)
                                       : PingPong(round, send, receive);
  }

 private:
  SocketPair sockets_;
};

// One send per message; the receiver reads as much as there is.
class SocketThroughput final : public Scenario {
 public:
  SocketThroughput() : Scenario(Group::kThroughput, "unix socket", sizeof(Payload)) {}

  absl::Status Run(const Round& round) override {
    const int fd = sockets_.end(round.side);
    if (round.side == Side::kFirst) {
      return Produce(round, [&](uint64_t number) {
        Payload payload;
        Fill(payload, number);
        return SendAll(fd, std::as_bytes(std::span(&payload, 1)));
      });
    }
    std::vector<std::byte> buffer(64u << 10);
    size_t begin = 0, end = 0;
    return Consume(round, [&](Received& got) {
      while (end - begin < sizeof(Payload)) {
        std::memmove(buffer.data(), buffer.data() + begin, end - begin);
        end -= begin;
        begin = 0;
        const ssize_t bytes = recv(fd, buffer.data() + end, buffer.size() - end, 0);
        if (bytes < 0 && errno == EINTR) continue;
        if (bytes <= 0) return absl::InternalError(absl::StrCat("recv: ", std::strerror(errno)));
        end += static_cast<size_t>(bytes);
      }
      Payload payload;
      std::memcpy(&payload, buffer.data() + begin, sizeof payload);
      begin += sizeof payload;
      got = {.number = payload.number, .sent_ticks = 0, .is_whole = IsWhole(payload)};
      return absl::OkStatus();
    });
  }

 private:
  SocketPair sockets_;
};

}  // namespace

void AddSocketScenarios(Scenarios& scenarios, const std::vector<uint64_t>& sizes) {
  scenarios.push_back(std::make_unique<SocketLatency>(Group::kBusy, sizeof(Payload)));
  scenarios.push_back(std::make_unique<SocketLatency>(Group::kSleeping, sizeof(Payload)));
  for (const uint64_t bytes : sizes) scenarios.push_back(std::make_unique<SocketLatency>(Group::kSizes, bytes));
  scenarios.push_back(std::make_unique<SocketThroughput>());
}

}  // namespace weir::bench
