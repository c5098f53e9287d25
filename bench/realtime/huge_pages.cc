#include <weir/weir.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "bench/realtime/parts.h"

namespace weir::bench {
namespace {

constexpr size_t kImageBytes = 4u << 20;
constexpr int kTouches = 2'000'000;

double NsSince(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count();
}

struct Figures {
  std::vector<double> make_ms;   // the publisher, with its pool committed
  std::vector<double> write_us;  // an image
  std::vector<double> read_us;   // likewise, by the subscriber
  std::vector<double> touch_ns;  // a line at a random place, each place depending on what was read before
  uint64_t huge_bytes = 0;
  HugePages answer = HugePages::kNotAsked;
};

// Fills a pool with images that the subscriber holds, and goes about in them.
absl::Status Round(uint64_t pool_bytes, bool huge_pages, Figures& figures) {
  auto node = Node::Create({.name = "realtime", .domain = "weir-bench-realtime"});
  if (!node.ok()) return node.status();
  const auto images = static_cast<uint32_t>(pool_bytes / (kImageBytes + kImageBytes / 4));
  auto begin = std::chrono::steady_clock::now();
  auto publisher = node->CreatePublisher<Bytes>(
      "images", {.pool_bytes_initial = pool_bytes, .pool_bytes_max = 2 * pool_bytes, .huge_pages = huge_pages});
  if (!publisher.ok()) return publisher.status();
  figures.make_ms.push_back(NsSince(begin) / 1e6);
  auto subscriber = node->CreateSubscriber<Bytes>("images", {.depth = images, .max_borrowed = images});
  if (!subscriber.ok()) return subscriber.status();

  std::vector<Sample<Bytes>> held;
  double write_ns = 0, read_ns = 0;
  uint64_t sum = 0;
  for (uint32_t i = 0; i < images; ++i) {
    auto loan = publisher->Loan(kImageBytes);
    if (!loan.ok()) return loan.status();
    begin = std::chrono::steady_clock::now();
    std::memset(loan->bytes().data(), static_cast<int>(i), kImageBytes);
    write_ns += NsSince(begin);
    if (auto sent = publisher->Publish(*std::move(loan)); !sent.ok()) return sent.status();
    auto taken = subscriber->Take();
    if (!taken)
      return absl::InternalError(std::string("no image: ") + OutcomeName(taken.why()) + ", " +
                                 subscriber->last_error().ToString());
    begin = std::chrono::steady_clock::now();
    const auto* words = reinterpret_cast<const uint64_t*>(taken->bytes().data());
    for (size_t w = 0; w < kImageBytes / sizeof(uint64_t); ++w) sum += words[w];
    read_ns += NsSince(begin);
    held.push_back(*std::move(taken));
  }
  figures.write_us.push_back(write_ns / images / 1e3);
  figures.read_us.push_back(read_ns / images / 1e3);

  std::mt19937_64 random(1);
  std::vector<const std::byte*> places(1u << 16);
  for (const std::byte*& place : places) {
    place = held[random() % held.size()].bytes().data() + random() % (kImageBytes / 64) * 64;
  }
  // The address of each access hangs on the value of the one before, so that they do not overlap.
  uint64_t next = 0;
  const auto touch = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const auto read = std::to_integer<uint64_t>(*places[next % places.size()]);
      next = next * 6364136223846793005u + 1442695040888963407u + (read & 1);
      next ^= next >> 29;
    }
  };
  touch(static_cast<int>(places.size()));
  begin = std::chrono::steady_clock::now();
  touch(kTouches);
  figures.touch_ns.push_back(NsSince(begin) / kTouches);
  if (sum + next == 1) std::cout << "";  // both are used
  figures.huge_bytes = publisher->counts().pool_bytes_huge;
  figures.answer = publisher->counts().huge_pages;
  return absl::OkStatus();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int MeasureHugePages(uint64_t pool_bytes, int rounds) {
  Figures figures[2];
  for (int round = 0; round < rounds; ++round) {
    for (const bool huge : {false, true}) {
      if (absl::Status status = Round(pool_bytes, huge, figures[huge]); !status.ok()) {
        std::cerr << "weir_bench_realtime: " << status << "\n";
        return 1;
      }
    }
  }
  std::printf("pool of %llu MiB, medians of %d\n", static_cast<unsigned long long>(pool_bytes >> 20), rounds);
  std::printf("%-12s %14s %14s %16s %16s %18s  %s\n", "pages", "huge [MiB]", "make [ms]", "write 4 MiB [us]",
              "read 4 MiB [us]", "random line [ns]", "kernel's answer");
  for (const bool huge : {false, true}) {
    const Figures& f = figures[huge];
    std::printf("%-12s %14llu %14.1f %16.0f %16.0f %18.1f  %s\n", huge ? "huge" : "small",
                static_cast<unsigned long long>(f.huge_bytes >> 20), Median(f.make_ms), Median(f.write_us),
                Median(f.read_us), Median(f.touch_ns), HugePagesName(f.answer));
  }
  return 0;
}

}  // namespace weir::bench
