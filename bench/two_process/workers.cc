#include "bench/two_process/workers.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weir/node.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace weir::bench {
namespace {

// A round that takes this much longer than it should hangs.
constexpr int kPatienceMs = 120'000;

absl::Status Failed(const char* call) {
  return absl::InternalError(absl::StrCat(call, ": ", std::strerror(errno)));
}

template <class T>
bool ReadOne(int fd, T& to) {
  ssize_t got;
  do {
    got = read(fd, &to, sizeof to);
  } while (got < 0 && errno == EINTR);
  return got == static_cast<ssize_t>(sizeof to);
}

template <class T>
bool WriteOne(int fd, const T& from) {
  ssize_t sent;
  do {
    sent = send(fd, &from, sizeof from, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(sizeof from);
}

absl::Status Pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("cannot run on CPU ", cpu, ": ", std::strerror(errno)));
}

std::string DescribeEnd(int wait_status) {
  if (WIFSIGNALED(wait_status)) return absl::StrCat("was killed by signal ", WTERMSIG(wait_status));
  return absl::StrCat("exited with ", WEXITSTATUS(wait_status));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Workers>> Workers::Start(const Scenarios& scenarios, const Ticks& ticks,
                                                        const WorkerOptions& options) {
  std::unique_ptr<Workers> workers(new Workers(scenarios, ticks, options));
  for (const Side side : {Side::kFirst, Side::kSecond}) {
    if (absl::Status status = workers->Fork(side); !status.ok()) return status;
  }
  if (absl::Status status = workers->AwaitAnswers("starting"); !status.ok()) return status;
  return workers;
}

absl::Status Workers::Fork(Side side) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return Failed("socketpair");
  Process& process = processes_[static_cast<size_t>(side)];
  std::fflush(nullptr);
  const pid_t coordinator = getpid();
  process.pid = fork();
  if (process.pid < 0) return Failed("fork");
  if (process.pid != 0) {
    close(ends[1]);
    process.fd = ends[0];
    return absl::OkStatus();
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != coordinator) _exit(1);  // it died before the line above
  for (const Process& other : processes_) {
    if (other.fd >= 0) close(other.fd);
  }
  close(ends[0]);
  const absl::Status status = Work(side, ends[1]);
  if (!status.ok()) {
    SideResult& result = memory_->results[static_cast<size_t>(side)];
    std::snprintf(result.error, sizeof result.error, "%s", status.ToString().c_str());
  }
  _exit(status.ok() ? 0 : 1);
}

absl::Status Workers::Work(Side side, int fd) {
  const auto index = static_cast<size_t>(side);
  if (absl::Status status = Pin(options_.cpus[index]); !status.ok()) return status;
  auto node = Node::Create({.name = side == Side::kFirst ? "bench-first" : "bench-second", .domain = options_.domain});
  if (!node.ok()) return node.status();
  SideResult& result = memory_->results[index];
  std::memset(result.samples_ns, 0, sizeof result.samples_ns);  // the first touch of each page would cost a microsecond
  uint32_t meetings = 0;

  constexpr char kDone = 1;
  if (!WriteOne(fd, kDone)) return absl::OkStatus();
  for (Command command; ReadOne(fd, command);) {
    Round round = {.number = command.round,
                   .side = side,
                   .ticks = &ticks_,
                   .warm_up_exchanges = options_.warm_up_exchanges,
                   .duration_ns = command.duration_ns,
                   .node = &*node,
                   .result = &result,
                   .arrived = &memory_->arrived,
                   .meetings = &meetings};
    if (absl::Status status = scenarios_[command.scenario]->Run(round); !status.ok()) return status;
    if (!WriteOne(fd, kDone)) break;
  }
  return absl::OkStatus();  // the coordinator has closed its end
}

absl::Status Workers::Run(size_t scenario, uint64_t duration_ns) {
  for (SideResult& result : memory_->results) {
    result.sent = result.received = result.missed = result.damaged = result.refused = 0;
    result.counted_missed = result.counted_evicted = result.reclaim_passes = 0;
    result.seconds = 0;
    result.sample_count = 0;
    result.error[0] = '\0';
  }
  const Command command = {.scenario = static_cast<uint32_t>(scenario), .round = ++rounds_, .duration_ns = duration_ns};
  for (const Process& process : processes_) {
    if (!WriteOne(process.fd, command)) return Failed("telling a worker what to do");
  }
  return AwaitAnswers(scenarios_[scenario]->name());
}

absl::Status Workers::AwaitAnswers(const std::string& doing) {
  std::array<bool, 2> done = {false, false};
  while (!done[0] || !done[1]) {
    pollfd readable[2];
    for (size_t i = 0; i < 2; ++i) readable[i] = {done[i] ? -1 : processes_[i].fd, POLLIN, 0};
    const int ready = poll(readable, 2, kPatienceMs);
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return absl::DeadlineExceededError(absl::StrCat(doing, ": a worker does not answer"));
    for (size_t i = 0; i < 2; ++i) {
      if (done[i] || readable[i].revents == 0) continue;
      char answer = 0;
      if (ReadOne(processes_[i].fd, answer)) {
        done[i] = true;
        continue;
      }
      int wait_status = 0;
      waitpid(processes_[i].pid, &wait_status, 0);
      processes_[i].pid = -1;
      return absl::InternalError(absl::StrCat(doing, ": the ", i == 0 ? "first" : "second", " worker ",
                                              DescribeEnd(wait_status), " ", memory_->results[i].error));
    }
  }
  return absl::OkStatus();
}

Workers::~Workers() {
  for (Process& process : processes_) {
    if (process.fd >= 0) close(process.fd);
  }
  // One that still runs after this waits for the other, which is gone.
  const bool healthy = processes_[0].pid > 0 && processes_[1].pid > 0;
  for (Process& process : processes_) {
    if (process.pid <= 0) continue;
    if (!healthy) kill(process.pid, SIGKILL);
    int wait_status;
    while (waitpid(process.pid, &wait_status, 0) < 0 && errno == EINTR) {
    }
  }
}

}  // namespace weir::bench
