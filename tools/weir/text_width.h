// How wide a UTF-8 text is on a terminal, taking each character for one column wide.
#ifndef WEIR_TOOLS_WEIR_TEXT_WIDTH_H_
#define WEIR_TOOLS_WEIR_TEXT_WIDTH_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace weir::tool {

size_t WidthOf(std::string_view text);

// The text, or as much of its beginning as fits into `width` with a '~' behind it.
std::string CutTo(std::string_view text, size_t width);

}  // namespace weir::tool

#endif  // WEIR_TOOLS_WEIR_TEXT_WIDTH_H_
