// A message that knows whether it is whole: every word of it follows from who wrote it and its number.
#ifndef WEIR_TESTS_PUBSUB_PAYLOAD_H_
#define WEIR_TESTS_PUBSUB_PAYLOAD_H_

#include <cstddef>
#include <cstdint>

namespace weir::test {

struct Payload {
  static constexpr size_t kWords = 45;

  uint64_t writer;
  uint64_t number;  // at its writer, from 1: the message's sequence
  uint64_t words[kWords];
  uint64_t check;

  void Fill(uint64_t by, uint64_t as) {
    writer = by;
    number = as;
    for (size_t i = 0; i < kWords; ++i) words[i] = Word(by, as, i);
    check = Sum();
  }

  bool IsWhole() const {
    for (size_t i = 0; i < kWords; ++i) {
      if (words[i] != Word(writer, number, i)) return false;
    }
    return check == Sum();
  }

 private:
  static uint64_t Word(uint64_t by, uint64_t as, uint64_t i) {
    uint64_t x = by * 0x9e3779b97f4a7c15u ^ as * 0xbf58476d1ce4e5b9u ^ i * 0x94d049bb133111ebu;
    x ^= x >> 29;
    return x * 0xd6e8feb86659fd93u;
  }
  uint64_t Sum() const {
    uint64_t sum = writer * 31 + number;
    for (uint64_t word : words) sum = sum * 31 + word;
    return sum;
  }
};
static_assert(sizeof(Payload) == 384);  // with the slot's header seven cache lines

}  // namespace weir::test

#endif  // WEIR_TESTS_PUBSUB_PAYLOAD_H_
