// What may be called what, and where things lie.
#ifndef WEIR_DISCOVERY_NAMES_H_
#define WEIR_DISCOVERY_NAMES_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "middleware/base/hash.h"
#include "middleware/base/words.h"

namespace weir::discovery {

// Errors are InvalidArgument and name the object, its value (quoted, see base/text.h) and the rule that it breaks.
absl::Status CheckTopicName(std::string_view name);
absl::Status CheckNodeName(std::string_view name);
absl::Status CheckDomainName(std::string_view name);
absl::Status CheckTypeName(std::string_view name);

// `given` if not empty, else $WEIR_ROOT, else "/dev/shm/weir-<uid>". `is_default`: it is the last of the three, which
// we may make and remove. The other two are somebody's decision and stay. InvalidArgument: not an absolute path.
struct Root {
  std::string path;
  bool is_default = false;
};
absl::StatusOr<Root> ResolveRoot(std::string_view given);

// The files of a domain.
enum class FileKind { kPool, kQueue, kTable, kWake };
std::string EndpointFileName(FileKind kind, Incarnation incarnation);  // "pool.0123456789abcdef"
std::string SchemaFileName(const Hash128& hash);                       // "schema.<32 hex digits>"
std::string DepartedFileName(Incarnation topic);                       // "departed.0123456789abcdef"

// The other way round, for whoever looks through a directory: what file is that?
struct ParsedFileName {
  enum class What { kRegistry, kEndpoint, kSchema, kDeparted, kOther };
  What what = What::kOther;
  FileKind kind = FileKind::kPool;  // kEndpoint
  Incarnation incarnation = 0;      // kEndpoint; kDeparted: the topic's
  Hash128 hash;                     // kSchema
};
ParsedFileName ParseFileName(std::string_view name);

// "schema.<...>"'s part, and what messages show.
std::string HexOf(const Hash128& hash);

}  // namespace weir::discovery

#endif  // WEIR_DISCOVERY_NAMES_H_
