// Takes ten images and looks at their pixels where the publisher wrote them.
#include <weir/capnp.h>
#include <weir/messages/image.capnp.h>
#include <weir/weir.h>

#include <cstdio>
#include <numeric>

namespace {

absl::Status Run() {
  auto node = weir::Node::Create({.name = "viewer"});
  if (!node.ok()) return node.status();
  auto subscriber = node->CreateSubscriber<weir::msg::Image>(
      "camera/front", {.depth = 2, .max_borrowed = 2, .when_full = weir::WhenFull::kBlock});
  if (!subscriber.ok()) return subscriber.status();

  for (int count = 0; count < 10; ++count) {
    auto taken = subscriber->TakeFor(absl::Seconds(30));
    if (!taken) return subscriber->StatusOf(taken.why());
    weir::msg::Image::Reader image = taken->reader();
    const capnp::Data::Reader pixels = image.getData();  // points into the publisher's memory
    const uint64_t sum = std::accumulate(pixels.begin(), pixels.end(), uint64_t{0});
    std::printf("image %llu: %u x %u, %zu bytes, mean brightness %llu\n",
                static_cast<unsigned long long>(taken->info().sequence), image.getWidth(), image.getHeight(),
                static_cast<size_t>(pixels.size()), static_cast<unsigned long long>(sum / pixels.size()));
  }
  return absl::OkStatus();
}

}  // namespace

int main() {
  const absl::Status status = Run();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
