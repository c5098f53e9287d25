// FNV-1a, 128 bits: the content address of a schema. Source: Fowler, Noll, Vo, draft-eastlake-fnv, section 2 and 5.
// Not a cryptographic hash: members of a domain trust each other (SECURITY.md); it protects against mistakes.
#ifndef WEIR_BASE_HASH_H_
#define WEIR_BASE_HASH_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace weir {

struct Hash128 {
  uint64_t high = 0;
  uint64_t low = 0;

  friend constexpr bool operator==(const Hash128&, const Hash128&) = default;
};

constexpr Hash128 HashBytes(std::span<const std::byte> bytes) {
  __extension__ using Wide = unsigned __int128;
  constexpr Wide kPrime = (Wide{0x0000000001000000} << 64) | Wide{0x000000000000013B};
  Wide hash = (Wide{0x6c62272e07bb0142} << 64) | Wide{0x62b821756295c58d};
  for (std::byte byte : bytes) {
    hash ^= static_cast<uint8_t>(byte);
    hash *= kPrime;
  }
  return {static_cast<uint64_t>(hash >> 64), static_cast<uint64_t>(hash)};
}

}  // namespace weir

#endif  // WEIR_BASE_HASH_H_
