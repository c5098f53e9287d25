// What all endpoints of a node share: its place in the registry, and how this process fences.
#ifndef WEIR_PUBSUB_NODE_CORE_H_
#define WEIR_PUBSUB_NODE_CORE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "discovery/records.h"
#include "discovery/registry.h"
#include "middleware/os/fork_guard.h"
#include "weir/message.h"
#include "weir/options.h"

namespace weir::internal {

// Thread-safe. Kept alive by its Node and by every endpoint; leaves the domain when the last of them is gone.
class NodeCore {
 public:
  static absl::StatusOr<std::shared_ptr<NodeCore>> Create(const NodeOptions& options);

  NodeCore(const NodeCore&) = delete;
  NodeCore& operator=(const NodeCore&) = delete;

  discovery::Registry& registry() { return *registry_; }
  const discovery::Registry& registry() const { return *registry_; }

  // False in a forked child, where nothing of this node may be touched. Endpoints keep a copy of the guard: asking it
  // is one load.
  const os::ForkGuard& guard() const { return guard_; }
  bool InOwner() const { return guard_.InOwner(); }
  absl::Status CheckOwner() const { return guard_.Check(); }

  // As a waker: whether this process must fence after every change, because nobody else can make it fence.
  bool waker_must_fence() const { return waker_must_fence_; }
  // As a sleeper: whether this process can make the wakers fence. If not, it says so in the queues' headers.
  bool can_fence_others() const { return can_fence_others_; }
  // Within the process: whether one thread can make the others fence (see SubscriberCore).
  bool can_fence_threads() const { return can_fence_threads_; }

 private:
  NodeCore() = default;

  os::ForkGuard guard_;
  std::shared_ptr<discovery::Registry> registry_;
  bool waker_must_fence_ = true;
  bool can_fence_others_ = false;
  bool can_fence_threads_ = false;
};

// Flags of a node's registry entry.
inline constexpr uint32_t kNodeRegisteredForMembarrier = 1;

// futex_wait for loops: where the word cannot be waited on (a system call filter, a truncated file) it sleeps a
// millisecond instead of returning at once, so that the loop around it does not spin.
void SleepOn(const std::atomic<uint32_t>* word, uint32_t value, uint64_t deadline_ns);

// The registry's way of saying what a topic is. `type` must outlive the result.
discovery::TopicSpec MakeTopicSpec(std::string_view topic, const MessageType& type, const TopicOptions& options);

// FailedPrecondition if the type could not be described (then its schema is the reason, see CapnpType).
// InvalidArgument if it cannot be: its kind, its size, its alignment.
absl::Status CheckType(const MessageType& type);

// For messages: "plain struct".
const char* NameOf(MessageKind kind);

// InvalidArgument, naming the option, its value and its limits.
absl::Status CheckInRange(std::string_view option, uint64_t value, uint64_t min, uint64_t max);

}  // namespace weir::internal

#endif  // WEIR_PUBSUB_NODE_CORE_H_
