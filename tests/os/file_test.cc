#include "middleware/os/file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstring>
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

FileDescriptor OpenDir(const std::string& path) {
  return FileDescriptor(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

struct stat StatOf(int fd) {
  struct stat info = {};
  EXPECT_EQ(fstat(fd, &info), 0);
  return info;
}

std::string TextOf(const absl::Status& status) {
  return std::string(status.message());
}

std::span<const std::byte> BytesOf(const std::string& text) {
  return std::as_bytes(std::span(text));
}

class FileTest : public testing::Test {
 protected:
  // A plain file with a mode, made without the functions under test.
  void Write(const std::string& name, const std::string& text, mode_t mode = 0600) {
    const FileDescriptor file(openat(dir(), name.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    ASSERT_TRUE(file.valid());
    ASSERT_EQ(write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    ASSERT_EQ(fchmod(file.get(), mode), 0);
  }

  int dir() const { return dir_.get(); }
  std::string Path(const std::string& name) const { return root_.path() + "/" + name; }

  test::TestRoot root_;
  FileDescriptor dir_ = OpenDir(root_.path());
};

TEST_F(FileTest, AFileDescriptorClosesWhatItHolds) {
  const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  {
    FileDescriptor first(fd);
    FileDescriptor second(std::move(first));
    EXPECT_FALSE(first.valid());
    EXPECT_EQ(second.get(), fd);
    first = std::move(second);
    EXPECT_EQ(first.get(), fd);
  }
  EXPECT_EQ(fcntl(fd, F_GETFD), -1);
}

TEST_F(FileTest, ANewFileIsZeroAndAllocatedWhole) {
  const uint64_t bytes = 3 << 20;
  const auto file = CreateFile(dir(), "queue.1", 0600, bytes);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(FileBytes(file->get()).value(), bytes);
  EXPECT_GE(static_cast<uint64_t>(StatOf(file->get()).st_blocks) * 512, bytes);
  EXPECT_EQ(fcntl(file->get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(ReadFile(file->get(), bytes).value(), std::string(bytes, '\0'));
}

TEST_F(FileTest, TheModeIsTheOneAskedForWhateverTheUmask) {
  const mode_t before = umask(0777);
  const auto all = CreateFile(dir(), "all", 0660, 1);
  const auto content = CreateFileWith(dir(), "content", 0640, BytesOf("x"));
  umask(0);
  const auto own = CreateFile(dir(), "own", 0600, 1);
  umask(before);
  EXPECT_EQ(StatOf(all->get()).st_mode & 07777, 0660u);
  EXPECT_EQ(StatOf(content->get()).st_mode & 07777, 0640u);
  EXPECT_EQ(StatOf(own->get()).st_mode & 07777, 0600u);
}

TEST_F(FileTest, ANameThatIsTakenIsAlreadyExistsAndTheFileStays) {
  Write("queue.1", "theirs");
  EXPECT_EQ(CreateFile(dir(), "queue.1", 0600, 10).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(CreateFileWith(dir(), "queue.1", 0600, BytesOf("ours")).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ReadFile(OpenFile(dir(), "queue.1", Access::kRead)->get(), 100).value(), "theirs");
}

TEST_F(FileTest, CreatingDoesNotFollowASymbolicLink) {
  ASSERT_EQ(symlinkat("elsewhere", dir(), "queue.1"), 0);
  EXPECT_EQ(CreateFile(dir(), "queue.1", 0600, 10).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_FALSE(std::filesystem::exists(Path("elsewhere")));
}

TEST_F(FileTest, ANameThatLeadsElsewhereIsRefused) {
  for (const std::string name : {"", ".", "..", "../x", "a/b", "/etc/passwd"}) {
    EXPECT_EQ(CreateFile(dir(), name, 0600, 1).status().code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_EQ(OpenFile(dir(), name, Access::kRead).status().code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_EQ(RemoveFile(dir(), name).code(), absl::StatusCode::kInvalidArgument) << name;
  }
  EXPECT_EQ(CreateFile(dir(), std::string_view("a\0b", 3), 0600, 1).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CreateFile(dir(), std::string(300, 'a'), 0600, 1).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(root_.IsEmpty());
}

TEST_F(FileTest, AFileWithContentHasNoNameBeforeItIsComplete) {
  const auto file = CreateUnnamedFile(dir(), 0600, 4096);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(root_.IsEmpty());
  ASSERT_TRUE(LinkFile(file->get(), dir(), "registry").ok());
  EXPECT_TRUE(SameFile(file->get(), dir(), "registry").value());
  EXPECT_EQ(LinkFile(CreateUnnamedFile(dir(), 0600, 1)->get(), dir(), "registry").code(),
            absl::StatusCode::kAlreadyExists);
}

TEST_F(FileTest, AMakerThatDiesBeforeLinkingLeavesNothing) {
  Child child([&](Channel& parent) {
    const auto file = CreateUnnamedFile(dir(), 0600, 4096);
    parent.Send(int{file.ok()});
    parent.Receive<int>();
  });
  EXPECT_EQ(child.channel().Receive<int>(), 1);
  child.Kill();
  EXPECT_EQ(child.Wait(), ChildEnd::KilledBy(SIGKILL));
  EXPECT_TRUE(root_.IsEmpty());
}

TEST_F(FileTest, WhoeverSeesANameSeesTheWholeContent) {
  const std::string content(100'000, 'w');
  std::thread maker([&] {
    for (int i = 0; i < 200; ++i) {
      EXPECT_TRUE(CreateFileWith(dir(), "schema.1", 0600, BytesOf(content)).ok());
      EXPECT_TRUE(RemoveFile(dir(), "schema.1").ok());
    }
    EXPECT_TRUE(CreateFileWith(dir(), "last", 0600, BytesOf(content)).ok());
  });
  while (!OpenFile(dir(), "last", Access::kRead).ok()) {
    const auto file = OpenFile(dir(), "schema.1", Access::kRead);
    if (!file.ok()) continue;
    EXPECT_EQ(ReadFile(file->get(), 1 << 20).value(), content);
  }
  maker.join();
}

TEST_F(FileTest, InADirectoryThatWasRemovedNothingCanBeCreated) {
  ASSERT_EQ(mkdirat(dir(), "gone", 0700), 0);
  const FileDescriptor gone = OpenDir(Path("gone"));
  ASSERT_EQ(unlinkat(dir(), "gone", AT_REMOVEDIR), 0);
  EXPECT_EQ(CreateFile(gone.get(), "a", 0600, 1).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(CreateFileWith(gone.get(), "a", 0600, BytesOf("x")).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(FileTest, AnUnnamedFileWhoseDirectoryWasRemovedIsNotFound) {
  ASSERT_EQ(mkdirat(dir(), "gone", 0700), 0);
  const FileDescriptor gone = OpenDir(Path("gone"));
  const auto file = CreateUnnamedFile(gone.get(), 0600, 1);
  ASSERT_TRUE(file.ok());
  ASSERT_EQ(unlinkat(dir(), "gone", AT_REMOVEDIR), 0);
  EXPECT_EQ(LinkFile(file->get(), gone.get(), "a").code(), absl::StatusCode::kNotFound);
}

TEST_F(FileTest, WithoutProcAFileCannotBeNamedAndTheTextSaysSo) {
  Child child([&](Channel& parent) {
    // An empty filesystem over /proc, for this process only.
    std::string refused = test::MountSmallFilesystem("/proc", "4k");
    parent.Send(refused);
    if (!refused.empty()) return;
    const auto file = CreateUnnamedFile(dir(), 0600, 1);
    const absl::Status status = LinkFile(file->get(), dir(), "a");
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(TextOf(status), HasSubstr("/proc is not mounted"));
  });
  const auto refused = child.channel().ReceiveText();
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
  if (!refused->empty()) WEIR_SKIP(*refused);
}

TEST_F(FileTest, OpeningASymbolicLinkIsRefused) {
  Write("real", "x");
  ASSERT_EQ(symlinkat("real", dir(), "link"), 0);
  const absl::Status status = OpenFile(dir(), "link", Access::kRead).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(TextOf(status), "'link' is a symbolic link");
}

TEST_F(FileTest, OpeningWhatIsNoFileIsRefusedAndDoesNotBlock) {
  ASSERT_EQ(mkdirat(dir(), "directory", 0700), 0);
  ASSERT_EQ(mkfifoat(dir(), "fifo", 0600), 0);
  for (const std::string name : {"directory", "fifo"}) {
    for (const Access access : {Access::kRead, Access::kReadWrite}) {
      EXPECT_EQ(OpenFile(dir(), name, access).status().code(), absl::StatusCode::kFailedPrecondition) << name;
    }
  }
}

TEST_F(FileTest, OpeningAFileThatIsOpenToTheWorldIsRefused) {
  for (const mode_t mode : {0604, 0602, 0606, 0644, 0666, 0601}) {
    Write("queue.1", "x", mode);
    const absl::Status status = OpenFile(dir(), "queue.1", Access::kRead).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << std::oct << mode;
    EXPECT_THAT(TextOf(status), HasSubstr("'queue.1' is open to the world"));
  }
}

TEST_F(FileTest, OpeningAMissingFileIsNotFound) {
  EXPECT_EQ(OpenFile(dir(), "queue.1", Access::kRead).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(FileTest, AnotherUsersFileIsRefusedExceptInAGroupDomain) {
  if (geteuid() != 0) WEIR_SKIP("only root can make another user's file");
  Write("pool.1", "x", 0640);
  ASSERT_EQ(fchownat(dir(), "pool.1", 12345, 23456, 0), 0);
  const absl::Status status = OpenFile(dir(), "pool.1", Access::kRead).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(TextOf(status), HasSubstr("'pool.1' belongs to uid 12345"));
  // The same group alone does not do: the directory must be a group's.
  ASSERT_EQ(fchown(dir(), static_cast<uid_t>(-1), 23456), 0);
  EXPECT_EQ(OpenFile(dir(), "pool.1", Access::kRead).status().code(), absl::StatusCode::kPermissionDenied);
  ASSERT_EQ(fchmod(dir(), 02770), 0);
  EXPECT_TRUE(OpenFile(dir(), "pool.1", Access::kRead).ok());
  ASSERT_EQ(fchownat(dir(), "pool.1", 12345, 34567, 0), 0);
  EXPECT_EQ(OpenFile(dir(), "pool.1", Access::kRead).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(FileTest, AReadOnlyDescriptorCannotWrite) {
  Write("pool.1", "x");
  const auto file = OpenFile(dir(), "pool.1", Access::kRead);
  EXPECT_EQ(pwrite(file->get(), "y", 1, 0), -1);
  const auto writable = OpenFile(dir(), "pool.1", Access::kReadWrite);
  EXPECT_EQ(pwrite(writable->get(), "y", 1, 0), 1);
}

TEST_F(FileTest, GrowingKeepsTheContentAndAllocates) {
  const auto file = CreateFile(dir(), "pool.1", 0600, 5000);
  ASSERT_EQ(pwrite(file->get(), "abc", 3, 4997), 3);
  ASSERT_TRUE(GrowFile(file->get(), 5000, 1 << 20).ok());
  EXPECT_EQ(FileBytes(file->get()).value(), 1u << 20);
  EXPECT_GE(StatOf(file->get()).st_blocks * 512, 1 << 20);
  const std::string content = ReadFile(file->get(), 1 << 20).value();
  EXPECT_EQ(content.substr(4997, 3), "abc");
  EXPECT_EQ(content.substr(5000), std::string((1 << 20) - 5000, '\0'));
}

TEST_F(FileTest, SignalsDoNotKeepALargeFileFromBeingAllocated) {
  Child child([&](Channel&) {
    signal(SIGALRM, [](int) {});
    const itimerval often = {{0, 500}, {0, 500}};
    ASSERT_EQ(setitimer(ITIMER_REAL, &often, nullptr), 0);
    const auto file = CreateFile(dir(), "pool.1", 0600, 200 << 20);
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(FileBytes(file->get()).value(), 200u << 20);
    EXPECT_EQ(StatOf(file->get()).st_blocks * 512, 200 << 20);
    EXPECT_TRUE(RemoveFile(dir(), "pool.1").ok());
  });
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
}

// Runs the body in a process that has a filesystem of that size at root_.path(); false if the machine does not permit.
template <class Body>
std::string InSmallFilesystem(const std::string& path, const std::string& size, Body body) {
  Child child([&](Channel& parent) {
    const std::string refused = test::MountSmallFilesystem(path, size);
    parent.Send(refused);
    if (refused.empty()) body(OpenDir(path));
  });
  const auto refused = child.channel().ReceiveText();
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
  return refused.value_or("the child died");
}

TEST_F(FileTest, AFileThatDoesNotFitIsResourceExhaustedAndGoneAgain) {
  const std::string refused = InSmallFilesystem(root_.path(), "1m", [](FileDescriptor small) {
    const absl::Status status = CreateFile(small.get(), "pool.1", 0600, 2 << 20).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(
        TextOf(status),
        HasSubstr("no room for 2097152 bytes in 'pool.1': No space left on device (errno 28). The file system"));
    EXPECT_EQ(OpenFile(small.get(), "pool.1", Access::kRead).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(CreateUnnamedFile(small.get(), 0600, 2 << 20).status().code(), absl::StatusCode::kResourceExhausted);
    // All of it is free again.
    EXPECT_TRUE(CreateFile(small.get(), "pool.2", 0600, 1000 << 10).ok());
  });
  if (!refused.empty()) WEIR_SKIP(refused);
}

TEST_F(FileTest, GrowthThatDoesNotFitLeavesTheFileAsItWas) {
  // More than one step of allocation fits, the whole does not.
  const std::string refused = InSmallFilesystem(root_.path(), "80m", [](FileDescriptor small) {
    const auto file = CreateFile(small.get(), "pool.1", 0600, 5000);
    ASSERT_EQ(pwrite(file->get(), "abc", 3, 4997), 3);
    const absl::Status status = GrowFile(file->get(), 5000, 100 << 20);
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(TextOf(status), HasSubstr("of 5000 bytes that grows to 104857600"));
    EXPECT_EQ(FileBytes(file->get()).value(), 5000u);
    EXPECT_EQ(StatOf(file->get()).st_blocks * 512, 8192);
    EXPECT_EQ(ReadFile(file->get(), 5000)->substr(4997), "abc");
    EXPECT_TRUE(GrowFile(file->get(), 5000, 70 << 20).ok());
  });
  if (!refused.empty()) WEIR_SKIP(refused);
}

TEST_F(FileTest, AProcessOutOfDescriptorsIsResourceExhausted) {
  const int dir_fd = dir();
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none = {0, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const absl::Status status = CreateFile(dir_fd, "a", 0600, 1).status();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(FileTest, AFilesystemThatCannotAllocateIsNamedAsTheFault) {
  const FileDescriptor file(open("/proc/self/comm", O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(file.valid());
  const absl::Status status = GrowFile(file.get(), 0, 4096);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(TextOf(status), HasSubstr("use a tmpfs"));
}

TEST_F(FileTest, AFileLargerThanTheLimitIsNotRead) {
  Write("schema.1", "0123456789");
  const auto file = OpenFile(dir(), "schema.1", Access::kRead);
  EXPECT_EQ(ReadFile(file->get(), 10).value(), "0123456789");
  const absl::Status status = ReadFile(file->get(), 9).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(TextOf(status), "a file has 10 bytes where at most 9 are accepted");
}

TEST_F(FileTest, RemovingWhatIsGoneIsNoError) {
  Write("queue.1", "x");
  EXPECT_TRUE(RemoveFile(dir(), "queue.1").ok());
  EXPECT_TRUE(RemoveFile(dir(), "queue.1").ok());
  ASSERT_EQ(mkdirat(dir(), "directory", 0700), 0);
  EXPECT_FALSE(RemoveFile(dir(), "directory").ok());
}

TEST_F(FileTest, AReplacedFileIsNotTheSame) {
  const auto file = CreateFile(dir(), "registry", 0600, 1);
  EXPECT_TRUE(SameFile(file->get(), dir(), "registry").value());
  EXPECT_TRUE(SameFile(file->get(), OpenFile(dir(), "registry", Access::kRead)->get()).value());
  ASSERT_TRUE(RemoveFile(dir(), "registry").ok());
  EXPECT_FALSE(SameFile(file->get(), dir(), "registry").value());
  Write("registry", "x");
  EXPECT_FALSE(SameFile(file->get(), dir(), "registry").value());
  EXPECT_FALSE(SameFile(file->get(), OpenFile(dir(), "registry", Access::kRead)->get()).value());
  // A link to it is not it.
  Write("other", "x");
  const auto other = OpenFile(dir(), "other", Access::kRead);
  ASSERT_EQ(symlinkat("other", dir(), "link"), 0);
  EXPECT_FALSE(SameFile(other->get(), dir(), "link").value());
}

TEST_F(FileTest, SameFileAlsoTellsDirectories) {
  ASSERT_EQ(mkdirat(dir(), "lab", 0700), 0);
  const FileDescriptor lab = OpenDir(Path("lab"));
  EXPECT_TRUE(SameFile(lab.get(), dir(), "lab").value());
  ASSERT_EQ(renameat(dir(), "lab", dir(), "old"), 0);
  ASSERT_EQ(mkdirat(dir(), "lab", 0700), 0);
  EXPECT_FALSE(SameFile(lab.get(), dir(), "lab").value());
}

}  // namespace
}  // namespace weir::os
