// A reading of the machine as a message.
#ifndef WEIR_TOOLS_DEMO_PROGRAM_FILL_STATUS_H_
#define WEIR_TOOLS_DEMO_PROGRAM_FILL_STATUS_H_

#include <weir/messages/system_status.capnp.h>

#include <cstdint>
#include <string>

#include "tools/demo_program/proc_sampler.h"

namespace weir::demo {

void FillStatus(const SystemReading& reading, const std::string& hostname, uint64_t sampled_ns,
                msg::SystemStatus::Builder status);

}  // namespace weir::demo

#endif  // WEIR_TOOLS_DEMO_PROGRAM_FILL_STATUS_H_
