// The one place that knows that Debian 12's absl::string_view and std::string_view are two types (in newer Abseil they
// are one). Weir's API speaks std::string_view; what goes into StrCat or a Status goes through AsAbsl, what comes out
// of a Status through AsStd.
#ifndef WEIR_BASE_STRINGS_H_
#define WEIR_BASE_STRINGS_H_

#include <string_view>

#include "absl/strings/string_view.h"

namespace weir {

inline absl::string_view AsAbsl(std::string_view text) {
  return absl::string_view(text.data(), text.size());
}

// A template, so that it also takes the newer Abseil's absl::string_view (there the same type as std::string_view).
template <class View>
std::string_view AsStd(const View& text) {
  return std::string_view(text.data(), text.size());
}

}  // namespace weir

#endif  // WEIR_BASE_STRINGS_H_
