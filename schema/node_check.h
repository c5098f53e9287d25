// Checks the nodes of a binary schema before capnp::SchemaLoader sees them. The loader checks much itself, but it
// computes with 32 bits (a field of 32 bits at offset 2^27 - 1 passes for one inside its struct; reading it crashes),
// writes one element past its table if no member of an announced union is there, trusts displayNamePrefixLength, and
// treats kinds of types it does not know as unreachable code. Seen in Cap'n Proto 0.9.2.
#ifndef WEIR_SCHEMA_NODE_CHECK_H_
#define WEIR_SCHEMA_NODE_CHECK_H_

#include <capnp/schema.capnp.h>

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"

namespace weir::schema {

using Nodes = std::unordered_map<uint64_t, capnp::schema::Node::Reader>;

// Checks the struct `root_id` and everything it reaches (types of fields, groups, elements of lists, type arguments),
// and returns the ids of all that, the root's first; other nodes are not looked at. Errors name the type and the field:
//   DataLoss             a node is missing or contradicts itself or another one
//   FailedPrecondition   the type is sound but cannot be a topic's: it has capabilities, or uses a kind of type that
//   this
//                        version of Cap'n Proto does not have
// Throws kj::Exception if a node's own message is corrupt; the caller catches.
absl::StatusOr<std::vector<uint64_t>> CheckNodes(uint64_t root_id, const Nodes& nodes);

}  // namespace weir::schema

#endif  // WEIR_SCHEMA_NODE_CHECK_H_
