// Numbers as people read them.
#ifndef WEIR_TOOLS_DEMO_PROGRAM_TEXT_H_
#define WEIR_TOOLS_DEMO_PROGRAM_TEXT_H_

#include <cstdint>
#include <string>

namespace weir::demo {

std::string Grouped(uint64_t count);    // "1,234,567"
std::string DurationText(uint64_t ns);  // at most 7 characters: "850 ns", "21 us", "1.2 ms", "3.40 s"
std::string BytesText(double bytes);    // "512 B", "1.0 MiB"
std::string Plural(uint64_t count, const char* one, const char* many);  // "1 file", "5 files"

}  // namespace weir::demo

#endif  // WEIR_TOOLS_DEMO_PROGRAM_TEXT_H_
