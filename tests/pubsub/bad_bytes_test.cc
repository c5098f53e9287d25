// Somebody writes random bytes into the files of a running domain. Peers must not crash, hang or get SIGBUS; each call
// succeeds, gives an outcome, or says in readable words what is wrong. What the messages say is anybody's guess then.
// (Cutting a file that is in use is another matter, see SECURITY.md.)
//
// WEIR_TEST_SEED=<seed> brings a run back; WEIR_TEST_ROUNDS=<n> makes it longer.
//
// weir-test: slow not-under=tsan
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weir/capnp.h>
#include <weir/dynamic.h>
#include <weir/inspect.h>
#include <weir/messages/quote.capnp.h>

#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "middleware/os/file_descriptor.h"
#include "tests/pubsub/bad_input.h"
#include "tests/support/child.h"
#include "tests/support/random.h"

namespace weir {
namespace {

using test::Channel;
using test::Child;
using test::ChildEnd;
using test::Small;

using Random = std::mt19937_64;

int Rounds(int usual) {
#ifdef __SANITIZE_ADDRESS__
  usual /= 8;  // so much slower is each
#endif
  const char* text = std::getenv("WEIR_TEST_ROUNDS");
  return text != nullptr ? std::atoi(text) : usual;
}

// Any status will do, if it can be read.
void Read(const absl::Status& status) {
  if (status.ok()) return;
  EXPECT_TRUE(test::Says(status, status.code(), {}));
}
template <class T>
bool Got(const absl::StatusOr<T>& made) {
  Read(made.status());
  return made.ok();
}

// A few runs of bytes, sometimes everything: random ones, or zeros, or small numbers, which get further.
void Damage(const std::string& path, Random& random) {
  const os::FileDescriptor file(open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  struct stat info;
  if (!file.valid() || fstat(file.get(), &info) != 0) return;  // it went meanwhile
  if (!S_ISREG(info.st_mode)) {
    const std::string signals = test::RandomBytes(random, random() % 1000);
    EXPECT_GE(write(file.get(), signals.data(), signals.size()), -1);
    return;
  }
  const auto size = static_cast<size_t>(info.st_size);
  const bool everything = random() % 16 == 0;
  const size_t runs = everything ? 1 : 1 + random() % 32;
  for (size_t run = 0; run < runs; ++run) {
    // The front is where the counts and offsets are.
    const size_t begin = everything ? 0 : random() % (random() % 2 == 0 ? std::min<size_t>(size, 4096) : size);
    const size_t length = everything ? size : std::min<size_t>(1 + random() % 64, size - begin);
    std::string bytes = test::RandomBytes(random, length);
    const uint64_t style = random() % 3;
    for (size_t i = 0; i < bytes.size() && style != 0; ++i) {
      if (style == 1 || i % 8 != 0) bytes[i] = '\0';
    }
    EXPECT_EQ(pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(begin)),
              static_cast<ssize_t>(bytes.size()));
  }
}

class BadBytesTest : public test::BadInputTest {
 protected:
  void DamageOneOf(const std::string& prefix, Random& random) {
    std::vector<std::string> files;
    for (const std::string& name : root_.Contents()) {
      if (name.starts_with(absl::StrCat(kDomain, "/", prefix)) && !name.ends_with('/')) files.push_back(name);
    }
    if (!files.empty()) Damage(root_.path() + "/" + files[random() % files.size()], random);
  }

  template <class T>
  static void TakeAll(Subscriber<T>& subscriber, std::optional<Sample<T>>& held) {
    for (int i = 0; i < 40; ++i) {
      auto taken = i == 20 ? subscriber.TakeFor(absl::Microseconds(200)) : subscriber.Take();
      if (taken.why() == Outcome::kInvalid) Read(subscriber.last_error());
      if (!taken) {
        if (taken.why() == Outcome::kEmpty) return;
        continue;
      }
      if constexpr (CapnpMessage<T>) {
        const absl::Status valid = taken->Validate();
        Read(valid);
        if (valid.ok()) {
          EXPECT_LE(taken->reader().getSymbol().size(), 1u << 30);
        }
      }
      held.emplace(*std::move(taken));
    }
  }

  // Everything that a user can call, with files of that kind being damaged in between.
  void UseEverything(Node& node, const std::string& prefix, Random& random) {
    const SubscriberOptions options = {.depth = 1 + static_cast<uint32_t>(random() % 100),
                                       .max_borrowed = 4,
                                       .when_full = static_cast<WhenFull>(random() % 3),
                                       .copy_before_read = random() % 2 == 0};
    const PublisherOptions publishing = {.history = 3, .max_block = absl::Microseconds(100)};
    auto quotes = node.CreatePublisher<msg::Quote>("quotes", publishing);
    auto quote_taker = node.CreateSubscriber<msg::Quote>("quotes", options);
    auto smalls = node.CreatePublisher<Small>("small", publishing);
    auto small_taker = node.CreateSubscriber<Small>("small", options);
    std::optional<Sample<msg::Quote>> held_quote;
    std::optional<Sample<Small>> held_small;
    if (Got(small_taker) && random() % 4 == 0) Read(small_taker->fd().status());
    const auto publish = [&] {
      for (int i = 0; i < 4; ++i) {
        if (Got(quotes)) {
          if (auto loan = quotes->Loan(); Got(loan)) {
            loan->builder().setSymbol(std::string(random() % 5000, 'q').c_str());
            Read(quotes->Publish(*std::move(loan)).status());
          }
        }
        if (Got(smalls)) {
          if (auto loan = smalls->Loan(); Got(loan)) {
            loan->value().number = i;
            Read(smalls->Publish(*std::move(loan)).status());
          }
        }
      }
    };
    // Cap'n Proto's builders trust the memory in which they build (SECURITY.md): who builds does so in a pool of its
    // own that nobody has damaged. What was published from the old ones is read all the same.
    const bool pools_damaged = prefix == "pool." || prefix.empty();
    const auto renew_pool = [&] {
      if (pools_damaged) quotes = node.CreatePublisher<msg::Quote>("quotes", publishing);
    };
    publish();
    DamageOneOf(prefix, random);
    renew_pool();
    publish();
    if (Got(quote_taker)) TakeAll(*quote_taker, held_quote);
    if (Got(small_taker)) TakeAll(*small_taker, held_small);
    DamageOneOf(prefix, random);
    auto late = node.CreateSubscriber<msg::Quote>("quotes", options);
    renew_pool();
    publish();
    if (Got(late)) TakeAll(*late, held_quote);
    if (random() % 8 == 0) {
      auto dynamic = DynamicSubscriber::Create(node, "quotes");
      if (Got(dynamic)) {
        if (auto taken = dynamic->Take()) Read(taken->ToJson().status());
      }
      if (auto inspector = Inspector::Open({.domain = kDomain, .root = root_.path()}); Got(inspector)) {
        Read(inspector->Look().status());
        Read(inspector->ReadSchema("quotes").status());
      }
      if (Got(smalls)) {
        Read(smalls->WaitForSubscribers(100, absl::Microseconds(100)));
        smalls->counts();
      }
      if (Got(small_taker)) small_taker->counts();
    }
    DamageOneOf(prefix, random);
  }

  void Run(const std::string& prefix, int rounds) {
    Child victim([&](Channel&) {
      Random random = test::SeededRandom(absl::StrCat("bad bytes ", prefix));
      std::optional<Node> node;
      for (int round = 0; round < rounds; ++round) {
        SCOPED_TRACE(absl::StrCat("round ", round));
        if (!node.has_value() || random() % 20 == 0 || prefix == "registry") {
          node.reset();
          auto made = Node::Create({.domain = kDomain, .root = root_.path()});
          if (!Got(made)) {
            test::RemoveTree(DomainPath());  // as the message says
            made = Node::Create({.domain = kDomain, .root = root_.path()});
          }
          ASSERT_TRUE(made.ok()) << made.status();
          node.emplace(*std::move(made));
        }
        UseEverything(*node, prefix, random);
        if (HasFailure()) return;
      }
    });
    EXPECT_EQ(victim.Wait(std::chrono::minutes(4)), ChildEnd::Exited(0));
    // Whatever it left, who comes next is well.
    auto next = Node::Create({.domain = kDomain, .root = root_.path()});
    if (!next.ok()) {
      test::RemoveTree(DomainPath());
      next = Node::Create({.domain = kDomain, .root = root_.path()});
    }
    ASSERT_TRUE(next.ok()) << next.status();
    auto publisher = next->CreatePublisher<Small>("t");
    auto subscriber = next->CreateSubscriber<Small>("t");
    ASSERT_TRUE(publisher.ok() && subscriber.ok());
    auto loan = publisher->Loan();
    ASSERT_TRUE(loan.ok()) << loan.status();
    loan->value().number = 1;
    ASSERT_TRUE(publisher->Publish(*std::move(loan)).ok());
    EXPECT_TRUE(subscriber->Take());
  }
};

TEST_F(BadBytesTest, InTheRegistry) {
  Run("registry", Rounds(500));
}

TEST_F(BadBytesTest, InQueues) {
  Run("queue.", Rounds(2000));
}

TEST_F(BadBytesTest, InBorrowTables) {
  Run("table.", Rounds(2000));
}

TEST_F(BadBytesTest, InPools) {
  Run("pool.", Rounds(2000));
}

TEST_F(BadBytesTest, InSchemas) {
  Run("schema.", Rounds(1000));
}

TEST_F(BadBytesTest, InTheDescriptorsOfSubscribers) {
  Run("wake.", Rounds(1000));
}

TEST_F(BadBytesTest, InEverything) {
  Run("", Rounds(500));
}

}  // namespace
}  // namespace weir
