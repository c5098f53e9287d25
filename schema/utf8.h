// What is UTF-8 and what is not: messages carry whatever their publisher wrote, JSON must not.
#ifndef WEIR_SCHEMA_UTF8_H_
#define WEIR_SCHEMA_UTF8_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace weir::schema {

// The bytes of the well-formed UTF-8 character at `at`, or 0.
size_t Utf8CharacterBytes(std::string_view text, size_t at);

bool IsUtf8(std::string_view text);

// Each byte that belongs to no character becomes U+FFFD.
std::string WithValidUtf8(std::string_view text);

// JSON in which no character stands as an escape of the form \u00e4: what kj's codec reads must be brought into this
// form first. (It reads the hex digits a to f as 0 to 5, and does not join surrogates; seen in Cap'n Proto 0.9.2.) A
// half of a pair becomes U+FFFD. NUL, and what is no such escape, is left as it is.
std::string WithoutUnicodeEscapes(std::string_view json);

}  // namespace weir::schema

#endif  // WEIR_SCHEMA_UTF8_H_
