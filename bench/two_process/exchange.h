// The loops of the measurements, the same for everything that is measured. Templates, because a call through a pointer
// costs as much as some of what is measured.
#ifndef WEIR_BENCH_TWO_PROCESS_EXCHANGE_H_
#define WEIR_BENCH_TWO_PROCESS_EXCHANGE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "bench/two_process/payload.h"
#include "bench/two_process/scenario.h"

namespace weir::bench {

// What came: the number, and whether everything about it was right.
struct Received {
  uint64_t number = 0;
  uint64_t sent_ticks = 0;
  bool is_whole = false;
};

// How long a sender waits until its receiver sleeps for certain.
inline constexpr uint64_t kSleepPauseNs = 50'000;

// One turn of a busy loop that is in no hurry.
inline void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

// There and back; half of it is one way. `send(number, ticks)` sends, and returns a Status; `receive(Received&)` waits
// for the next message, and returns a Status.
template <class Send, class Receive>
absl::Status PingPong(const Round& round, Send send, Receive receive) {
  const Ticks& ticks = *round.ticks;
  SideResult& result = *round.result;
  Received got;
  const auto check = [&](uint64_t number) {
    ++result.received;
    result.damaged += !got.is_whole || got.number != number;
  };
  round.Meet();
  if (round.side == Side::kSecond) {
    for (uint64_t number = 1;; ++number) {
      if (absl::Status status = receive(got); !status.ok()) return status;
      if (got.number == Payload::kEnd && got.is_whole) return absl::OkStatus();
      check(number);
      if (absl::Status status = send(number, uint64_t{0}); !status.ok()) return status;
      ++result.sent;
    }
  }
  const auto exchange = [&](uint64_t number) {
    if (absl::Status status = send(number, uint64_t{0}); !status.ok()) return status;
    ++result.sent;
    if (absl::Status status = receive(got); !status.ok()) return status;
    check(number);
    return absl::OkStatus();
  };
  uint64_t number = 1;
  for (; number <= round.warm_up_exchanges; ++number) {
    if (absl::Status status = exchange(number); !status.ok()) return status;
  }
  uint64_t begin = ticks.Now();
  const uint64_t end = begin + ticks.FromNs(round.duration_ns);
  while (begin < end) {
    if (absl::Status status = exchange(number++); !status.ok()) return status;
    const uint64_t now = ticks.Now();
    round.AddSample(ticks.Ns(now - begin) / 2);
    begin = now;
  }
  return send(Payload::kEnd, uint64_t{0});
}

// Only one way, with the time of sending in the message, and a pause before each that lets the receiver fall asleep.
// The answer is only there so that both stay in step.
template <class Send, class Receive>
absl::Status PingAfterSleep(const Round& round, Send send, Receive receive, uint64_t pause_ns) {
  const Ticks& ticks = *round.ticks;
  SideResult& result = *round.result;
  const uint64_t end = ticks.Now() + ticks.FromNs(round.duration_ns);
  const uint64_t pause = ticks.FromNs(pause_ns);
  Received got;
  round.Meet();
  if (round.side == Side::kFirst) {
    for (uint64_t number = 1;; ++number) {
      const uint64_t begin = ticks.Now();
      while (ticks.Now() - begin < pause) Pause();
      const bool is_last = begin >= end;
      if (absl::Status status = send(is_last ? Payload::kEnd : number, ticks.Now()); !status.ok()) return status;
      if (is_last) return absl::OkStatus();
      ++result.sent;
      if (absl::Status status = receive(got); !status.ok()) return status;
      ++result.received;
      result.damaged += !got.is_whole || got.number != number;
    }
  }
  for (uint64_t number = 1;; ++number) {
    if (absl::Status status = receive(got); !status.ok()) return status;
    const uint64_t now = ticks.Now();
    if (got.number == Payload::kEnd && got.is_whole) return absl::OkStatus();
    ++result.received;
    result.damaged += !got.is_whole || got.number != number;
    if (number > 100) round.AddSample(ticks.Ns(now - got.sent_ticks));
    if (absl::Status status = send(number, uint64_t{0}); !status.ok()) return status;
    ++result.sent;
  }
}

// As fast as it goes, in one direction. `send(number)` returns a Status once the message is on its way.
template <class Send>
absl::Status Produce(const Round& round, Send send) {
  constexpr uint64_t kBetweenLooks = 512;
  const Ticks& ticks = *round.ticks;
  round.Meet();
  const uint64_t begin = ticks.Now();
  const uint64_t end = begin + ticks.FromNs(round.duration_ns);
  uint64_t number = 1;
  do {
    for (uint64_t i = 0; i < kBetweenLooks; ++i) {
      if (absl::Status status = send(number++); !status.ok()) return status;
    }
  } while (ticks.Now() < end);
  round.result->sent = number - 1;
  round.result->seconds = ticks.Ns(ticks.Now() - begin) * 1e-9;
  return send(Payload::kEnd);
}

// `receive(Received&)` returns a Status, and waits.
template <class Receive>
absl::Status Consume(const Round& round, Receive receive) {
  const Ticks& ticks = *round.ticks;
  // In local variables until the end: the result lies in memory that others could see.
  uint64_t received = 0, missed = 0, damaged = 0, expected = 1;
  Received got;
  round.Meet();
  if (absl::Status status = receive(got); !status.ok()) return status;
  const uint64_t begin = ticks.Now();
  while (got.number != Payload::kEnd || !got.is_whole) {
    if (!got.is_whole || got.number < expected) {
      ++damaged;
    } else {
      ++received;
      missed += got.number - expected;
      expected = got.number + 1;
    }
    if (absl::Status status = receive(got); !status.ok()) return status;
  }
  SideResult& result = *round.result;
  result.seconds = ticks.Ns(ticks.Now() - begin) * 1e-9;
  result.received = received;
  result.missed = missed;
  result.damaged = damaged;
  result.sent = expected - 1;  // as far as this side knows; the coordinator adds what was missed at the very end
  return absl::OkStatus();
}

}  // namespace weir::bench

#endif  // WEIR_BENCH_TWO_PROCESS_EXCHANGE_H_
