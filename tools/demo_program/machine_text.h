// A SystemStatus in one line.
#ifndef WEIR_TOOLS_DEMO_PROGRAM_MACHINE_TEXT_H_
#define WEIR_TOOLS_DEMO_PROGRAM_MACHINE_TEXT_H_

#include <weir/messages/system_status.capnp.h>

#include <string>

namespace weir::demo {

// Such as "cores 12% 80%, memory 14% of 23.5 GiB, load 0.52, net 1.2 KiB/s, disks 0 B/s, 54 C". What the machine
// does not have is left out.
std::string MachineText(msg::SystemStatus::Reader status);

}  // namespace weir::demo

#endif  // WEIR_TOOLS_DEMO_PROGRAM_MACHINE_TEXT_H_
