// Mappings that stay in memory. (Sanitizers replace mlock by nothing.)
// weir-test: not-under=asan,tsan
#include <fcntl.h>

#include <cstdint>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "middleware/os/file.h"
#include "middleware/os/mapping.h"
#include "tests/support/child.h"
#include "tests/support/locked_memory.h"
#include "tests/support/skip.h"
#include "tests/support/test_root.h"

namespace weir::os {
namespace {

using test::Channel;
using test::Child;
using test::ChildEnd;

constexpr uint64_t kPage = 4096;

class LockedMappingTest : public testing::Test {
 protected:
  test::TestRoot root_;
  FileDescriptor dir_{open(root_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  FileDescriptor file_ = CreateFile(dir_.get(), "pool.1", 0600, 4 * kPage).value();
};

TEST_F(LockedMappingTest, AFileIsLockedAsFarAsItGoesAndFurtherWhenItGrows) {
  const uint64_t before = test::LockedBytes();
  {
    auto mapping = Mapping::Map(file_.get(), 1000 * kPage, Access::kReadWrite, PastEnd::kAllow);
    ASSERT_TRUE(mapping.ok()) << mapping.status();
    const absl::Status status = mapping->LockFirst(4 * kPage - 100);
    if (status.code() == absl::StatusCode::kFailedPrecondition) WEIR_SKIP(std::string(status.message()));
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(mapping->locked_bytes(), 4 * kPage - 100);
    EXPECT_EQ(test::LockedBytes() - before, 4 * kPage);
    ASSERT_TRUE(GrowFile(file_.get(), 4 * kPage, 9 * kPage).ok());
    ASSERT_TRUE(mapping->LockFirst(9 * kPage).ok());
    EXPECT_EQ(mapping->locked_bytes(), 9 * kPage);
    EXPECT_EQ(test::LockedBytes() - before, 9 * kPage);
    EXPECT_TRUE(mapping->LockFirst(kPage).ok());  // is already
    EXPECT_EQ(mapping->locked_bytes(), 9 * kPage);
    EXPECT_EQ(mapping->LockFirst(1001 * kPage).code(), absl::StatusCode::kOutOfRange);
    Mapping moved = *std::move(mapping);
    EXPECT_EQ(moved.locked_bytes(), 9 * kPage);
    EXPECT_EQ(mapping->locked_bytes(), 0u);
  }
  EXPECT_EQ(test::LockedBytes(), before);
}

TEST_F(LockedMappingTest, PagesPastTheFilesEndCannotBeLockedAndWhatWasLockedStaysSo) {
  const uint64_t before = test::LockedBytes();
  auto mapping = Mapping::Map(file_.get(), 8 * kPage, Access::kReadWrite, PastEnd::kAllow);
  if (!mapping->LockFirst(2 * kPage).ok()) WEIR_SKIP("this process may lock no memory");
  EXPECT_FALSE(mapping->LockFirst(8 * kPage).ok());
  EXPECT_EQ(mapping->locked_bytes(), 2 * kPage);
  EXPECT_EQ(test::LockedBytes() - before, 2 * kPage);
}

TEST_F(LockedMappingTest, WhoMayNotLockSoMuchIsToldTheLimit) {
  auto mapping = Mapping::Map(file_.get(), 4 * kPage, Access::kReadWrite);
  for (const uint64_t limit : {uint64_t{0}, 3 * kPage}) {
    Child child([&](Channel& parent) {
      parent.Send(test::LimitLockedMemory(limit));
      // Its own: a forked child has no writable mappings.
      auto own = Mapping::Map(file_.get(), 4 * kPage, Access::kReadWrite);
      const absl::Status status = own->LockFirst(4 * kPage);
      EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
      EXPECT_EQ(std::string(status.message()),
                "cannot lock 16384 bytes in memory: RLIMIT_MEMLOCK is " + std::to_string(limit) +
                    " bytes for all that this process locks; raise it (ulimit -l, LimitMEMLOCK=) or give the process "
                    "CAP_IPC_LOCK");
      EXPECT_EQ(own->locked_bytes(), 0u);
      EXPECT_EQ(test::LockedBytes(), 0u);
    });
    ASSERT_EQ(child.channel().ReceiveText(), "");
    EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
  }
}

}  // namespace
}  // namespace weir::os
