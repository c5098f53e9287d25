#include "tools/demo_program/machine_text.h"

#include <algorithm>
#include <string_view>

#include "absl/strings/str_format.h"
#include "tools/demo_program/text.h"

namespace weir::demo {
namespace {

constexpr unsigned kCoresNamed = 8;

std::string CoresText(capnp::List<msg::SystemStatus::Core>::Reader cores) {
  double sum = 0;
  std::string each;
  for (const auto core : cores) {
    sum += core.getLoad();
    each += absl::StrFormat(" %3.0f%%", 100 * core.getLoad());
  }
  if (cores.size() <= kCoresNamed) return (cores.size() == 1 ? "core" : "cores") + each;
  return absl::StrFormat("%d cores %3.0f%%", cores.size(), 100 * sum / cores.size());
}

}  // namespace

std::string MachineText(msg::SystemStatus::Reader status) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };

  if (status.getCores().size() > 0) add(CoresText(status.getCores()));
  const auto memory = status.getMemory();
  if (memory.getTotalBytes() > 0) {
    const double total = static_cast<double>(memory.getTotalBytes());
    add(absl::StrFormat("memory %.0f%% of %s", 100 - 100 * static_cast<double>(memory.getAvailableBytes()) / total,
                        BytesText(total)));
  }
  add(absl::StrFormat("load %.2f", status.getLoadAverage().getOneMinute()));

  double network = 0, disk = 0;
  for (const auto one : status.getNetworkInterfaces()) {
    if (std::string_view(one.getName().cStr()) != "lo") network += one.getReceivedBytesPerS() + one.getSentBytesPerS();
  }
  for (const auto one : status.getDisks()) disk += one.getReadBytesPerS() + one.getWrittenBytesPerS();
  if (status.getNetworkInterfaces().size() > 0) add(absl::StrFormat("net %s/s", BytesText(network)));
  if (status.getDisks().size() > 0) add(absl::StrFormat("disks %s/s", BytesText(disk)));

  if (status.getTemperatures().size() > 0) {
    float hottest = status.getTemperatures()[0].getCelsius();
    for (const auto one : status.getTemperatures()) hottest = std::max(hottest, one.getCelsius());
    add(absl::StrFormat("%.0f C", hottest));
  }
  return text;
}

}  // namespace weir::demo
