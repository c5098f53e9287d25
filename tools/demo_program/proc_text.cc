#include "tools/demo_program/proc_text.h"

#include <charconv>
#include <optional>
#include <system_error>

namespace weir::demo {
namespace {

constexpr std::string_view kBlanks = " \t\n";
constexpr uint64_t kSectorBytes = 512;  // of /proc/diskstats, whatever the disk's own sectors are

// These cut the next line, word or number off the front of the text; false or nothing at its end.
bool NextLine(std::string_view& text, std::string_view& line) {
  if (text.empty()) return false;
  const size_t end = text.find('\n');
  line = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  return true;
}

bool NextWord(std::string_view& line, std::string_view& word) {
  const size_t begin = line.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return false;
  const size_t end = line.find_first_of(kBlanks, begin);
  word = line.substr(begin, end == std::string_view::npos ? end : end - begin);
  line = end == std::string_view::npos ? std::string_view() : line.substr(end);
  return true;
}

template <class Number>
std::optional<Number> ToNumber(std::string_view word) {
  Number number{};
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return number;
}

template <class Number = uint64_t>
std::optional<Number> NextNumber(std::string_view& line) {
  std::string_view word;
  return NextWord(line, word) ? ToNumber<Number>(word) : std::nullopt;
}

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// "sda1" and "nvme0n1p2" are partitions of "sda" and "nvme0n1".
bool IsPartitionOf(std::string_view name, std::string_view disk) {
  if (disk.empty() || !name.starts_with(disk)) return false;
  std::string_view rest = name.substr(disk.size());
  if (IsDigit(disk.back())) {
    if (!rest.starts_with('p')) return false;
    rest.remove_prefix(1);
  }
  return !rest.empty() && rest.find_first_not_of("0123456789") == std::string_view::npos;
}

bool IsNoDisk(std::string_view name) {
  return name.starts_with("loop") || name.starts_with("ram") || name.starts_with("zram");
}

}  // namespace

std::vector<CoreTicks> ParseStat(std::string_view text) {
  // cpu1 user nice system idle iowait irq softirq steal guest guest_nice; guests are contained in user and nice.
  constexpr int kIdle = 3, kWaiting = 4, kFields = 8;
  std::vector<CoreTicks> cores;
  for (std::string_view line; NextLine(text, line);) {
    std::string_view word;
    if (!NextWord(line, word) || !word.starts_with("cpu")) continue;
    const auto core = ToNumber<uint32_t>(word.substr(3));  // none for the line that sums all up
    if (!core) continue;
    CoreTicks ticks{.core = *core};
    for (int field = 0; field < kFields; ++field) {
      const uint64_t value = NextNumber(line).value_or(0);
      ticks.total += value;
      if (field != kIdle && field != kWaiting) ticks.busy += value;
    }
    cores.push_back(ticks);
  }
  return cores;
}

Memory ParseMeminfo(std::string_view text) {
  Memory memory;
  uint64_t free_bytes = 0;
  bool has_available = false;
  for (std::string_view line; NextLine(text, line);) {
    std::string_view word;
    if (!NextWord(line, word)) continue;
    const uint64_t bytes = NextNumber(line).value_or(0) * 1024;
    if (word == "MemTotal:") memory.total_bytes = bytes;
    if (word == "MemFree:") free_bytes = bytes;
    if (word == "SwapTotal:") memory.swap_total_bytes = bytes;
    if (word == "SwapFree:") memory.swap_free_bytes = bytes;
    if (word == "MemAvailable:") {
      memory.available_bytes = bytes;
      has_available = true;
    }
  }
  if (!has_available) memory.available_bytes = free_bytes;
  return memory;
}

std::vector<NetworkTotals> ParseNetDev(std::string_view text) {
  constexpr int kSentColumn = 8;  // of the numbers; the first is what was received
  std::vector<NetworkTotals> interfaces;
  for (std::string_view line; NextLine(text, line);) {
    const size_t colon = line.find(':');  // the first number may stick to it
    if (colon == std::string_view::npos) continue;
    std::string_view head = line.substr(0, colon);
    std::string_view numbers = line.substr(colon + 1);
    std::string_view name;
    if (!NextWord(head, name)) continue;
    NetworkTotals totals{.name = std::string(name)};
    const auto received = NextNumber(numbers);
    if (!received) continue;
    totals.received_bytes = *received;
    std::string_view skipped;
    for (int column = 1; column < kSentColumn; ++column) NextWord(numbers, skipped);
    totals.sent_bytes = NextNumber(numbers).value_or(0);
    interfaces.push_back(std::move(totals));
  }
  return interfaces;
}

std::vector<DiskTotals> ParseDiskstats(std::string_view text) {
  // major minor name reads merged sectors_read ms writes merged sectors_written ...
  std::vector<DiskTotals> disks;
  std::string_view disk;  // the last whole one; its partitions follow it
  for (std::string_view line; NextLine(text, line);) {
    std::string_view name, skipped;
    if (!NextNumber(line) || !NextNumber(line) || !NextWord(line, name)) continue;
    if (IsNoDisk(name) || IsPartitionOf(name, disk)) continue;
    disk = name;
    DiskTotals totals{.name = std::string(name)};
    NextWord(line, skipped);
    NextWord(line, skipped);
    totals.read_bytes = NextNumber(line).value_or(0) * kSectorBytes;
    for (int column = 0; column < 3; ++column) NextWord(line, skipped);
    totals.written_bytes = NextNumber(line).value_or(0) * kSectorBytes;
    disks.push_back(std::move(totals));
  }
  return disks;
}

Load ParseLoadavg(std::string_view text) {
  Load load;
  for (double* value : {&load.minutes_1, &load.minutes_5, &load.minutes_15}) {
    *value = NextNumber<double>(text).value_or(0);
  }
  std::string_view word;
  NextWord(text, word);  // "2/345"
  if (const size_t slash = word.find('/'); slash != std::string_view::npos) {
    load.runnable_threads = ToNumber<uint32_t>(word.substr(0, slash)).value_or(0);
    load.threads = ToNumber<uint32_t>(word.substr(slash + 1)).value_or(0);
  }
  return load;
}

int64_t ParseNumber(std::string_view text, int64_t fallback) {
  std::string_view line;
  if (!NextLine(text, line)) return fallback;
  return NextNumber<int64_t>(line).value_or(fallback);
}

}  // namespace weir::demo
