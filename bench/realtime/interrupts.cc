#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weir/weir.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <new>
#include <sstream>
#include <string>
#include <vector>

#include "bench/realtime/parts.h"

namespace weir::bench {
namespace {

constexpr int kExitSkipped = 77;  // what ctest understands as "not here"

struct Tick {
  uint64_t number;
};

// Between the two processes.
struct Shared {
  std::atomic<int> ready{0};
  std::atomic<bool> stop{false};
  std::atomic<bool> failed{false};
  std::atomic<uint64_t> sleeps{0};
  std::atomic<uint64_t> interrupts{0};
  std::atomic<uint64_t> messages{0};
};

// Function call interrupts that a CPU has had: what membarrier sends, and little else. Only x86 has a line of that
// name; elsewhere the count stays 0.
uint64_t FunctionCallInterrupts(int cpu) {
  std::ifstream file("/proc/interrupts");
  std::string line;
  std::getline(file, line);  // the CPUs' names
  std::istringstream heads(line);
  int column = -1;
  std::string name;
  for (int i = 0; heads >> name; ++i) {
    if (name == "CPU" + std::to_string(cpu)) column = i;
  }
  while (column >= 0 && std::getline(file, line)) {
    std::istringstream fields(line);
    fields >> name;
    if (name != "CAL:") continue;
    uint64_t value = 0;
    for (int i = 0; i <= column; ++i) fields >> value;
    return value;
  }
  return 0;
}

std::vector<int> Cpus() {
  cpu_set_t set;
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

void PinTo(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof(set), &set) != 0) std::perror("weir_bench_realtime: sched_setaffinity");
}

void Meet(Shared& shared) {
  ++shared.ready;
  while (shared.ready != 2 && !shared.failed) {
  }
}

void Fail(Shared& shared, const absl::Status& status) {
  std::cerr << "weir_bench_realtime: " << status << "\n";
  shared.failed = true;
}

// Publishes to a subscriber of its own that never sleeps: what interrupts it comes from elsewhere.
void RunPublisher(Shared& shared, int cpu, bool membarrier, double seconds) {
  PinTo(cpu);
  auto node = Node::Create({.name = "publisher", .domain = "weir-bench-realtime", .membarrier = membarrier});
  if (!node.ok()) return Fail(shared, node.status());
  auto publisher = node->CreatePublisher<Tick>("ticks");
  auto subscriber = node->CreateSubscriber<Tick>("ticks");
  if (!publisher.ok() || !subscriber.ok()) return Fail(shared, publisher.status());
  Meet(shared);
  const uint64_t before = FunctionCallInterrupts(cpu);
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  uint64_t messages = 0;
  while (std::chrono::steady_clock::now() < end && !shared.failed) {
    auto loan = publisher->Loan();
    if (!loan.ok()) return Fail(shared, loan.status());
    loan->value().number = ++messages;
    if (auto sent = publisher->Publish(*std::move(loan)); !sent.ok()) return Fail(shared, sent.status());
    subscriber->Take();
  }
  shared.interrupts = FunctionCallInterrupts(cpu) - before;
  shared.messages = messages;
  shared.stop = true;
}

// Waits for messages of a topic that nobody publishes, a hundred microseconds at a time.
void RunSleeper(Shared& shared, int cpu, bool sleeps) {
  PinTo(cpu);
  auto node = Node::Create({.name = "sleeper", .domain = "weir-bench-realtime"});
  if (!node.ok()) return Fail(shared, node.status());
  auto subscriber = node->CreateSubscriber<Tick>("silence");
  if (!subscriber.ok()) return Fail(shared, subscriber.status());
  Meet(shared);
  const uint64_t before = subscriber->counts().sleeps;
  while (!shared.stop && !shared.failed) {
    subscriber->TakeFor(absl::Microseconds(100), sleeps ? WaitStrategy::Sleep() : WaitStrategy::Spin());
  }
  shared.sleeps = subscriber->counts().sleeps - before;
}

template <class Body>
pid_t Fork(Body body) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  body();
  _exit(0);
}

}  // namespace

int CountInterrupts(double seconds) {
  const std::vector<int> cpus = Cpus();
  if (cpus.size() < 2) {
    std::cerr << "weir_bench_realtime needs two CPUs; this process may use " << cpus.size() << "\n";
    return kExitSkipped;
  }
  std::printf("%-34s %10s %10s %12s %12s\n", "publisher's CPU", "seconds", "sleeps", "interrupts", "messages");
  struct Way {
    const char* name;
    bool sleeps;
    bool membarrier;
  };
  for (const Way way : {Way{"nobody sleeps", false, true}, Way{"membarrier = true (the default)", true, true},
                        Way{"membarrier = false", true, false}}) {
    void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      std::perror("weir_bench_realtime: mmap");
      return 1;
    }
    auto& shared = *new (memory) Shared;
    // Processes of their own: a registration is for the process, and for good.
    const pid_t sleeper = Fork([&] { RunSleeper(shared, cpus[1], way.sleeps); });
    const pid_t publisher = Fork([&] { RunPublisher(shared, cpus[0], way.membarrier, seconds); });
    for (const pid_t pid : {publisher, sleeper}) {
      int status = 0;
      if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) shared.failed = true;
    }
    const bool failed = shared.failed;
    if (!failed) {
      std::printf("%-34s %10.2f %10llu %12llu %12llu\n", way.name, seconds,
                  static_cast<unsigned long long>(shared.sleeps.load()),
                  static_cast<unsigned long long>(shared.interrupts.load()),
                  static_cast<unsigned long long>(shared.messages.load()));
    }
    munmap(memory, sizeof(Shared));
    if (failed) return 1;
  }
  return 0;
}

}  // namespace weir::bench
