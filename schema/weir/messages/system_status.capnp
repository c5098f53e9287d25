@0xda6b5659b197cd96;

using Cxx = import "/capnp/c++.capnp";
using import "/weir/messages/header.capnp".Header;
$Cxx.namespace("weir::msg");

struct SystemStatus @0xb41f6e235aec4109 {
  # What the kernel says about the machine, as found in /proc and /sys. Loads and rates are means over the interval that
  # ends at header.stampNs; everything else is the state at that moment.

  header @0 :Header;
  # End of the interval. The frame is empty.

  hostname @1 :Text;
  # The machine's name as uname says it.

  intervalNs @2 :UInt64;
  # [ns, CLOCK_MONOTONIC] Length of the interval. 0 in a sampler's first message, where loads and rates are 0 as well.

  uptimeNs @3 :UInt64;
  # [ns, CLOCK_BOOTTIME] Since boot, with time spent suspended.

  processCount @4 :UInt32;
  # [processes] That exist, zombies included.

  threadCount @5 :UInt32;
  # [threads] That exist, those of the kernel included.

  runnableThreadCount @6 :UInt32;
  # [threads] That run or wait for a core.

  loadAverage :group {
    # Threads that run, wait for a core or wait uninterruptibly, averaged with exponential decay. Compare with the
    # number of cores.

    oneMinute @7 :Float32;
    # [threads] Decay over 1 minute.

    fiveMinutes @8 :Float32;
    # [threads] Decay over 5 minutes.

    fifteenMinutes @9 :Float32;
    # [threads] Decay over 15 minutes.
  }

  memory :group {
    # Physical memory and swap.

    totalBytes @10 :UInt64;
    # [bytes] Usable physical memory.

    availableBytes @11 :UInt64;
    # [bytes] What could be given to new processes without swapping.

    swapTotalBytes @12 :UInt64;
    # [bytes] Swap space; 0 if there is none.

    swapFreeBytes @13 :UInt64;
    # [bytes] Unused swap space.
  }

  cores @14 :List(Core);
  # Every online core, by rising number.

  networkInterfaces @15 :List(NetworkInterface);
  # Every network interface, the loopback included.

  disks @16 :List(Disk);
  # Every whole disk; partitions are part of theirs.

  temperatures @17 :List(Temperature);
  # Every temperature sensor of the kernel; often empty in virtual machines.

  struct Core @0xe458e8fa18905b67 {
    number @0 :UInt32;
    # [index] The kernel's number of the core, from 0. Offline cores leave gaps.

    load @1 :Float32;
    # [1, from 0 to 1] Share of the interval in which the core did not idle; waiting for a disk is idling.
  }

  struct NetworkInterface @0xcd160c6e9fe5458f {
    name @0 :Text;
    # Such as "eth0".

    receivedBytesPerS @1 :Float64;
    # [bytes/s] Received in the interval.

    sentBytesPerS @2 :Float64;
    # [bytes/s] Sent in the interval.

    receivedBytes @3 :UInt64;
    # [bytes] Received since the interface exists.

    sentBytes @4 :UInt64;
    # [bytes] Sent since the interface exists.
  }

  struct Disk @0xc61d5e21373c9667 {
    name @0 :Text;
    # The kernel's name, such as "nvme0n1".

    readBytesPerS @1 :Float64;
    # [bytes/s] Read in the interval.

    writtenBytesPerS @2 :Float64;
    # [bytes/s] Written in the interval.

    readBytes @3 :UInt64;
    # [bytes] Read since boot.

    writtenBytes @4 :UInt64;
    # [bytes] Written since boot.
  }

  struct Temperature @0xd1aa8083abfa831f {
    name @0 :Text;
    # What is measured, as the kernel calls it, such as "x86_pkg_temp" or "nvme Composite".

    celsius @1 :Float32;
    # [degree Celsius] The reading.
  }
}
