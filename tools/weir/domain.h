// The domain that a command is about, and messages that help when it or a topic is not there.
#ifndef WEIR_TOOLS_WEIR_DOMAIN_H_
#define WEIR_TOOLS_WEIR_DOMAIN_H_

#include <weir/inspect.h>
#include <weir/node.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/weir/commands.h"

namespace weir::tool {

// The directory in which the domains lie, as the library finds it.
std::string RootOf(const Globals& globals);

// Errors as Inspector::Open; NotFound says which domains there are.
absl::StatusOr<Inspector> OpenDomain(const Globals& globals);
absl::StatusOr<DomainSnapshot> LookAtDomain(const Globals& globals);

// NotFound says which topics there are, and which one may be meant.
absl::StatusOr<TopicInfo> FindTopic(const DomainSnapshot& domain, std::string_view topic);

// Whether the topic exists, also whether its domain does; looks again for at most `timeout`. Cancelled if it is asked
// to stop meanwhile; DeadlineExceeded.
absl::StatusOr<DomainSnapshot> WaitForTopicIn(const Globals& globals, std::string_view topic, absl::Duration timeout);

// A node for a command that takes part, called "weir echo" and the like.
absl::StatusOr<Node> JoinDomain(const Globals& globals, std::string_view command);

// What a subscriber of this tool asks for, so that it harms nobody: overwritten when it is slow, holding one sample at
// a time, and with a queue that takes no more than a small part of the publishers' pools; `depth_wanted` is as much as
// is useful.
SubscriberOptions CautiousSubscriber(const DomainSnapshot& domain, const TopicInfo& topic, uint32_t depth_wanted);

}  // namespace weir::tool

#endif  // WEIR_TOOLS_WEIR_DOMAIN_H_
