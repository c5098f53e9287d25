// What came of a Publish or a Take. Empty, full and timed out are outcomes, not errors: they are ordinary, frequent and
// cost nothing to report.
#ifndef WEIR_OUTCOMES_H_
#define WEIR_OUTCOMES_H_

#include <cstdint>

namespace weir {

// Why a Take brought no sample.
enum class Outcome : uint8_t {
  kSample = 0,       // it did
  kEmpty = 1,        // nothing to take
  kTimedOut = 2,     // nothing came until the deadline
  kTooManyHeld = 3,  // max_borrowed samples are held; drop one
  kInvalid = 4,  // a message was taken but cannot be read (see Subscriber::last_error); the next Take goes on after it
  kInterrupted = 5,  // Interrupt() was called
};

constexpr const char* OutcomeName(Outcome outcome) {
  constexpr const char* kNames[] = {"sample", "empty", "timed out", "too many held", "invalid", "interrupted"};
  return static_cast<uint8_t>(outcome) < 6 ? kNames[static_cast<uint8_t>(outcome)] : "?";
}

// What is known about a sample beside its content.
struct SampleInfo {
  uint64_t sequence = 0;  // the message's number at its publisher, from 1
  uint64_t missed_before =
      0;  // messages of that publisher between the previous sample and this one that were not delivered
  uint64_t published_ns = 0;  // CLOCK_MONOTONIC; 0 if the publisher did not stamp it
  uint64_t publisher_id = 0;  // the publisher's incarnation: unique for ever within the domain
  uint8_t publisher = 0;      // the publisher's index within the topic; reused after it is gone
  bool from_history = false;  // published before this subscriber joined
};

// What became of a message, counted in queues.
struct Published {
  uint64_t sequence = 0;
  uint32_t accepted = 0;  // queues that have it
  uint32_t dropped = 0;   // queues that were full and refused it
};

}  // namespace weir

#endif  // WEIR_OUTCOMES_H_
