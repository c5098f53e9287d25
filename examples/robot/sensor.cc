// One of the robot's sensors, at its rate, until Ctrl-C:  robot_sensor imu|camera|lidar
#include <signal.h>
#include <weir/capnp.h>
#include <weir/messages/image.capnp.h>
#include <weir/messages/imu.capnp.h>
#include <weir/messages/laser_scan.capnp.h>
#include <weir/weir.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <limits>
#include <string_view>

#include "topics.h"

namespace {

weir::WaitSet* running_set = nullptr;  // for the signal handler

uint64_t StampNs() {  // CLOCK_MONOTONIC
  return static_cast<uint64_t>(std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
}

absl::Status Measure(weir::Loan<weir::msg::Imu>& loan) {
  weir::msg::Imu::Builder imu = loan.builder();
  imu.getHeader().setStampNs(StampNs());
  imu.getHeader().setFrameId("imu");
  imu.getLinearAcceleration().setZ(9.81);
  return absl::OkStatus();
}

absl::Status Measure(weir::Loan<weir::msg::Image>& loan) {
  constexpr uint32_t kWidth = 640;
  constexpr uint32_t kHeight = 480;
  weir::msg::Image::Builder image = loan.builder();
  image.getHeader().setStampNs(StampNs());
  image.getHeader().setFrameId("camera");
  image.setWidth(kWidth);
  image.setHeight(kHeight);
  image.setStrideBytes(kWidth);
  image.setEncoding(weir::msg::Image::Encoding::MONO8);
  auto pixels = loan.AddBlob(kWidth * kHeight);
  if (!pixels.ok()) return pixels.status();
  std::memset(pixels->data(), 128, pixels->size());  // the camera's driver would write here
  image.adoptData(loan.Adopt(*pixels));
  return absl::OkStatus();
}

absl::Status Measure(weir::Loan<weir::msg::LaserScan>& loan) {
  constexpr unsigned kRays = 360;
  weir::msg::LaserScan::Builder scan = loan.builder();
  scan.getHeader().setStampNs(StampNs());
  scan.getHeader().setFrameId("lidar");
  scan.setAngleStep(2 * 3.14159265f / kRays);
  scan.setRangeMax(30);
  auto ranges = scan.initRanges(kRays);
  for (unsigned ray = 0; ray < kRays; ++ray) ranges.set(ray, std::numeric_limits<float>::infinity());
  ranges.set(0, 4.0f);  // a wall ahead
  return absl::OkStatus();
}

template <class Message>
absl::Status Run(const char* name, const char* topic, int rate_hz) {
  auto node = weir::Node::Create({.name = name});
  if (!node.ok()) return node.status();
  auto publisher = node->CreatePublisher<Message>(topic);
  if (!publisher.ok()) return publisher.status();

  auto set = weir::WaitSet::Create();
  if (!set.ok()) return set.status();
  if (auto status = set->AddTimer(1, absl::Seconds(1) / rate_hz); !status.ok()) return status;
  running_set = &*set;
  signal(SIGINT, [](int) { running_set->Interrupt(); });

  std::printf("%s: %d Hz\n", name, rate_hz);
  for (;;) {
    auto events = set->WaitFor(absl::Seconds(1));
    if (!events.ok()) return events.status();
    for (const weir::WaitSet::Event& event : *events) {
      if (event.kind == weir::WaitSet::Kind::kInterrupted) return absl::OkStatus();
      auto loan = publisher->Loan();
      if (!loan.ok()) return loan.status();
      if (auto status = Measure(*loan); !status.ok()) return status;
      auto sent = publisher->Publish(*std::move(loan));
      if (!sent.ok()) return sent.status();
    }
  }
}

absl::Status RunSensor(std::string_view name) {
  if (name == "imu") return Run<weir::msg::Imu>("imu", kImuTopic, 200);
  if (name == "camera") return Run<weir::msg::Image>("camera", kCameraTopic, 30);
  if (name == "lidar") return Run<weir::msg::LaserScan>("lidar", kLidarTopic, 10);
  return absl::InvalidArgumentError("usage: robot_sensor imu|camera|lidar");
}

}  // namespace

int main(int argc, char** argv) {
  const absl::Status status = RunSensor(argc == 2 ? argv[1] : "");
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
