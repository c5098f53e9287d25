// Text that somebody else wrote (a user's argument, another process's bytes), on its way into a message for people.
#ifndef WEIR_BASE_TEXT_H_
#define WEIR_BASE_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace weir {

// Bytes of the UTF-8 character at the start of `text`, 0 if there is none (RFC 3629: no overlong forms, no surrogates,
// nothing beyond U+10FFFF).
size_t Utf8Length(std::string_view text);

// Of one whole character: C0, DEL, C1.
bool IsControl(std::string_view character);

// The text on one line, valid UTF-8, and nothing in it that a terminal obeys: control characters and broken UTF-8 are
// escaped as in C.
std::string Printable(std::string_view text);

// What Quoted() shows of a text at most, in bytes of the text; more has its middle left out.
inline constexpr size_t kQuotedBytesMax = 96;

// The text as Printable(), in double quotes; quotes and backslashes are escaped too. Long text keeps its head and its
// tail, because long names differ at the end: "robot/7/arm/...gripper/force" (of 300 bytes).
std::string Quoted(std::string_view text);

}  // namespace weir

#endif  // WEIR_BASE_TEXT_H_
