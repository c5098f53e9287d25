// What lies behind <weir/dynamic.h>: the untyped core, and the topic's schema from the registry in place of T.
#include "weir/dynamic.h"

#include <kj/exception.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "middleware/base/strings.h"
#include "middleware/base/text.h"
#include "middleware/os/clock.h"
#include "middleware/os/process.h"
#include "middleware/pubsub/node_core.h"
#include "schema/bytes_json.h"
#include "schema/field_path.h"
#include "schema/json.h"
#include "schema/kj_seam.h"
#include "schema/schema_blob.h"
#include "schema/struct_json.h"
#include "weir/capnp.h"
#include "weir/node.h"

namespace weir {
namespace internal {

// Shared by an endpoint, its loans and its samples, and only read once it is made.
class DynamicType {
 public:
  static absl::StatusOr<std::shared_ptr<const DynamicType>> Make(MessageType type) {
    auto made = std::make_shared<DynamicType>();
    made->message_ = std::move(type);
    switch (made->message_.kind) {
      case MessageKind::kBytes:
        return made;
      case MessageKind::kPlain: {
        if (made->message_.schema.empty()) return made;
        auto fields = schema::StructJson::Make(made->message_.schema, made->message_.body_bytes);
        if (!fields.ok()) return fields.status();
        made->fields_.emplace(*std::move(fields));
        return made;
      }
      case MessageKind::kCapnp: {
        auto schema = schema::LoadedSchema::Parse(std::as_bytes(std::span(made->message_.schema)));
        if (!schema.ok()) return schema.status();
        made->schema_.emplace(*std::move(schema));
        return made;
      }
    }
    return absl::FailedPreconditionError(absl::StrCat("type ", made->message_.name, " is of kind ",
                                                      static_cast<uint32_t>(made->message_.kind),
                                                      ", which this version of Weir does not know"));
  }

  const MessageType& message() const { return message_; }
  bool is_capnp() const { return schema_.has_value(); }
  ::capnp::StructSchema root() const { return schema_->root(); }
  // Of a described plain struct, else nullptr.
  const schema::StructJson* fields() const { return fields_ ? &*fields_ : nullptr; }
  const schema::Json& json(bool pretty = false) const { return pretty ? pretty_json_ : json_; }

  absl::Status CheckCapnp() const {
    if (is_capnp()) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat("messages of type ", message_.name,
                                                      fields_ ? " are plain structs; use GetJson(), Get() or bytes()"
                                                              : " have no fields that Weir knows; use bytes()"));
  }

 private:
  MessageType message_;
  std::optional<schema::LoadedSchema> schema_;
  std::optional<schema::StructJson> fields_;
  schema::Json json_{false};
  schema::Json pretty_json_{true};
};

}  // namespace internal

namespace {

using internal::DynamicType;
using internal::LoanState;
using internal::SampleState;
using internal::SlotMessageBuilder;
using internal::SlotMessageReader;

constexpr uint64_t kTopicPollNs = 10'000'000;

// A topic may go and come back, as another one, between its type being read and the endpoint being made.
constexpr int kTriesMax = 10;

SlotMessageReader& ReaderOf(SampleState& sample) {
  auto* reader = sample.companion.get<SlotMessageReader>();
  return reader != nullptr ? *reader : sample.companion.Emplace<SlotMessageReader>(sample);
}

SlotMessageBuilder& BuilderOf(LoanState& loan) {
  auto* builder = loan.companion.get<SlotMessageBuilder>();
  return builder != nullptr ? *builder : loan.companion.Emplace<SlotMessageBuilder>(loan);
}

// In a forked child the slot is not there.
absl::Status CheckOwner(const internal::RawLoan& loan) {
  if (internal::InOwner(*loan.state())) return absl::OkStatus();
  return absl::FailedPreconditionError("this loan is of the process that forked this one, which cannot use it");
}

// The type as it stands in the registry now. NotFound.
absl::StatusOr<MessageType> ReadTopicType(const discovery::Registry& registry, std::string_view topic) {
  const auto record = registry.FindTopic(topic);
  if (!record.has_value()) {
    return absl::NotFoundError(
        absl::StrCat("there is no topic ", Quoted(topic), " in domain \"", registry.domain(), "\""));
  }
  MessageType type = {.kind = static_cast<MessageKind>(record->type_kind),
                      .name = record->type_name,
                      .id = record->type_id,
                      .body_bytes = record->body_bytes,
                      .body_align = record->body_align};
  if (record->type_kind > 0xff) {
    return absl::FailedPreconditionError(absl::StrCat("topic ", Quoted(topic), " is of kind ", record->type_kind,
                                                      ", which this version of Weir does not know"));
  }
  if (record->schema_bytes != 0) {
    auto schema = registry.ReadSchema(record->schema_hash);
    if (!schema.ok()) {
      return absl::Status(
          schema.status().code(),
          absl::StrCat("topic ", Quoted(topic), ": its schema cannot be read: ", schema.status().message()));
    }
    type.schema = *std::move(schema);
  }
  return type;
}

absl::StatusOr<MessageType> WaitForType(const internal::NodeCore& node, std::string_view topic, WaitForTopic wait) {
  if (absl::Status status = node.CheckOwner(); !status.ok()) return status;
  if (absl::Status status = discovery::CheckTopicName(topic); !status.ok()) return status;  // it will never exist
  const uint64_t timeout_ns =
      static_cast<uint64_t>(std::max<int64_t>(0, absl::ToInt64Nanoseconds(wait.timeout)));  // below 2^63
  const uint64_t deadline_ns = os::MonotonicNow() + timeout_ns;
  for (;;) {
    auto type = ReadTopicType(node.registry(), topic);
    if (!absl::IsNotFound(type.status())) return type;
    const uint64_t now = os::MonotonicNow();
    if (now >= deadline_ns) return type;
    os::SleepUntil(std::min(deadline_ns, now + kTopicPollNs));
  }
}

// Calls `create(type)` with the topic's type, again if the topic became another one meanwhile.
template <class Create>
auto CreateByTopic(const internal::NodeCore& node, std::string_view topic, WaitForTopic wait, Create create)
    -> decltype(create(std::shared_ptr<const DynamicType>())) {
  for (int tries = 1;; ++tries) {
    auto found = WaitForType(node, topic, wait);
    if (absl::IsNotFound(found.status()) && tries < kTriesMax && node.registry().FindTopic(topic).has_value()) {
      continue;  // its schema's file was gone, with the topic, and both are here again
    }
    if (!found.ok()) return found.status();
    auto type = DynamicType::Make(*std::move(found));
    if (!type.ok()) return type.status();
    auto made = create(*type);
    if (made.ok() || !absl::IsFailedPrecondition(made.status()) || tries >= kTriesMax) return made;
    const auto now = ReadTopicType(node.registry(), topic);
    const MessageType& then = (*type)->message();
    if (now.ok() && now->kind == then.kind && now->name == then.name && now->schema == then.schema) return made;
  }
}

}  // namespace

absl::StatusOr<MessageType> FindTopicType(const Node& node, std::string_view topic, WaitForTopic wait) {
  return WaitForType(*internal::CoreOf(node), topic, wait);
}

absl::StatusOr<MessageType> DescribeType(::capnp::StructSchema schema) {
  auto described = schema::Describe(schema);
  if (!described.ok()) return described.status();
  return MessageType{
      .kind = MessageKind::kCapnp, .name = described->name, .id = described->id, .schema = std::move(described->blob)};
}

// DynamicSample
// ----------------------------------------------------------------------------------------------------------

DynamicSample::DynamicSample(internal::RawSample raw, std::shared_ptr<const DynamicType> type)
    : type_(std::move(type)), raw_(std::move(raw)) {}
DynamicSample::DynamicSample(DynamicSample&&) noexcept = default;
DynamicSample& DynamicSample::operator=(DynamicSample&& other) noexcept {
  raw_ = std::move(other.raw_);  // first, because what lies beside its state refers to the type
  type_ = std::move(other.type_);
  return *this;
}
DynamicSample::~DynamicSample() = default;

const MessageType& DynamicSample::type() const& {
  return type_->message();
}

absl::StatusOr<::capnp::DynamicStruct::Reader> DynamicSample::reader() const& {
  if (absl::Status status = type_->CheckCapnp(); !status.ok()) return status;
  try {
    return ReaderOf(*raw_.state()).reader().getRoot<::capnp::DynamicStruct>(type_->root());
  } catch (const kj::Exception& exception) {
    return schema::FromException(absl::StatusCode::kDataLoss, type_->message().name, exception);
  }
}

absl::StatusOr<::capnp::DynamicValue::Reader> DynamicSample::Get(std::string_view path) const& {
  if (type_->fields() != nullptr) return type_->fields()->GetField(bytes(), path);
  auto message = reader();
  if (!message.ok()) return message.status();
  auto field = schema::GetField(*message, path);
  if (!field.ok()) return field.status();
  return field->value;
}

absl::StatusOr<std::string> DynamicSample::GetJson(std::string_view path) const {
  if (type_->fields() != nullptr) return type_->fields()->EncodeField(bytes(), path);
  auto message = reader();
  if (!message.ok()) return message.status();
  auto field = schema::GetField(*message, path);
  if (!field.ok()) return field.status();
  return type_->json().Encode(field->value, field->type);
}

absl::StatusOr<std::string> DynamicSample::ToJson(bool pretty) const {
  if (type_->fields() != nullptr) return type_->fields()->Encode(bytes(), pretty);
  if (!type_->is_capnp()) return schema::BytesToJson(type_->message().name, bytes(), pretty);
  auto message = reader();
  if (!message.ok()) return message.status();
  return type_->json(pretty).Encode(*message);
}

std::vector<std::span<const std::byte>> DynamicSample::segments() const& {
  const SampleState& state = *raw_.state();
  std::vector<std::span<const std::byte>> all = {bytes()};
  for (uint32_t i = 0; i < state.segment_count; ++i) all.push_back(state.segments[i]);
  return all;
}

absl::Status DynamicSample::Validate() const {
  if (!type_->is_capnp()) return absl::OkStatus();
  return internal::ValidateCapnp(*raw_.state(), type_->root());
}

// DynamicSubscriber
// ------------------------------------------------------------------------------------------------------

absl::StatusOr<DynamicSubscriber> DynamicSubscriber::Create(Node& node, std::string_view topic,
                                                            const SubscriberOptions& options, WaitForTopic wait) {
  const auto& core = internal::CoreOf(node);
  return CreateByTopic(*core, topic, wait,
                       [&](std::shared_ptr<const DynamicType> type) -> absl::StatusOr<DynamicSubscriber> {
                         auto raw = internal::CreateSubscriber(core, topic, type->message(), options);
                         if (!raw.ok()) return raw.status();
                         return DynamicSubscriber(*std::move(raw), std::move(type));
                       });
}

DynamicSubscriber::DynamicSubscriber(internal::RawSubscriber raw, std::shared_ptr<const DynamicType> type)
    : type_(std::move(type)), raw_(std::move(raw)) {}
DynamicSubscriber::DynamicSubscriber(DynamicSubscriber&&) noexcept = default;
DynamicSubscriber& DynamicSubscriber::operator=(DynamicSubscriber&&) noexcept = default;
DynamicSubscriber::~DynamicSubscriber() = default;

DynamicTaken DynamicSubscriber::Wrap(internal::RawTaken taken) const {
  return DynamicTaken(DynamicSample(std::move(taken.sample), type_), taken.why);
}
DynamicTaken DynamicSubscriber::Take() {
  return Wrap(raw_.Take());
}
DynamicTaken DynamicSubscriber::TakeFor(absl::Duration timeout, const WaitStrategy& strategy) {
  return Wrap(raw_.TakeFor(timeout, strategy));
}
DynamicTaken DynamicSubscriber::TakeUntil(absl::Time deadline, const WaitStrategy& strategy) {
  return Wrap(raw_.TakeUntil(deadline, strategy));
}
const MessageType& DynamicSubscriber::type() const {
  return type_->message();
}

// DynamicLoan
// ------------------------------------------------------------------------------------------------------------

DynamicLoan::DynamicLoan(internal::RawLoan raw, std::shared_ptr<const DynamicType> type)
    : type_(std::move(type)), raw_(std::move(raw)) {}
DynamicLoan::DynamicLoan(DynamicLoan&&) noexcept = default;
DynamicLoan& DynamicLoan::operator=(DynamicLoan&& other) noexcept {
  raw_ = std::move(other.raw_);
  type_ = std::move(other.type_);
  return *this;
}
DynamicLoan::~DynamicLoan() = default;

const MessageType& DynamicLoan::type() const {
  return type_->message();
}

absl::StatusOr<::capnp::DynamicStruct::Builder> DynamicLoan::builder() {
  if (absl::Status status = type_->CheckCapnp(); !status.ok()) return status;
  if (absl::Status status = CheckOwner(raw_); !status.ok()) return status;
  try {
    return BuilderOf(*raw_.state()).getRoot<::capnp::DynamicStruct>(type_->root());
  } catch (const kj::Exception& exception) {
    return schema::FromException(absl::StatusCode::kInternal, type_->message().name, exception);
  }
}

absl::Status DynamicLoan::FromJson(std::string_view text) {
  if (!type_->is_capnp()) return BytesFromJson(text);
  auto message = builder();
  if (!message.ok()) return message.status();
  return type_->json().Decode(text, *message);
}

absl::Status DynamicLoan::BytesFromJson(std::string_view text) {
  if (absl::Status status = CheckOwner(raw_); !status.ok()) return status;
  if (type_->fields() != nullptr) return type_->fields()->Decode(text, bytes());
  auto content = schema::BytesFromJson(type_->message().name, text);
  if (!content.ok()) return content.status();
  if (content->size() != bytes().size() && !Resize(content->size())) {
    return absl::InvalidArgumentError(absl::StrCat("JSON: ", content->size(), " bytes; this loan of type ",
                                                   type_->message().name, " has ", raw_.state()->capacity));
  }
  if (!content->empty()) std::memcpy(bytes().data(), content->data(), content->size());
  return absl::OkStatus();
}

absl::Status DynamicLoan::CopyFrom(::capnp::DynamicStruct::Reader message) {
  if (absl::Status status = type_->CheckCapnp(); !status.ok()) return status;
  if (absl::Status status = CheckOwner(raw_); !status.ok()) return status;
  try {
    BuilderOf(*raw_.state()).setRoot(message);
    return absl::OkStatus();
  } catch (const kj::Exception& exception) {
    return schema::FromException(absl::StatusCode::kDataLoss, type_->message().name, exception);
  }
}

std::span<std::byte> DynamicLoan::bytes() {
  if (type_->is_capnp()) return {};
  return {raw_.state()->body, raw_.state()->used};
}

bool DynamicLoan::Resize(size_t size) {
  if (type_->message().kind != MessageKind::kBytes || size > raw_.state()->capacity) return false;
  raw_.state()->used = size;
  return true;
}

// DynamicPublisher
// -------------------------------------------------------------------------------------------------------

absl::StatusOr<DynamicPublisher> DynamicPublisher::Create(Node& node, std::string_view topic,
                                                          const PublisherOptions& options, WaitForTopic wait) {
  const auto& core = internal::CoreOf(node);
  return CreateByTopic(*core, topic, wait,
                       [&](std::shared_ptr<const DynamicType> type) -> absl::StatusOr<DynamicPublisher> {
                         auto raw = internal::CreatePublisher(core, topic, type->message(), options);
                         if (!raw.ok()) return raw.status();
                         return DynamicPublisher(*std::move(raw), std::move(type));
                       });
}

absl::StatusOr<DynamicPublisher> DynamicPublisher::CreateWithType(Node& node, std::string_view topic,
                                                                  const MessageType& type,
                                                                  const PublisherOptions& options) {
  auto made = DynamicType::Make(type);
  if (!made.ok()) return made.status();
  auto raw = internal::CreatePublisher(internal::CoreOf(node), topic, type, options);
  if (!raw.ok()) return raw.status();
  return DynamicPublisher(*std::move(raw), *std::move(made));
}

DynamicPublisher::DynamicPublisher(internal::RawPublisher raw, std::shared_ptr<const DynamicType> type)
    : type_(std::move(type)), raw_(std::move(raw)) {}
DynamicPublisher::DynamicPublisher(DynamicPublisher&&) noexcept = default;
DynamicPublisher& DynamicPublisher::operator=(DynamicPublisher&&) noexcept = default;
DynamicPublisher::~DynamicPublisher() = default;

absl::StatusOr<DynamicLoan> DynamicPublisher::Loan(size_t body_bytes) {
  const MessageType& type = type_->message();
  LoanState* state = raw_.Loan(type.kind == MessageKind::kPlain ? type.body_bytes : body_bytes);
  if (state == nullptr) return raw_.loan_failure();
  return DynamicLoan(internal::RawLoan(state), type_);
}

absl::StatusOr<Published> DynamicPublisher::Publish(DynamicLoan loan) {
  if (type_->is_capnp() && loan.raw_ && internal::InOwner(*loan.raw_.state())) {
    if (absl::Status status = loan.builder().status(); !status.ok()) return status;  // as an untouched one has no root
    if (absl::Status status = BuilderOf(*loan.raw_.state()).Finish(); !status.ok()) return status;
  }
  return raw_.Publish(loan.raw_);
}

absl::StatusOr<Published> DynamicPublisher::PublishJson(std::string_view text) {
  if (type_->is_capnp() || type_->fields() != nullptr) {
    auto loan = Loan();
    if (!loan.ok()) return loan.status();
    if (absl::Status status = loan->FromJson(text); !status.ok()) return status;
    return Publish(*std::move(loan));
  }
  auto content = schema::BytesFromJson(type_->message().name, text);  // its length decides about the slot
  if (!content.ok()) return content.status();
  auto loan = Loan(content->size());
  if (!loan.ok()) return loan.status();
  if (absl::Status status = loan->FromJson(text); !status.ok()) return status;
  return Publish(*std::move(loan));
}

const MessageType& DynamicPublisher::type() const {
  return type_->message();
}

}  // namespace weir
