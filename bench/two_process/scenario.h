// One thing that is measured: a way in which two processes hand something over.
#ifndef WEIR_BENCH_TWO_PROCESS_SCENARIO_H_
#define WEIR_BENCH_TWO_PROCESS_SCENARIO_H_

#include <sys/mman.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "bench/two_process/ticks.h"

namespace weir {
class Node;
}

namespace weir::bench {

inline constexpr size_t kIsolation = 128;  // x86 prefetches lines in pairs

// Zeroed memory that a fork shares. Make it before the workers start.
template <class T>
class Shared {
 public:
  Shared() {
    void* memory = mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    object_ = new (memory) T;
  }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  ~Shared() { munmap(object_, sizeof(T)); }

  T& operator*() const { return *object_; }
  T* operator->() const { return object_; }

 private:
  T* object_;
};

enum class Group : uint8_t { kBusy, kSleeping, kSizes, kThroughput };
inline constexpr int kGroupCount = 4;
constexpr const char* GroupName(Group group) {
  constexpr const char* kNames[kGroupCount] = {"busy", "sleeping", "sizes", "throughput"};
  return kNames[static_cast<int>(group)];
}

enum class Side : uint8_t { kFirst = 0, kSecond = 1 };  // kFirst speaks first, or produces

// What a round measured. Each side writes its own, in memory that both and the coordinator share.
struct SideResult {
  static constexpr uint32_t kSamplesMax = 1u << 18;

  uint64_t sent = 0;      // messages that the other side should see, or miss
  uint64_t received = 0;  // messages that came whole and in order
  uint64_t missed = 0;    // gaps in their numbers
  uint64_t damaged = 0;   // a wrong check, or out of order
  uint64_t refused = 0;   // publishes that a full queue did not accept; they were tried again
  double seconds = 0;
  // Weir's own counters, where there are any.
  uint64_t counted_missed = 0;
  uint64_t counted_evicted = 0;
  uint64_t reclaim_passes = 0;

  uint32_t sample_count = 0;
  float samples_ns[kSamplesMax];  // one way
  char error[512];                // empty: none
};

// What a worker gets for one round.
struct Round {
  uint32_t number = 0;  // unique in this run
  Side side = Side::kFirst;
  const Ticks* ticks = nullptr;
  uint64_t warm_up_exchanges = 0;
  uint64_t duration_ns = 0;
  weir::Node* node = nullptr;  // of this worker
  SideResult* result = nullptr;
  std::atomic<uint32_t>* arrived = nullptr;  // for Meet()
  uint32_t* meetings = nullptr;              // this side's

  // Waits for the other side. Ends: both workers come here equally often, or the coordinator kills them.
  void Meet() const;
  void AddSample(double ns) const {
    if (result->sample_count < SideResult::kSamplesMax) {
      result->samples_ns[result->sample_count++] = static_cast<float>(ns);
    }
  }
};

class Scenario {
 public:
  Scenario(Group group, std::string name, uint64_t bytes) : group_(group), name_(std::move(name)), bytes_(bytes) {}
  virtual ~Scenario() = default;

  Group group() const { return group_; }
  const std::string& name() const { return name_; }
  uint64_t bytes() const { return bytes_; }

  // True if nothing may be missed.
  virtual bool is_lossless() const { return true; }

  // One side of one round, in a worker process. Both sides are called at about the same time.
  virtual absl::Status Run(const Round& round) = 0;

 private:
  Group group_;
  std::string name_;
  uint64_t bytes_;
};

using Scenarios = std::vector<std::unique_ptr<Scenario>>;

// In the order of the table. To be called before the workers are forked: they inherit memory and sockets.
inline constexpr char kOneLine[] = "one-line handoff";
inline constexpr char kTwoLines[] = "two-line handoff";  // what everything is compared with
void AddHandoffScenarios(Scenarios& scenarios);
void AddSocketScenarios(Scenarios& scenarios, const std::vector<uint64_t>& sizes);
void AddRingScenarios(Scenarios& scenarios, uint32_t depth);
void AddWeirScenarios(Scenarios& scenarios, const std::vector<uint64_t>& sizes, uint32_t depth);

}  // namespace weir::bench

#endif  // WEIR_BENCH_TWO_PROCESS_SCENARIO_H_
