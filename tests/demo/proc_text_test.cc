// weir-test: links=weir_demo_parts
#include "tools/demo_program/proc_text.h"

#include <cstdint>
#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace weir::demo {
namespace {

TEST(ProcTextTest, StatGivesEachCoreWhatItDidWithoutIdlingAndWaiting) {
  const auto cores = ParseStat(
      "cpu  30 3 30 300 30 3 3 3 0 0\n"
      "cpu0 10 1 20 100 50 2 3 4 7 7\n"
      "cpu12 1 0 0 9 0 0 0 0 0 0\n"
      "intr 123 0 0\n"
      "ctxt 437110\n");
  ASSERT_EQ(cores.size(), 2u);
  EXPECT_EQ(cores[0].core, 0u);
  EXPECT_EQ(cores[0].busy, 40u);  // guest time is in user time already
  EXPECT_EQ(cores[0].total, 190u);
  EXPECT_EQ(cores[1].core, 12u);
  EXPECT_EQ(cores[1].busy, 1u);
  EXPECT_EQ(cores[1].total, 10u);
}

TEST(ProcTextTest, StatOfAnOldKernelHasFewerFields) {
  const auto cores = ParseStat("cpu0 10 0 5 85\n");
  ASSERT_EQ(cores.size(), 1u);
  EXPECT_EQ(cores[0].busy, 15u);
  EXPECT_EQ(cores[0].total, 100u);
}

TEST(ProcTextTest, MeminfoIsInBytes) {
  const Memory memory = ParseMeminfo(
      "MemTotal:       24684084 kB\nMemFree:        23909504 kB\nMemAvailable:   24286928 kB\n"
      "SwapTotal:          1024 kB\nSwapFree:            512 kB\nHugePages_Total:       0\n");
  EXPECT_EQ(memory.total_bytes, uint64_t{24684084} * 1024);
  EXPECT_EQ(memory.available_bytes, uint64_t{24286928} * 1024);
  EXPECT_EQ(memory.swap_total_bytes, 1024u * 1024);
  EXPECT_EQ(memory.swap_free_bytes, 512u * 1024);
}

TEST(ProcTextTest, WithoutMemAvailableWhatIsFreeIsAvailable) {
  EXPECT_EQ(ParseMeminfo("MemTotal: 100 kB\nMemFree: 40 kB\n").available_bytes, 40u * 1024);
  EXPECT_EQ(ParseMeminfo("MemTotal: 100 kB\nMemFree: 40 kB\nMemAvailable: 0 kB\n").available_bytes, 0u);
}

TEST(ProcTextTest, NetDevIsReadAlsoWhereTheNumberSticksToTheName) {
  const auto networks = ParseNetDev(
      "Inter-|   Receive                                                |  Transmit\n"
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls\n"
      "    lo:    3193      29    0    0    0     0          0         0     3194      29    0    0    0     0\n"
      "  eth0:77168358    2202    0    0    0     0          0         0   161291    1447    0    0    0     0\n");
  ASSERT_EQ(networks.size(), 2u);
  EXPECT_EQ(networks[0].name, "lo");
  EXPECT_EQ(networks[0].received_bytes, 3193u);
  EXPECT_EQ(networks[0].sent_bytes, 3194u);
  EXPECT_EQ(networks[1].name, "eth0");
  EXPECT_EQ(networks[1].received_bytes, 77168358u);
  EXPECT_EQ(networks[1].sent_bytes, 161291u);
}

TEST(ProcTextTest, DiskstatsCountsPartitionsAndVirtualDisksNotTwice) {
  const auto disks = ParseDiskstats(
      "   7       0 loop0 1 0 8 0 0 0 0 0 0 0 0\n"
      "   1       0 ram0 1 0 8 0 0 0 0 0 0 0 0\n"
      " 253       0 zram0 1 0 8 0 0 0 0 0 0 0 0\n"
      " 254       0 vda 84444 17755 10 36946 12568 18256 20 2777 0 9528 40062\n"
      " 254       1 vda1 4 1 4 6 12 18 4 2 0 9 4\n"
      " 254      16 vdaa 1 0 6 0 0 0 7 0 0 0 0\n"
      " 259       0 nvme0n1 1 0 2 0 0 0 3 0 0 0 0\n"
      " 259       1 nvme0n1p2 1 0 2 0 0 0 3 0 0 0 0\n"
      " 259       5 nvme0n12 1 0 4 0 0 0 5 0 0 0 0\n"
      "nonsense\n");
  ASSERT_EQ(disks.size(), 4u);
  EXPECT_EQ(disks[0].name, "vda");
  EXPECT_EQ(disks[0].read_bytes, 10u * 512);
  EXPECT_EQ(disks[0].written_bytes, 20u * 512);
  EXPECT_EQ(disks[1].name, "vdaa");
  EXPECT_EQ(disks[2].name, "nvme0n1");
  EXPECT_EQ(disks[2].read_bytes, 2u * 512);
  EXPECT_EQ(disks[3].name, "nvme0n12");
}

TEST(ProcTextTest, LoadavgGivesLoadsAndThreads) {
  const Load load = ParseLoadavg("0.18 0.13 1.05 2/91 7967\n");
  EXPECT_DOUBLE_EQ(load.minutes_1, 0.18);
  EXPECT_DOUBLE_EQ(load.minutes_5, 0.13);
  EXPECT_DOUBLE_EQ(load.minutes_15, 1.05);
  EXPECT_EQ(load.runnable_threads, 2u);
  EXPECT_EQ(load.threads, 91u);
}

TEST(ProcTextTest, NumbersOfSysMayBeNegativeOrMissing) {
  EXPECT_EQ(ParseNumber("42000\n", 7), 42000);
  EXPECT_EQ(ParseNumber("-5000\n", 7), -5000);
  EXPECT_EQ(ParseNumber("", 7), 7);
  EXPECT_EQ(ParseNumber("\n", 7), 7);
  EXPECT_EQ(ParseNumber("hot\n", 7), 7);
  EXPECT_EQ(ParseNumber("12 degrees", 7), 12);
}

TEST(ProcTextTest, NothingIsReadFromNonsense) {
  for (const std::string_view text : {"", "\n", "\n\n", ":", "cpu", "cpu1", "cpu1 ", "cpux 1 2", "a: b: c:", "/", "1 2",
                                      "cpu1 99999999999999999999999", "MemTotal:", "eth0:", " 8 0", "0.1 /"}) {
    for (const CoreTicks& core : ParseStat(text)) EXPECT_EQ(core.total, 0u) << text;
    EXPECT_EQ(ParseMeminfo(text).total_bytes, 0u) << text;
    EXPECT_TRUE(ParseNetDev(text).empty()) << text;
    EXPECT_TRUE(ParseDiskstats(text).empty()) << text;
    EXPECT_EQ(ParseLoadavg(text).threads, 0u) << text;
  }
}

// Cut anywhere, the text is still read without a fault, and never as more than there is.
TEST(ProcTextTest, TextMayEndAnywhere) {
  const std::string text =
      "cpu0 10 1 20 100 50 2 3 4 7 7\nMemTotal: 5 kB\n eth0: 1 2 3 4 5 6 7 8 9 10\n 8 0 sda 1 2 3 4 5 6 7\n1.5 2 3 4/5 "
      "6\n";
  for (size_t length = 0; length <= text.size(); ++length) {
    const std::string_view part = std::string_view(text).substr(0, length);
    EXPECT_LE(ParseStat(part).size(), 1u);
    EXPECT_LE(ParseMeminfo(part).total_bytes, 5u * 1024);
    EXPECT_LE(ParseNetDev(part).size(), 1u + 1u);  // "MemTotal:" looks like one
    EXPECT_LE(ParseDiskstats(part).size(), 1u);
  }
}

}  // namespace
}  // namespace weir::demo
