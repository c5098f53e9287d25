// What can be a message, and how a topic describes its type.
//
//   plain structs   any trivially copyable type; read and written in place; WEIR_STRUCT describes its fields. Without
//                   that a struct is known by name, size and alignment only: two programs whose structs agree in those
//                   but have other fields are connected, and read each other's bytes as what they are not
//   weir::Bytes     a run of bytes whose length is chosen per message
//   Cap'n Proto     a generated struct type; include <weir/capnp.h>
//
// MessageTraits<T> is the seam: a specialisation says what the type is called and what its schema is.
#ifndef WEIR_MESSAGE_H_
#define WEIR_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "weir/describe.h"
#include "weir/internal/type_name.h"

namespace weir {

enum class MessageKind : uint8_t { kBytes = 0, kPlain = 1, kCapnp = 2 };

// The description of a message type that lies with its topic; the first endpoint's. Other endpoints must agree on all
// of it, except that a Cap'n Proto type may be an older or newer version of the topic's: the same id, and a schema that
// goes with it (fields added or renamed, no type or default changed; docs/design.md has the rules), and that a plain
// struct may be described on one side only.
struct MessageType {
  MessageKind kind = MessageKind::kBytes;
  std::string name = {};    // 1 to 255 bytes
  uint64_t id = 0;          // Cap'n Proto's type id, else 0
  uint64_t body_bytes = 0;  // of a plain struct, else 0
  uint32_t body_align = 8;
  // Cap'n Proto: a CodeGeneratorRequest with all reachable nodes; a described struct: text, by lines; else empty.
  std::string schema = {};
};

// The tag of topics that carry uninterpreted bytes.
struct Bytes {
  Bytes() = delete;
};

// A type as Cap'n Proto's compiler generates it.
template <class T>
concept CapnpMessage = requires {
  typename T::Reader;
  typename T::Builder;
};

template <class T>
concept BytesMessage = std::is_same_v<T, Bytes>;

// Trivially copyable, because subscribers read the very bytes; at most cache-line aligned, because that is how slots
// lie.
template <class T>
concept PlainMessage = !CapnpMessage<T> && !BytesMessage<T> && std::is_trivially_copyable_v<T> &&
                       std::is_trivially_destructible_v<T> && !std::is_pointer_v<T> && alignof(T) <= 64;

template <class T>
struct MessageTraits;

template <>
struct MessageTraits<Bytes> {
  static MessageType Type() { return {.kind = MessageKind::kBytes, .name = "weir::Bytes"}; }
};

// The name is the type's own, unless the type has a member `static constexpr std::string_view kWeirTypeName`.
template <PlainMessage T>
struct MessageTraits<T> {
  static MessageType Type() {
    MessageType type = {.kind = MessageKind::kPlain,
                        .name = std::string(internal::TypeName<T>()),
                        .body_bytes = sizeof(T),
                        .body_align = static_cast<uint32_t>(alignof(T))};
    if constexpr (internal::DescribedStruct<T>) type.schema = internal::StructText::Of<T>();
    return type;
  }
};

// Fails where a type cannot be a message, with a sentence instead of a page of templates.
template <class T>
constexpr void CheckMessageType() {
  static_assert(
      CapnpMessage<T> || BytesMessage<T> || PlainMessage<T>,
      "a message is weir::Bytes, a Cap'n Proto struct, or a trivially copyable struct (no pointers to own, no "
      "std::string, no virtual functions)");
  static_assert(
      requires { MessageTraits<T>::Type(); }, "for Cap'n Proto types include <weir/capnp.h>");
}

}  // namespace weir

#endif  // WEIR_MESSAGE_H_
