#include "tools/demo_program/temperatures.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <string_view>
#include <system_error>
#include <utility>

#include "tools/demo_program/proc_text.h"

namespace weir::demo {
namespace {

constexpr int64_t kNone = std::numeric_limits<int64_t>::min();

std::vector<std::filesystem::path> SortedEntries(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> entries;
  std::error_code ignored;  // a missing folder has none
  for (std::filesystem::directory_iterator entry(folder, ignored), end; entry != end; entry.increment(ignored)) {
    entries.push_back(entry->path());
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

std::string FirstLine(const std::filesystem::path& path) {
  TextFile file(path.string());
  const std::string_view text = file.Read();
  return std::string(text.substr(0, text.find('\n')));
}

}  // namespace

Thermometers::Thermometers(const std::string& root) {
  FindHwmon(root + "/sys/class/hwmon");
  FindThermalZones(root + "/sys/class/thermal");
}

std::vector<Temperature> Thermometers::Read() {
  std::vector<Temperature> temperatures;
  for (Thermometer& thermometer : thermometers_) {
    const int64_t millidegrees = ParseNumber(thermometer.millidegrees.Read(), kNone);
    if (millidegrees == kNone) continue;
    temperatures.push_back({.name = thermometer.name, .celsius = static_cast<double>(millidegrees) / 1000});
  }
  return temperatures;
}

void Thermometers::FindHwmon(const std::string& folder) {
  constexpr std::string_view kBegin = "temp", kEnd = "_input";
  for (const std::filesystem::path& chip : SortedEntries(folder)) {
    const std::string chip_name = FirstLine(chip / "name");
    for (const std::filesystem::path& file : SortedEntries(chip)) {
      const std::string name = file.filename().string();
      if (!name.starts_with(kBegin) || !name.ends_with(kEnd)) continue;
      const std::string stem = name.substr(0, name.size() - kEnd.size());  // temp1
      const std::string label = FirstLine(chip / (stem + "_label"));
      thermometers_.push_back({chip_name + " " + (label.empty() ? stem : label), TextFile(file.string())});
    }
  }
}

void Thermometers::FindThermalZones(const std::string& folder) {
  for (const std::filesystem::path& zone : SortedEntries(folder)) {
    if (!zone.filename().string().starts_with("thermal_zone")) continue;
    const std::string type = FirstLine(zone / "type");
    const bool in_hwmon = std::any_of(thermometers_.begin(), thermometers_.end(),
                                      [&](const Thermometer& other) { return other.name.starts_with(type + " "); });
    if (!in_hwmon) thermometers_.push_back({type, TextFile((zone / "temp").string())});
  }
}

}  // namespace weir::demo
