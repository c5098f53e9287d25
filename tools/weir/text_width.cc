#include "tools/weir/text_width.h"

#include <algorithm>

namespace weir::tool {
namespace {

// In UTF-8 every character has one byte that begins it.
bool BeginsCharacter(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
}

}  // namespace

size_t WidthOf(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), BeginsCharacter));
}

std::string CutTo(std::string_view text, size_t width) {
  if (WidthOf(text) <= width) return std::string(text);
  if (width == 0) return "";
  size_t end = 0;
  for (size_t characters = 0; end < text.size(); ++end) {
    if (BeginsCharacter(text[end]) && ++characters == width) break;
  }
  return std::string(text.substr(0, end)) + "~";
}

}  // namespace weir::tool
