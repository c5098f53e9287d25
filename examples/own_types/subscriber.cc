// Takes a report and an alarm.
#include <weather/station.capnp.h>
#include <weir/capnp.h>
#include <weir/weir.h>

#include <cstdio>

#include "alarm.h"

namespace {

absl::Status Run() {
  auto node = weir::Node::Create({.name = "forecast"});
  if (!node.ok()) return node.status();
  auto reports = node->CreateSubscriber<weather::Report>("weather/reports");
  if (!reports.ok()) return reports.status();
  auto alarms = node->CreateSubscriber<weather::Alarm>("weather/alarms");
  if (!alarms.ok()) return alarms.status();

  auto taken = reports->TakeFor(absl::Seconds(30));
  if (!taken) return reports->StatusOf(taken.why());
  weather::Report::Reader report = taken->reader();
  std::printf("%s: %s sky", report.getStation().cStr(), report.getSky() == weather::Sky::CLEAR ? "clear" : "no clear");
  if (report.getWind().isMetresPerSecond()) std::printf(", wind %.1f m/s", report.getWind().getMetresPerSecond());
  for (const float celsius : report.getCelsius()) std::printf(", %.1f", celsius);
  std::printf(" degrees\n");

  auto alarm = alarms->TakeFor(absl::Seconds(30));
  if (!alarm) return alarms->StatusOf(alarm.why());
  std::printf("%s: %.1f degrees\n", (*alarm)->danger == weather::Danger::kFrost ? "frost" : "storm", (*alarm)->celsius);
  return absl::OkStatus();
}

}  // namespace

int main() {
  const absl::Status status = Run();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
