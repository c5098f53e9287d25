#include "tools/demo_program/text.h"

#include "absl/strings/str_format.h"

namespace weir::demo {

std::string Grouped(uint64_t count) {
  std::string text = std::to_string(count);
  for (size_t end = text.size(); end > 3; end -= 3) text.insert(end - 3, 1, ',');
  return text;
}

std::string DurationText(uint64_t ns) {
  const double value = static_cast<double>(ns);
  // The limits are where rounding would add a digit.
  if (ns < 1'000) return absl::StrFormat("%d ns", ns);
  if (ns < 9'950) return absl::StrFormat("%.1f us", value * 1e-3);
  if (ns < 999'500) return absl::StrFormat("%.0f us", value * 1e-3);
  if (ns < 99'950'000) return absl::StrFormat("%.1f ms", value * 1e-6);
  if (ns < 999'500'000) return absl::StrFormat("%.0f ms", value * 1e-6);
  return absl::StrFormat("%.2f s", value * 1e-9);
}

std::string BytesText(double bytes) {
  const char* unit = "B";
  for (const char* larger : {"KiB", "MiB", "GiB", "TiB"}) {
    if (bytes < 1024) break;
    bytes /= 1024;
    unit = larger;
  }
  return *unit == 'B' ? absl::StrFormat("%.0f B", bytes) : absl::StrFormat("%.1f %s", bytes, unit);
}

std::string Plural(uint64_t count, const char* one, const char* many) {
  return Grouped(count) + " " + (count == 1 ? one : many);
}

}  // namespace weir::demo
