#include "middleware/base/text.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "middleware/base/strings.h"

namespace weir {
namespace {

constexpr size_t kHeadBytes = 60;
constexpr size_t kTailBytes = 30;
static_assert(kHeadBytes + kTailBytes < kQuotedBytesMax);

void AppendEscaped(std::string_view text, bool within_quotes, std::string& to) {
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    const std::string_view character = text.substr(0, std::max<size_t>(length, 1));
    if (character == "\n") {
      to += "\\n";
    } else if (character == "\t") {
      to += "\\t";
    } else if (length == 0 || IsControl(character)) {
      for (char byte : character) absl::StrAppendFormat(&to, "\\x%02x", static_cast<uint8_t>(byte));
    } else {
      if (within_quotes && (character == "\"" || character == "\\")) to += '\\';
      to += character;
    }
    text.remove_prefix(character.size());
  }
}

bool IsContinuation(char byte) {
  return (static_cast<uint8_t>(byte) & 0xC0) == 0x80;
}

// Where a character begins, at or before `at`, so that no character is cut in two. A character has at most 4 bytes.
size_t CharacterStart(std::string_view text, size_t at) {
  size_t start = at;
  while (start > 0 && at - start < 3 && IsContinuation(text[start])) --start;
  return start;
}

}  // namespace

size_t Utf8Length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0}; };
  const auto in = [&](size_t i, uint8_t low, uint8_t high) { return byte(i) >= low && byte(i) <= high; };
  const uint8_t first = byte(0);
  if (first < 0x80) return text.empty() ? 0 : 1;
  if (first >= 0xC2 && first <= 0xDF) return in(1, 0x80, 0xBF) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const uint8_t low = first == 0xE0 ? 0xA0 : 0x80;
    const uint8_t high = first == 0xED ? 0x9F : 0xBF;
    return in(1, low, high) && in(2, 0x80, 0xBF) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const uint8_t low = first == 0xF0 ? 0x90 : 0x80;
    const uint8_t high = first == 0xF4 ? 0x8F : 0xBF;
    return in(1, low, high) && in(2, 0x80, 0xBF) && in(3, 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

bool IsControl(std::string_view character) {
  const auto first = static_cast<uint8_t>(character[0]);
  if (first < 0x20 || first == 0x7F) return true;
  return character.size() == 2 && first == 0xC2 && static_cast<uint8_t>(character[1]) < 0xA0;  // U+0080 to U+009F
}

std::string Printable(std::string_view text) {
  std::string printable;
  AppendEscaped(text, /*within_quotes=*/false, printable);
  return printable;
}

std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  if (text.size() <= kQuotedBytesMax) {
    AppendEscaped(text, /*within_quotes=*/true, quoted);
    return quoted + '"';
  }
  AppendEscaped(text.substr(0, CharacterStart(text, kHeadBytes)), /*within_quotes=*/true, quoted);
  quoted += "...";
  AppendEscaped(text.substr(CharacterStart(text, text.size() - kTailBytes)), /*within_quotes=*/true, quoted);
  return absl::StrCat(quoted, "\" (of ", text.size(), " bytes)");
}

}  // namespace weir
