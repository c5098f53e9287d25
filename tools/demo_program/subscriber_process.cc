#include "tools/demo_program/subscriber_process.h"

#include <unistd.h>
#include <weir/capnp.h>
#include <weir/messages/image.capnp.h>
#include <weir/messages/system_status.capnp.h>
#include <weir/weir.h>

#include <array>
#include <atomic>
#include <deque>
#include <exception>
#include <span>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/demo_program/clock.h"
#include "tools/demo_program/load_picture.h"
#include "tools/demo_program/stop_signals.h"
#include "tools/demo_program/stream_meter.h"
#include "tools/demo_program/topics.h"

namespace weir::demo {
namespace {

constexpr std::array<uint32_t, kStreams> kDepths = {128, 8};
constexpr std::array<uint32_t, kStreams> kHeld = {8, 3};  // by the late one

SubscriberOptions Options(Stream stream) {
  return {.depth = kDepths[stream], .max_borrowed = kHeld[stream] + 2};
}

bool IsAsPublished(const weir::Sample<msg::SystemStatus>& sample) {
  const auto status = sample.reader();
  if (status.getHeader().getStampNs() == 0 || status.getUptimeNs() == 0) return false;
  if (status.getMemory().getAvailableBytes() > status.getMemory().getTotalBytes()) return false;
  for (const auto core : status.getCores()) {
    if (!(core.getLoad() >= 0 && core.getLoad() <= 1)) return false;
  }
  return true;
}

bool IsAsPublished(const weir::Sample<msg::Image>& sample) {
  const auto image = sample.reader();
  const auto data = image.getData();
  return image.getWidth() == kPictureWidth && image.getHeight() == kPictureHeight &&
         PictureNumber(std::as_bytes(std::span(data.begin(), data.size()))) == sample.info().sequence;
}

// Takes until `stop` and then what is still there.
template <class T>
void Follow(weir::Subscriber<T>& subscriber, size_t hold, StreamMeter& meter, const std::atomic<bool>& stop) {
  std::deque<weir::Sample<T>> held;
  for (;;) {
    const bool last = stop.load(std::memory_order_relaxed);  // a hint; what is taken is ordered by the queue
    auto taken = last ? subscriber.Take() : subscriber.TakeFor(absl::Milliseconds(200));
    const uint64_t taken_ns = NowNs();
    if (!taken) {
      if (taken.why() == Outcome::kInvalid) meter.AddInvalid(subscriber.counts());
      if (taken.why() == Outcome::kEmpty && last) return;
      continue;
    }
    const SampleInfo info = taken->info();
    bool content_ok = false;
    try {
      content_ok = taken->Validate().ok() && IsAsPublished(*taken);
    } catch (const std::exception&) {  // of Cap'n Proto, about a corrupt message
    }
    if (hold != 0) held.push_back(*std::move(taken));
    if (held.size() > hold) held.pop_front();
    meter.Add(info, taken_ns, content_ok, held.size(), subscriber.counts());
  }
}

}  // namespace

absl::Status RunSubscriber(const std::string& domain, Role role) {
  auto node = weir::Node::Create({.name = std::string("demo ") + RoleName(role), .domain = domain});
  if (!node.ok()) return node.status();
  auto reports = node->CreatePublisher<SubscriberReport>(kSubscriberReports);
  if (!reports.ok()) return reports.status();
  auto status_subscriber = node->CreateSubscriber<msg::SystemStatus>(kStreamNames[kStatus], Options(kStatus));
  if (!status_subscriber.ok()) return status_subscriber.status();
  auto image_subscriber = node->CreateSubscriber<msg::Image>(kStreamNames[kImage], Options(kImage));
  if (!image_subscriber.ok()) return image_subscriber.status();

  std::array<StreamMeter, kStreams> meters;
  const auto report = [&](bool final) -> absl::Status {
    auto loan = reports->Loan();
    if (!loan.ok()) return loan.status();
    SubscriberReport& message = loan->value();
    message.role = role;
    message.pid = getpid();
    message.final = final;
    message.at_ns = NowNs();
    for (size_t stream = 0; stream < kStreams; ++stream) {
      message.streams[stream] = meters[stream].Report(message.at_ns);
    }
    return reports->Publish(*std::move(loan)).status();
  };

  std::atomic<bool> stop = false;
  const bool holds = role == Role::kLate;
  std::thread status_thread([&] { Follow(*status_subscriber, holds ? kHeld[kStatus] : 0, meters[kStatus], stop); });
  std::thread image_thread([&] { Follow(*image_subscriber, holds ? kHeld[kImage] : 0, meters[kImage], stop); });

  absl::Status status = report(false);
  while (status.ok() && WaitForStopSignal(NowNs() + kReportPeriodNs) == 0) status = report(false);

  stop.store(true, std::memory_order_relaxed);
  status_subscriber->Interrupt();
  image_subscriber->Interrupt();
  status_thread.join();
  image_thread.join();
  if (status.ok()) status = report(true);
  return status;
}

}  // namespace weir::demo
