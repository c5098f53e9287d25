// What a process has locked in memory, and being a process that may lock only so much.
#ifndef WEIR_TESTS_SUPPORT_LOCKED_MEMORY_H_
#define WEIR_TESTS_SUPPORT_LOCKED_MEMORY_H_

#include <cstdint>
#include <string>

namespace weir::test {

// VmLck of this process [bytes]: whole pages, each mapping counted for itself.
uint64_t LockedBytes();

// For a Child: gives up CAP_IPC_LOCK, which root has and which no limit applies to, and sets RLIMIT_MEMLOCK. Empty if
// it worked, else what this machine does not permit.
std::string LimitLockedMemory(uint64_t bytes);

}  // namespace weir::test

#endif  // WEIR_TESTS_SUPPORT_LOCKED_MEMORY_H_
