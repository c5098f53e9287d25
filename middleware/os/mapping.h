// A shared file in our address space, from its first byte. Move-only; unmaps itself.
//
// Threads: the object as any value; the memory is shared with other processes, and what may be done to it is said where
// its layout is. Blocking: Map() no; Populate() while the kernel hands out pages (about 0.25 ms per MiB). Allocation:
// none, but error texts. Lifetime: the memory stays until the object goes, whatever happens to the name or descriptor.
//
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

  void Reset();  // unmaps now

 private:
  std::byte* data_ = nullptr;
  uint64_t bytes_ = 0;
  Access access_ = Access::kRead;
  ForkGuard owner_;
};

}  // namespace weir::os

#endif  // WEIR_OS_MAPPING_H_
