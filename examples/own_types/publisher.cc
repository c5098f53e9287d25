// The weather station: a report, and an alarm.
#include <weather/station.capnp.h>
#include <weir/capnp.h>
#include <weir/weir.h>

#include <cstdio>

#include "alarm.h"

namespace {

absl::Status Run() {
  auto node = weir::Node::Create({.name = "station"});
  if (!node.ok()) return node.status();
  auto alarms = node->CreatePublisher<weather::Alarm>("weather/alarms");
  if (!alarms.ok()) return alarms.status();
  auto reports = node->CreatePublisher<weather::Report>("weather/reports");
  if (!reports.ok()) return reports.status();
  if (auto status = alarms->WaitForSubscribers(1, absl::Seconds(30)); !status.ok()) return status;
  if (auto status = reports->WaitForSubscribers(1, absl::Seconds(30)); !status.ok()) return status;

  auto loan = reports->Loan();
  if (!loan.ok()) return loan.status();
  weather::Report::Builder report = loan->builder();
  report.setStation("Brocken");
  report.setSky(weather::Sky::CLEAR);
  auto celsius = report.initCelsius(3);
  for (unsigned hour = 0; hour < 3; ++hour) celsius.set(hour, 2.5f - 2.0f * static_cast<float>(hour));
  report.getWind().setMetresPerSecond(7.5f);
  if (auto sent = reports->Publish(*std::move(loan)); !sent.ok()) return sent.status();

  auto alarm = alarms->Loan();
  if (!alarm.ok()) return alarm.status();
  alarm->value() = {.danger = weather::Danger::kFrost, .celsius = -1.5f};
  if (auto sent = alarms->Publish(*std::move(alarm)); !sent.ok()) return sent.status();
  std::printf("published a report and an alarm\n");
  return absl::OkStatus();
}

}  // namespace

int main() {
  const absl::Status status = Run();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
