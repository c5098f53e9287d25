// Whether two versions of one type can be used on one topic: each side reads what the other writes.
//
// The rules are those of capnp::SchemaLoader, for the type and all it reaches. Allowed: other names of fields, types
// and enumerants; further fields, union members and enumerants with the next ordinals; a field that becomes the first
// member of a new union or group; a list of T that becomes a list of a struct whose field @0 is a T. Refused: another
// id, kind of declaration, type, place or default value.
//
// Beyond what SchemaLoader looks at, refused because one side could not read what the other means: Text for Data and
// AnyPointer for a type (Cap'n Proto calls these upgrades, but the older side's getters throw), lists of Bool that
// become lists of structs, other type arguments, and other default values of pointer fields.
#ifndef WEIR_SCHEMA_COMPATIBLE_H_
#define WEIR_SCHEMA_COMPATIBLE_H_

#include <cstddef>
#include <span>

#include "absl/status/status.h"

namespace weir::schema {

// Of two blobs as Describe() makes them. FailedPrecondition names the first difference that is not allowed, and both
// sides of it: 'field "price" @2 of Quote: its type is Int64 here, Float64 in the topic'. DataLoss or
// FailedPrecondition if a blob is no schema (see LoadedSchema::Parse): any bytes may be given. Allocates, throws
// nothing, takes time linear in the blobs; thread-safe.
absl::Status CheckCompatible(std::span<const std::byte> ours, std::span<const std::byte> topics);

}  // namespace weir::schema

#endif  // WEIR_SCHEMA_COMPATIBLE_H_
