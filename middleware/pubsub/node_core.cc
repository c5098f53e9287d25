#include "middleware/pubsub/node_core.h"

#include <algorithm>
#include <bit>
#include <span>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "middleware/base/hash.h"
#include "middleware/base/limits.h"
#include "middleware/base/strings.h"
#include "middleware/base/text.h"
#include "middleware/os/clock.h"
#include "middleware/os/futex.h"
#include "middleware/os/membarrier.h"
#include "middleware/os/process.h"

namespace weir::internal {

absl::StatusOr<std::shared_ptr<NodeCore>> NodeCore::Create(const NodeOptions& options) {
  if (options.registry_timeout < absl::ZeroDuration() || options.registry_timeout > absl::Hours(1)) {
    return absl::InvalidArgumentError(absl::StrCat("NodeOptions::registry_timeout is ",
                                                   absl::FormatDuration(options.registry_timeout),
                                                   "; it must be between 0 and 1 h"));
  }
  absl::StatusOr<os::ForkGuard> guard = os::ForkGuard::Current();
  if (!guard.ok()) return guard.status();

  std::shared_ptr<NodeCore> core(new NodeCore);
  core->guard_ = *guard;
  // Registered before anything is published, so that no push of this process is ever without the one or the other
  // fence.
  core->waker_must_fence_ = !(options.membarrier && os::RegisterGlobalExpedited());
  core->can_fence_others_ = os::GlobalExpedited();
  core->can_fence_threads_ = os::RegisterPrivateExpedited() && os::PrivateExpedited();

  auto registry =
      discovery::Registry::Join({.root = options.root, .domain = options.domain, .timeout = options.registry_timeout},
                                options.name, core->waker_must_fence_ ? 0 : kNodeRegisteredForMembarrier);
  if (!registry.ok()) return registry.status();
  core->registry_ = *std::move(registry);
  return core;
}

void SleepOn(const std::atomic<uint32_t>* word, uint32_t value, uint64_t deadline_ns) {
  constexpr uint64_t kInsteadNs = 1'000'000;
  if (os::FutexWait(word, value, deadline_ns) != os::FutexResult::kFailed) return;
  os::SleepUntil(std::min(deadline_ns, os::MonotonicNow() + kInsteadNs));
}

discovery::TopicSpec MakeTopicSpec(std::string_view topic, const MessageType& type, const TopicOptions& options) {
  const auto schema = std::as_bytes(std::span(type.schema.data(), type.schema.size()));
  return {.name = std::string(topic),
          .type = {.kind = static_cast<uint32_t>(type.kind),
                   .name = type.name,
                   .id = type.id,
                   .body_bytes = type.body_bytes,
                   .body_align = type.body_align,
                   .schema_hash = schema.empty() ? Hash128{} : HashBytes(schema),
                   .schema_blob = type.schema},
          .exclusive = options.exclusive,
          .max_publishers = options.max_publishers,
          .max_subscribers = options.max_subscribers};
}

absl::Status CheckType(const MessageType& type) {
  if (type.kind == MessageKind::kCapnp && type.name.empty()) {
    return absl::FailedPreconditionError(absl::StrCat("this Cap'n Proto type cannot be a topic's: ", type.schema));
  }
  if (type.kind > MessageKind::kCapnp) {
    return absl::InvalidArgumentError(absl::StrCat("type ", Quoted(type.name), " is of kind ",
                                                   static_cast<uint32_t>(type.kind), ", which there is not"));
  }
  const bool plain = type.kind == MessageKind::kPlain;
  const bool aligned = std::has_single_bit(type.body_align) && type.body_align <= kCacheLineBytes;
  const bool sized = plain ? type.body_bytes >= 1 && type.body_bytes <= kBodyBytesMax : type.body_bytes == 0;
  if (sized && (!plain || aligned)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("type ", Quoted(type.name), " is a ", NameOf(type.kind), " with ", type.body_bytes,
                   " bytes aligned to ", type.body_align, "; a ", NameOf(MessageKind::kPlain), " has 1 to ",
                   kBodyBytesMax, " bytes, aligned to 1, 2, 4 ... ", kCacheLineBytes, ", and other types say 0 bytes"));
}

const char* NameOf(MessageKind kind) {
  switch (kind) {
    case MessageKind::kBytes:
      return "run of bytes";
    case MessageKind::kPlain:
      return "plain struct";
    case MessageKind::kCapnp:
      return "Cap'n Proto struct";
  }
  return "type of a kind that this version of Weir does not know";
}

absl::Status CheckInRange(std::string_view option, uint64_t value, uint64_t min, uint64_t max) {
  if (value >= min && value <= max) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(AsAbsl(option), " is ", value, "; it must be between ", min, " and ", max));
}

}  // namespace weir::internal
