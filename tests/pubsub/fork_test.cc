// fork(): a child inherits copies of all objects and may use none of them. Every call says so, no destructor touches
// what is shared, the parent does not notice; and the child may begin anew.
// weir-test: timeout=60
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif
#include <sys/wait.h>
#include <unistd.h>
#include <weir/capnp.h>
#include <weir/messages/quote.capnp.h>
#include <weir/weir.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "discovery/snapshot.h"
#include "tests/pubsub/payload.h"
#include "tests/support/child.h"
#include "tests/support/test_root.h"
#include "tests/support/wait.h"

namespace weir {
namespace {

using test::Channel;
using test::Child;
using test::ChildEnd;
using test::Payload;

constexpr auto kFailedPrecondition = absl::StatusCode::kFailedPrecondition;

// What is allocated while one of these exists is not reported by LeakSanitizer. In a child the destructor of a
// subscriber frees nothing, because samples may point into it.
#if defined(__SANITIZE_ADDRESS__)
using NotLeaked = __lsan::ScopedDisabler;
#else
struct NotLeaked {
  NotLeaked() {}
};
#endif

// One of each, with a loan out, a sample held and a message queued.
struct Everything {
  explicit Everything(const std::string& root)
      : node(*Node::Create({.name = "parent", .domain = "d", .root = root})),
        publisher(*node.CreatePublisher<Payload>("plain", {.history = 2})),
        subscriber(*node.CreateSubscriber<Payload>("plain", {.depth = 64})),
        bytes_publisher(*node.CreatePublisher<Bytes>("bytes")),
        bytes_subscriber(*node.CreateSubscriber<Bytes>("bytes", {.when_full = WhenFull::kBlock})),
        capnp_publisher(*node.CreatePublisher<msg::Quote>("capnp")),
        capnp_subscriber(*node.CreateSubscriber<msg::Quote>("capnp", {.copy_before_read = true})) {
    for (int i = 0; i < 3; ++i) PublishAll();
    sample.emplace(*subscriber.Take());
    bytes_sample.emplace(*bytes_subscriber.Take());
    capnp_sample.emplace(*capnp_subscriber.Take());
    EXPECT_EQ(capnp_sample->reader().getSequence(), 1u);
    loan.emplace(*publisher.Loan());
    bytes_loan.emplace(*bytes_publisher.Loan(100));
    capnp_loan.emplace(*capnp_publisher.Loan());
    capnp_loan->builder().setSymbol("in the middle of it");
  }

  void PublishAll() {
    ++number;
    auto plain = publisher.Loan();
    plain->value().Fill(1, number);
    EXPECT_TRUE(publisher.Publish(*std::move(plain)).ok());
    auto bytes = bytes_publisher.Loan(10);
    EXPECT_TRUE(bytes_publisher.Publish(*std::move(bytes)).ok());
    auto capnp = capnp_publisher.Loan();
    capnp->builder().setSequence(number);
    EXPECT_TRUE(capnp_publisher.Publish(*std::move(capnp)).ok());
  }

  // In the parent, afterwards: all goes on where it was.
  void ExpectToGoOn() {
    EXPECT_TRUE(sample->value().IsWhole());
    EXPECT_EQ(sample->value().number, 1u);
    loan->value().Fill(1, ++number);
    auto sent = publisher.Publish(*std::move(loan));
    ASSERT_TRUE(sent.ok()) << sent.status();
    EXPECT_EQ(sent->accepted, 1u);
    loan.reset();
    for (uint64_t expected = 2; expected <= number; ++expected) {
      auto taken = subscriber.TakeFor(absl::Seconds(10));
      ASSERT_TRUE(taken) << OutcomeName(taken.why()) << " " << subscriber.last_error();
      EXPECT_EQ(taken->value().number, expected);
      EXPECT_EQ(taken->info().missed_before, 0u);
    }
    capnp_loan->builder().setSequence(99);
    EXPECT_TRUE(capnp_publisher.Publish(*std::move(capnp_loan)).ok());
    capnp_loan.reset();
    while (auto taken = capnp_subscriber.Take()) {
      EXPECT_EQ(taken->reader().getSymbol(), taken->reader().getSequence() == 99 ? "in the middle of it" : "");
    }
  }

  uint64_t number = 0;
  Node node;
  Publisher<Payload> publisher;
  Subscriber<Payload> subscriber;
  Publisher<Bytes> bytes_publisher;
  Subscriber<Bytes> bytes_subscriber;
  Publisher<msg::Quote> capnp_publisher;
  Subscriber<msg::Quote> capnp_subscriber;
  std::optional<Sample<Payload>> sample;
  std::optional<Sample<Bytes>> bytes_sample;
  std::optional<Sample<msg::Quote>> capnp_sample;
  std::optional<Loan<Payload>> loan;
  std::optional<Loan<Bytes>> bytes_loan;
  std::optional<Loan<msg::Quote>> capnp_loan;
};

template <class T>
void ExpectUnusable(Publisher<T>& publisher, Subscriber<T>& subscriber, Loan<T> loan) {
  if constexpr (BytesMessage<T>) {
    EXPECT_EQ(publisher.Loan(10).status().code(), kFailedPrecondition);
  } else {
    EXPECT_EQ(publisher.Loan().status().code(), kFailedPrecondition);
  }
  if constexpr (CapnpMessage<T>) {
    EXPECT_EQ(loan.AddBlob(10).status().code(), kFailedPrecondition);
  }
  EXPECT_EQ(publisher.Publish(std::move(loan)).status().code(), kFailedPrecondition);
  EXPECT_EQ(publisher.WaitForSubscribers(1, absl::Seconds(10)).code(), kFailedPrecondition);
  EXPECT_EQ(publisher.counts().published, 0u);
  EXPECT_FALSE(publisher.topic().empty());

  EXPECT_EQ(subscriber.Take().why(), Outcome::kInvalid);
  EXPECT_EQ(subscriber.last_error().code(), kFailedPrecondition);
  EXPECT_THAT(std::string(subscriber.last_error().message()), testing::HasSubstr("fork"));
  EXPECT_EQ(subscriber.TakeFor(absl::Seconds(10)).why(), Outcome::kInvalid);
  EXPECT_EQ(subscriber.TakeUntil(absl::Now() + absl::Seconds(10)).why(), Outcome::kInvalid);
  subscriber.Interrupt();
  EXPECT_EQ(subscriber.counts().taken, 0u);
  EXPECT_FALSE(subscriber.topic().empty());
}

void ExpectUnusable(Everything& all) {
  EXPECT_EQ(all.node.name(), "parent");
  EXPECT_EQ(all.node.domain(), "d");
  EXPECT_EQ(all.node.CreatePublisher<Payload>("other").status().code(), kFailedPrecondition);
  EXPECT_EQ(all.node.CreateSubscriber<Payload>("other").status().code(), kFailedPrecondition);
  ExpectUnusable(all.publisher, all.subscriber, *std::move(all.loan));
  ExpectUnusable(all.bytes_publisher, all.bytes_subscriber, *std::move(all.bytes_loan));
  ExpectUnusable(all.capnp_publisher, all.capnp_subscriber, *std::move(all.capnp_loan));
}

class ForkTest : public testing::Test {
 protected:
  // Every byte of every file of the domain.
  std::map<std::string, std::string> AllFiles() const {
    std::map<std::string, std::string> files;
    for (const std::string& name : root_.Contents()) {
      if (name.ends_with('/')) continue;
      std::ifstream file(root_.path() + "/" + name, std::ios::binary);
      files[name] = std::string(std::istreambuf_iterator<char>(file), {});
    }
    return files;
  }

  void ExpectSameFiles(const std::map<std::string, std::string>& before) const {
    const std::map<std::string, std::string> now = AllFiles();
    std::vector<std::string> changed;
    for (const auto& [name, content] : before) {
      if (!now.contains(name) || now.at(name) != content) changed.push_back(name);
    }
    EXPECT_THAT(changed, testing::IsEmpty());
    EXPECT_EQ(now.size(), before.size());
  }

  size_t LivingNodes() const {
    auto domain = discovery::Snapshot::Open(root_.path(), "d");
    EXPECT_TRUE(domain.ok()) << domain.status();
    size_t living = 0;
    for (const auto& node : domain->Nodes()) living += node.alive;
    return living;
  }

  void TearDown() override { EXPECT_TRUE(root_.IsEmpty()); }

  test::TestRoot root_;
};

TEST_F(ForkTest, EveryCallInAChildIsRefusedAndNoDestructorTouchesAnything) {
  auto all = std::make_unique<Everything>(root_.path());
  const auto before = AllFiles();
  Child child([&](Channel&) {
    ExpectUnusable(*all);
    all.reset();
  });
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
  ExpectSameFiles(before);
  EXPECT_EQ(LivingNodes(), 1u);
  all->ExpectToGoOn();
}

TEST_F(ForkTest, ObjectsMayBeDestroyedInAnyOrderInAChild) {
  auto all = std::make_unique<Everything>(root_.path());
  const auto before = AllFiles();
  Child child([&](Channel&) {
    // Against the order of their making, as in a parent: samples and loans last.
    { Node node = std::move(all->node); }
    { auto publisher = std::move(all->publisher); }
    { auto subscriber = std::move(all->subscriber); }
    { auto publisher = std::move(all->capnp_publisher); }
    { auto subscriber = std::move(all->capnp_subscriber); }
    all->sample.reset();
    all->loan.reset();
    all->capnp_sample.reset();
    all->capnp_loan.reset();
  });
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
  ExpectSameFiles(before);
  all->ExpectToGoOn();
}

TEST_F(ForkTest, AChildThatNoHandlerKnowsOfIsRefusedToo) {
  auto all = std::make_unique<Everything>(root_.path());
  const auto before = AllFiles();
  const pid_t pid = _Fork();  // runs no atfork handlers
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    // gtest's and malloc's locks are free: this process has one thread.
    ExpectUnusable(*all);
    all.reset();
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  ExpectSameFiles(before);
  all->ExpectToGoOn();
}

TEST_F(ForkTest, AChildMayExitWithStaticObjectsAlive) {
  Child parent_process([&](Channel& channel) {
    static std::optional<Everything> all;  // destroyed by exit()
    {
      const NotLeaked not_leaked;
      all.emplace(root_.path());
    }
    const auto before = AllFiles();
    const pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) exit(42);
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFEXITED(status)) << status;
    EXPECT_EQ(WEXITSTATUS(status), 42);
    ExpectSameFiles(before);
    all->ExpectToGoOn();
    all.reset();
    channel.Send("went on");
  });
  EXPECT_EQ(parent_process.channel().ReceiveText(), "went on");
  EXPECT_EQ(parent_process.Wait(), ChildEnd::Exited(0));
}

TEST_F(ForkTest, AChildMayMakeANodeOfItsOwnAndTalkToItsParent) {
  Everything all(root_.path());
  Child child([&](Channel& parent) {
    auto node = Node::Create({.name = "child", .domain = "d", .root = root_.path()});
    ASSERT_TRUE(node.ok()) << node.status();
    auto subscriber = node->CreateSubscriber<Payload>("plain");
    auto publisher = node->CreatePublisher<Payload>("plain");
    ASSERT_TRUE(subscriber.ok()) << subscriber.status();
    ASSERT_TRUE(publisher.ok()) << publisher.status();
    for (uint64_t expected = 2; expected <= 3; ++expected) {  // the history of its parent's publisher
      auto taken = subscriber->TakeFor(absl::Seconds(10));
      ASSERT_TRUE(taken);
      EXPECT_TRUE(taken->info().from_history);
      EXPECT_EQ(taken->value().number, expected);
    }
    parent.Send("ready");
    auto taken = subscriber->TakeFor(absl::Seconds(10));
    ASSERT_TRUE(taken) << OutcomeName(taken.why());
    EXPECT_TRUE(taken->value().IsWhole());
    EXPECT_EQ(taken->value().number, 4u);
    auto loan = publisher->Loan();
    ASSERT_TRUE(loan.ok()) << loan.status();
    loan->value().Fill(2, 1);
    auto sent = publisher->Publish(*std::move(loan));
    ASSERT_TRUE(sent.ok()) << sent.status();
    EXPECT_EQ(sent->accepted, 2u);
    // The old objects are still nobody's.
    EXPECT_EQ(all.publisher.Loan().status().code(), kFailedPrecondition);
    EXPECT_EQ(all.subscriber.Take().why(), Outcome::kInvalid);
  });
  ASSERT_EQ(child.channel().ReceiveText(), "ready");
  EXPECT_EQ(LivingNodes(), 2u);
  all.PublishAll();
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
  bool heard = false;
  while (auto taken = all.subscriber.TakeFor(absl::ZeroDuration())) heard |= taken->value().writer == 2;
  EXPECT_TRUE(heard);
}

TEST_F(ForkTest, ASurvivingChildDoesNotKeepItsDeadParentAlive) {
  Child parent_process([&](Channel& channel) {
    Everything all(root_.path());
    const pid_t pid = fork();
    if (pid == 0) {
      for (int i = 0; i < 600; ++i) usleep(100'000);  // outlives its parent; the test ends it
      _exit(0);
    }
    channel.Send(pid);
    pause();
  });
  const auto grandchild = parent_process.channel().Receive<pid_t>();
  ASSERT_TRUE(grandchild && *grandchild > 0);
  EXPECT_EQ(LivingNodes(), 1u);
  parent_process.Kill();
  EXPECT_EQ(parent_process.Wait(), ChildEnd::KilledBy(SIGKILL));
  EXPECT_EQ(kill(*grandchild, 0), 0);
  // It closes what it inherited before fork() returns there, for which it has to be given a processor first.
  EXPECT_TRUE(test::WaitUntilTrue([&] { return LivingNodes() == 0; }));
  {  // whoever comes next finds nothing in its way
    auto node = Node::Create({.domain = "d", .root = root_.path()});
    ASSERT_TRUE(node.ok()) << node.status();
    EXPECT_EQ(root_.Contents(), (std::vector<std::string>{"d/", "d/registry"}));
  }
  kill(*grandchild, SIGKILL);
}

TEST_F(ForkTest, ForkingWhileOtherThreadsPublishAndTakeHurtsNobody) {
  auto node = Node::Create({.name = "parent", .domain = "d", .root = root_.path()});
  ASSERT_TRUE(node.ok()) << node.status();
  auto publisher = node->CreatePublisher<Payload>("plain", {.max_block = absl::Seconds(20)});
  auto subscriber = node->CreateSubscriber<Payload>("plain", {.when_full = WhenFull::kBlock});
  ASSERT_TRUE(publisher.ok() && subscriber.ok());
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> published{0}, taken_count{0}, wrong{0};
  std::thread writer([&] {
    while (!stop) {
      auto loan = publisher->Loan();
      if (!loan.ok()) {
        ++wrong;
        return;
      }
      loan->value().Fill(1, published + 1);
      auto sent = publisher->Publish(*std::move(loan));
      if (!sent.ok() || sent->accepted != 1) ++wrong;
      ++published;
    }
  });
  std::thread reader([&] {
    while (!stop || taken_count < published) {
      auto taken = subscriber->TakeFor(absl::Milliseconds(10));
      if (!taken) continue;
      if (!taken->value().IsWhole() || taken->value().number != taken_count + 1) ++wrong;
      ++taken_count;
    }
  });
  for (int round = 0; round < 30; ++round) {
    Child child([&](Channel&) {
      EXPECT_EQ(publisher->Loan().status().code(), kFailedPrecondition);
      EXPECT_EQ(subscriber->Take().why(), Outcome::kInvalid);
      auto own = Node::Create({.name = "child", .domain = "d", .root = root_.path()});
      EXPECT_TRUE(own.ok()) << own.status();
    });
    EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
  }
  stop = true;
  writer.join();
  reader.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_GT(published, 0u);
  EXPECT_EQ(subscriber->counts().torn, 0u);
}

}  // namespace
}  // namespace weir
