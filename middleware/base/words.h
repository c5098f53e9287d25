// The words of Weir that are numbers, as types that do not mix: a granule offset is not a byte offset, a publisher's
// index is not a queue position.
#ifndef WEIR_BASE_WORDS_H_
#define WEIR_BASE_WORDS_H_

#include <compare>
#include <cstdint>

#include "middleware/base/limits.h"

namespace weir {

// A 64-bit number of a node, publisher, queue or table that is never used again, in its file's name, in its file's
// header and in its registry entry. 0 means "none".
using Incarnation = uint64_t;

// A publisher's number within its topic, 0 to 255.
using PublisherIndex = uint8_t;

// The place of a message in one queue. Monotonic; 64 bits do not wrap in the life of a machine.
using Position = uint64_t;

// A message's number at its publisher, from 1. In a slot's header 0 means "being built".
using Sequence = uint64_t;

// What travels through a queue: who published the slot, and where it lies in that publisher's pool.
//
//    31      24 23                     0
//   +----------+------------------------+
//   | publisher| slot offset (granules) |
//   +----------+------------------------+
//
// The zero word is never a valid ref, because a pool's file starts with its header and no slot has offset 0.
class Ref {
 public:
  constexpr Ref() = default;
  constexpr explicit Ref(uint32_t word) : word_(word) {}
  constexpr Ref(PublisherIndex publisher, uint32_t offset_granules)
      : word_(uint32_t{publisher} << kOffsetBits | offset_granules) {}

  constexpr PublisherIndex publisher() const { return static_cast<PublisherIndex>(word_ >> kOffsetBits); }
  constexpr uint32_t offset_granules() const { return word_ & ((1u << kOffsetBits) - 1); }
  constexpr uint32_t word() const { return word_; }
  constexpr explicit operator bool() const { return word_ != 0; }

  friend constexpr auto operator<=>(Ref, Ref) = default;

 private:
  uint32_t word_ = 0;
};

static_assert(sizeof(Ref) == 4);
static_assert(kPublishersPerTopicMax == 1u << (32 - kOffsetBits));

}  // namespace weir

#endif  // WEIR_BASE_WORDS_H_
