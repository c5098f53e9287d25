// How an endpoint comes to terms with the type that its topic has. Equal types are seen by the registry, which compares
// names, sizes and the schemas' hashes; only when it refuses is the topic's schema read and compared with ours, without
// the registry's lock.
#ifndef WEIR_PUBSUB_TOPIC_TYPE_H_
#define WEIR_PUBSUB_TOPIC_TYPE_H_

#include "absl/status/status.h"
#include "discovery/records.h"
#include "discovery/registry.h"

namespace weir::internal {

// After the registry refused `spec` with `refused`. OK: the topic's type will do, and `spec` now says so to the
// registry. Otherwise what to tell the user: `refused`, or which field does not fit. Reads a file, allocates.
absl::Status ComeToTerms(const discovery::Registry& registry, const absl::Status& refused, discovery::TopicSpec& spec);

// `reserve(spec)`, which returns a StatusOr, once more if the topic's type will do.
template <class Reserve>
auto ReserveInTopic(const discovery::Registry& registry, discovery::TopicSpec spec, Reserve reserve) {
  auto reserved = reserve(spec);
  // A second round is the rule. A further one is for a topic that was given up and made anew in between; whose type
  // keeps changing is refused.
  for (int rounds = 0; rounds < 3 && !reserved.ok(); ++rounds) {
    if (absl::Status status = ComeToTerms(registry, reserved.status(), spec); !status.ok())
      return decltype(reserved)(status);
    reserved = reserve(spec);
  }
  return reserved;
}

}  // namespace weir::internal

#endif  // WEIR_PUBSUB_TOPIC_TYPE_H_
