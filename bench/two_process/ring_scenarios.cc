// The ceiling for throughput: a ring of 64-byte cells in shared memory for one producer and one consumer, with nothing
// but two indices, each cached by the other side.
#include <bit>
#include <memory>

#include "bench/two_process/exchange.h"
#include "bench/two_process/scenario.h"

namespace weir::bench {
namespace {

inline constexpr uint32_t kCellsMax = 65536;

class Ring final : public Scenario {
 public:
  explicit Ring(uint32_t depth)
      : Scenario(Group::kThroughput, "ring of 64-byte cells", sizeof(Payload)),
        depth_(depth),
        mask_(std::bit_ceil(depth) - 1) {}

  absl::Status Run(const Round& round) override {
    Memory& ring = *memory_;
    if (round.side == Side::kFirst) {
      ring.head.store(0, std::memory_order_relaxed);
      ring.tail.store(0, std::memory_order_relaxed);
    }
    round.Meet();
    if (round.side == Side::kFirst) {
      uint64_t tail = 0, known_head = 0;
      return Produce(round, [&](uint64_t number) {
        while (tail - known_head == depth_) known_head = ring.head.load(std::memory_order_acquire);
        Fill(ring.cells[tail & mask_], number);
        ring.tail.store(++tail, std::memory_order_release);
        return absl::OkStatus();
      });
    }
    uint64_t head = 0, known_tail = 0;
    return Consume(round, [&](Received& got) {
      while (head == known_tail) known_tail = ring.tail.load(std::memory_order_acquire);
      const Payload& payload = ring.cells[head & mask_];
      got = {.number = payload.number, .sent_ticks = 0, .is_whole = IsWhole(payload)};
      ring.head.store(++head, std::memory_order_release);
      return absl::OkStatus();
    });
  }

 private:
  struct Memory {
    alignas(kIsolation) std::atomic<uint64_t> head;
    alignas(kIsolation) std::atomic<uint64_t> tail;
    alignas(kIsolation) Payload cells[kCellsMax];
  };
  Shared<Memory> memory_;
  uint32_t depth_;
  uint32_t mask_;
};

}  // namespace

void AddRingScenarios(Scenarios& scenarios, uint32_t depth) {
  scenarios.push_back(std::make_unique<Ring>(depth));
}

}  // namespace weir::bench
