// Publishes ten images of 1 MiB. The pixels are written into shared memory once, and never again copied.
#include <weir/capnp.h>
#include <weir/messages/image.capnp.h>
#include <weir/weir.h>

#include <cstdio>
#include <cstring>

namespace {

constexpr uint32_t kWidth = 1024;
constexpr uint32_t kHeight = 1024;

absl::Status Run() {
  auto node = weir::Node::Create({.name = "camera"});
  if (!node.ok()) return node.status();
  auto publisher = node->CreatePublisher<weir::msg::Image>("camera/front", {.max_block = absl::Seconds(30)});
  if (!publisher.ok()) return publisher.status();
  if (auto status = publisher->WaitForSubscribers(1, absl::Seconds(30)); !status.ok()) return status;

  for (unsigned number = 1; number <= 10; ++number) {
    auto loan = publisher->Loan();
    if (!loan.ok()) return loan.status();
    weir::msg::Image::Builder image = loan->builder();
    image.setWidth(kWidth);
    image.setHeight(kHeight);
    image.setStrideBytes(kWidth);
    image.setEncoding(weir::msg::Image::Encoding::MONO8);

    auto pixels = loan->AddBlob(kWidth * kHeight);  // another slot, not zeroed
    if (!pixels.ok()) return pixels.status();
    std::memset(pixels->data(), static_cast<int>(number), pixels->size());  // the camera's driver would write here
    image.adoptData(loan->Adopt(*pixels));

    auto sent = publisher->Publish(*std::move(loan));
    if (!sent.ok()) return sent.status();
  }
  std::printf("published 10 images\n");
  return absl::OkStatus();
}

}  // namespace

int main() {
  const absl::Status status = Run();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
