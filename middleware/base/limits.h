// Every limit of Weir in one place. A limit that another process could exceed by writing garbage is checked where the
// value is read; these constants are what it is checked against.
#ifndef WEIR_BASE_LIMITS_H_
#define WEIR_BASE_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace weir {

// Bumped by every change to the layout of a shared file. Processes with different numbers refuse each other's domain.
inline constexpr uint32_t kLayoutNumber = 2;

// Shared structures keep fields with different writers this far apart. Not std::hardware_destructive_interference_size:
// that is a property of the compiler's flags, and two processes must agree. 128 rather than 64 because the
// adjacent-line prefetcher of x86 pulls lines in pairs.
inline constexpr size_t kCacheLineBytes = 64;
inline constexpr size_t kIsolationBytes = 128;
inline constexpr size_t kPageBytes = 4096;

// Registry tables. One registry is about 7 MiB.
inline constexpr uint32_t kNodesMax = 1024;
inline constexpr uint32_t kTopicsMax = 1024;
inline constexpr uint32_t kEndpointsMax = 8192;

// Eight bits of a ref name the publisher.
inline constexpr uint32_t kPublishersPerTopicMax = 256;
inline constexpr uint32_t kSubscribersPerTopicMax = 256;

inline constexpr size_t kNameBytesMax = 255;  // node, topic, domain and type names; one less than NAME_MAX allows
inline constexpr size_t kDomainBytesMax = 127;

inline constexpr uint32_t kQueueDepthMax = 65536;
inline constexpr uint32_t kQueueCellsMin = 64;
inline constexpr uint32_t kBorrowedMax = 4096;
inline constexpr uint32_t kHistoryMax = 1024;
inline constexpr uint32_t kLoansMax = 256;
inline constexpr uint32_t kStampEveryMax = 65536;
// A borrow table also has entries for the history of every publisher that was live when its subscriber joined.
inline constexpr uint32_t kBorrowEntriesMax = kBorrowedMax + 1 + kHistoryMax * kPublishersPerTopicMax;

// 24 bits of a ref are an offset in granules; the granule is 64 B x 2^k with k in [0, kGranuleShiftMax].
inline constexpr uint32_t kOffsetBits = 24;
inline constexpr uint32_t kGranuleBytesMin = 64;
inline constexpr uint32_t kGranuleShiftMax = 6;  // 4 KiB granules reach 64 GiB
inline constexpr uint64_t kPoolBytesLimit = uint64_t{kGranuleBytesMin} << (kOffsetBits + kGranuleShiftMax);

// One slot's body; its length stands in 32 bits and is a multiple of a word.
inline constexpr uint64_t kBodyBytesMax = 0xffff'fff8;

// A message is one segment and at most this many further ones (Cap'n Proto's readers accept 512 altogether).
inline constexpr uint32_t kSegmentsMax = 512;

inline constexpr uint64_t kSchemaBytesMax = 16u << 20;

}  // namespace weir

#endif  // WEIR_BASE_LIMITS_H_
