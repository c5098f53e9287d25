// PublisherOptions::huge_pages: what was granted is what the kernel says, on both sides, and a wish refused costs
// nothing else.
// weir-test: not-under=tsan
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <weir/weir.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/child.h"
#include "tests/support/skip.h"
#include "tests/support/small_filesystem.h"
#include "tests/support/test_root.h"

namespace weir {
namespace {

using test::Channel;
using test::Child;
using test::ChildEnd;
using testing::HasSubstr;

constexpr uint64_t kHuge = 2u << 20;

// What of this process's mappings of pools with these rights ("rw-s", "r--s") is in huge pages [bytes].
uint64_t HugeBytesMapped(const std::string& root, const std::string& rights) {
  std::ifstream smaps("/proc/self/smaps");
  bool ours = false;
  uint64_t bytes = 0;
  for (std::string line; std::getline(smaps, line);) {
    const bool header = !line.empty() && line.find('-') < line.find(' ');
    if (header)
      ours = line.find(root + "/d/pool.") != std::string::npos && line.find(" " + rights) != std::string::npos;
    if (ours && line.starts_with("ShmemPmdMapped:")) bytes += std::stoull(line.substr(15)) * 1024;
  }
  return bytes;
}

class HugePagesTest : public testing::Test {
 protected:
  Node MakeNode() {
    auto node = Node::Create({.name = "huge", .domain = "d", .root = root_.path()});
    EXPECT_TRUE(node.ok()) << node.status();
    return *std::move(node);
  }
  static bool PublishOne(Publisher<Bytes>& publisher, size_t bytes, int value) {
    auto loan = publisher.Loan(bytes);
    if (!loan.ok()) return false;
    std::memset(loan->bytes().data(), value, bytes);
    return publisher.Publish(*std::move(loan)).ok();
  }

  test::TestRoot root_;
};

TEST_F(HugePagesTest, NobodyAsksForThemByDefault) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<Bytes>("topic", {.pool_bytes_initial = 4 * kHuge});
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  EXPECT_EQ(publisher->counts().huge_pages, HugePages::kNotAsked);
  EXPECT_EQ(publisher->counts().pool_bytes_huge, 0u);
}

TEST_F(HugePagesTest, WhatWasGrantedIsMappedHugeOnBothSidesAlsoWhenThePoolGrows) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<Bytes>("topic", {.pool_bytes_initial = 5'000'000, .huge_pages = true});
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  const PublisherCounts begun = publisher->counts();
  if (begun.huge_pages != HugePages::kGranted) {
    WEIR_SKIP(std::string("the kernel grants no huge pages: ") + HugePagesName(begun.huge_pages));
  }
  EXPECT_EQ(begun.pool_bytes_committed, 3 * kHuge);
  EXPECT_EQ(begun.pool_bytes_huge, 3 * kHuge);
  EXPECT_EQ(HugeBytesMapped(root_.path(), "rw-s"), 3 * kHuge);

  auto subscriber = node.CreateSubscriber<Bytes>("topic", {.depth = 20, .max_borrowed = 20});
  ASSERT_TRUE(subscriber.ok()) << subscriber.status();
  std::vector<Sample<Bytes>> held;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(PublishOne(*publisher, 1'000'000, i));
    auto taken = subscriber->Take();
    ASSERT_TRUE(taken);
    held.push_back(*std::move(taken));
  }
  for (size_t i = 0; i < held.size(); ++i) EXPECT_EQ(held[i].bytes()[999'999], static_cast<std::byte>(i));
  const PublisherCounts grown = publisher->counts();
  EXPECT_GE(grown.pool_bytes_committed, 20'000'000u);
  EXPECT_EQ(grown.pool_bytes_committed % kHuge, 0u);
  EXPECT_EQ(HugeBytesMapped(root_.path(), "rw-s"), grown.pool_bytes_huge);
  // The subscriber's mapping has them without having asked; of what has come since it last asked for the pool's size,
  // none yet.
  EXPECT_GE(HugeBytesMapped(root_.path(), "r--s"), begun.pool_bytes_huge);
  EXPECT_LE(HugeBytesMapped(root_.path(), "r--s"), grown.pool_bytes_huge);
}

TEST_F(HugePagesTest, LockedAndHugeGoTogether) {
  Node node = MakeNode();
  auto publisher =
      node.CreatePublisher<Bytes>("topic", {.pool_bytes_initial = kHuge / 2, .lock_memory = true, .huge_pages = true});
  if (publisher.status().code() == absl::StatusCode::kFailedPrecondition) WEIR_SKIP(publisher.status().ToString());
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  if (publisher->counts().huge_pages != HugePages::kGranted) {
    WEIR_SKIP(std::string("the kernel grants no huge pages: ") + HugePagesName(publisher->counts().huge_pages));
  }
  EXPECT_EQ(publisher->counts().bytes_locked, kHuge);
  EXPECT_EQ(HugeBytesMapped(root_.path(), "rw-s"), kHuge);
}

// Such a filesystem gives huge pages to fallocate, and clears them late (os::Mapping::Collapse has the story).
TEST_F(HugePagesTest, NothingIsLostWhereTheFilesystemHandsOutHugePagesItself) {
  for (const bool huge_pages : {false, true}) {
    Child child([&](Channel& parent) {
      const std::string why_not = test::MountSmallFilesystem(root_.path(), "256m", "huge=always");
      parent.Send(why_not);
      if (!why_not.empty()) return;
      Node node = MakeNode();
      auto publisher =
          node.CreatePublisher<Bytes>("topic", {.pool_bytes_initial = 2 * kHuge, .huge_pages = huge_pages});
      ASSERT_TRUE(publisher.ok()) << publisher.status();
      auto early = node.CreateSubscriber<Bytes>("topic", {.depth = 20, .max_borrowed = 20});
      ASSERT_TRUE(early.ok()) << early.status();
      std::vector<Sample<Bytes>> held;
      for (int i = 0; i < 20; ++i) {  // the pool grows meanwhile
        ASSERT_TRUE(PublishOne(*publisher, 1'000'000, i + 1));
        auto taken = early->Take();
        ASSERT_TRUE(taken) << early->last_error();
        held.push_back(*std::move(taken));
      }
      for (size_t i = 0; i < held.size(); ++i) {
        for (size_t at = 0; at < 1'000'000; at += 1000) {
          ASSERT_EQ(held[i].bytes()[at], static_cast<std::byte>(i + 1)) << "byte " << at << " of message " << i;
        }
      }
      if (huge_pages) {
        EXPECT_EQ(publisher->counts().pool_bytes_huge, HugeBytesMapped(root_.path(), "rw-s"));
      }
    });
    const std::string why_not = child.channel().ReceiveText().value_or("the child ended");
    const ChildEnd end = child.Wait();
    if (!why_not.empty()) WEIR_SKIP(why_not);
    EXPECT_EQ(end, ChildEnd::Exited(0)) << "huge_pages = " << huge_pages;
  }
}

// A refusal that any process can bring about.
TEST_F(HugePagesTest, ARefusedWishIsNamedAndMessagesFlowAllTheSame) {
  Child child([&](Channel&) {
    ASSERT_EQ(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
    Node node = MakeNode();
    auto publisher = node.CreatePublisher<Bytes>("topic", {.pool_bytes_initial = 2 * kHuge, .huge_pages = true});
    ASSERT_TRUE(publisher.ok()) << publisher.status();
    EXPECT_THAT(publisher->counts().huge_pages, testing::AnyOf(HugePages::kForbidden, HugePages::kKernelTooOld));
    EXPECT_EQ(publisher->counts().pool_bytes_huge, 0u);
    EXPECT_EQ(HugeBytesMapped(root_.path(), "rw-s"), 0u);
    auto subscriber = node.CreateSubscriber<Bytes>("topic", {.depth = 10, .max_borrowed = 10});
    ASSERT_TRUE(subscriber.ok()) << subscriber.status();
    std::vector<Sample<Bytes>> held;
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(PublishOne(*publisher, 1'000'000, i));
      auto taken = subscriber->Take();
      ASSERT_TRUE(taken);
      held.push_back(*std::move(taken));
    }
    EXPECT_GT(publisher->counts().pool_bytes_committed, 2 * kHuge);
  });
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
}

TEST_F(HugePagesTest, APoolThatCannotHoldOneIsRefused) {
  Node node = MakeNode();
  const absl::Status status =
      node.CreatePublisher<Bytes>("topic", {.pool_bytes_max = kHuge - 1, .huge_pages = true}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("pool_bytes_max is 2097151; with huge_pages at least 2097152"));
  // One that is no multiple: its rest stays in small pages.
  auto publisher = node.CreatePublisher<Bytes>(
      "topic", {.pool_bytes_initial = kHuge + 100'000, .pool_bytes_max = kHuge + 100'000, .huge_pages = true});
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  EXPECT_GE(publisher->counts().pool_bytes_committed, kHuge + 100'000);
  EXPECT_LE(publisher->counts().pool_bytes_huge, kHuge);
}

}  // namespace
}  // namespace weir
