#include "middleware/os/mapping.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>

#include "gtest/gtest.h"
#include "middleware/os/file.h"
#include "tests/support/child.h"
#include "tests/support/skip.h"
#include "tests/support/test_root.h"

namespace weir::os {
namespace {

using test::Channel;
using test::Child;
using test::ChildEnd;

constexpr uint64_t kPage = 4096;

// What the kernel says about the mapping that starts at an address: one line of /proc/self/smaps, without its name.
std::string SmapsField(const std::byte* data, const std::string& field) {
  char start[32];
  std::snprintf(start, sizeof(start), "%lx-", reinterpret_cast<unsigned long>(data));
  std::ifstream smaps("/proc/self/smaps");
  bool found = false;
  for (std::string line; std::getline(smaps, line);) {
    if (line.starts_with(start)) found = true;
    if (found && line.starts_with(field + ":")) return line.substr(field.size() + 1);
  }
  return "";
}

bool HasFlag(const std::byte* data, const std::string& flag) {
  return (SmapsField(data, "VmFlags") + " ").find(" " + flag + " ") != std::string::npos;
}

long ResidentKib(const std::byte* data) {
  return std::stol(SmapsField(data, "Rss"));
}

// A sanitizer would report the signal; the test wants to see it.
void DieOfBadAccess() {
  signal(SIGSEGV, SIG_DFL);
  signal(SIGBUS, SIG_DFL);
}

class MappingTest : public testing::Test {
 protected:
  FileDescriptor Create(const std::string& name, uint64_t bytes) {
    auto file = CreateFile(dir_.get(), name, 0600, bytes);
    EXPECT_TRUE(file.ok()) << file.status();
    return *std::move(file);
  }

  test::TestRoot root_;
  FileDescriptor dir_{open(root_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  FileDescriptor file_ = Create("pool.1", 4 * kPage);
};

TEST_F(MappingTest, WhatOneWritesTheOthersRead) {
  const auto writer = Mapping::Map(file_.get(), 4 * kPage, Access::kReadWrite);
  const auto file = OpenFile(dir_.get(), "pool.1", Access::kRead);
  const auto reader = Mapping::Map(file->get(), 4 * kPage, Access::kRead);
  ASSERT_TRUE(writer.ok() && reader.ok());
  EXPECT_EQ(reader->bytes(), 4 * kPage);
  EXPECT_EQ(reader->access(), Access::kRead);
  std::strcpy(reinterpret_cast<char*>(writer->data() + kPage), "over the weir");
  EXPECT_STREQ(reinterpret_cast<const char*>(reader->data() + kPage), "over the weir");
}

#if WEIR_SHARE_MAPPINGS
TEST_F(MappingTest, UnderThreadSanitizerAFileHasOneAddress) {
  std::optional<Mapping> first = Mapping::Map(file_.get(), 4 * kPage, Access::kRead).value();
  const auto file = OpenFile(dir_.get(), "pool.1", Access::kReadWrite);
  std::optional<Mapping> second = Mapping::Map(file->get(), 4 * kPage, Access::kReadWrite).value();
  EXPECT_EQ(first->data(), second->data());
  first.reset();
  second->data()[0] = std::byte{1};
  second.reset();
  const FileDescriptor other = Create("pool.2", 4 * kPage);
  const auto third = Mapping::Map(file_.get(), 4 * kPage, Access::kRead);
  const auto fourth = Mapping::Map(other.get(), 4 * kPage, Access::kRead);
  EXPECT_NE(third->data(), fourth->data());
}
#else
TEST_F(MappingTest, TwoMappingsOfAFileHaveTwoAddresses) {
  const auto first = Mapping::Map(file_.get(), 4 * kPage, Access::kRead);
  const auto second = Mapping::Map(file_.get(), 4 * kPage, Access::kRead);
  EXPECT_NE(first->data(), second->data());
}

TEST_F(MappingTest, WritingThroughAReadOnlyMappingIsASegmentationFault) {
  const auto mapping = Mapping::Map(file_.get(), 4 * kPage, Access::kRead);
  Child child([&](Channel&) {
    DieOfBadAccess();
    *reinterpret_cast<volatile char*>(mapping->data()) = 1;
  });
  EXPECT_EQ(child.Wait(), ChildEnd::KilledBy(SIGSEGV));
}

TEST_F(MappingTest, ADestroyedMappingIsUnmapped) {
  const std::byte* data = nullptr;
  {
    const auto mapping = Mapping::Map(file_.get(), 4 * kPage, Access::kRead);
    data = mapping->data();
    EXPECT_NE(SmapsField(data, "Size"), "");
  }
  unsigned char resident[4];
  EXPECT_EQ(mincore(const_cast<std::byte*>(data), 4 * kPage, resident), -1);
  EXPECT_EQ(errno, ENOMEM);
}
#endif

TEST_F(MappingTest, AFileThatIsTooShortIsRefused) {
  const absl::Status status = Mapping::Map(file_.get(), 5 * kPage, Access::kRead).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(std::string(status.message()), "a file has 16384 bytes where 20480 are to be mapped");
}

TEST_F(MappingTest, WhatCannotBeMappedIsAStatus) {
  EXPECT_EQ(Mapping::Map(file_.get(), 0, Access::kRead).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(Mapping::Map(-1, kPage, Access::kRead).ok());
  EXPECT_FALSE(Mapping::Map(-1, kPage, Access::kRead, PastEnd::kAllow).ok());
  // A descriptor that may only read cannot be mapped for writing.
  const auto file = OpenFile(dir_.get(), "pool.1", Access::kRead);
  EXPECT_EQ(Mapping::Map(file->get(), kPage, Access::kReadWrite).status().code(), absl::StatusCode::kPermissionDenied);
  // More than there is address space.
  EXPECT_EQ(Mapping::Map(file_.get(), uint64_t{1} << 50, Access::kRead, PastEnd::kAllow).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(MappingTest, AFileGrowsUnderMappingsThatReachPastItsEnd) {
  const uint64_t bytes_max = uint64_t{1} << 30;
  const auto writer = Mapping::Map(file_.get(), bytes_max, Access::kReadWrite, PastEnd::kAllow);
  const auto reader =
      Mapping::Map(OpenFile(dir_.get(), "pool.1", Access::kRead)->get(), bytes_max, Access::kRead, PastEnd::kAllow);
  ASSERT_TRUE(writer.ok() && reader.ok()) << writer.status() << reader.status();
  uint64_t bytes = 4 * kPage;
  for (const uint64_t more : {bytes + kPage, bytes + 300 * kPage, bytes + 5000 * kPage}) {
    ASSERT_TRUE(GrowFile(file_.get(), bytes, more).ok());
    EXPECT_TRUE(writer->Populate(bytes, more - bytes).ok());
    for (const uint64_t at : {bytes, more - 1}) {
      EXPECT_EQ(reader->data()[at], std::byte{0});
      writer->data()[at] = std::byte{7};
      EXPECT_EQ(reader->data()[at], std::byte{7});
    }
    bytes = more;
  }
  EXPECT_EQ(FileBytes(file_.get()).value(), bytes);
}

TEST_F(MappingTest, TouchingMemoryPastTheEndIsABusErrorNotAnAllocation) {
  Child child([&](Channel&) {
    const auto mapping = Mapping::Map(file_.get(), 8 * kPage, Access::kRead, PastEnd::kAllow);
    DieOfBadAccess();
    const volatile std::byte* past = mapping->data() + 4 * kPage;
    [[maybe_unused]] const std::byte value = *past;
  });
  EXPECT_EQ(child.Wait(), ChildEnd::KilledBy(SIGBUS));
  EXPECT_EQ(FileBytes(file_.get()).value(), 4 * kPage);
}

TEST_F(MappingTest, MappingsAreLeftOutOfCoreDumpsAndWritableOnesOutOfChildren) {
  const auto writer = Mapping::Map(file_.get(), 4 * kPage, Access::kReadWrite);
  EXPECT_TRUE(HasFlag(writer->data(), "dd"));
  EXPECT_TRUE(HasFlag(writer->data(), "dc"));
  const FileDescriptor other = Create("pool.2", kPage);
  const auto reader = Mapping::Map(other.get(), kPage, Access::kRead);
  EXPECT_TRUE(HasFlag(reader->data(), "dd"));
}

TEST_F(MappingTest, PopulatingEntersThePagesAndChangesNothing) {
  const FileDescriptor file = Create("pool.2", 64 * kPage);
  const auto writer = Mapping::Map(file.get(), 128 * kPage, Access::kReadWrite, PastEnd::kAllow);
  writer->data()[5] = std::byte{9};
  ASSERT_TRUE(writer->Populate(3, 16 * kPage).ok());
  EXPECT_GE(ResidentKib(writer->data()), 17 * 4);  // touches 17 pages
  ASSERT_TRUE(writer->Populate(0, 64 * kPage).ok());
  EXPECT_GE(ResidentKib(writer->data()), 64 * 4);
  EXPECT_EQ(writer->data()[5], std::byte{9});
  const auto reader = Mapping::Map(file.get(), 128 * kPage, Access::kRead, PastEnd::kAllow);
  ASSERT_TRUE(reader->Populate(0, 64 * kPage).ok());
  EXPECT_GE(ResidentKib(reader->data()), 64 * 4);
  EXPECT_TRUE(reader->Populate(0, 0).ok());
}

TEST_F(MappingTest, PopulatingPastTheFileOrTheMappingIsAnErrorAndNotASignal) {
  const auto mapping = Mapping::Map(file_.get(), 8 * kPage, Access::kReadWrite, PastEnd::kAllow);
  EXPECT_EQ(mapping->Populate(0, 5 * kPage).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(mapping->Populate(0, 9 * kPage).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(mapping->Populate(9 * kPage, 0).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(mapping->Populate(kPage, UINT64_MAX).code(), absl::StatusCode::kOutOfRange);
  EXPECT_FALSE(Mapping().Populate(0, 0).ok());
}

TEST_F(MappingTest, AMappingThatCanHoldAHugePageBeginsWhereOneCan) {
  for (const uint64_t bytes : {kHugePageBytes, kHugePageBytes + 1, 5 * kHugePageBytes, uint64_t{1} << 30}) {
    for (int i = 0; i < 3; ++i) {
      const auto mapping = Mapping::Map(file_.get(), bytes, Access::kReadWrite, PastEnd::kAllow);
      ASSERT_TRUE(mapping.ok()) << mapping.status();
      EXPECT_EQ(reinterpret_cast<uintptr_t>(mapping->data()) % kHugePageBytes, 0u) << bytes;
      // Nothing of what was reserved around it is left.
      EXPECT_EQ(std::stoul(SmapsField(mapping->data(), "Size")), (bytes + kPage - 1) / kPage * 4) << bytes;
    }
  }
}

#if !WEIR_SHARE_MAPPINGS
TEST_F(MappingTest, WhatTheKernelGrantsOfHugePagesIsMappedAsSuchHereAndBySubsequentReaders) {
  const FileDescriptor file = Create("pool.2", 3 * kHugePageBytes);
  const auto writer = Mapping::Map(file.get(), 64 * kHugePageBytes, Access::kReadWrite, PastEnd::kAllow);
  ASSERT_TRUE(writer.ok()) << writer.status();
  writer->data()[kHugePageBytes + 5] = std::byte{7};
  // Only the middle one is whole.
  const HugeResult middle = writer->Collapse(kPage, 2 * kHugePageBytes);
  if (middle.answer != HugeAnswer::kGranted) WEIR_SKIP("the kernel grants no huge pages here");
  EXPECT_EQ(middle.bytes, kHugePageBytes);
  EXPECT_EQ(std::stoul(SmapsField(writer->data(), "ShmemPmdMapped")), 2048u);
  EXPECT_EQ(writer->Collapse(0, 3 * kHugePageBytes).bytes, 3 * kHugePageBytes);
  EXPECT_EQ(std::stoul(SmapsField(writer->data(), "ShmemPmdMapped")), 3 * 2048u);
  EXPECT_EQ(writer->data()[kHugePageBytes + 5], std::byte{7});
  const auto reader = Mapping::Map(file.get(), 64 * kHugePageBytes, Access::kRead, PastEnd::kAllow);
  ASSERT_TRUE(reader->Populate(0, 3 * kHugePageBytes).ok());
  EXPECT_EQ(std::stoul(SmapsField(reader->data(), "ShmemPmdMapped")), 3 * 2048u);
  EXPECT_EQ(reader->data()[kHugePageBytes + 5], std::byte{7});
}
#endif

TEST_F(MappingTest, WhatHasNoWholeHugePageIsNotAskedFor) {
  const auto mapping = Mapping::Map(file_.get(), 8 * kPage, Access::kReadWrite, PastEnd::kAllow);
  EXPECT_EQ(mapping->Collapse(0, 4 * kPage).bytes, 0u);
  EXPECT_EQ(mapping->Collapse(0, 9 * kPage).answer, HugeAnswer::kForbidden);  // is not in the mapping
}

TEST_F(MappingTest, AMappingOutlivesItsDescriptorAndItsName) {
  const auto mapping = Mapping::Map(file_.get(), 4 * kPage, Access::kReadWrite);
  file_.reset();
  ASSERT_TRUE(RemoveFile(dir_.get(), "pool.1").ok());
  mapping->data()[0] = std::byte{3};
  EXPECT_EQ(mapping->data()[0], std::byte{3});
}

TEST_F(MappingTest, MovingPassesTheMemoryOn) {
  Mapping first = Mapping::Map(file_.get(), 4 * kPage, Access::kReadWrite).value();
  std::byte* data = first.data();
  Mapping second = std::move(first);
  EXPECT_EQ(first.data(), nullptr);
  EXPECT_EQ(first.bytes(), 0u);
  EXPECT_EQ(second.data(), data);
  second = Mapping();
  EXPECT_EQ(second.data(), nullptr);
}

// The trap: in the child the range of a writable mapping is free, and something else may be there when the inherited
// object is destroyed.
TEST_F(MappingTest, AForkedChildNeitherSeesAWritableMappingNorUnmapsWhatTookItsPlace) {
  std::optional<Mapping> mapping = Mapping::Map(file_.get(), 4 * kPage, Access::kReadWrite).value();
  mapping->data()[0] = std::byte{1};
  Child child([&](Channel&) {
    std::byte* data = mapping->data();
    void* other =
        mmap(data, 4 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    ASSERT_EQ(other, data) << std::strerror(errno);
    EXPECT_EQ(mapping->Populate(0, kPage).code(), absl::StatusCode::kFailedPrecondition);
    data[0] = std::byte{2};
    mapping.reset();
    EXPECT_EQ(data[0], std::byte{2});
    // A child that starts afresh maps the file itself.
    const auto own = Mapping::Map(file_.get(), 4 * kPage, Access::kReadWrite);
    ASSERT_TRUE(own.ok()) << own.status();
    EXPECT_NE(own->data(), data);
    EXPECT_EQ(own->data()[0], std::byte{1});
    own->data()[1] = std::byte{5};
  });
  EXPECT_EQ(child.Wait(), ChildEnd::Exited(0));
  EXPECT_EQ(mapping->data()[0], std::byte{1});
  EXPECT_EQ(mapping->data()[1], std::byte{5});
}

}  // namespace
}  // namespace weir::os
