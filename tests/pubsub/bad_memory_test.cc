// A full /dev/shm, and a process without descriptors, at every point of a life: each call succeeds or says
// ResourceExhausted; nothing that runs is hurt (no SIGBUS), and nothing stays behind.
//
// weir-test: slow not-under=tsan
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>
#include <weir/capnp.h>
#include <weir/dynamic.h>
#include <weir/messages/quote.capnp.h>

#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/pubsub/bad_input.h"
#include "tests/support/child.h"
#include "tests/support/skip.h"
#include "tests/support/small_filesystem.h"

namespace weir {
namespace {

using absl::StatusCode;
using test::Channel;
using test::Child;
using test::ChildEnd;
using test::Says;

// How far a life got: the first step that was refused, or "end".
struct Life {
  std::string refused_at = "end";
  absl::Status why;
};

class BadMemoryTest : public test::BadInputTest {
 protected:
  // Node, publisher with schema and history, subscriber, its descriptor, growth of the pool, a second round; whatever
  // was refused, the rest goes on as long as it can.
  Life Live() {
    Life life;
    const auto refused = [&](const char* step, const absl::Status& status) {
      EXPECT_TRUE(Says(status, StatusCode::kResourceExhausted, {})) << step;
      if (life.refused_at == "end") life = {step, status};
    };
    auto node = Node::Create({.name = "n", .domain = kDomain, .root = root_.path()});
    if (!node.ok()) {
      refused("node", node.status());
      return life;
    }
    auto publisher = node->CreatePublisher<msg::Quote>("quotes", {.history = 2, .max_loans = 8});
    if (!publisher.ok()) refused("publisher", publisher.status());
    auto subscriber = node->CreateSubscriber<msg::Quote>("quotes", {.depth = 4});
    if (!subscriber.ok()) refused("subscriber", subscriber.status());
    auto dynamic = DynamicSubscriber::Create(*node, "quotes");
    if (!dynamic.ok() && publisher.ok()) refused("dynamic", dynamic.status());
    if (subscriber.ok()) {
      if (const auto fd = subscriber->fd(); !fd.ok()) refused("descriptor", fd.status());
    }
    for (int round = 0; round < 6 && publisher.ok(); ++round) {
      std::vector<Loan<msg::Quote>> loans;  // several at once, so that the pool has to grow
      for (int i = 0; i < 4; ++i) {
        auto loan = publisher->Loan();
        if (!loan.ok()) {
          refused("growth", loan.status());
          break;
        }
        loan->builder().setSymbol(std::string(20'000, 'x').c_str());
        loans.push_back(*std::move(loan));
      }
      for (Loan<msg::Quote>& loan : loans) {
        if (auto sent = publisher->Publish(std::move(loan)); !sent.ok()) refused("growth", sent.status());
      }
      while (subscriber.ok()) {
        auto taken = subscriber->Take();
        if (taken.why() == Outcome::kInvalid) refused("pool of the subscriber", subscriber->last_error());
        if (!taken) {
          EXPECT_TRUE(taken.why() == Outcome::kEmpty || taken.why() == Outcome::kInvalid);
          if (taken.why() == Outcome::kEmpty) break;
          continue;
        }
        EXPECT_EQ(taken->reader().getSymbol().size(), 20'000u);
        EXPECT_TRUE(taken->Validate().ok());
      }
    }
    return life;
  }

  // In a child with a tmpfs of its own as the root. `options` of a remount for each round.
  void Sweep(const std::vector<std::string>& options, std::map<std::string, int>& refusals) {
    Child child([&](Channel& parent) {
      const std::string reason = test::MountSmallFilesystem(root_.path(), "1m");
      parent.Send(reason);
      if (!reason.empty()) return;
      for (const std::string& option : options) {
        SCOPED_TRACE(option);
        ASSERT_EQ(mount(nullptr, root_.path().c_str(), nullptr, MS_REMOUNT, option.c_str()), 0) << strerror(errno);
        const Life life = Live();
        parent.Send(life.refused_at);
        EXPECT_TRUE(root_.IsEmpty());
        if (HasFailure()) return;
      }
    });
    const auto reason = child.channel().ReceiveText();
    ASSERT_TRUE(reason);
    if (reason->empty()) {
      while (const auto refused_at = child.channel().ReceiveText()) ++refusals[*refused_at];
    }
    const ChildEnd end = child.Wait();
    if (!reason->empty()) WEIR_SKIP(*reason);
    EXPECT_EQ(end, ChildEnd::Exited(0));
    for (const auto& [step, times] : refusals) RecordProperty(step, times);
  }
};

TEST_F(BadMemoryTest, EverySizeOfTheFileSystemIsAStatusOrEnough) {
  constexpr int kRegistryKib = 6230016 / 1024;
  std::vector<std::string> options;
  for (int kib = 4; kib < kRegistryKib - 64; kib += 500) options.push_back(absl::StrCat("size=", kib, "k"));
  for (int kib = kRegistryKib - 64; kib < kRegistryKib + 1000; kib += 4) {
    options.push_back(absl::StrCat("size=", kib, "k"));
  }
  options.push_back("size=32m");
  std::map<std::string, int> refusals;
  Sweep(options, refusals);
  if (IsSkipped() || HasFatalFailure()) return;
  // The sweep came by every step.
  for (const char* step : {"node", "publisher", "subscriber", "growth", "end"}) {
    EXPECT_GE(refusals[step], 1) << step;
  }
}

TEST_F(BadMemoryTest, EveryNumberOfFilesIsAStatusOrEnough) {
  std::vector<std::string> options;
  for (int inodes = 1; inodes <= 20; ++inodes) options.push_back(absl::StrCat("size=32m,nr_inodes=", inodes));
  std::map<std::string, int> refusals;
  Sweep(options, refusals);
  if (IsSkipped() || HasFatalFailure()) return;
  for (const char* step : {"node", "publisher", "subscriber", "descriptor", "end"}) {
    EXPECT_GE(refusals[step], 1) << step;
  }
}

// UndefinedBehaviorSanitizer needs a pipe of its own to look at an object, and takes one that it cannot get for a bad
// object.
#if !defined(__SANITIZE_ADDRESS__)
TEST_F(BadMemoryTest, EveryNumberOfDescriptorsIsAStatusOrEnough) {
  Child child([&](Channel&) {
    const int first_free = dup(0);  // all below are taken
    ASSERT_GE(first_free, 0);
    close(first_free);
    std::map<std::string, int> refusals;
    rlimit limit = {};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    for (rlim_t spare = 0; spare <= 24; ++spare) {
      SCOPED_TRACE(absl::StrCat(spare, " descriptors"));
      limit.rlim_cur = static_cast<rlim_t>(first_free) + spare;
      ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
      const Life life = Live();
      if (life.refused_at != "end") {
        EXPECT_THAT(std::string(life.why.message()), testing::HasSubstr("ulimit -n"));
      }
      ++refusals[life.refused_at];
      limit.rlim_cur = limit.rlim_max;
      ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
      EXPECT_TRUE(root_.IsEmpty());
    }
    for (const char* step : {"node", "publisher", "end"}) EXPECT_GE(refusals[step], 1) << step;
  });
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
}
#endif

}  // namespace
}  // namespace weir
