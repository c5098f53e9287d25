// A message type as bytes: what lies with a topic, so that any process can check the type it was compiled with against
// the topic's, and any tool can read the topic's messages without generated code.
//
// The bytes are a Cap'n Proto message of one segment, with its segment table, in canonical form: a CodeGeneratorRequest
// (what MCAP's encoding "capnproto" wants) whose nodes are the type and all it reaches, by rising id, and whose only
// requested file has the type's id and display name. Equal types give equal bytes, whatever made them: generated code,
// a SchemaLoader, another version of Cap'n Proto, another build folder. To that end what does not belong to a type
// is left out: annotations, folders in display names, nested declarations that the type does not use.
#ifndef WEIR_SCHEMA_SCHEMA_BLOB_H_
#define WEIR_SCHEMA_SCHEMA_BLOB_H_

#include <capnp/schema-loader.h>
#include <capnp/schema.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "middleware/base/hash.h"

namespace weir::schema {

struct TypeDescription {
  std::string name;  // "Imu", "SystemStatus.Core": the declaration with its scopes, without the file
  uint64_t id = 0;   // the declaration's @0x...
  std::string blob;  // at most kSchemaBytesMax, a multiple of 8
  Hash128 hash;      // of the blob
};

// Describes a struct, as in Describe(capnp::Schema::from<weir::msg::Imu>()). Allocates; thread-safe. FailedPrecondition
// if it cannot be a topic's type: it has capabilities, it is a generic bound to type arguments (name the binding by a
// struct with a field of that type), or it exceeds kSchemaBytesMax or kNameBytesMax.
absl::StatusOr<TypeDescription> Describe(capnp::StructSchema root);

// A schema read back from a blob. Move-only; const calls are thread-safe; Schema objects and DynamicStructs made from
// it must not outlive it.
class LoadedSchema {
 public:
  // Accepts any bytes, aligned or not, and keeps no reference to them. DataLoss if they are not what Describe() makes,
  // FailedPrecondition if they are but use something this version of Cap'n Proto does not have. Takes memory of at
  // most some multiple of the blob. Does not compare the hash with anything: the caller knows the one it wants.
  static absl::StatusOr<LoadedSchema> Parse(std::span<const std::byte> blob);

  capnp::StructSchema root() const { return root_; }
  std::vector<capnp::Schema> Types() const;  // the root and all it reaches, in no order
  const std::string& name() const { return name_; }
  uint64_t id() const { return id_; }
  Hash128 hash() const { return hash_; }  // of the blob that was parsed

 private:
  LoadedSchema() = default;

  std::unique_ptr<capnp::SchemaLoader> loader_;
  capnp::StructSchema root_;
  std::string name_;
  uint64_t id_ = 0;
  Hash128 hash_;
};

}  // namespace weir::schema

#endif  // WEIR_SCHEMA_SCHEMA_BLOB_H_
