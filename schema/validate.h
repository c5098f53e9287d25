// Walks a whole message so that a corrupt one is found here, as a Status, and not by an exception of some getter later.
//
// Checked: every pointer of every struct and list stays inside its segment and has the kind that the schema says; a
// text ends in NUL; there are no capabilities. What the schema gives no type to is followed without one: AnyPointers,
// union members that are not active, fields of a newer version. So a valid message can be read, printed and copied. Not
// checked, because Cap'n Proto does not promise it: texts are UTF-8, an enum's value is a known one, two pointers do
// not share a target.
//
// The result holds for the bytes as they were. A publisher that writes after publishing can invalidate it while it is
// computed; against that only a copy helps.
#ifndef WEIR_SCHEMA_VALIDATE_H_
#define WEIR_SCHEMA_VALIDATE_H_

#include <capnp/common.h>
#include <capnp/dynamic.h>
#include <capnp/schema.h>
#include <kj/common.h>

#include <cstdint>

#include "absl/status/status.h"

namespace weir::schema {

struct ValidateLimits {
  // Pointers on the way from the root to the deepest object, counted as capnp::ReaderOptions does. At most 64.
  int nesting_max = 64;
  // Words that may be visited; more than the message has where pointers share a target. 0 means twice the message,
  // but at least 64 MiB.
  uint64_t visited_words_max = 0;
};

// The message in `segments` (see WordsOf) as a `type`. A message whose root is null is valid: all fields have their
// defaults. DataLoss names the way to what is wrong: "Image.header.frameId: Message contains text that is not
// NUL-terminated." Allocates little; throws nothing; time is linear in the message. Thread-safe.
absl::Status Validate(kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments, capnp::StructSchema type,
                      const ValidateLimits& limits = {});

// The same for one struct that is already being read. The limits are those of its MessageReader, and what is visited
// here is no longer available to others that read through it: prefer the call above for a message that will be read.
absl::Status Validate(capnp::DynamicStruct::Reader message);

}  // namespace weir::schema

#endif  // WEIR_SCHEMA_VALIDATE_H_
