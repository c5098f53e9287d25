// A root that is missing, relative, a file, a link, read-only or somebody else's.
//
// weir-test: not-under=tsan
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weir/inspect.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>

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
using test::Small;

class BadRootTest : public test::BadInputTest {
 protected:
  static absl::Status Join(const std::string& root) { return Node::Create({.domain = kDomain, .root = root}).status(); }
  static absl::Status Look(const std::string& root) {
    return Inspector::Open({.domain = kDomain, .root = root}).status();
  }
  void RunAsChild(const std::function<std::string()>& prepare, const std::function<void()>& body) {
    Child child([&](Channel& parent) {
      const std::string reason = prepare();
      parent.Send(reason);
      if (reason.empty()) body();
    });
    const auto reason = child.channel().ReceiveText();
    EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
    ASSERT_TRUE(reason);
    if (!reason->empty()) WEIR_SKIP(*reason);
  }
};

TEST_F(BadRootTest, ARelativeRootIsRefusedWithTheOptionItCameFrom) {
  ASSERT_EQ(unsetenv("WEIR_ROOT"), 0);
  ASSERT_EQ(chdir(root_.path().c_str()), 0);
  for (const std::string root : {"domains", "./domains", "../x", "."}) {
    for (const absl::Status& status : {Join(root), Look(root), ListDomains(root).status()}) {
      EXPECT_TRUE(Says(status, StatusCode::kInvalidArgument,
                       {"NodeOptions::root is \"" + root + "\"", "must be an absolute path", "/dev/shm/robot"}));
    }
  }
  ASSERT_EQ(setenv("WEIR_ROOT", "domains", 1), 0);
  for (const absl::Status& status : {Join(""), Look(""), ListDomains("").status()}) {
    EXPECT_TRUE(Says(status, StatusCode::kInvalidArgument, {"$WEIR_ROOT is \"domains\"", "must be an absolute path"}));
  }
  ASSERT_EQ(unsetenv("WEIR_ROOT"), 0);
  ASSERT_EQ(chdir("/"), 0);
}

TEST_F(BadRootTest, ARootThatIsNoPathIsRefused) {
  EXPECT_TRUE(Says(Join(std::string("/dev/shm/a\0b", 12)), StatusCode::kInvalidArgument,
                   {R"("/dev/shm/a\x00b")", "cannot contain a NUL byte"}));
  EXPECT_TRUE(Says(Join("/" + std::string(300, 'x')), StatusCode::kInvalidArgument, {"File name too long"}));
}

TEST_F(BadRootTest, AMissingParentIsNotFoundAndNamed) {
  const std::string root = root_.path() + "/no/such/place";
  for (const absl::Status& status : {Join(root), Look(root)}) {
    EXPECT_TRUE(Says(status, StatusCode::kNotFound, {root}));
  }
  EXPECT_TRUE(Says(ListDomains(root).status(), StatusCode::kNotFound, {root, "No such file or directory"}));
}

TEST_F(BadRootTest, WhatIsNoDirectoryIsRefused) {
  const std::string file = root_.path() + "/file";
  const std::string link = root_.path() + "/link";
  const std::string real = root_.path() + "/real";
  std::ofstream(file) << "x";
  ASSERT_EQ(mkdir(real.c_str(), 0700), 0);
  ASSERT_EQ(symlink(real.c_str(), link.c_str()), 0);
  for (const std::string& root : {file, link, link + "/"}) {
    for (const absl::Status& status : {Join(root), Look(root)}) {
      EXPECT_TRUE(Says(status, StatusCode::kFailedPrecondition, {"is a symbolic link, or not a directory"}));
    }
  }
  // The domain's name may be taken by such a thing too.
  ASSERT_EQ(symlink(real.c_str(), (real + "/d").c_str()), 0);
  EXPECT_TRUE(Says(Join(real), StatusCode::kFailedPrecondition, {real + "/d", "is a symbolic link"}));
  test::RemoveTree(real);
  unlink(file.c_str());
  unlink(link.c_str());
}

TEST_F(BadRootTest, ARootThatLetsOthersInIsRefusedWithTheCommandThatHelps) {
  for (const mode_t mode : {0755u, 0770u, 0777u, 01777u, 0707u}) {
    ASSERT_EQ(chmod(root_.path().c_str(), mode), 0);
    for (const absl::Status& status : {Join(root_.path()), Look(root_.path())}) {
      EXPECT_TRUE(
          Says(status, StatusCode::kFailedPrecondition, {root_.path(), "has mode", "chmod 0700", "chmod 2770"}));
    }
  }
  ASSERT_EQ(chmod(root_.path().c_str(), 0700), 0);
}

TEST_F(BadRootTest, ARootThatCannotBeWrittenIsRefusedAndANodeThatIsThereGoesOn) {
  if (geteuid() != 0) WEIR_SKIP("only root can become another user");
  // Root may write everywhere, so this is another user.
  ASSERT_EQ(chown(root_.path().c_str(), 65534, 65534), 0);
  RunAsChild(
      [] { return setgid(65534) == 0 && setuid(65534) == 0 ? "" : "cannot become nobody"; },
      [&] {
        ASSERT_EQ(chmod(root_.path().c_str(), 0500), 0);
        EXPECT_TRUE(Says(Join(root_.path()), StatusCode::kPermissionDenied,
                         {"cannot create the directory '" + DomainPath() + "'", "Permission denied"}));
        ASSERT_EQ(chmod(root_.path().c_str(), 0000), 0);
        EXPECT_TRUE(Says(Join(root_.path()), StatusCode::kPermissionDenied, {root_.path(), "Permission denied"}));
        ASSERT_EQ(chmod(root_.path().c_str(), 0700), 0);
        {
          Node node = MakeNode();
          auto publisher = node.CreatePublisher<Small>("t");
          ASSERT_TRUE(publisher.ok()) << publisher.status();
          ASSERT_EQ(chmod(DomainPath().c_str(), 0500), 0);
          EXPECT_TRUE(Says(node.CreatePublisher<Small>("u").status(), StatusCode::kPermissionDenied,
                           {"topic \"u\": cannot make its record", "Permission denied"}));
          EXPECT_TRUE(Says(node.CreatePublisher<Small>("t").status(), StatusCode::kPermissionDenied,
                           {"publisher of \"t\"", "cannot create 'pool.", "Permission denied"}));
          EXPECT_TRUE(Says(node.CreateSubscriber<Small>("t").status(), StatusCode::kPermissionDenied,
                           {"subscriber of \"t\"", "cannot create 'queue.", "Permission denied"}));
          EXPECT_TRUE(publisher->Loan().ok());
          ASSERT_EQ(chmod(DomainPath().c_str(), 0700), 0);
          EXPECT_TRUE(node.CreateSubscriber<Small>("t").ok());
        }
        EXPECT_TRUE(root_.IsEmpty());
      });
}

TEST_F(BadRootTest, SomebodyElsesRootIsRefusedNamingBothUsers) {
  if (geteuid() != 0) WEIR_SKIP("only root can make another user's directory");
  ASSERT_EQ(chown(root_.path().c_str(), 12345, 12345), 0);
  for (const absl::Status& status : {Join(root_.path()), Look(root_.path())}) {
    EXPECT_TRUE(Says(status, StatusCode::kPermissionDenied, {root_.path(), "belongs to uid 12345", "(uid 0)"}));
  }
  ASSERT_EQ(chown(root_.path().c_str(), 0, 0), 0);
  ASSERT_EQ(mkdir(DomainPath().c_str(), 0700), 0);
  ASSERT_EQ(chown(DomainPath().c_str(), 12345, 12345), 0);
  for (const absl::Status& status : {Join(root_.path()), Look(root_.path())}) {
    EXPECT_TRUE(Says(status, StatusCode::kPermissionDenied, {DomainPath(), "belongs to uid 12345"}));
  }
  ASSERT_EQ(rmdir(DomainPath().c_str()), 0);
}

TEST_F(BadRootTest, AReadOnlyFileSystemIsNamedAsSuch) {
  RunAsChild(
      [&]() -> std::string {
        std::string reason = test::MountSmallFilesystem(root_.path(), "1m");
        if (!reason.empty()) return reason;
        const int remounted = mount(nullptr, root_.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr);
        return remounted == 0 ? "" : "cannot remount read-only";
      },
      [&] {
        EXPECT_TRUE(Says(Join(root_.path()), StatusCode::kFailedPrecondition,
                         {"cannot create the directory '" + DomainPath() + "'", "Read-only file system"}));
      });
}

}  // namespace
}  // namespace weir
