// Weir's own message types on topics: what a publisher built is what a subscriber in another mapping reads.
#include <capnp/dynamic.h>
#include <weir/capnp.h>
#include <weir/weir.h>

#include <string>

#include "gtest/gtest.h"
#include "tests/schema/all_messages.h"
#include "tests/support/test_root.h"

namespace weir {
namespace {

TEST(MessagesOnTopicsTest, EveryTypeArrivesAsItWasBuilt) {
  test::TestRoot root;
  int count = 0;
  {
    auto node = Node::Create({.name = "both", .domain = "test", .root = root.path()});
    ASSERT_TRUE(node.ok()) << node.status();
    test::ForEachMessageType([&]<class T>(const char* name) {
      SCOPED_TRACE(name);
      auto publisher = node->CreatePublisher<T>(name);
      auto subscriber = node->CreateSubscriber<T>(name);
      ASSERT_TRUE(publisher.ok()) << publisher.status();
      ASSERT_TRUE(subscriber.ok()) << subscriber.status();
      auto loan = publisher->Loan();
      ASSERT_TRUE(loan.ok()) << loan.status();
      test::FillMessage(capnp::toDynamic(loan->builder()));
      const kj::String sent = kj::str(loan->builder().asReader());
      ASSERT_TRUE(publisher->Publish(*std::move(loan)).ok());
      auto sample = subscriber->Take();
      ASSERT_TRUE(sample);
      EXPECT_TRUE(sample->Validate().ok()) << sample->Validate();
      EXPECT_STREQ(kj::str(sample->reader()).cStr(), sent.cStr());
      ++count;
    });
  }
  EXPECT_EQ(count, test::kMessageTypeCount);
  EXPECT_TRUE(root.IsEmpty());
}

}  // namespace
}  // namespace weir
