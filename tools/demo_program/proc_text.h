// What the files in /proc say, as numbers. Pure functions of the text: the text is Linux's, but containers and odd
// kernels leave lines out, so whatever is missing or not understood is skipped and stays zero.
#ifndef WEIR_TOOLS_DEMO_PROGRAM_PROC_TEXT_H_
#define WEIR_TOOLS_DEMO_PROGRAM_PROC_TEXT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::demo {

// /proc/stat, one line per core. Ticks of 1/USER_HZ s since boot.
struct CoreTicks {
  uint32_t core = 0;
  uint64_t busy = 0;   // all but idle and waiting for a disk
  uint64_t total = 0;  // of both
};
std::vector<CoreTicks> ParseStat(std::string_view text);

// /proc/meminfo
struct Memory {
  uint64_t total_bytes = 0;
  uint64_t available_bytes = 0;  // without swapping; on old kernels what is free
  uint64_t swap_total_bytes = 0;
  uint64_t swap_free_bytes = 0;
};
Memory ParseMeminfo(std::string_view text);

// /proc/net/dev: bytes since the interface exists.
struct NetworkTotals {
  std::string name = {};
  uint64_t received_bytes = 0;
  uint64_t sent_bytes = 0;
};
std::vector<NetworkTotals> ParseNetDev(std::string_view text);

// /proc/diskstats, whole disks only: no partitions (they would count twice), no loop, ram and zram devices. Bytes since
// boot.
struct DiskTotals {
  std::string name = {};
  uint64_t read_bytes = 0;
  uint64_t written_bytes = 0;
};
std::vector<DiskTotals> ParseDiskstats(std::string_view text);

// /proc/loadavg
struct Load {
  double minutes_1 = 0;
  double minutes_5 = 0;
  double minutes_15 = 0;
  uint32_t runnable_threads = 0;
  uint32_t threads = 0;
};
Load ParseLoadavg(std::string_view text);

// A file of /sys with one whole number, such as millidegrees; `fallback` if there is none.
int64_t ParseNumber(std::string_view text, int64_t fallback);

}  // namespace weir::demo

#endif  // WEIR_TOOLS_DEMO_PROGRAM_PROC_TEXT_H_
