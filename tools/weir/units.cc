#include "tools/weir/units.h"

#include <cmath>

#include "absl/strings/str_format.h"

namespace weir::tool {
namespace {

// Three digits that mean something.
std::string ThreeDigits(double value) {
  if (std::abs(value) < 9.995) return absl::StrFormat("%.2f", value);
  if (std::abs(value) < 99.95) return absl::StrFormat("%.1f", value);
  return absl::StrFormat("%.0f", value);
}

}  // namespace

std::string Count(uint64_t count) {
  std::string text = std::to_string(count);
  for (size_t end = text.size(); end > 3; end -= 3) text.insert(end - 3, 1, ',');
  return text;
}

std::string Bytes(double bytes) {
  const char* unit = "B";
  for (const char* larger : {"KiB", "MiB", "GiB", "TiB"}) {
    if (bytes < 1023.5) break;
    bytes /= 1024;
    unit = larger;
  }
  return *unit == 'B' ? absl::StrFormat("%.0f B", bytes) : absl::StrFormat("%.1f %s", bytes, unit);
}

std::string DurationNs(double ns) {
  if (ns < 999.5) return absl::StrFormat("%.0f ns", ns);
  if (ns < 999.5e3) return ThreeDigits(ns * 1e-3) + " us";
  if (ns < 999.5e6) return ThreeDigits(ns * 1e-6) + " ms";
  if (ns < 99.95e9) return ThreeDigits(ns * 1e-9) + " s";
  const auto seconds = static_cast<uint64_t>(ns * 1e-9);
  const uint64_t minutes = seconds / 60, hours = minutes / 60, days = hours / 24;
  if (hours == 0) return absl::StrFormat("%d min %d s", minutes, seconds % 60);
  if (days == 0) return absl::StrFormat("%d h %d min", hours, minutes % 60);
  return absl::StrFormat("%d d %d h", days, hours % 24);
}

std::string RateHz(double hz) {
  if (hz < 999.5) return ThreeDigits(hz) + " Hz";
  if (hz < 999.5e3) return ThreeDigits(hz * 1e-3) + " kHz";
  return ThreeDigits(hz * 1e-6) + " MHz";
}

std::string Plural(uint64_t count, const char* one, const char* many) {
  return Count(count) + " " + (count == 1 ? one : many);
}

}  // namespace weir::tool
