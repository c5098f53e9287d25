#include "middleware/os/directory.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/child.h"
#include "tests/support/skip.h"
#include "tests/support/small_filesystem.h"
#include "tests/support/test_root.h"

namespace weir::os {
namespace {

using test::Channel;
using test::Child;
using test::ChildEnd;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

constexpr auto kCreate = IfMissing::kCreate;
constexpr auto kFail = IfMissing::kFail;

std::string TextOf(const absl::Status& status) {
  return std::string(status.message());
}

mode_t ModeOf(const std::string& path) {
  struct stat info = {};
  EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777;
}

// A user that is neither root nor anybody else.
constexpr uid_t kAnn = 61001;
constexpr uid_t kBob = 61002;
constexpr gid_t kTeam = 62000;

void Become(uid_t uid, gid_t gid) {
  ASSERT_EQ(setgroups(0, nullptr), 0);
  ASSERT_EQ(setresgid(gid, gid, gid), 0);
  ASSERT_EQ(setresuid(uid, uid, uid), 0);
}

class DirectoryTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return test_root_.path() + "/" + name; }

  test::TestRoot test_root_;
  std::string root_ = Path("root");
};

TEST_F(DirectoryTest, MakesAPrivateRootAndDomain) {
  const mode_t before = umask(0177);  // leaves our own right to open it, and no more
  const auto domain = OpenDomainDirectory(root_, "lab", kCreate);
  umask(before);
  ASSERT_TRUE(domain.ok()) << domain.status();
  EXPECT_EQ(ModeOf(root_), 0700u);
  EXPECT_EQ(ModeOf(root_ + "/lab"), 0700u);
  EXPECT_EQ(domain->modes.shared_write, 0600u);
  EXPECT_EQ(domain->modes.owner_write, 0600u);
  EXPECT_EQ(fcntl(domain->dir.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_TRUE(SameFile(domain->dir.get(), domain->root.get(), "lab").value());
  ASSERT_TRUE(CreateFile(domain->dir.get(), "registry", domain->modes.shared_write, 1).ok());
  EXPECT_TRUE(std::filesystem::exists(root_ + "/lab/registry"));
}

TEST_F(DirectoryTest, OpensWhatIsThere) {
  const auto first = OpenDomainDirectory(root_, "lab", kCreate);
  const auto second = OpenDomainDirectory(root_ + "//", "lab", kCreate);
  const auto third = OpenDomainDirectory(root_, "lab", kFail);
  ASSERT_TRUE(first.ok() && second.ok() && third.ok());
  EXPECT_TRUE(SameFile(first->dir.get(), second->dir.get()).value());
  EXPECT_TRUE(SameFile(first->dir.get(), third->dir.get()).value());
}

TEST_F(DirectoryTest, AToolCreatesNothing) {
  EXPECT_EQ(OpenDomainDirectory(root_, "lab", kFail).status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(test_root_.IsEmpty());
  ASSERT_TRUE(OpenDomainDirectory(root_, "other", kCreate).ok());
  EXPECT_EQ(OpenDomainDirectory(root_, "lab", kFail).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(DirectoryTest, ARootWithoutItsParentIsNotFound) {
  EXPECT_EQ(OpenDomainDirectory(Path("no/root"), "lab", kCreate).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(DirectoryTest, ADomainThatIsNoPlainNameIsRefused) {
  for (const std::string name : {"", ".", "..", "a/b", "../root"}) {
    EXPECT_EQ(OpenDomainDirectory(root_, name, kCreate).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
  EXPECT_EQ(OpenDomainDirectory("", "lab", kCreate).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(test_root_.IsEmpty());
}

TEST_F(DirectoryTest, ASymbolicLinkIsRefusedAsRootAndAsDomain) {
  std::filesystem::create_directory(Path("real"));
  std::filesystem::permissions(Path("real"), std::filesystem::perms::owner_all);
  std::filesystem::create_symlink(Path("real"), root_);
  for (const std::string& root : {root_, root_ + "/"}) {
    const absl::Status status = OpenDomainDirectory(root, "lab", kCreate).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(TextOf(status), HasSubstr("symbolic link"));
  }
  std::filesystem::create_symlink("real", Path("real/lab"));
  EXPECT_EQ(OpenDomainDirectory(Path("real"), "lab", kCreate).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(DirectoryTest, AFileInPlaceOfADirectoryIsRefused) {
  ASSERT_EQ(close(open(root_.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
  EXPECT_EQ(OpenDomainDirectory(root_, "lab", kCreate).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(DirectoryTest, ARootThatLetsOthersInIsRefusedWithTheCommandThatHelps) {
  ASSERT_EQ(mkdir(root_.c_str(), 0700), 0);
  for (const mode_t mode : {0755, 0777, 01777, 0701, 0750, 0770, 02750, 02775}) {
    ASSERT_EQ(chmod(root_.c_str(), mode), 0);
    const absl::Status status = OpenDomainDirectory(root_, "lab", kCreate).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << std::oct << mode;
    EXPECT_THAT(TextOf(status), HasSubstr("chmod 0700"));
  }
  EXPECT_FALSE(std::filesystem::exists(root_ + "/lab"));
}

TEST_F(DirectoryTest, ADomainThatLetsOthersInIsRefused) {
  ASSERT_EQ(mkdir(root_.c_str(), 0700), 0);
  ASSERT_EQ(mkdir((root_ + "/lab").c_str(), 0700), 0);
  for (const mode_t mode : {0755, 0777, 0770, 02770, 0701}) {
    ASSERT_EQ(chmod((root_ + "/lab").c_str(), mode), 0);
    EXPECT_EQ(OpenDomainDirectory(root_, "lab", kCreate).status().code(), absl::StatusCode::kFailedPrecondition);
  }
}

TEST_F(DirectoryTest, AMakerThatDiedBeforeItSetTheModeIsHelped) {
  ASSERT_EQ(mkdir(root_.c_str(), 0700), 0);
  ASSERT_EQ(mkdir((root_ + "/lab").c_str(), 0500), 0);
  ASSERT_TRUE(OpenDomainDirectory(root_, "lab", kCreate).ok());
  EXPECT_EQ(ModeOf(root_ + "/lab"), 0700u);
}

TEST_F(DirectoryTest, AGroupRootMakesGroupDomains) {
  ASSERT_EQ(mkdir(root_.c_str(), 0700), 0);
  ASSERT_EQ(chmod(root_.c_str(), 02770), 0);
  const mode_t before = umask(0077);
  const auto domain = OpenDomainDirectory(root_, "lab", kCreate);
  umask(before);
  ASSERT_TRUE(domain.ok()) << domain.status();
  EXPECT_EQ(ModeOf(root_ + "/lab"), 02770u);
  EXPECT_EQ(domain->modes.shared_write, 0660u);
  EXPECT_EQ(domain->modes.owner_write, 0640u);
}

TEST_F(DirectoryTest, AnotherUsersPrivateRootAndDomainAreRefused) {
  if (geteuid() != 0) WEIR_SKIP("only root can make another user's directory");
  ASSERT_EQ(mkdir(root_.c_str(), 0700), 0);
  ASSERT_EQ(mkdir((root_ + "/lab").c_str(), 0700), 0);
  ASSERT_EQ(chown((root_ + "/lab").c_str(), kAnn, kTeam), 0);
  EXPECT_EQ(OpenDomainDirectory(root_, "lab", kCreate).status().code(), absl::StatusCode::kPermissionDenied);
  ASSERT_EQ(chown(root_.c_str(), kAnn, kTeam), 0);
  const absl::Status status = OpenDomainDirectory(root_, "lab", kCreate).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(TextOf(status), HasSubstr("belongs to uid 61001"));
}

TEST_F(DirectoryTest, TwoUsersOfAGroupShareADomain) {
  if (geteuid() != 0) WEIR_SKIP("only root can become two users");
  ASSERT_EQ(chmod(test_root_.path().c_str(), 0711), 0);
  ASSERT_EQ(mkdir(root_.c_str(), 0700), 0);
  ASSERT_EQ(chown(root_.c_str(), 0, kTeam), 0);
  ASSERT_EQ(chmod(root_.c_str(), 02770), 0);

  Child ann([&](Channel&) {
    Become(kAnn, kTeam);
    umask(0077);
    const auto domain = OpenDomainDirectory(root_, "lab", kCreate);
    ASSERT_TRUE(domain.ok()) << domain.status();
    ASSERT_TRUE(CreateFile(domain->dir.get(), "registry", domain->modes.shared_write, 1).ok());
    ASSERT_TRUE(CreateFile(domain->dir.get(), "pool.1", domain->modes.owner_write, 1).ok());
    ASSERT_TRUE(CreateFileWith(domain->dir.get(), "schema.1", domain->modes.owner_write, {}).ok());
  });
  ASSERT_EQ(ann.Wait(), ChildEnd::Exited(0));

  Child bob([&](Channel&) {
    Become(kBob, kTeam);
    const auto domain = OpenDomainDirectory(root_, "lab", kCreate);
    ASSERT_TRUE(domain.ok()) << domain.status();
    EXPECT_TRUE(OpenFile(domain->dir.get(), "registry", Access::kReadWrite).ok());
    EXPECT_TRUE(OpenFile(domain->dir.get(), "pool.1", Access::kRead).ok());
    EXPECT_TRUE(OpenFile(domain->dir.get(), "schema.1", Access::kRead).ok());
    EXPECT_EQ(OpenFile(domain->dir.get(), "pool.1", Access::kReadWrite).status().code(),
              absl::StatusCode::kPermissionDenied);
    // Whoever cleans up may remove the files of others.
    EXPECT_TRUE(RemoveFile(domain->dir.get(), "pool.1").ok());
  });
  EXPECT_EQ(bob.Wait(), ChildEnd::Exited(0));

  Child stranger([&](Channel&) {
    Become(kBob, kTeam + 1);
    EXPECT_EQ(OpenDomainDirectory(root_, "lab", kCreate).status().code(), absl::StatusCode::kPermissionDenied);
  });
  EXPECT_EQ(stranger.Wait(), ChildEnd::Exited(0));
}

TEST_F(DirectoryTest, AnotherUsersHalfMadeGroupDomainIsWaitedForAndThenRefused) {
  if (geteuid() != 0) WEIR_SKIP("only root can make another user's directory");
  ASSERT_EQ(mkdir(root_.c_str(), 0700), 0);
  ASSERT_EQ(chmod(root_.c_str(), 02770), 0);
  const std::string lab = root_ + "/lab";
  ASSERT_EQ(mkdir(lab.c_str(), 0750), 0);
  ASSERT_EQ(chown(lab.c_str(), kAnn, static_cast<gid_t>(-1)), 0);
  ASSERT_EQ(chmod(lab.c_str(), 02750), 0);
  const absl::Status status = OpenDomainDirectory(root_, "lab", kCreate).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(TextOf(status), HasSubstr("chmod 2770"));
  std::thread maker([&] {
    usleep(10'000);
    EXPECT_EQ(chmod(lab.c_str(), 02770), 0);
  });
  EXPECT_TRUE(OpenDomainDirectory(root_, "lab", kCreate).ok());
  maker.join();
}

TEST_F(DirectoryTest, SomebodyElsesBuiltInRootIsRefusedEvenIfItLooksLikeAGroups) {
  if (geteuid() != 0) WEIR_SKIP("only root can become two users");
  Child child([&](Channel& parent) {
    // A /dev/shm of its own, so that nothing can be left behind in the real one.
    const std::string refused = test::MountSmallFilesystem("/dev/shm", "1m");
    parent.Send(refused);
    if (!refused.empty()) return;
    ASSERT_EQ(chmod("/dev/shm", 01777), 0);
    unsetenv("WEIR_ROOT");
    const std::string trap = "/dev/shm/weir-61001";
    ASSERT_EQ(mkdir(trap.c_str(), 0700), 0);
    ASSERT_EQ(chown(trap.c_str(), kBob, kTeam), 0);
    ASSERT_EQ(chmod(trap.c_str(), 02770), 0);
    Become(kAnn, kTeam);
    EXPECT_EQ(DefaultRoot(), trap);
    EXPECT_EQ(OpenDomainDirectory(DefaultRoot(), "lab", kCreate).status().code(), absl::StatusCode::kPermissionDenied);
  });
  const auto refused = child.channel().ReceiveText();
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
  if (!refused->empty()) WEIR_SKIP(*refused);
}

TEST_F(DirectoryTest, TheDefaultRootIsNamedByTheEnvironmentOrTheUser) {
  Child child([](Channel&) {
    unsetenv("WEIR_ROOT");
    EXPECT_EQ(DefaultRoot(), "/dev/shm/weir-" + std::to_string(geteuid()));
    setenv("WEIR_ROOT", "", 1);
    EXPECT_EQ(DefaultRoot(), "/dev/shm/weir-" + std::to_string(geteuid()));
    setenv("WEIR_ROOT", "/somewhere", 1);
    EXPECT_EQ(DefaultRoot(), "/somewhere");
  });
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
}

TEST_F(DirectoryTest, RemovesOnlyWhatIsEmpty) {
  const auto domain = OpenDomainDirectory(root_, "lab", kCreate);
  ASSERT_TRUE(CreateFile(domain->dir.get(), "registry", 0600, 1).ok());
  EXPECT_TRUE(RemoveDomainDirectory(root_, "lab", RemoveRoot::kIfEmpty).ok());
  EXPECT_TRUE(std::filesystem::exists(root_ + "/lab/registry"));
  ASSERT_TRUE(RemoveFile(domain->dir.get(), "registry").ok());
  EXPECT_TRUE(RemoveDomainDirectory(root_, "lab", RemoveRoot::kNo).ok());
  EXPECT_FALSE(std::filesystem::exists(root_ + "/lab"));
  EXPECT_TRUE(std::filesystem::exists(root_));
  EXPECT_TRUE(RemoveDomainDirectory(root_, "lab", RemoveRoot::kIfEmpty).ok());
  EXPECT_TRUE(test_root_.IsEmpty());
  EXPECT_TRUE(RemoveDomainDirectory(root_, "lab", RemoveRoot::kIfEmpty).ok());
}

TEST_F(DirectoryTest, JoiningAndRemovingAtTheSameTimeNeverFails) {
  std::atomic<bool> stop = false;
  std::thread remover([&] {
    while (!stop.load()) {
      EXPECT_TRUE(RemoveDomainDirectory(root_, "lab", RemoveRoot::kIfEmpty).ok());
      std::this_thread::yield();  // on one core the other thread would hardly run
    }
  });
  int created = 0;
  for (int i = 0; i < 2000; ++i) {
    const auto domain = OpenDomainDirectory(root_, "lab", kCreate);
    EXPECT_TRUE(domain.ok()) << domain.status();
    if (!domain.ok()) break;
    const auto file = CreateFile(domain->dir.get(), "registry", 0600, 1);
    if (file.ok()) {
      ++created;
      EXPECT_TRUE(RemoveFile(domain->dir.get(), "registry").ok());
    } else {
      EXPECT_EQ(file.status().code(), absl::StatusCode::kNotFound);  // lost the race; a node would join again
    }
  }
  stop = true;
  remover.join();
  EXPECT_GT(created, 0);
}

TEST_F(DirectoryTest, ListsTheNamesAgainAndAgain) {
  const auto domain = OpenDomainDirectory(root_, "lab", kCreate);
  EXPECT_THAT(ListDirectory(domain->dir.get()).value(), testing::IsEmpty());
  for (const std::string name : {"registry", "pool.1", "queue.2"}) {
    ASSERT_TRUE(CreateFile(domain->dir.get(), name, 0600, 1).ok());
  }
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(ListDirectory(domain->dir.get()).value(), UnorderedElementsAre("registry", "pool.1", "queue.2"));
  }
  EXPECT_THAT(ListDirectory(domain->root.get()).value(), UnorderedElementsAre("lab"));
  const auto file = OpenFile(domain->dir.get(), "registry", Access::kRead);
  EXPECT_EQ(ListDirectory(file->get()).status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace weir::os
