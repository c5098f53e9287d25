// What the machine itself can do: cache lines that change hands, and futexes.
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "bench/two_process/exchange.h"
#include "bench/two_process/scenario.h"

namespace weir::bench {
namespace {

// How long a line takes from core to core depends on its address (on which part of a large chip keeps the books on it):
// 160 to 260 ns were seen on one machine. Weir's rounds make new files each, and so are spread over addresses; these
// take turns between as many places, one round each.
inline constexpr uint32_t kPlaces = 64;
template <class Lines>
struct Places {
  struct Place {
    Lines lines;
    alignas(kIsolation) std::byte apart[4096];  // and 4,096 + a little from one to the next
  };
  Place place[kPlaces];

  Lines& For(const Round& round) { return place[round.number % kPlaces].lines; }
};

// Busy polling, the message is a number in one line.
class OneLine final : public Scenario {
 public:
  OneLine() : Scenario(Group::kBusy, kOneLine, 8) {}

  absl::Status Run(const Round& round) override {
    const bool first = round.side == Side::kFirst;
    Lines& lines = places_->For(round);
    std::atomic<uint64_t>& out = first ? lines.there : lines.back;
    std::atomic<uint64_t>& in = first ? lines.back : lines.there;
    uint64_t last = in.load(std::memory_order_relaxed);  // of the round before; numbers differ from round to round
    const uint64_t base = uint64_t{round.number} << 40;
    return PingPong(
        round,
        [&](uint64_t number, uint64_t) {
          out.store(number == Payload::kEnd ? number : base + number, std::memory_order_release);
          return absl::OkStatus();
        },
        [&](Received& got) {
          uint64_t now;
          do {
            now = in.load(std::memory_order_acquire);
          } while (now == last);
          last = now;
          got = {.number = now == Payload::kEnd ? now : now - base, .sent_ticks = 0, .is_whole = true};
          return absl::OkStatus();
        });
  }

 private:
  struct Lines {
    alignas(kIsolation) std::atomic<uint64_t> there;
    alignas(kIsolation) std::atomic<uint64_t> back;
  };
  Shared<Places<Lines>> places_;
};

// Busy polling, a flag in one line and the message in a second one: the least that a message of 64 bytes can be.
class TwoLines final : public Scenario {
 public:
  TwoLines() : Scenario(Group::kBusy, kTwoLines, sizeof(Payload)) {}

  absl::Status Run(const Round& round) override {
    const bool first = round.side == Side::kFirst;
    Lines& lines = places_->For(round);
    Direction& out = first ? lines.there : lines.back;
    Direction& in = first ? lines.back : lines.there;
    uint64_t sent = out.flag.load(std::memory_order_relaxed);
    uint64_t seen = in.flag.load(std::memory_order_relaxed);
    return PingPong(
        round,
        [&](uint64_t number, uint64_t ticks) {
          Fill(out.payload, number, ticks);
          out.flag.store(++sent, std::memory_order_release);
          return absl::OkStatus();
        },
        [&](Received& got) {
          while (in.flag.load(std::memory_order_acquire) == seen) {
          }
          ++seen;
          got = {.number = in.payload.number, .sent_ticks = 0, .is_whole = IsWhole(in.payload)};
          return absl::OkStatus();
        });
  }

 private:
  struct Direction {
    alignas(kIsolation) std::atomic<uint64_t> flag;
    alignas(kIsolation) Payload payload;
  };
  struct Lines {
    Direction there;
    Direction back;
  };
  Shared<Places<Lines>> places_;
};

// The receiver sleeps in the kernel, the sender always wakes.
class FutexHandoff final : public Scenario {
 public:
  FutexHandoff() : Scenario(Group::kSleeping, "futex", sizeof(Payload)) {}

  absl::Status Run(const Round& round) override {
    const bool first = round.side == Side::kFirst;
    Direction& out = first ? words_->there : words_->back;
    Direction& in = first ? words_->back : words_->there;
    uint32_t seen = in.word.load(std::memory_order_relaxed);
    return PingAfterSleep(
        round,
        [&](uint64_t number, uint64_t ticks) {
          Fill(out.payload, number, ticks);
          out.word.fetch_add(1, std::memory_order_release);
          syscall(SYS_futex, &out.word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
          return absl::OkStatus();
        },
        [&](Received& got) {
          while (in.word.load(std::memory_order_acquire) == seen) {
            syscall(SYS_futex, &in.word, FUTEX_WAIT, seen, nullptr, nullptr, 0);
          }
          ++seen;
          got = {.number = in.payload.number, .sent_ticks = in.payload.sent_ticks, .is_whole = IsWhole(in.payload)};
          return absl::OkStatus();
        },
        kSleepPauseNs);
  }

 private:
  struct Direction {
    alignas(kIsolation) std::atomic<uint32_t> word;
    alignas(kIsolation) Payload payload;
  };
  struct Words {
    Direction there;
    Direction back;
  };
  Shared<Words> words_;
};

}  // namespace

void Round::Meet() const {
  const uint32_t wanted = 2 * ++*meetings;
  arrived->fetch_add(1, std::memory_order_acq_rel);
  while (static_cast<int32_t>(arrived->load(std::memory_order_acquire) - wanted) < 0) Pause();
}

void AddHandoffScenarios(Scenarios& scenarios) {
  scenarios.push_back(std::make_unique<OneLine>());
  scenarios.push_back(std::make_unique<TwoLines>());
  scenarios.push_back(std::make_unique<FutexHandoff>());
}

}  // namespace weir::bench
