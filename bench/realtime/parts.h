// The two halves of weir_bench_realtime. Each prints its table and returns the program's exit code.
#ifndef WEIR_BENCH_REALTIME_PARTS_H_
#define WEIR_BENCH_REALTIME_PARTS_H_

#include <cstdint>

namespace weir::bench {

// Pools of `pool_bytes` in small and in huge pages, by turns: making one, writing and reading images of 4 MiB in it,
// and single lines at random places of it.
int MeasureHugePages(uint64_t pool_bytes, int rounds);

// How often the CPU of a spinning publisher is interrupted by another process (on another CPU) that goes to sleep again
// and again, with and without NodeOptions::membarrier in the publisher.
int CountInterrupts(double seconds);

}  // namespace weir::bench

#endif  // WEIR_BENCH_REALTIME_PARTS_H_
