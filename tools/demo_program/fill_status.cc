#include "tools/demo_program/fill_status.h"

#include "tools/demo_program/clock.h"

namespace weir::demo {

void FillStatus(const SystemReading& reading, const std::string& hostname, uint64_t sampled_ns,
                msg::SystemStatus::Builder status) {
  status.initHeader().setStampNs(sampled_ns);
  status.setHostname(hostname);
  status.setIntervalNs(reading.interval_ns);
  status.setUptimeNs(ReadClockNs(CLOCK_BOOTTIME));
  status.setProcessCount(reading.processes);
  status.setThreadCount(reading.load.threads);
  status.setRunnableThreadCount(reading.load.runnable_threads);

  auto load = status.getLoadAverage();
  load.setOneMinute(static_cast<float>(reading.load.minutes_1));
  load.setFiveMinutes(static_cast<float>(reading.load.minutes_5));
  load.setFifteenMinutes(static_cast<float>(reading.load.minutes_15));

  auto memory = status.getMemory();
  memory.setTotalBytes(reading.memory.total_bytes);
  memory.setAvailableBytes(reading.memory.available_bytes);
  memory.setSwapTotalBytes(reading.memory.swap_total_bytes);
  memory.setSwapFreeBytes(reading.memory.swap_free_bytes);

  auto cores = status.initCores(static_cast<unsigned>(reading.cores.size()));
  for (unsigned i = 0; i < cores.size(); ++i) {
    cores[i].setNumber(reading.cores[i].core);
    cores[i].setLoad(static_cast<float>(reading.cores[i].load));
  }
  auto networks = status.initNetworkInterfaces(static_cast<unsigned>(reading.networks.size()));
  for (unsigned i = 0; i < networks.size(); ++i) {
    const NetworkRate& network = reading.networks[i];
    networks[i].setName(network.totals.name);
    networks[i].setReceivedBytesPerS(network.received_bytes_per_s);
    networks[i].setSentBytesPerS(network.sent_bytes_per_s);
    networks[i].setReceivedBytes(network.totals.received_bytes);
    networks[i].setSentBytes(network.totals.sent_bytes);
  }
  auto disks = status.initDisks(static_cast<unsigned>(reading.disks.size()));
  for (unsigned i = 0; i < disks.size(); ++i) {
    const DiskRate& disk = reading.disks[i];
    disks[i].setName(disk.totals.name);
    disks[i].setReadBytesPerS(disk.read_bytes_per_s);
    disks[i].setWrittenBytesPerS(disk.written_bytes_per_s);
    disks[i].setReadBytes(disk.totals.read_bytes);
    disks[i].setWrittenBytes(disk.totals.written_bytes);
  }
  auto temperatures = status.initTemperatures(static_cast<unsigned>(reading.temperatures.size()));
  for (unsigned i = 0; i < temperatures.size(); ++i) {
    temperatures[i].setName(reading.temperatures[i].name);
    temperatures[i].setCelsius(static_cast<float>(reading.temperatures[i].celsius));
  }
}

}  // namespace weir::demo
