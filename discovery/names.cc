#include "discovery/names.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "discovery/registry_layout.h"
#include "middleware/base/limits.h"
#include "middleware/base/strings.h"
#include "middleware/os/directory.h"

namespace weir::discovery {
namespace {

// Bytes of the UTF-8 character at the start of `text`, 0 if there is none (RFC 3629: no overlong forms, no surrogates,
// nothing beyond U+10FFFF).
size_t Utf8Length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0}; };
  const auto in = [&](size_t i, uint8_t low, uint8_t high) { return byte(i) >= low && byte(i) <= high; };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
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

absl::Status Broken(std::string_view object, std::string_view name, std::string_view rule) {
  // A name of megabytes is not repeated whole.
  const std::string_view shown = name.substr(0, 2 * kNameBytesMax);
  return absl::InvalidArgumentError(absl::StrCat(AsAbsl(object), " name \"", absl::CHexEscape(AsAbsl(shown)),
                                                 shown.size() < name.size() ? "..." : "", "\": ", AsAbsl(rule)));
}

absl::Status CheckText(std::string_view object, std::string_view name, size_t bytes_max) {
  if (name.empty() || name.size() > bytes_max) {
    const std::string rule = absl::StrCat("has ", name.size(), " bytes; 1 to ", bytes_max, " are allowed");
    return Broken(object, name, rule);
  }
  for (size_t at = 0; at < name.size();) {
    const size_t length = Utf8Length(name.substr(at));
    if (length == 0) return Broken(object, name, absl::StrCat("is not valid UTF-8 at byte ", at));
    if (IsControl(name.substr(at, length))) {
      return Broken(object, name, absl::StrCat("has a control character at byte ", at));
    }
    at += length;
  }
  return absl::OkStatus();
}

// Exactly `text.size()` lower-case hexadecimal digits.
std::optional<uint64_t> ParseHex(std::string_view text) {
  if (text.find_first_not_of("0123456789abcdef") != std::string_view::npos) return std::nullopt;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

absl::Status CheckTopicName(std::string_view name) {
  if (absl::Status status = CheckText("topic", name, kNameBytesMax); !status.ok()) return status;
  if (name.front() == '/' || name.back() == '/') return Broken("topic", name, "must not begin or end with '/'");
  for (size_t at = 0; at <= name.size();) {
    const size_t slash = std::min(name.find('/', at), name.size());
    const std::string_view part = name.substr(at, slash - at);
    if (part.empty() || part == "." || part == "..") {
      return Broken("topic", name, "the parts between '/' must not be empty, \".\" or \"..\"");
    }
    at = slash + 1;
  }
  return absl::OkStatus();
}

absl::Status CheckNodeName(std::string_view name) {
  return CheckText("node", name, kNameBytesMax);
}

absl::Status CheckTypeName(std::string_view name) {
  return CheckText("type", name, kNameBytesMax);
}

absl::Status CheckDomainName(std::string_view name) {
  if (absl::Status status = CheckText("domain", name, kDomainBytesMax); !status.ok()) return status;
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  if (name.find_first_not_of(kAllowed) != std::string_view::npos || name.front() == '.') {
    return Broken("domain", name, "only A-Z, a-z, 0-9, '.', '_' and '-' are allowed, and no '.' at the beginning");
  }
  return absl::OkStatus();
}

Root ResolveRoot(std::string_view given) {
  if (!given.empty()) return {.path = std::string(given), .is_default = false};
  std::string path = os::DefaultRoot();
  const char* variable = std::getenv("WEIR_ROOT");
  const bool from_variable = variable != nullptr && path == variable;
  return {.path = std::move(path), .is_default = !from_variable};
}

std::string HexOf(const Hash128& hash) {
  return absl::StrFormat("%016x%016x", hash.high, hash.low);
}

// By FileKind.
constexpr std::string_view kPrefixes[] = {"pool", "queue", "table", "wake"};

std::string EndpointFileName(FileKind kind, Incarnation incarnation) {
  return absl::StrFormat("%s.%016x", kPrefixes[static_cast<size_t>(kind)], incarnation);
}

std::string SchemaFileName(const Hash128& hash) {
  return absl::StrCat("schema.", HexOf(hash));
}

ParsedFileName ParseFileName(std::string_view name) {
  using What = ParsedFileName::What;
  ParsedFileName parsed;
  if (name == kRegistryFileName) {
    parsed.what = What::kRegistry;
    return parsed;
  }
  const size_t dot = name.find('.');
  if (dot == std::string_view::npos) return parsed;
  const std::string_view prefix = name.substr(0, dot);
  const std::string_view digits = name.substr(dot + 1);
  if (prefix == "schema" && digits.size() == 32) {
    const std::optional<uint64_t> high = ParseHex(digits.substr(0, 16));
    const std::optional<uint64_t> low = ParseHex(digits.substr(16));
    if (high && low) {
      parsed.what = What::kSchema;
      parsed.hash = {.high = *high, .low = *low};
    }
    return parsed;
  }
  if (digits.size() != 16) return parsed;
  const auto found = std::find(std::begin(kPrefixes), std::end(kPrefixes), prefix);
  if (found == std::end(kPrefixes)) return parsed;
  parsed.kind = static_cast<FileKind>(found - std::begin(kPrefixes));
  if (const std::optional<uint64_t> incarnation = ParseHex(digits)) {
    parsed.what = What::kEndpoint;
    parsed.incarnation = *incarnation;
  }
  return parsed;
}

}  // namespace weir::discovery
