#include "schema/struct_text.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "middleware/base/limits.h"
#include "middleware/base/strings.h"

namespace weir::schema {
namespace {

constexpr std::string_view kFormat = "weir-struct ";
constexpr std::string_view kVersion = "1";
constexpr size_t kLineBytesMax = 4096;

// What stands before the next space; it and the space are taken off.
std::string_view TakeWord(std::string_view& line) {
  const size_t space = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, space);
  line.remove_prefix(std::min(space + 1, line.size()));
  return word;
}

std::optional<uint64_t> TakeNumber(std::string_view& line) {
  const std::string_view word = TakeWord(line);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (word.empty() || error != std::errc() || end != word.data() + word.size() || value > kBodyBytesMax) {
    return std::nullopt;
  }
  return value;
}

// Names are printed on terminals.
bool IsPrintable(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)); });
}

bool ReadShape(std::string_view line, StructShape& shape) {
  TakeWord(line);  // "struct"
  const std::optional<uint64_t> bytes = TakeNumber(line);
  const std::optional<uint64_t> align = TakeNumber(line);
  if (!bytes || !align || *align == 0 || (*align & (*align - 1)) != 0 || *bytes % *align != 0 || line.empty()) {
    return false;
  }
  shape = {.name = std::string(line), .bytes = *bytes, .align = *align, .fields = {}};
  return true;
}

bool ReadField(std::string_view line, StructShape& shape) {
  const std::optional<uint64_t> offset = TakeNumber(line);
  const std::optional<uint64_t> bytes = TakeNumber(line);
  const size_t space = line.rfind(' ');
  if (!offset || !bytes || *bytes == 0 || space == std::string_view::npos || space == 0 || space + 1 == line.size()) {
    return false;
  }
  const uint64_t end = shape.fields.empty() ? 0 : shape.fields.back().offset + shape.fields.back().bytes;
  if (*offset < end || *offset + *bytes > shape.bytes) return false;
  shape.fields.push_back({.offset = *offset,
                          .bytes = *bytes,
                          .type = std::string(line.substr(0, space)),
                          .name = std::string(line.substr(space + 1))});
  return true;
}

std::string Place(const StructField& field) {
  return absl::StrCat(field.type, " at byte ", field.offset);
}

absl::Status Differs(const std::string& what, const std::string& here, const std::string& there) {
  return absl::FailedPreconditionError(absl::StrCat(what, ": ", here, " here, ", there, " in the topic"));
}

absl::Status CompareShapes(const StructShape& ours, const StructShape& topics) {
  for (size_t i = 0; i < std::max(ours.fields.size(), topics.fields.size()); ++i) {
    const StructField* here = i < ours.fields.size() ? &ours.fields[i] : nullptr;
    const StructField* there = i < topics.fields.size() ? &topics.fields[i] : nullptr;
    if (here != nullptr && there != nullptr && *here == *there) continue;
    if (here != nullptr && there != nullptr && here->name == there->name) {
      return Differs(absl::StrCat("field \"", here->name, "\" of ", ours.name), Place(*here), Place(*there));
    }
    const auto text = [](const StructField* field) {
      return field == nullptr ? std::string("nothing") : absl::StrCat("\"", field->name, "\", ", Place(*field), ",");
    };
    return Differs(absl::StrCat("field ", i + 1, " of ", ours.name), text(here), text(there));
  }
  if (ours.bytes != topics.bytes || ours.align != topics.align) {
    const auto text = [](const StructShape& shape) {
      return absl::StrCat(shape.bytes, " bytes aligned to ", shape.align);
    };
    return Differs(ours.name, text(ours), text(topics));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<StructShape>> ParseStructText(std::string_view text) {
  if (text.size() > kStructTextBytesMax) {
    return absl::DataLossError(
        absl::StrCat("struct description: ", text.size(), " bytes; it has at most ", kStructTextBytesMax));
  }
  std::vector<StructShape> shapes;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    const bool sound = end != std::string_view::npos && line.size() <= kLineBytesMax && IsPrintable(line);
    bool read = false;
    if (sound && number == 1) {
      read = line.starts_with(kFormat);
      if (read && line.substr(kFormat.size()) != kVersion) {
        return absl::FailedPreconditionError(absl::StrCat("struct description: it has version ",
                                                          AsAbsl(line.substr(kFormat.size())), ", known is version ",
                                                          AsAbsl(kVersion)));
      }
    } else if (sound && line.starts_with("struct ")) {
      read = ReadShape(line, shapes.emplace_back());
    } else if (sound && !shapes.empty()) {
      read = ReadField(line, shapes.back());
    }
    if (!read) return absl::DataLossError(absl::StrCat("struct description: line ", number, " is not understood"));
    text.remove_prefix(end + 1);
  }
  if (shapes.empty()) return absl::DataLossError("struct description: it describes nothing");
  return shapes;
}

absl::Status CompareStructTexts(std::string_view ours, std::string_view topics) {
  const absl::StatusOr<std::vector<StructShape>> here = ParseStructText(ours);
  if (!here.ok()) return here.status();
  const absl::StatusOr<std::vector<StructShape>> there = ParseStructText(topics);
  if (!there.ok()) return there.status();
  // A struct inside is named before what contains it: that it has another size is the consequence.
  for (size_t i = here->size(); i-- > 0;) {
    const StructShape& shape = (*here)[i];
    const auto same =
        std::find_if(there->begin(), there->end(), [&](const StructShape& s) { return s.name == shape.name; });
    if (same == there->end()) continue;  // then the field that has it differs, or it is only described on one side
    if (absl::Status status = CompareShapes(shape, *same); !status.ok()) return status;
  }
  if (here->front().name != there->front().name) return Differs("the struct", here->front().name, there->front().name);
  return absl::OkStatus();
}

}  // namespace weir::schema
