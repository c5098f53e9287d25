// Any topic by its name, without a C++ type: for tools, recorders, bridges, scripts.
//
//   auto subscriber = weir::DynamicSubscriber::Create(*node, "imu");
//   if (auto sample = subscriber->TakeFor(absl::Seconds(1))) std::cout << *sample->ToJson() << "\n";
//
//   auto publisher = weir::DynamicPublisher::Create(*node, "imu");
//   publisher->PublishJson(R"({"header": {"frameId": "base"}, "angularVelocity": {"z": 0.5}})");
//
// The type is the topic's own, as it lies in the registry; so such an endpoint fits every topic. Cap'n Proto messages
// are read and built where they lie, like those of a typed endpoint, through capnp's dynamic API, by path, or as JSON.
// Plain structs that WEIR_STRUCT describes are read by path and as JSON; others, and bytes, are bytes. Everything else
// is as with Publisher<T> and Subscriber<T>: queues, loans, samples, blocking, lifetime, fork. It is slower than
// generated code: a field by path takes about 0.2 us, a small message as JSON some microseconds, and a type is read and
// checked when an endpoint is made (0.1 ms).
//
// Threads: as the typed ones; the samples and loans of one topic share their schema, which is only read.
// Errors: what Cap'n Proto throws becomes a Status here. Only what you call on capnp's own objects (reader(),
// builder()) may throw kj::Exception on a corrupt message; Validate() finds that out beforehand.
#ifndef WEIR_DYNAMIC_H_
#define WEIR_DYNAMIC_H_

#include <capnp/dynamic.h>
#include <capnp/schema.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "weir/counts.h"
#include "weir/internal/export.h"
#include "weir/internal/raw.h"
#include "weir/latency_histogram.h"
#include "weir/message.h"
#include "weir/options.h"
#include "weir/outcomes.h"
#include "weir/wait_strategy.h"

namespace weir {

class Node;

namespace internal {
class DynamicType;  // a MessageType with its schema, ready for use
}

// What a Find or Create does while there is no topic of that name: NotFound at once, or after it has looked for one
// (every 10 ms) for so long.
struct WaitForTopic {
  absl::Duration timeout = absl::ZeroDuration();
};

// The type of a topic. NotFound: no such topic; FailedPrecondition in a forked child.
WEIR_EXPORT absl::StatusOr<MessageType> FindTopicType(const Node& node, std::string_view topic, WaitForTopic wait = {});

// The type of a Cap'n Proto struct that is known otherwise than by generated code, such as from capnp::SchemaParser;
// for DynamicPublisher::CreateWithType. FailedPrecondition if it cannot be a topic's type (it has capabilities, is a
// generic bound to type arguments, or is too large).
WEIR_EXPORT absl::StatusOr<MessageType> DescribeType(::capnp::StructSchema schema);

// A message that was taken. Move-only; any thread, one at a time. What it returns is valid as long as the sample, which
// keeps its slot and its schema.
class WEIR_EXPORT DynamicSample {
 public:
  DynamicSample(DynamicSample&&) noexcept;
  DynamicSample& operator=(DynamicSample&&) noexcept;
  ~DynamicSample();

  const MessageType& type() const&;
  const MessageType& type() && = delete;  // would dangle: keep the sample in a variable
  const SampleInfo& info() const& { return raw_.state()->info; }
  const SampleInfo& info() && = delete;

  // Cap'n Proto: the message, in place. FailedPrecondition for other kinds, DataLoss if already its root is corrupt.
  absl::StatusOr<::capnp::DynamicStruct::Reader> reader() const&;
  absl::StatusOr<::capnp::DynamicStruct::Reader> reader() && = delete;

  // One value, by a path like "header.stampNs" or "joints[2].name". NotFound: no such field or element;
  // FailedPrecondition: another member of its union is set, or messages of this type have no fields that Weir knows;
  // InvalidArgument: not a path; DataLoss. Of a described struct: integers, enums and single bytes are integers; char
  // and byte arrays are Data (of all their bytes, a text has a NUL where it ends); other arrays and structs have JSON
  // only, FailedPrecondition.
  absl::StatusOr<::capnp::DynamicValue::Reader> Get(std::string_view path) const&;
  absl::StatusOr<::capnp::DynamicValue::Reader> Get(std::string_view path) && = delete;
  // The same as JSON: "12", "\"base\"", "{...}".
  absl::StatusOr<std::string> GetJson(std::string_view path) const;

  // Cap'n Proto: fields by name in the order of their ordinals, without those that are null; 64-bit integers as
  // strings, because most readers of JSON compute with doubles; Data in base64. Described structs: all fields, in their
  // order; a char array is a string if it is text with nothing but zeros behind it, else {"text":"...","base64":"..."}
  // or {"base64":"..."}; a byte array is base64, an enum its number. Other kinds:
  // {"type":"Tick","size":16,"base64":"..."}. `pretty` breaks lines. DataLoss if the message is corrupt.
  // FromJson() of the text makes the same message (of a struct: but for padding and the bits of a NaN).
  absl::StatusOr<std::string> ToJson(bool pretty = false) const;

  // Plain structs and weir::Bytes: the message. Cap'n Proto: its first segment.
  std::span<const std::byte> bytes() const& { return {raw_.state()->body, raw_.state()->bytes}; }
  std::span<const std::byte> bytes() && = delete;
  // All of the message as it lies in shared memory; one part, but for Cap'n Proto messages that outgrew their slot.
  std::vector<std::span<const std::byte>> segments() const&;
  std::vector<std::span<const std::byte>> segments() && = delete;

  // Walks the whole message; as Sample::Validate().
  absl::Status Validate() const;

 private:
  friend class DynamicSubscriber;
  friend class DynamicTaken;
  DynamicSample(internal::RawSample raw, std::shared_ptr<const internal::DynamicType> type);

  // The type outlives the reader that lies beside the sample's state.
  std::shared_ptr<const internal::DynamicType> type_;
  internal::RawSample raw_;
};

// What a Take returns: a sample, or why there is none. As Taken<T>.
class DynamicTaken {
 public:
  explicit operator bool() const { return static_cast<bool>(sample_.raw_); }
  Outcome why() const { return why_; }

  DynamicSample& operator*() & { return sample_; }
  const DynamicSample& operator*() const& { return sample_; }
  DynamicSample operator*() && { return std::move(sample_); }
  const DynamicSample* operator->() const& { return &sample_; }
  const DynamicSample* operator->() && = delete;

 private:
  friend class DynamicSubscriber;
  DynamicTaken(DynamicSample sample, Outcome why) : sample_(std::move(sample)), why_(why) {}

  DynamicSample sample_;
  Outcome why_;
};

// As Subscriber<T>.
class WEIR_EXPORT DynamicSubscriber {
 public:
  // NotFound: no such topic. DataLoss: the schema in the registry is damaged; FailedPrecondition: it uses what this
  // version of Cap'n Proto does not have, or the topic is of a kind that this version of Weir does not have. Otherwise
  // as Node::CreateSubscriber.
  static absl::StatusOr<DynamicSubscriber> Create(Node& node, std::string_view topic,
                                                  const SubscriberOptions& options = {}, WaitForTopic wait = {});

  DynamicSubscriber(DynamicSubscriber&&) noexcept;
  DynamicSubscriber& operator=(DynamicSubscriber&&) noexcept;
  ~DynamicSubscriber();

  DynamicTaken Take();
  DynamicTaken TakeFor(absl::Duration timeout, const WaitStrategy& strategy = WaitStrategy());
  DynamicTaken TakeUntil(absl::Time deadline, const WaitStrategy& strategy = WaitStrategy());
  void Interrupt() { raw_.Interrupt(); }
  absl::Status last_error() const { return raw_.last_error(); }

  const MessageType& type() const;
  SubscriberCounts counts() const { return raw_.counts(); }
  // How long the messages that were taken from the queue had been under way.
  LatencyHistogram latency() const { return raw_.latency(); }
  std::string_view topic() const { return raw_.topic(); }

 private:
  DynamicSubscriber(internal::RawSubscriber raw, std::shared_ptr<const internal::DynamicType> type);
  DynamicTaken Wrap(internal::RawTaken taken) const;

  std::shared_ptr<const internal::DynamicType> type_;
  internal::RawSubscriber raw_;
};

// A slot in which a message is being built. As Loan<T>: belongs to its publisher, same thread.
class WEIR_EXPORT DynamicLoan {
 public:
  DynamicLoan(DynamicLoan&&) noexcept;
  DynamicLoan& operator=(DynamicLoan&&) noexcept;
  ~DynamicLoan();

  const MessageType& type() const;

  // Cap'n Proto: the message, built in the slot. FailedPrecondition for other kinds.
  absl::StatusOr<::capnp::DynamicStruct::Builder> builder();

  // Sets what the text has and leaves the rest alone. InvalidArgument, naming the field, if it is not JSON or does not
  // fit the type; drop the loan then, part of the text may be in it. Described structs are set as a whole: what the
  // text does not have becomes zero. Kinds without a schema take what ToJson gives; "type" and "size" may be left out,
  // but are checked.
  absl::Status FromJson(std::string_view text);

  // Cap'n Proto: a copy of another message, of this type or one that is compatible with it.
  absl::Status CopyFrom(::capnp::DynamicStruct::Reader message);

  // Plain structs and weir::Bytes: the message's bytes. Not zeroed. Empty for Cap'n Proto.
  std::span<std::byte> bytes();
  // weir::Bytes: as Loan<Bytes>::Resize. False for other kinds.
  bool Resize(size_t size);

 private:
  friend class DynamicPublisher;
  DynamicLoan(internal::RawLoan raw, std::shared_ptr<const internal::DynamicType> type);

  absl::Status BytesFromJson(std::string_view text);

  std::shared_ptr<const internal::DynamicType> type_;
  internal::RawLoan raw_;
};

// As Publisher<T>.
class WEIR_EXPORT DynamicPublisher {
 public:
  // Errors: as DynamicSubscriber::Create, and those of Node::CreatePublisher.
  static absl::StatusOr<DynamicPublisher> Create(Node& node, std::string_view topic,
                                                 const PublisherOptions& options = {}, WaitForTopic wait = {});
  // Makes the topic if it does not exist: for those who know a type from elsewhere, such as a recording. DataLoss or
  // FailedPrecondition if its schema is none that a topic could have.
  static absl::StatusOr<DynamicPublisher> CreateWithType(Node& node, std::string_view topic, const MessageType& type,
                                                         const PublisherOptions& options = {});

  DynamicPublisher(DynamicPublisher&&) noexcept;
  DynamicPublisher& operator=(DynamicPublisher&&) noexcept;
  ~DynamicPublisher();

  // `body_bytes`: as Publisher<T>::Loan; not used for plain structs.
  absl::StatusOr<DynamicLoan> Loan(size_t body_bytes = 0);
  absl::StatusOr<Published> Publish(DynamicLoan loan);
  // A loan, FromJson, Publish. Nothing is sent if there is an error.
  absl::StatusOr<Published> PublishJson(std::string_view text);

  absl::Status WaitForSubscribers(uint32_t count, absl::Duration timeout) {
    return raw_.WaitForSubscribers(count, timeout);
  }
  const MessageType& type() const;
  PublisherCounts counts() const { return raw_.counts(); }
  std::string_view topic() const { return raw_.topic(); }

 private:
  DynamicPublisher(internal::RawPublisher raw, std::shared_ptr<const internal::DynamicType> type);

  std::shared_ptr<const internal::DynamicType> type_;
  internal::RawPublisher raw_;
};

}  // namespace weir

#endif  // WEIR_DYNAMIC_H_
