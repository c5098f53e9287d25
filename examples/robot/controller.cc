// Drives towards a wall, more slowly the nearer it is, and stands still while a sensor is silent.
#include <signal.h>
#include <weir/capnp.h>
#include <weir/messages/image.capnp.h>
#include <weir/messages/imu.capnp.h>
#include <weir/messages/laser_scan.capnp.h>
#include <weir/messages/twist.capnp.h>
#include <weir/weir.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <string>

#include "topics.h"

namespace {

enum Tag : uint64_t { kImu, kCamera, kLidar, kCommand };  // of the set's events; the sensors come first
constexpr std::array<const char*, 3> kSensors = {"imu", "camera", "lidar"};

// A second is many times what each sensor needs, so that a busy machine is not taken for a silent sensor. A robot that
// moves fast would choose less, and run with a real-time scheduler.
constexpr absl::Duration kSilence = absl::Seconds(1);

weir::WaitSet* running_set = nullptr;  // for the signal handler

// What the controller knows of the world.
struct State {
  std::array<bool, kSensors.size()> heard = {};
  float wall_m = 0;

  bool HearsAll() const { return std::find(heard.begin(), heard.end(), false) == heard.end(); }
  double Speed() const { return HearsAll() ? std::clamp(0.25 * static_cast<double>(wall_m - 1), 0.0, 0.5) : 0.0; }
};

std::string Describe(const State& state) {
  if (state.HearsAll()) return "driving";
  std::string text = "standing still, silent:";
  for (size_t i = 0; i < kSensors.size(); ++i) {
    if (!state.heard[i]) text += std::string(" ") + kSensors[i];
  }
  return text;
}

absl::Status Command(weir::Publisher<weir::msg::Twist>& publisher, double speed) {
  auto loan = publisher.Loan();
  if (!loan.ok()) return loan.status();
  weir::msg::Twist::Builder twist = loan->builder();
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  twist.initHeader().setStampNs(static_cast<uint64_t>(std::chrono::nanoseconds(now).count()));
  twist.getHeader().setFrameId("base");
  twist.initLinear().setX(speed);
  return publisher.Publish(*std::move(loan)).status();
}

absl::Status Run() {
  auto node = weir::Node::Create({.name = "controller"});
  if (!node.ok()) return node.status();
  auto imu = node->CreateSubscriber<weir::msg::Imu>(kImuTopic);
  if (!imu.ok()) return imu.status();
  auto camera = node->CreateSubscriber<weir::msg::Image>(kCameraTopic, {.depth = 2, .max_borrowed = 2});
  if (!camera.ok()) return camera.status();
  auto lidar = node->CreateSubscriber<weir::msg::LaserScan>(kLidarTopic, {.depth = 2, .max_borrowed = 2});
  if (!lidar.ok()) return lidar.status();
  auto command = node->CreatePublisher<weir::msg::Twist>(kCommandTopic);
  if (!command.ok()) return command.status();

  auto set = weir::WaitSet::Create();
  if (!set.ok()) return set.status();
  if (auto status = set->Add(kImu, *imu, {.deadline = kSilence}); !status.ok()) return status;
  if (auto status = set->Add(kCamera, *camera, {.deadline = kSilence}); !status.ok()) return status;
  if (auto status = set->Add(kLidar, *lidar, {.deadline = kSilence}); !status.ok()) return status;
  if (auto status = set->AddTimer(kCommand, absl::Milliseconds(20)); !status.ok()) return status;
  running_set = &*set;
  signal(SIGINT, [](int) { running_set->Interrupt(); });

  State state;
  std::printf("%s\n", Describe(state).c_str());
  for (;;) {
    auto events = set->WaitFor(absl::Seconds(1));
    if (!events.ok()) return events.status();
    const bool drove = state.HearsAll();
    for (const weir::WaitSet::Event& event : *events) {
      switch (event.kind) {
        case weir::WaitSet::Kind::kMessage:
          state.heard[event.tag] = true;
          break;
        case weir::WaitSet::Kind::kDeadline:
          state.heard[event.tag] = false;
          break;
        case weir::WaitSet::Kind::kTimer:
          if (auto status = Command(*command, state.Speed()); !status.ok()) return status;
          break;
        case weir::WaitSet::Kind::kInterrupted:
          std::printf("stopped\n");
          return Command(*command, 0);
        case weir::WaitSet::Kind::kDescriptor:
          break;  // there is none
      }
    }
    // All three are cheap to ask when there is nothing.
    while (auto taken = imu->Take()) {
    }
    while (auto taken = camera->Take()) {
    }
    while (auto taken = lidar->Take()) {
      const auto ranges = taken->reader().getRanges();
      state.wall_m = *std::min_element(ranges.begin(), ranges.end());
    }
    if (state.HearsAll() != drove) std::printf("%s\n", Describe(state).c_str());
  }
}

}  // namespace

int main() {
  const absl::Status status = Run();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
