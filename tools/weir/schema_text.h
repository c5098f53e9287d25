// A topic's schema for people: Cap'n Proto types as one would write them, plain structs with offsets.
#ifndef WEIR_TOOLS_WEIR_SCHEMA_TEXT_H_
#define WEIR_TOOLS_WEIR_SCHEMA_TEXT_H_

#include <weir/inspect.h>

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace weir::tool {

// `schema`: what Inspector::ReadSchema gives. DataLoss if it cannot be read.
absl::StatusOr<std::string> SchemaText(const TopicInfo& topic, std::string_view schema);

}  // namespace weir::tool

#endif  // WEIR_TOOLS_WEIR_SCHEMA_TEXT_H_
