// The seam where Cap'n Proto's own strings and errors end: a kj::StringPtr becomes a std::string_view, a kj::Exception
// a Status. Nothing of schema/ lets an exception escape unless it says so.
#ifndef WEIR_SCHEMA_KJ_SEAM_H_
#define WEIR_SCHEMA_KJ_SEAM_H_

#include <kj/exception.h>
#include <kj/string.h>

#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "middleware/base/strings.h"
#include "middleware/base/text.h"

namespace weir::schema {

inline std::string_view View(kj::StringPtr text) {
  return std::string_view(text.begin(), text.size());
}

// "<what>: <the exception's description>", without Cap'n Proto's source lines and stack trace. The description may
// show bytes of the message.
inline absl::Status FromException(absl::StatusCode code, std::string_view what, const kj::Exception& exception) {
  return absl::Status(code, absl::StrCat(AsAbsl(what), ": ", Printable(View(exception.getDescription()))));
}

}  // namespace weir::schema

#endif  // WEIR_SCHEMA_KJ_SEAM_H_
