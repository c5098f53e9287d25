// What weir doctor looks for. Each finding says what is so, why it matters, and what to do about it.
#ifndef WEIR_TOOLS_WEIR_CHECKS_H_
#define WEIR_TOOLS_WEIR_CHECKS_H_

#include <weir/inspect.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace weir::tool {

struct Finding {
  std::string check;        // one word, the same in every version, for scripts
  std::string domain = {};  // empty: the machine
  std::string what;         // a sentence
  std::string why = {};     // another one
  std::string remedy = {};  // what to do
  bool fixable = false;     // by cleaning up in the domain, as --fix does
};

// Above this share of what there is, it is said to be nearly full.
inline constexpr double kNearlyFull = 0.8;

// Memory, limits and kernel; `root` is where the domains lie, which need not exist.
std::vector<Finding> CheckMachine(const std::string& root);

// Files of the domain that belong to endpoints: "pool.<id>" and so on, as EndpointInfo::id. To be read before the look
// with which they are compared, so that what comes meanwhile is not taken for a leftover.
struct EndpointFile {
  std::string path;
  uint64_t id;
};
std::vector<EndpointFile> ListEndpointFiles(const std::string& domain_path);

// Of one domain. `held_max`: how long a sample may be held before it is remarkable.
std::vector<Finding> CheckDomain(const DomainSnapshot& domain, const std::vector<EndpointFile>& files,
                                 absl::Duration held_max);

}  // namespace weir::tool

#endif  // WEIR_TOOLS_WEIR_CHECKS_H_
