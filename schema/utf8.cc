#include "schema/utf8.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

namespace weir::schema {

// Source: Unicode 15, table 3-7.
size_t Utf8CharacterBytes(std::string_view text, size_t at) {
  auto byte = [&](size_t i) { return at + i < text.size() ? static_cast<uint8_t>(text[at + i]) : uint8_t{0}; };
  auto follows = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  uint8_t first = byte(0);
  uint8_t second = byte(1);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    bool overlong = first == 0xE0 && second < 0xA0;
    bool surrogate = first == 0xED && second > 0x9F;
    return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    bool overlong = first == 0xF0 && second < 0x90;
    bool too_high = first == 0xF4 && second > 0x8F;
    return follows(1) && follows(2) && follows(3) && !overlong && !too_high ? 4 : 0;
  }
  return 0;
}

bool IsUtf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = Utf8CharacterBytes(text, at);
    if (bytes == 0) return false;
    at += bytes;
  }
  return true;
}

std::string WithValidUtf8(std::string_view text) {
  // Nearly always there is nothing to do, and this is part of what each printed message costs.
  if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) < 0x80; })) {
    return std::string(text);
  }
  std::string valid;
  valid.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    size_t bytes = Utf8CharacterBytes(text, at);
    if (bytes == 0) {
      valid += "\xEF\xBF\xBD";
      bytes = 1;
    } else {
      valid.append(text, at, bytes);
    }
    at += bytes;
  }
  return valid;
}

namespace {

// The number in "\\uXXXX" at `at`, or nothing if that is not there.
std::optional<uint32_t> EscapedNumber(std::string_view json, size_t at) {
  if (!json.substr(at).starts_with("\\u") || at + 6 > json.size()) return std::nullopt;
  uint32_t number = 0;
  const char* const end = json.data() + at + 6;
  const auto [rest, error] = std::from_chars(json.data() + at + 2, end, number, 16);
  if (error != std::errc() || rest != end) return std::nullopt;
  return number;
}

void AppendUtf8(std::string& out, uint32_t number) {
  const auto put = [&](uint32_t byte) { out += static_cast<char>(byte); };
  if (number < 0x80) return put(number);
  if (number < 0x800) {
    put(0xC0 | number >> 6);
  } else if (number < 0x10000) {
    put(0xE0 | number >> 12);
    put(0x80 | (number >> 6 & 0x3F));
  } else {
    put(0xF0 | number >> 18);
    put(0x80 | (number >> 12 & 0x3F));
    put(0x80 | (number >> 6 & 0x3F));
  }
  put(0x80 | (number & 0x3F));
}

}  // namespace

std::string WithoutUnicodeEscapes(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  for (size_t at = 0; at < json.size();) {
    if (json[at] != '\\') {
      out += json[at++];
      continue;
    }
    std::optional<uint32_t> number = EscapedNumber(json, at);
    if (!number.has_value()) {  // another escape, of which a second backslash must not be taken for a first
      out.append(json.substr(at, 2));
      at += 2;
      continue;
    }
    at += 6;
    if (*number >= 0xD800 && *number < 0xDC00) {
      const std::optional<uint32_t> low = EscapedNumber(json, at);
      if (low.has_value() && *low >= 0xDC00 && *low < 0xE000) {
        number = 0x10000 + ((*number - 0xD800) << 10) + (*low - 0xDC00);
        at += 6;
      }
    }
    if (*number >= 0xD800 && *number < 0xE000) number = 0xFFFD;
    if (*number == '"' || *number == '\\') out += '\\';
    if (*number == 0) {
      out += "\\u0000";  // kj's codec takes a NUL for the end of the text, and reads these digits right
    } else {
      AppendUtf8(out, *number);
    }
  }
  return out;
}

}  // namespace weir::schema
