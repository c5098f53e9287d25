// Somebody holds the registry's lock and does not go on: a debugger, or a process that was stopped.
//
// weir-test: not-under=tsan
#include <weir/inspect.h>

#include <chrono>
#include <string>

#include "absl/strings/str_cat.h"
#include "discovery/liveness.h"
#include "discovery/registry_file.h"
#include "discovery/registry_lock.h"
#include "middleware/os/clock.h"
#include "middleware/os/directory.h"
#include "tests/pubsub/bad_input.h"
#include "tests/support/child.h"

namespace weir {
namespace {

using absl::StatusCode;
using test::Channel;
using test::Child;
using test::ChildEnd;
using test::Says;
using test::Small;

class BadLockTest : public test::BadInputTest {
 protected:
  // A member of the domain that takes the lock as any change does, says so, and stands still until it is told to go on.
  void HoldLock(Channel& parent) {
    auto directory = os::OpenDomainDirectory(root_.path(), kDomain, os::IfMissing::kFail);
    ASSERT_TRUE(directory.ok()) << directory.status();
    auto file = discovery::OpenRegistryFile(directory->dir.get(), os::Access::kReadWrite, DomainPath());
    ASSERT_TRUE(file.ok()) << file.status();
    auto descriptor = os::LockDescriptor::Open(directory->dir.get(), discovery::kRegistryFileName);
    ASSERT_TRUE(descriptor.ok()) << descriptor.status();
    discovery::RegistryLock lock(*std::move(descriptor), file->tables.header(), "the registry", absl::Seconds(10));
    ASSERT_TRUE(lock.Lock().ok());
    parent.Send("held");
    parent.ReceiveText(std::chrono::minutes(1));
    lock.Unlock();
  }
};

TEST_F(BadLockTest, WhoStandsStillWithTheLockIsNamedAndMessagesFlowOn) {
  for (const bool killed : {false, true}) {
    auto node = Node::Create(
        {.name = "n", .domain = kDomain, .root = root_.path(), .registry_timeout = absl::Milliseconds(50)});
    ASSERT_TRUE(node.ok()) << node.status();
    auto publisher = node->CreatePublisher<Small>("t");
    auto subscriber = node->CreateSubscriber<Small>("t");
    auto leaving = node->CreateSubscriber<Small>("t");
    ASSERT_TRUE(publisher.ok() && subscriber.ok() && leaving.ok());
    Child holder([this](Channel& parent) { HoldLock(parent); });
    ASSERT_EQ(holder.channel().ReceiveText(), "held");
    holder.Stop();

    // Each call that needs the lock waits as long as it may and then says who has it.
    const std::vector<std::string> texts = {absl::StrCat("process ", holder.pid()),
                                            "is changing the registry of domain " + DomainPath(),
                                            "did not finish within 50ms"};
    const auto begin = os::MonotonicNow();
    EXPECT_TRUE(Says(node->CreatePublisher<Small>("u").status(), StatusCode::kUnavailable, texts));
    EXPECT_TRUE(Says(node->CreateSubscriber<Small>("t").status(), StatusCode::kUnavailable, texts));
    EXPECT_TRUE(Says(
        Node::Create({.domain = kDomain, .root = root_.path(), .registry_timeout = absl::Milliseconds(50)}).status(),
        StatusCode::kUnavailable, texts));
    EXPECT_GE(os::MonotonicNow() - begin, 150'000'000u);
    EXPECT_TRUE(
        Says(Node::Create({.domain = kDomain, .root = root_.path(), .registry_timeout = absl::ZeroDuration()}).status(),
             StatusCode::kUnavailable, {"did not finish within 0"}));
    // Who only looks needs no lock, and whoever is connected neither.
    auto inspector = Inspector::Open({.domain = kDomain, .root = root_.path()});
    ASSERT_TRUE(inspector.ok()) << inspector.status();
    auto domain = inspector->Look();
    ASSERT_TRUE(domain.ok()) << domain.status();
    EXPECT_EQ(domain->subscribers.size(), 2u);
    for (int i = 0; i < 1000; ++i) {
      auto loan = publisher->Loan();
      ASSERT_TRUE(loan.ok()) << loan.status();
      loan->value().number = i;
      ASSERT_TRUE(publisher->Publish(*std::move(loan)).ok());
      auto taken = subscriber->Take();
      ASSERT_TRUE(taken);
      EXPECT_EQ(taken->value().number, i);
    }
    { auto gone = *std::move(leaving); }  // closing waits in vain too, and leaves the rest to the next comer

    if (killed) {
      holder.Kill();
      EXPECT_EQ(holder.Wait(), ChildEnd::KilledBy(SIGKILL));
    } else {
      holder.Continue();
      holder.channel().Send("go on");
      EXPECT_EQ(holder.Wait(), ChildEnd::Exited(0));
    }
    EXPECT_TRUE(node->CreatePublisher<Small>("u").ok());
    EXPECT_TRUE(node->CreateSubscriber<Small>("t").ok());
    domain = inspector->Look();
    ASSERT_TRUE(domain.ok()) << domain.status();
    EXPECT_EQ(domain->subscribers.size(), 1u);
  }
}

TEST_F(BadLockTest, AFullPoolWaitsForTheLockOnceAndNotAtEveryLoan) {
  auto node =
      Node::Create({.name = "n", .domain = kDomain, .root = root_.path(), .registry_timeout = absl::Milliseconds(200)});
  ASSERT_TRUE(node.ok()) << node.status();
  auto publisher = node->CreatePublisher<Bytes>("t", {.max_loans = 64, .pool_bytes_max = 64u << 10});
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  Child holder([this](Channel& parent) { HoldLock(parent); });
  ASSERT_EQ(holder.channel().ReceiveText(), "held");
  std::vector<Loan<Bytes>> loans;
  absl::Status refused;
  while (refused.ok()) {
    auto loan = publisher->Loan(5000);
    refused = loan.status();
    if (loan.ok()) loans.push_back(*std::move(loan));
  }
  EXPECT_TRUE(Says(refused, StatusCode::kResourceExhausted, {"publisher of \"t\" has no slot for 5000 bytes"}));
  // 300 refusals that each waited would take a minute, and the test would be ended as hung.
  for (int i = 0; i < 300; ++i) EXPECT_FALSE(publisher->Loan(5000).ok());
  // What can never fit does not wait at all, and does not say who holds what.
  EXPECT_TRUE(Says(publisher->Loan(70'000).status(), StatusCode::kResourceExhausted, {"never fit"}));
  holder.channel().Send("go on");
  EXPECT_EQ(holder.Wait(), ChildEnd::Exited(0));
}

}  // namespace
}  // namespace weir
