// Numbers as people read them.
#ifndef WEIR_TOOLS_WEIR_UNITS_H_
#define WEIR_TOOLS_WEIR_UNITS_H_

#include <cstdint>
#include <string>

namespace weir::tool {

std::string Count(uint64_t count);  // "1,234,567"
std::string Bytes(double bytes);    // "512 B", "1.0 MiB"
std::string DurationNs(double ns);  // "850 ns", "21.0 us", "1.20 ms", "3.40 s", "2 min 5 s", "3 h 20 min", "4 d 1 h"
std::string RateHz(double hz);      // "0.50 Hz", "99.9 Hz", "1.2 kHz", "3.40 MHz"
std::string Plural(uint64_t count, const char* one, const char* many);  // "1 node", "5 nodes"

}  // namespace weir::tool

#endif  // WEIR_TOOLS_WEIR_UNITS_H_
