// A node: one participant in a domain, usually one per process. It owns publishers and subscribers.
//
//   auto node = weir::Node::Create({.name = "lidar", .domain = "lab"});
//   auto publisher = node->CreatePublisher<Scan>("scan/front", {.history = 1});
//   auto subscriber = node->CreateSubscriber<Scan>("scan/front", {.depth = 16});
//
// Threads: all members may be called from any thread. No thread is started, no signal handler installed, nothing
// printed. Blocks: Create and the Create... functions take the domain's registry lock, for at most
// NodeOptions::registry_timeout (then: Unavailable, naming the holder). They also clean up after participants that
// died. Lifetime: endpoints, loans and samples keep what they need of their node; a Node destroyed first stays
// registered until the last of them is gone. Fork: a forked child cannot use its parent's Weir objects: every call
// returns FailedPrecondition there, and destructors touch nothing. It may create a Node of its own.
#ifndef WEIR_NODE_H_
#define WEIR_NODE_H_

#include <memory>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "weir/internal/raw.h"
#include "weir/message.h"
#include "weir/options.h"
#include "weir/publisher.h"
#include "weir/subscriber.h"

namespace weir {

class Node;
namespace internal {
const std::shared_ptr<NodeCore>& CoreOf(const Node& node);
}

class Node {
 public:
  // Errors: InvalidArgument (a name, a root that is no absolute path, the timeout), NotFound (the root's parent),
  // PermissionDenied or FailedPrecondition (the directory's owner, mode, or another layout number), ResourceExhausted
  // (1,024 nodes, no descriptors, or /dev/shm is full), Unavailable (the registry's lock), DataLoss (the registry is
  // none). docs/troubleshooting.md lists the messages.
  static absl::StatusOr<Node> Create(const NodeOptions& options = {}) {
    auto core = internal::CreateNode(options);
    if (!core.ok()) return core.status();
    return Node(*std::move(core));
  }

  // `topic`: 1 to 255 bytes of UTF-8 without control characters, such as "scan/front". It does not begin or end with
  // '/', and no part between two '/' is empty, "." or "..".
  // Errors: InvalidArgument (topic or an option), FailedPrecondition (the topic has other options, or another type of
  // which this is no compatible version: the message names the first field that differs), AlreadyExists (a second
  // publisher of an exclusive topic), ResourceExhausted, Unavailable, DataLoss (the topic's schema file is damaged, and
  // the types are not equal).
  template <class T>
  absl::StatusOr<Publisher<T>> CreatePublisher(std::string_view topic, const PublisherOptions& options = {}) {
    CheckMessageType<T>();
    auto raw = internal::CreatePublisher(core_, topic, MessageTraits<T>::Type(), options);
    if (!raw.ok()) return raw.status();
    return Publisher<T>(*std::move(raw));
  }

  // Every Publish that begins after this returned is delivered; of what was published before, the publishers'
  // histories. Errors: as CreatePublisher.
  template <class T>
  absl::StatusOr<Subscriber<T>> CreateSubscriber(std::string_view topic, const SubscriberOptions& options = {}) {
    CheckMessageType<T>();
    auto raw = internal::CreateSubscriber(core_, topic, MessageTraits<T>::Type(), options);
    if (!raw.ok()) return raw.status();
    return Subscriber<T>(*std::move(raw));
  }

  std::string_view name() const { return internal::NodeName(*core_); }
  std::string_view domain() const { return internal::DomainName(*core_); }

 private:
  friend const std::shared_ptr<internal::NodeCore>& internal::CoreOf(const Node& node);
  explicit Node(std::shared_ptr<internal::NodeCore> core) : core_(std::move(core)) {}

  std::shared_ptr<internal::NodeCore> core_;
};

inline const std::shared_ptr<internal::NodeCore>& internal::CoreOf(const Node& node) {
  return node.core_;
}

}  // namespace weir

#endif  // WEIR_NODE_H_
