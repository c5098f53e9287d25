#include "tools/demo_program/publisher_process.h"

#include <sys/utsname.h>
#include <unistd.h>
#include <weir/capnp.h>
#include <weir/messages/image.capnp.h>
#include <weir/messages/system_status.capnp.h>
#include <weir/weir.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

#include "absl/status/statusor.h"
#include "tools/demo_program/clock.h"
#include "tools/demo_program/fill_status.h"
#include "tools/demo_program/load_picture.h"
#include "tools/demo_program/proc_sampler.h"
#include "tools/demo_program/reports.h"
#include "tools/demo_program/stop_signals.h"
#include "tools/demo_program/topics.h"

namespace weir::demo {
namespace {

// Something to do at a fixed rate.
class Beat {
 public:
  explicit Beat(uint64_t period_ns) : period_ns_(period_ns), next_ns_(NowNs()) {}

  uint64_t next_ns() const { return next_ns_; }
  // True once per period. Periods that went by unused are left out, not caught up with.
  bool IsDue(uint64_t now_ns) {
    if (now_ns < next_ns_) return false;
    next_ns_ += period_ns_;
    if (next_ns_ < now_ns) next_ns_ = now_ns + period_ns_;
    return true;
  }

 private:
  uint64_t period_ns_;
  uint64_t next_ns_;
};

absl::Status PublishStatus(weir::Publisher<msg::SystemStatus>& publisher, const SystemReading& reading,
                           const std::string& hostname, uint64_t sampled_ns) {
  auto loan = publisher.Loan();
  if (!loan.ok()) return loan.status();
  FillStatus(reading, hostname, sampled_ns, loan->builder());
  return publisher.Publish(*std::move(loan)).status();
}

// The pixels are drawn where the subscribers will read them.
absl::Status PublishPicture(weir::Publisher<msg::Image>& publisher, const LoadPicture& picture, uint64_t number,
                            uint64_t drawn_ns) {
  auto loan = publisher.Loan();
  if (!loan.ok()) return loan.status();
  const absl::StatusOr<std::span<std::byte>> pixels = loan->AddBlob(kPictureBytes);
  if (!pixels.ok()) return pixels.status();
  picture.Draw(number, *pixels);

  auto image = loan->builder();
  auto header = image.initHeader();
  header.setStampNs(drawn_ns);
  header.setFrameId("load");
  image.setWidth(kPictureWidth);
  image.setHeight(kPictureHeight);
  image.setStrideBytes(kPictureWidth * kPixelBytes);
  image.setEncoding(msg::Image::Encoding::RGBA8);
  image.adoptData(loan->Adopt(*pixels));
  return publisher.Publish(*std::move(loan)).status();
}

}  // namespace

absl::Status RunPublisher(const std::string& domain) {
  auto node = weir::Node::Create({.name = "demo publisher", .domain = domain});
  if (!node.ok()) return node.status();
  auto status_publisher =
      node->CreatePublisher<msg::SystemStatus>(kStreamNames[kStatus], {.history = kHistories[kStatus]});
  if (!status_publisher.ok()) return status_publisher.status();
  auto image_publisher = node->CreatePublisher<msg::Image>(kStreamNames[kImage], {.history = kHistories[kImage]});
  if (!image_publisher.ok()) return image_publisher.status();
  auto reports = node->CreatePublisher<PublisherReport>(kPublisherReports);
  if (!reports.ok()) return reports.status();

  utsname names = {};
  uname(&names);
  const std::string hostname = names.nodename;
  ProcSampler sampler;
  LoadPicture picture;

  const auto report = [&](bool final) -> absl::Status {
    auto loan = reports->Loan();
    if (!loan.ok()) return loan.status();
    loan->value() = PublisherReport{.pid = getpid(),
                                    .final = final,
                                    .at_ns = NowNs(),
                                    .streams = {status_publisher->counts(), image_publisher->counts()}};
    return reports->Publish(*std::move(loan)).status();
  };

  Beat status_beat(kNsPerS / kRatesHz[kStatus]), image_beat(kNsPerS / kRatesHz[kImage]), report_beat(kReportPeriodNs);
  const SystemReading* reading = &sampler.Sample(NowNs());
  uint64_t pictures = 0;
  while (WaitForStopSignal(std::min({status_beat.next_ns(), image_beat.next_ns(), report_beat.next_ns()})) == 0) {
    const uint64_t now_ns = NowNs();
    if (status_beat.IsDue(now_ns)) {
      reading = &sampler.Sample(now_ns);
      if (absl::Status s = PublishStatus(*status_publisher, *reading, hostname, now_ns); !s.ok()) return s;
    }
    if (image_beat.IsDue(now_ns)) {
      picture.Add(reading->cores);
      if (absl::Status s = PublishPicture(*image_publisher, picture, ++pictures, now_ns); !s.ok()) return s;
    }
    if (report_beat.IsDue(now_ns)) {
      if (absl::Status s = report(false); !s.ok()) return s;
    }
  }
  return report(true);
}

}  // namespace weir::demo
