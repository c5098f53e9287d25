// fork, exec and exit with Weir objects alive. (tests/pubsub/fork_test.cc has what a forked child may and may not do.)
//
// weir-test: not-under=tsan
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weir/dynamic.h>
#include <weir/inspect.h>

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/pubsub/bad_input.h"
#include "tests/support/child.h"
#include "tests/support/wait.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

namespace weir {
namespace {

using test::Channel;
using test::Child;
using test::ChildEnd;
using test::Small;

// As in fork_test.cc: in a forked child a subscriber frees nothing, because samples may point into it.
#if defined(__SANITIZE_ADDRESS__)
using NotLeaked = __lsan::ScopedDisabler;
#else
struct NotLeaked {
  NotLeaked() {}
};
#endif

// One of each thing that has a descriptor, a mapping or a lock.
struct Everything {
  explicit Everything(const std::string& root)
      : node(*Node::Create({.name = "everything", .domain = "d", .root = root})),
        publisher(*node.CreatePublisher<Small>("t", {.history = 2})),
        subscriber(*node.CreateSubscriber<Small>("t")),
        dynamic(*DynamicSubscriber::Create(node, "t")),
        set(*WaitSet::Create()),
        inspector(*Inspector::Open({.domain = "d", .root = root})) {
    EXPECT_TRUE(subscriber.fd().ok());
    EXPECT_TRUE(set.Add(1, subscriber).ok());
    EXPECT_TRUE(set.AddTimer(2, absl::Seconds(1)).ok());
    EXPECT_TRUE(inspector.Look().ok());
    Exchange();
    loan.emplace(*publisher.Loan());
  }
  void Exchange() {
    auto next = publisher.Loan();
    ASSERT_TRUE(next.ok()) << next.status();
    next->value().number = 1;
    ASSERT_TRUE(publisher.Publish(*std::move(next)).ok());
    auto taken = subscriber.Take();
    ASSERT_TRUE(taken) << OutcomeName(taken.why());
    sample.emplace(*std::move(taken));
    dynamic.Take();
  }

  Node node;
  Publisher<Small> publisher;
  Subscriber<Small> subscriber;
  DynamicSubscriber dynamic;
  WaitSet set;
  Inspector inspector;
  std::optional<Sample<Small>> sample;
  std::optional<Loan<Small>> loan;
};

class BadProcessesTest : public test::BadInputTest {
 protected:
  std::vector<NodeInfo> Nodes() {
    auto inspector = Inspector::Open({.domain = kDomain, .root = root_.path()});
    if (!inspector.ok()) return {};
    auto domain = inspector->Look();
    EXPECT_TRUE(domain.ok()) << domain.status();
    return domain.ok() ? domain->nodes : std::vector<NodeInfo>();
  }
};

// What the program sees that a process executes now, by fork and exec.
std::vector<std::string> DescriptorsAfterExec() {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const pid_t pid = fork();
  EXPECT_GE(pid, 0);
  if (pid == 0) {
    dup2(ends[1], 1);
    execl("/bin/ls", "ls", "-l", "/proc/self/fd", nullptr);
    _exit(127);
  }
  close(ends[1]);
  std::string printed;
  char buffer[4096];
  for (ssize_t bytes = 0; (bytes = read(ends[0], buffer, sizeof(buffer))) > 0;) {
    printed.append(buffer, static_cast<size_t>(bytes));
  }
  close(ends[0]);
  int status = 0;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0) << "ls did not run: " << printed;
  std::vector<std::string> targets;
  for (size_t at = 0; (at = printed.find(" -> ", at)) != std::string::npos; at += 4) {
    targets.push_back(printed.substr(at + 4, printed.find('\n', at) - at - 4));
  }
  return targets;
}

TEST_F(BadProcessesTest, AnExecutedProgramInheritsNoDescriptor) {
  const std::vector<std::string> before = DescriptorsAfterExec();
  EXPECT_GE(before.size(), 3u);
  Everything all(root_.path());
  const std::vector<std::string> after = DescriptorsAfterExec();
  EXPECT_EQ(after.size(), before.size()) << testing::PrintToString(after);
  for (const std::string& target : after) {
    EXPECT_EQ(target.find(root_.path()), std::string::npos) << target;
    EXPECT_EQ(target.find("eventpoll"), std::string::npos) << target;
  }
  all.Exchange();
}

TEST_F(BadProcessesTest, AProcessThatBecomesAnotherProgramIsADeadNode) {
  Child child([this](Channel& parent) {
    Everything all(root_.path());
    parent.Send("ready");
    parent.ReceiveText();
    execl("/bin/sleep", "sleep", "60", nullptr);
  });
  ASSERT_EQ(child.channel().ReceiveText(), "ready");
  ASSERT_EQ(Nodes().size(), 1u);
  EXPECT_TRUE(Nodes()[0].alive);
  child.channel().Send("exec");
  // The process lives on, the node does not.
  EXPECT_TRUE(test::WaitUntilTrue([&] { return !Nodes()[0].alive; }));
  EXPECT_EQ(kill(child.pid(), 0), 0);
  {
    Node next = MakeNode("next");
    ASSERT_EQ(Nodes().size(), 1u);  // whoever comes next cleans up
    EXPECT_EQ(Nodes()[0].name, "next");
  }
  child.Kill();
  EXPECT_EQ(child.Wait(), ChildEnd::KilledBy(SIGKILL));
}

TEST_F(BadProcessesTest, ExitWithGlobalObjectsAliveLeavesNothing) {
  Child child([this](Channel&) {
    static std::optional<Everything> global;  // destroyed by exit()
    global.emplace(root_.path());
    exit(42);
  });
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(42));
  EXPECT_TRUE(root_.IsEmpty());
}

TEST_F(BadProcessesTest, EndingWithoutDestructorsLeavesADeadNodeForTheNextComer) {
  using End = void (*)();
  for (const End end : {End([] { _exit(7); }), End([] { quick_exit(7); }), End([] { raise(SIGTERM); })}) {
    Child child([this, end](Channel&) {
      Everything all(root_.path());
      end();
    });
    child.Wait();
    ASSERT_EQ(Nodes().size(), 1u);
    EXPECT_FALSE(Nodes()[0].alive);
    { Node next = MakeNode("next"); }
    EXPECT_TRUE(root_.IsEmpty());
  }
}

TEST_F(BadProcessesTest, ChildrenThatExitWithInheritedObjectsAliveHurtNobodyWhileMessagesFlow) {
  Child parent_process([this](Channel&) {
    // Static, so that exit() in the children destroys it there too.
    static std::optional<Everything> all;
    {
      const NotLeaked not_leaked;
      all.emplace(root_.path());
    }
    std::atomic<bool> stop{false};
    std::atomic<uint64_t> exchanged{0};
    std::thread busy([&] {
      const NotLeaked not_leaked;
      while (!stop.load()) {
        all->Exchange();
        exchanged.fetch_add(1);
      }
    });
    for (int i = 0; i < 40; ++i) {
      const pid_t pid = fork();
      EXPECT_GE(pid, 0);
      if (pid < 0) break;
      if (pid == 0) exit(17);
      int status = 0;
      EXPECT_EQ(waitpid(pid, &status, 0), pid);
      EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 17) << status;
    }
    const uint64_t so_far = exchanged.load();
    EXPECT_TRUE(test::WaitUntilTrue([&] { return exchanged.load() > so_far; }));
    stop.store(true);
    busy.join();
    ASSERT_EQ(Nodes().size(), 1u);
    EXPECT_TRUE(Nodes()[0].alive);
    all.reset();
    EXPECT_TRUE(root_.IsEmpty());
  });
  EXPECT_EQ(parent_process.Wait(), ChildEnd::Exited(0));
}

TEST_F(BadProcessesTest, WhoseDescriptorsWereAllClosedIsToldSo) {
  Child child([this](Channel&) {
    Node node = MakeNode();
    auto publisher = node.CreatePublisher<Small>("t");
    auto subscriber = node.CreateSubscriber<Small>("t");
    ASSERT_TRUE(publisher.ok() && subscriber.ok());
    // As a program does that makes itself a daemon after it has made its node.
    for (int fd = 3; fd < 100; ++fd) close(fd);
    EXPECT_TRUE(test::Says(node.CreatePublisher<Small>("u").status(), absl::StatusCode::kFailedPrecondition,
                           {"cannot lock the registry of domain " + DomainPath(), "Bad file descriptor",
                            "close descriptors that it had not opened"}));
    EXPECT_TRUE(publisher->Loan().ok());
  });
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
  { Node next = MakeNode("next"); }
}

}  // namespace
}  // namespace weir
