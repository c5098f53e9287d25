// A shared file in our address space, from its first byte. Move-only; unmaps itself.
//
// Threads: the object as any value; the memory is shared with other processes, and what may be done to it is said where
// its layout is. Blocking: Map() no; Populate() and LockFirst() while the kernel hands out pages (about 0.25 ms per
// MiB); Collapse() while it copies them (milliseconds per huge page). Allocation: none, but error texts. Lifetime: the
// memory stays until the object goes, whatever happens to the name or descriptor.
//
// - A mapping of 2 MiB or more begins at a multiple of 2 MiB where there is address space for that, because only then
//   can a huge page of the file be a huge page of the mapping.
// - Left out of core dumps (MADV_DONTDUMP): the pools of a whole domain would be in each.
// - A writable mapping is left out of forked children (MADV_DONTFORK): a child that went on writing would be a second
//   writer where the protocol has one. In the child the range is *not there*, and the next mmap or malloc may have put
//   something else into it. Therefore the destructor unmaps only in the process that mapped.
// - A peer that truncates the file makes the pages behind the new end unusable: touching them is SIGBUS. Members of a
//   domain trust each other not to.
//
// ThreadSanitizer tells memory apart by address, so with it (WEIR_SHARE_MAPPINGS) all mappings of one file within a
// process are one range of addresses, writable if the file may be opened for writing. Everywhere else each Map() is a
// mapping of its own, also of the same file, so that a pointer stored in shared memory shows itself in every test.
#ifndef WEIR_OS_MAPPING_H_
#define WEIR_OS_MAPPING_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "middleware/os/file.h"
#include "middleware/os/fork_guard.h"

#if !defined(WEIR_SHARE_MAPPINGS)
#if defined(__SANITIZE_THREAD__)
#define WEIR_SHARE_MAPPINGS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WEIR_SHARE_MAPPINGS 1
#endif
#endif
#endif
#if !defined(WEIR_SHARE_MAPPINGS)
#define WEIR_SHARE_MAPPINGS 0
#endif

namespace weir::os {

// Whether a mapping may be longer than its file. A pool is mapped once, at the greatest length it may ever have; the
// file grows underneath and nobody remaps. Touching memory behind the file's end is SIGBUS: compare with FileBytes().
enum class PastEnd : uint8_t { kRefuse, kAllow };

// What one entry of the second-lowest page table covers, on x86-64 and on arm64 with pages of 4 KiB.
inline constexpr uint64_t kHugePageBytes = 2u << 20;

// What became of a wish for huge pages.
enum class HugeAnswer : uint8_t {
  kGranted,
  kUnknown,    // the kernel does not know the call (before 6.1)
  kForbidden,  // it knows it, but not for this memory: shmem_enabled is "deny", or the process has huge pages disabled
  kNoMemory,   // no 2 MiB in one piece, or a memory limit
  kBusy,       // pages that somebody else was using at the moment
};

struct HugeResult {
  uint64_t bytes = 0;  // are in huge pages now, of whole huge pages within the range
  HugeAnswer answer = HugeAnswer::kGranted;
};

class Mapping {
 public:
  // Empty: data() is null, bytes() is 0.
  Mapping() = default;

  // Maps the first `bytes` bytes of the file. FailedPrecondition if the file is shorter and past_end is kRefuse, or in
  // a process where no fork guard can be had; ResourceExhausted without address space; InvalidArgument for 0 bytes.
  static absl::StatusOr<Mapping> Map(int fd, uint64_t bytes, Access access, PastEnd past_end = PastEnd::kRefuse);

  Mapping(Mapping&& other) noexcept { *this = std::move(other); }
  Mapping& operator=(Mapping&& other) noexcept {
    if (this != &other) {
      Reset();
      data_ = std::exchange(other.data_, nullptr);
      bytes_ = std::exchange(other.bytes_, 0);
      access_ = other.access_;
      locked_bytes_ = std::exchange(other.locked_bytes_, 0);
      owner_ = other.owner_;
    }
    return *this;
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { Reset(); }

  std::byte* data() const { return data_; }  // page-aligned; writing through a kRead mapping is SIGSEGV
  uint64_t bytes() const { return bytes_; }
  Access access() const { return access_; }

  // Has the pages of [offset, offset + bytes) entered into our page table now, for the access the mapping has, so that
  // the first touch costs nothing (a page that is committed but not entered costs 1 us). Does not change a byte. All of
  // it must lie within the file. A kernel before 5.14 cannot, and then it is the first touch that pays: no error.
  absl::Status Populate(uint64_t offset, uint64_t bytes) const;

  // Keeps the first `bytes` bytes in memory while they are mapped, also against swapping (mlock; what was locked before
  // stays so). They must lie within the file: a mapping that reaches past the end is locked bit by bit, as the file
  // grows. FailedPrecondition with the numbers if RLIMIT_MEMLOCK does not allow it; then all that was locked stays.
  absl::Status LockFirst(uint64_t bytes);
  uint64_t locked_bytes() const { return locked_bytes_; }  // so much from the beginning
  // The same for some bytes of a mapping of which the rest need not stay; not counted in locked_bytes().
  absl::Status LockRange(uint64_t offset, uint64_t bytes) const;

  // Has the kernel move the whole huge pages within [offset, offset + bytes) of the file into such (MADV_COLLAPSE) and
  // enters them as such here; other mappings get them when they are populated afterwards. What was not granted may have
  // to be populated anew. A wish, so not a Status.
  HugeResult Collapse(uint64_t offset, uint64_t bytes) const;

  void Reset();  // unmaps now

 private:
  std::byte* data_ = nullptr;
  uint64_t bytes_ = 0;
  uint64_t locked_bytes_ = 0;
  Access access_ = Access::kRead;
  ForkGuard owner_;
};

}  // namespace weir::os

#endif  // WEIR_OS_MAPPING_H_
