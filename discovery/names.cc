#include "discovery/names.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "discovery/registry_layout.h"
#include "middleware/base/limits.h"
#include "middleware/base/strings.h"
#include "middleware/base/text.h"
#include "middleware/os/directory.h"

namespace weir::discovery {
namespace {

absl::Status Broken(std::string_view object, std::string_view name, std::string_view rule) {
  return absl::InvalidArgumentError(absl::StrCat(AsAbsl(object), " name ", Quoted(name), ": ", AsAbsl(rule)));
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

absl::StatusOr<Root> ResolveRoot(std::string_view given) {
  Root root;
  std::string_view source = "NodeOptions::root";
  if (!given.empty()) {
    root.path = std::string(given);
  } else {
    root.path = os::DefaultRoot();
    const char* variable = std::getenv("WEIR_ROOT");
    root.is_default = variable == nullptr || root.path != variable;
    source = "$WEIR_ROOT";
  }
  // Two programs that were started in different directories would not meet, and chdir() would move a domain.
  if (root.path.front() != '/') {
    return absl::InvalidArgumentError(absl::StrCat(AsAbsl(source), " is ", Quoted(root.path),
                                                   ", which is relative to wherever a program is started; it must be "
                                                   "an absolute path, such as \"/dev/shm/robot\""));
  }
  if (root.path.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(AsAbsl(source), " is ", Quoted(root.path), "; a path cannot contain a NUL byte"));
  }
  return root;
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

std::string DepartedFileName(Incarnation topic) {
  return absl::StrFormat("departed.%016x", topic);
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
  const std::optional<uint64_t> incarnation = ParseHex(digits);
  const auto found = std::find(std::begin(kPrefixes), std::end(kPrefixes), prefix);
  if (!incarnation || (found == std::end(kPrefixes) && prefix != "departed")) return parsed;
  parsed.incarnation = *incarnation;
  if (found == std::end(kPrefixes)) {
    parsed.what = What::kDeparted;
  } else {
    parsed.what = What::kEndpoint;
    parsed.kind = static_cast<FileKind>(found - std::begin(kPrefixes));
  }
  return parsed;
}

}  // namespace weir::discovery
