// Fields of a message by path, as people write them: "header.stampNs", "joints[2].name", "cores[0]".
#ifndef WEIR_SCHEMA_FIELD_PATH_H_
#define WEIR_SCHEMA_FIELD_PATH_H_

#include <capnp/dynamic.h>
#include <capnp/schema.h>

#include <string_view>

#include "absl/status/statusor.h"

namespace weir::schema {

struct FieldValue {
  capnp::DynamicValue::Reader value;  // into the message
  capnp::Type type;                   // as the schema declares it
};

// The value at `path`. What was never set has its default. Errors name the part of the path they are about:
//   NotFound            the type has no such field, or the list is shorter
//   FailedPrecondition  the field belongs to a union of which another member is set
//   InvalidArgument     not a path, or it goes on behind something that has no parts
//   DataLoss            the message is corrupt there
// Allocates nothing but error texts. Counts against the traversal limit of the message, as getters do.
absl::StatusOr<FieldValue> GetField(capnp::DynamicStruct::Reader message, std::string_view path);

}  // namespace weir::schema

#endif  // WEIR_SCHEMA_FIELD_PATH_H_
