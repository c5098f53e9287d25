// weir-test: links=weir_demo_parts
#include "tools/demo_program/proc_sampler.h"

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "tools/demo_program/clock.h"

namespace weir::demo {
namespace {

// A machine made of files.
class ProcSamplerTest : public testing::Test {
 protected:
  ProcSamplerTest() {
    std::string pattern = testing::TempDir() + "weir-proc-XXXXXX";
    root_ = mkdtemp(pattern.data());
  }
  ~ProcSamplerTest() override { std::filesystem::remove_all(root_); }

  // Over the old text, as the kernel does: who has the file open sees the new one.
  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path, std::ios::trunc) << text;
  }

  std::string root_;
};

constexpr uint64_t kStart = 5 * kNsPerS;

TEST_F(ProcSamplerTest, AMachineWithoutAnythingGivesAnEmptyReading) {
  ProcSampler sampler(root_);
  for (uint64_t i = 0; i < 3; ++i) {
    const SystemReading& reading = sampler.Sample(kStart + i * kNsPerS);
    EXPECT_TRUE(reading.cores.empty());
    EXPECT_TRUE(reading.networks.empty());
    EXPECT_TRUE(reading.disks.empty());
    EXPECT_TRUE(reading.temperatures.empty());
    EXPECT_EQ(reading.memory.total_bytes, 0u);
    EXPECT_EQ(reading.processes, 0u);
  }
}

TEST_F(ProcSamplerTest, LoadsAndRatesAreDifferencesOverTheInterval) {
  Write("/proc/stat", "cpu0 100 0 0 100 0 0 0 0\ncpu1 50 0 0 50 0 0 0 0\n");
  Write("/proc/net/dev", "eth0: 1000 0 0 0 0 0 0 0 500\n");
  Write("/proc/diskstats", "8 0 sda 0 0 10 0 0 0 20\n");
  ProcSampler sampler(root_);
  const SystemReading& reading = sampler.Sample(kStart);
  ASSERT_EQ(reading.cores.size(), 2u);
  EXPECT_EQ(reading.cores[0].load, 0);
  EXPECT_EQ(reading.interval_ns, 0u);
  EXPECT_EQ(reading.networks.at(0).received_bytes_per_s, 0);

  Write("/proc/stat", "cpu0 130 0 0 110 0 0 0 0\ncpu1 50 0 0 90 0 0 0 0\n");
  Write("/proc/net/dev", "eth0: 2000 0 0 0 0 0 0 0 600\n");
  Write("/proc/diskstats", "8 0 sda 0 0 12 0 0 0 24\n");
  sampler.Sample(kStart + kNsPerS / 4);
  EXPECT_EQ(reading.interval_ns, kNsPerS / 4);
  EXPECT_DOUBLE_EQ(reading.cores[0].load, 0.75);
  EXPECT_DOUBLE_EQ(reading.cores[1].load, 0);
  EXPECT_DOUBLE_EQ(reading.networks[0].received_bytes_per_s, 4000);
  EXPECT_DOUBLE_EQ(reading.networks[0].sent_bytes_per_s, 400);
  EXPECT_EQ(reading.networks[0].totals.received_bytes, 2000u);
  EXPECT_DOUBLE_EQ(reading.disks.at(0).read_bytes_per_s, 4 * 2 * 512);
  EXPECT_DOUBLE_EQ(reading.disks[0].written_bytes_per_s, 4 * 4 * 512);
}

TEST_F(ProcSamplerTest, WhatIsOlderThanTheWindowIsForgotten) {
  Write("/proc/stat", "cpu0 0 0 0 0\n");
  ProcSampler sampler(root_);
  sampler.Sample(kStart);
  Write("/proc/stat", "cpu0 100 0 0 0\n");  // busy at first
  sampler.Sample(kStart + kNsPerS);
  Write("/proc/stat", "cpu0 100 0 0 100\n");  // then idle
  const SystemReading& reading = sampler.Sample(kStart + kNsPerS + ProcSampler::kWindowNs);
  EXPECT_EQ(reading.cores.at(0).load, 0);
  EXPECT_EQ(reading.interval_ns, ProcSampler::kWindowNs);
}

TEST_F(ProcSamplerTest, CoresAndInterfacesMayComeAndGoAndCountersMayRestart) {
  Write("/proc/stat", "cpu0 100 0 0 100\ncpu1 100 0 0 100\n");
  Write("/proc/net/dev", "eth0: 1000 0 0 0 0 0 0 0 500\n");
  ProcSampler sampler(root_);
  sampler.Sample(kStart);
  Write("/proc/stat", "cpu1 5 0 0 5\ncpu2 900 0 0 0\n");
  Write("/proc/net/dev", "eth0: 10 0 0 0 0 0 0 0 5\nwlan0: 9 0 0 0 0 0 0 0 9\n");
  const SystemReading& reading = sampler.Sample(kStart + kNsPerS / 10);
  ASSERT_EQ(reading.cores.size(), 2u);
  for (const CoreLoad& core : reading.cores) EXPECT_EQ(core.load, 0) << core.core;
  ASSERT_EQ(reading.networks.size(), 2u);
  for (const NetworkRate& network : reading.networks) EXPECT_EQ(network.received_bytes_per_s, 0) << network.totals.name;
}

TEST_F(ProcSamplerTest, TemperaturesComeFromHwmonAndFromThermalZonesThatItDoesNotShow) {
  Write("/sys/class/hwmon/hwmon0/name", "coretemp\n");
  Write("/sys/class/hwmon/hwmon0/temp1_input", "45000\n");
  Write("/sys/class/hwmon/hwmon0/temp1_label", "Package id 0\n");
  Write("/sys/class/hwmon/hwmon0/temp2_input", "");  // does not answer
  Write("/sys/class/hwmon/hwmon1/name", "acpitz\n");
  Write("/sys/class/hwmon/hwmon1/temp1_input", "-1500\n");
  Write("/sys/class/thermal/thermal_zone0/type", "acpitz\n");
  Write("/sys/class/thermal/thermal_zone0/temp", "30000\n");
  Write("/sys/class/thermal/thermal_zone1/type", "x86_pkg_temp\n");
  Write("/sys/class/thermal/thermal_zone1/temp", "46000\n");
  Write("/sys/class/thermal/cooling_device0/type", "Processor\n");
  ProcSampler sampler(root_);
  const SystemReading& reading = sampler.Sample(kStart);
  ASSERT_EQ(reading.temperatures.size(), 3u);
  EXPECT_EQ(reading.temperatures[0].name, "coretemp Package id 0");
  EXPECT_DOUBLE_EQ(reading.temperatures[0].celsius, 45);
  EXPECT_EQ(reading.temperatures[1].name, "acpitz temp1");
  EXPECT_DOUBLE_EQ(reading.temperatures[1].celsius, -1.5);
  EXPECT_EQ(reading.temperatures[2].name, "x86_pkg_temp");

  Write("/sys/class/hwmon/hwmon0/temp1_input", "50000\n");
  sampler.Sample(kStart + ProcSampler::kSlowPeriodNs / 2);
  EXPECT_DOUBLE_EQ(reading.temperatures[0].celsius, 45);  // not read again so soon
  sampler.Sample(kStart + ProcSampler::kSlowPeriodNs);
  EXPECT_DOUBLE_EQ(reading.temperatures[0].celsius, 50);
}

TEST_F(ProcSamplerTest, ProcessesAreTheFoldersWithANumber) {
  Write("/proc/1/stat", "");
  Write("/proc/4711/stat", "");
  Write("/proc/sys/kernel/pid_max", "");
  Write("/proc/loadavg", "0 0 0 1/2 3");
  EXPECT_EQ(ProcSampler(root_).Sample(kStart).processes, 2u);
}

TEST(ProcSamplerOnThisMachineTest, ReadsSomethingSensible) {
  if (access("/proc/stat", R_OK) != 0) GTEST_SKIP() << "no /proc here";
  ProcSampler sampler;
  sampler.Sample(NowNs());
  const SystemReading& reading = sampler.Sample(NowNs());
  EXPECT_FALSE(reading.cores.empty());
  for (const CoreLoad& core : reading.cores) {
    EXPECT_GE(core.load, 0);
    EXPECT_LE(core.load, 1);
  }
  EXPECT_GT(reading.memory.total_bytes, 0u);
  EXPECT_LE(reading.memory.available_bytes, reading.memory.total_bytes);
  EXPECT_GT(reading.processes, 0u);
}

}  // namespace
}  // namespace weir::demo
