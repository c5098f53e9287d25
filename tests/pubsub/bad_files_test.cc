// Files of a domain that are not what they should be, met by whoever opens them: empty, cut off, random, of another
// layout number, of another file's identity, of another owner, a link, a directory, a FIFO, gone.
//
// weir-test: not-under=tsan
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weir/capnp.h>
#include <weir/dynamic.h>
#include <weir/inspect.h>
#include <weir/messages/quote.capnp.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "middleware/base/limits.h"
#include "tests/pubsub/bad_input.h"
#include "tests/support/random.h"
#include "tests/support/skip.h"

namespace weir {
namespace {

using absl::StatusCode;
using test::RandomBytes;
using test::Says;
using test::Small;

std::string ReadAll(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

// Another file under the name. Whoever has the old one open goes on with that: only a file that is cut under a process
// kills it (SECURITY.md), and that is not tried here.
void Replace(const std::string& path, const std::string& content, mode_t mode = 0600) {
  const std::string fresh = path + "-fresh";
  {
    std::ofstream file(fresh, std::ios::binary);
    file << content;
    ASSERT_TRUE(file.good());
  }
  ASSERT_EQ(chmod(fresh.c_str(), mode), 0);
  ASSERT_EQ(rename(fresh.c_str(), path.c_str()), 0);
}

// One way to spoil a file, and what whoever opens it is told.
struct Damage {
  std::string what;
  std::function<void(const std::string& path, const std::string& good)> spoil;
  std::vector<StatusCode> codes;  // one of them
};

std::vector<Damage> Damages() {
  const auto content = [](std::function<std::string(const std::string&)> change) {
    return [change](const std::string& path, const std::string& good) { Replace(path, change(good)); };
  };
  const std::vector<StatusCode> lost = {StatusCode::kDataLoss};
  std::vector<Damage> damages = {
      {"empty", content([](const std::string&) { return ""; }), lost},
      {"one byte", content([](const std::string& good) { return good.substr(0, 1); }), lost},
      {"a third", content([](const std::string& good) { return good.substr(0, good.size() / 3); }), lost},
      {"cut off", content([](const std::string& good) { return good.substr(0, good.size() - 1); }), lost},
      {"random", content([](const std::string& good) {
         std::mt19937_64 random = test::SeededRandom("bad files");
         return RandomBytes(random, good.size());
       }),
       lost},
      {"zeros", content([](const std::string& good) { return std::string(good.size(), '\0'); }), lost},
      {"gone",
       [](const std::string& path, const std::string&) { ASSERT_EQ(unlink(path.c_str()), 0); },
       {StatusCode::kNotFound}},
      {"a symbolic link",
       [](const std::string& path, const std::string& good) {
         Replace(path + "-real", good);
         ASSERT_EQ(unlink(path.c_str()), 0);
         ASSERT_EQ(symlink((path + "-real").c_str(), path.c_str()), 0);
       },
       {StatusCode::kFailedPrecondition}},
      {"a directory",
       [](const std::string& path, const std::string&) {
         ASSERT_EQ(unlink(path.c_str()), 0);
         ASSERT_EQ(mkdir(path.c_str(), 0700), 0);
       },
       {StatusCode::kFailedPrecondition}},
      {"a FIFO",
       [](const std::string& path, const std::string&) {
         ASSERT_EQ(unlink(path.c_str()), 0);
         ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
       },
       {StatusCode::kFailedPrecondition}},
      {"open to the world",
       [](const std::string& path, const std::string& good) { Replace(path, good, 0666); },
       {StatusCode::kPermissionDenied}},
  };
  if (geteuid() == 0) {
    damages.push_back({"another user's",
                       [](const std::string& path, const std::string& good) {
                         Replace(path, good);
                         ASSERT_EQ(chown(path.c_str(), 12345, 12345), 0);
                       },
                       {StatusCode::kPermissionDenied}});
  }
  return damages;
}

// Of files that begin with magic number and layout number.
Damage AnotherLayout() {
  return {"another layout number",
          [](const std::string& path, const std::string& good) {
            std::string changed = good;
            const uint32_t number = kLayoutNumber + 1;
            std::memcpy(changed.data() + 8, &number, sizeof(number));
            Replace(path, changed);
          },
          {StatusCode::kFailedPrecondition}};
}

class BadFilesTest : public test::BadInputTest {
 protected:
  std::string OnlyFile(const std::string& prefix) const {
    std::vector<std::string> found;
    for (const std::string& name : root_.Contents()) {
      if (name.starts_with(std::string(kDomain) + "/" + prefix)) found.push_back(root_.path() + "/" + name);
    }
    EXPECT_EQ(found.size(), 1u) << prefix;
    return found.empty() ? "" : found.front();
  }
  // Whatever the damage was is none of Weir's files, and so is not Weir's to remove.
  void Clear() const {
    for (const std::string& name : root_.Contents()) test::RemoveTree(root_.path() + "/" + name);
  }
};

void ExpectOneOf(const Damage& damage, const absl::Status& status, const std::vector<std::string>& texts) {
  bool is_one = false;
  for (StatusCode code : damage.codes) is_one = is_one || Says(status, code, texts);
  EXPECT_TRUE(is_one) << damage.what << ": " << Says(status, damage.codes.front(), texts).message();
}

TEST_F(BadFilesTest, ABadRegistryIsNamedToWhoeverComesAndEndsNewThingsOfWhoIsThere) {
  std::vector<Damage> damages = Damages();
  damages.push_back(AnotherLayout());
  for (const Damage& damage : damages) {
    SCOPED_TRACE(damage.what);
    Node node = MakeNode();
    auto publisher = node.CreatePublisher<Small>("t");
    auto subscriber = node.CreateSubscriber<Small>("t");
    ASSERT_TRUE(publisher.ok() && subscriber.ok());
    const std::string path = OnlyFile("registry");
    damage.spoil(path, ReadAll(path));
    if (damage.what != "gone") {  // then it is simply made anew
      ExpectOneOf(damage, Node::Create({.domain = kDomain, .root = root_.path()}).status(), {DomainPath()});
      ExpectOneOf(damage, Inspector::Open({.domain = kDomain, .root = root_.path()}).status(), {DomainPath()});
    }
    EXPECT_TRUE(Says(node.CreatePublisher<Small>("t").status(), StatusCode::kFailedPrecondition,
                     {"the directory or registry of domain " + DomainPath(), "removed or replaced",
                      "Existing connections go on; create a new node"}));
    // What is connected goes on.
    auto loan = publisher->Loan();
    ASSERT_TRUE(loan.ok()) << loan.status();
    loan->value().number = 5;
    EXPECT_TRUE(publisher->Publish(*std::move(loan)).ok());
    EXPECT_TRUE(subscriber->Take());
    Clear();
  }
}

TEST_F(BadFilesTest, ABadQueueOrTableIsNamedToThePublisherThatWaitsForItsSubscriber) {
  for (const std::string kind : {"queue.", "table."}) {
    std::vector<Damage> damages = Damages();
    damages.push_back(AnotherLayout());
    damages.push_back({"another one's",
                       [](const std::string& path, const std::string& good) {
                         std::string changed = good;
                         changed[16] = static_cast<char>(changed[16] ^ 1);  // the incarnation's first byte
                         Replace(path, changed);
                       },
                       {StatusCode::kDataLoss}});
    for (const Damage& damage : damages) {
      SCOPED_TRACE(kind + " " + damage.what);
      {
        Node node = MakeNode();
        auto subscriber = node.CreateSubscriber<Small>("t");
        ASSERT_TRUE(subscriber.ok()) << subscriber.status();
        const std::string path = OnlyFile(kind);
        const std::string good = ReadAll(path);
        damage.spoil(path, good);
        auto publisher = node.CreatePublisher<Small>("t");
        ASSERT_TRUE(publisher.ok()) << publisher.status();
        EXPECT_TRUE(Says(publisher->WaitForSubscribers(1, absl::ZeroDuration()), StatusCode::kDeadlineExceeded,
                         {"publisher of \"t\"", "0 subscribers", "waited for 1", "connecting failed", kind}));
        // Publishing is no error: there is nobody who could take it.
        for (int i = 0; i < 100; ++i) {
          auto loan = publisher->Loan();
          ASSERT_TRUE(loan.ok()) << loan.status();
          loan->value().number = i;
          auto sent = publisher->Publish(*std::move(loan));
          ASSERT_TRUE(sent.ok()) << sent.status();
          EXPECT_EQ(sent->accepted, 0u);
        }
        EXPECT_EQ(subscriber->Take().why(), Outcome::kEmpty);
        auto inspector = Inspector::Open({.domain = kDomain, .root = root_.path()});
        ASSERT_TRUE(inspector.ok()) << inspector.status();
        EXPECT_TRUE(inspector->Look().ok());
      }
      Clear();
    }
  }
}

TEST_F(BadFilesTest, ABadPoolIsAnInvalidMessageWhoseReasonNamesTopicAndFile) {
  std::vector<Damage> damages = Damages();
  damages.push_back(AnotherLayout());
  for (const Damage& damage : damages) {
    // A pool may have any length: what lies beyond its end is not there, and the message says so or is read.
    if (damage.what == "cut off" || damage.what == "a third") continue;
    SCOPED_TRACE(damage.what);
    {
      Node node = MakeNode();
      auto subscriber = node.CreateSubscriber<Small>("t");
      auto publisher = node.CreatePublisher<Small>("t");
      ASSERT_TRUE(subscriber.ok() && publisher.ok());
      const std::string path = OnlyFile("pool.");
      damage.spoil(path, ReadAll(path));
      auto loan = publisher->Loan();
      ASSERT_TRUE(loan.ok()) << loan.status();
      loan->value().number = 5;
      ASSERT_TRUE(publisher->Publish(*std::move(loan)).ok());
      ASSERT_EQ(subscriber->Take().why(), Outcome::kInvalid);
      ExpectOneOf(damage, subscriber->last_error(), {"a message of \"t\" from publisher 0", "pool."});
      EXPECT_EQ(subscriber->counts().invalid, 1u);
      EXPECT_EQ(subscriber->Take().why(), Outcome::kEmpty);
    }
    Clear();
  }
}

TEST_F(BadFilesTest, ABadSchemaIsNamedToWhoNeedsItAndHurtsNobodyElse) {
  for (const Damage& damage : Damages()) {
    SCOPED_TRACE(damage.what);
    {
      Node node = MakeNode();
      auto publisher = node.CreatePublisher<msg::Quote>("quotes");
      ASSERT_TRUE(publisher.ok()) << publisher.status();
      const std::string path = OnlyFile("schema.");
      damage.spoil(path, ReadAll(path));
      ExpectOneOf(damage, FindTopicType(node, "quotes").status(), {"topic \"quotes\": its schema cannot be read"});
      ExpectOneOf(damage, DynamicSubscriber::Create(node, "quotes").status(), {"\"quotes\"", "schema."});
      ExpectOneOf(damage, DynamicPublisher::Create(node, "quotes").status(), {"\"quotes\"", "schema."});
      // Who was compiled with the very type needs no file.
      EXPECT_TRUE(node.CreateSubscriber<msg::Quote>("quotes").ok());
      EXPECT_FALSE(node.CreateSubscriber<Small>("quotes").ok());
    }
    Clear();
  }
}

}  // namespace
}  // namespace weir
