// The message that everybody sends: one cache line, written whole and read whole.
#ifndef WEIR_BENCH_TWO_PROCESS_PAYLOAD_H_
#define WEIR_BENCH_TWO_PROCESS_PAYLOAD_H_

#include <cstddef>
#include <cstdint>

namespace weir::bench {

struct Payload {
  static constexpr uint64_t kEnd = ~uint64_t{0};  // as a number: nothing follows

  alignas(64) uint64_t number;
  uint64_t sent_ticks;
  uint64_t words[5];
  uint64_t check;
};
static_assert(sizeof(Payload) == 64);

inline constexpr uint64_t kMix = 0x9e3779b97f4a7c15u;

// Cheap, so that it does not hide what is measured, but every word counts and is different in every message: a message
// that is torn, stale or mixed up does not pass.
inline void Fill(Payload& payload, uint64_t number, uint64_t sent_ticks = 0) {
  payload.number = number;
  payload.sent_ticks = sent_ticks;
  uint64_t sum = number + sent_ticks;
  uint64_t word = number ^ kMix;
  for (uint64_t& to : payload.words) {
    word += kMix;
    to = word;
    sum += word;
  }
  payload.check = sum;
}

inline bool IsWhole(const Payload& payload) {
  uint64_t sum = payload.number + payload.sent_ticks;
  for (const uint64_t word : payload.words) sum += word;
  return sum == payload.check && payload.words[0] == (payload.number ^ kMix) + kMix;
}

}  // namespace weir::bench

#endif  // WEIR_BENCH_TWO_PROCESS_PAYLOAD_H_
