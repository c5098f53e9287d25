// The domain's directory, or the root, deleted, emptied or replaced underneath those who use it: what is connected goes
// on, new things are refused with the reason, and a new node starts afresh.
//
// weir-test: not-under=tsan
#include <sys/stat.h>
#include <unistd.h>
#include <weir/capnp.h>
#include <weir/dynamic.h>
#include <weir/inspect.h>
#include <weir/messages/quote.capnp.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/pubsub/bad_input.h"

namespace weir {
namespace {

using absl::StatusCode;
using test::Says;
using test::Small;

struct Removal {
  std::string what;
  std::function<void()> act;
};

class BadDirectoryTest : public test::BadInputTest {
 protected:
  std::vector<Removal> Removals() {
    const std::string elsewhere = root_.path() + "/elsewhere";
    return {
        {"deleted with all its files", [this] { test::RemoveTree(DomainPath()); }},
        {"moved away", [this, elsewhere] { ASSERT_EQ(rename(DomainPath().c_str(), elsewhere.c_str()), 0); }},
        {"replaced by an empty one",
         [this] {
           test::RemoveTree(DomainPath());
           ASSERT_EQ(mkdir(DomainPath().c_str(), 0700), 0);
         }},
        {"without its registry", [this] { ASSERT_EQ(unlink((DomainPath() + "/registry").c_str()), 0); }},
        {"the whole root moved away and made anew",
         [this, elsewhere] {
           ASSERT_EQ(rename(DomainPath().c_str(), elsewhere.c_str()), 0);
           // The root itself belongs to the test; what matters is that the path leads to other directories now.
           ASSERT_EQ(mkdir(DomainPath().c_str(), 0700), 0);
         }},
    };
  }
};

void ExchangeMessages(Publisher<msg::Quote>& publisher, Subscriber<msg::Quote>& subscriber) {
  for (int i = 0; i < 100; ++i) {
    auto loan = publisher.Loan();
    ASSERT_TRUE(loan.ok()) << loan.status();
    loan->builder().setSymbol(std::string(static_cast<size_t>(i) * 3000, 'x').c_str());  // the pool has to grow
    ASSERT_TRUE(publisher.Publish(*std::move(loan)).ok());
    auto taken = subscriber.TakeFor(absl::Seconds(20));
    ASSERT_TRUE(taken) << OutcomeName(taken.why()) << ": " << subscriber.last_error();
    EXPECT_EQ(taken->reader().getSymbol().size(), static_cast<size_t>(i) * 3000);
  }
}

TEST_F(BadDirectoryTest, WhatIsConnectedGoesOnAndNothingNewIsMade) {
  for (const Removal& removal : Removals()) {
    SCOPED_TRACE(removal.what);
    {
      Node node = MakeNode();
      auto publisher = node.CreatePublisher<msg::Quote>("quotes");
      auto subscriber = node.CreateSubscriber<msg::Quote>("quotes");
      auto inspector = Inspector::Open({.domain = kDomain, .root = root_.path()});
      ASSERT_TRUE(publisher.ok() && subscriber.ok() && inspector.ok());
      ExchangeMessages(*publisher, *subscriber);

      removal.act();
      ExchangeMessages(*publisher, *subscriber);
      for (const absl::Status& status :
           {node.CreatePublisher<msg::Quote>("quotes").status(), node.CreateSubscriber<msg::Quote>("quotes").status(),
            DynamicPublisher::CreateWithType(node, "new", MessageTraits<Small>::Type()).status()}) {
        EXPECT_TRUE(Says(status, StatusCode::kFailedPrecondition,
                         {"the directory or registry of domain " + DomainPath(),
                          "was removed or replaced after this node joined", "create a new node"}));
      }
      EXPECT_TRUE(Says(inspector->Look().status(), StatusCode::kNotFound, {"there is no domain \"d\""}));

      // A new node makes the domain anew, and the old and the new do not disturb each other.
      {
        Node fresh = MakeNode("fresh");
        auto new_publisher = fresh.CreatePublisher<msg::Quote>("quotes");
        auto new_subscriber = fresh.CreateSubscriber<msg::Quote>("quotes");
        ASSERT_TRUE(new_publisher.ok() && new_subscriber.ok());
        ExchangeMessages(*new_publisher, *new_subscriber);
        ExchangeMessages(*publisher, *subscriber);
        auto domain = inspector->Look();
        ASSERT_TRUE(domain.ok()) << domain.status();
        ASSERT_EQ(domain->nodes.size(), 1u);
        EXPECT_EQ(domain->nodes[0].name, "fresh");
      }
    }
    test::RemoveTree(root_.path() + "/elsewhere");
    EXPECT_TRUE(root_.IsEmpty());
  }
}

TEST_F(BadDirectoryTest, ASubscriberThatHadNotOpenedAPoolYetSaysWhyItCannot) {
  Node node = MakeNode();
  auto subscriber = node.CreateSubscriber<Small>("t");
  auto publisher = node.CreatePublisher<Small>("t");  // connects to the queue now
  ASSERT_TRUE(publisher.ok() && subscriber.ok());
  test::RemoveTree(DomainPath());
  auto loan = publisher->Loan();
  ASSERT_TRUE(loan.ok()) << loan.status();
  loan->value().number = 1;
  ASSERT_TRUE(publisher->Publish(*std::move(loan)).ok());
  ASSERT_EQ(subscriber->Take().why(), Outcome::kInvalid);
  EXPECT_TRUE(Says(subscriber->last_error(), StatusCode::kNotFound,
                   {"a message of \"t\" from publisher 0, whose pool cannot be used", "No such file or directory"}));
  EXPECT_TRUE(Says(subscriber->fd().status(), StatusCode::kNotFound, {"no descriptor for the subscriber of \"t\""}));
}

TEST_F(BadDirectoryTest, ADirectoryThatBecameUnsafeEndsNewThingsAndSaysWhatToDo) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<Small>("t");
  ASSERT_TRUE(publisher.ok()) << publisher.status();
  ASSERT_EQ(chmod(DomainPath().c_str(), 0777), 0);
  EXPECT_TRUE(Says(node.CreateSubscriber<Small>("t").status(), StatusCode::kFailedPrecondition,
                   {DomainPath(), "has mode 0777", "chmod 0700"}));
  ASSERT_EQ(chmod(DomainPath().c_str(), 0700), 0);
  EXPECT_TRUE(node.CreateSubscriber<Small>("t").ok());
}

TEST_F(BadDirectoryTest, FilesDeletedOneByOneLeaveAWorkingDomain) {
  Node node = MakeNode();
  auto publisher = node.CreatePublisher<msg::Quote>("quotes");
  auto subscriber = node.CreateSubscriber<msg::Quote>("quotes");
  ASSERT_TRUE(publisher.ok() && subscriber.ok());
  ExchangeMessages(*publisher, *subscriber);
  for (const std::string& name : root_.Contents()) {
    if (name.ends_with('/') || name.ends_with("/registry")) continue;
    ASSERT_EQ(unlink((root_.path() + "/" + name).c_str()), 0) << name;
  }
  ExchangeMessages(*publisher, *subscriber);
  auto another = node.CreatePublisher<msg::Quote>("quotes");
  auto listener = node.CreateSubscriber<msg::Quote>("quotes");
  ASSERT_TRUE(another.ok()) << another.status();
  ASSERT_TRUE(listener.ok()) << listener.status();
  ExchangeMessages(*another, *listener);
}

}  // namespace
}  // namespace weir
