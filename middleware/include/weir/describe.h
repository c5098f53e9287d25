// WEIR_STRUCT describes a plain struct, so that its fields lie with its topics.
//
//   namespace market {
//   struct Tick {
//     char symbol[8];
//     int64_t price;
//     Side side;  // an enum
//   };
//   WEIR_STRUCT(Tick, symbol, price, side);
//   }  // namespace market
//
// It stands behind the struct, in the struct's namespace (for a struct inside a class: in the class's), and names all
// fields in their order; a field that is missing is a compile error, unless it is so small that it could be padding.
// Fields may be integers, floats, bool, char, std::byte, enums, other structs (described or not), and arrays of those,
// also std::array; not pointers, references or bit-fields. The struct has standard layout: no base class with fields,
// one access for all, nothing virtual. Up to 256 fields.
//
// A described struct is compared with its topic field by field when an endpoint is created: names, types, offsets. The
// first difference is named, with both sides: FailedPrecondition. A struct without description is known by its name,
// size and alignment only; it meets any other of the same three, described or not. So if one side is not described, a
// field that changed its type or place goes unnoticed, and is read as what it is not: describe what more than one
// program uses.
//
// A struct that is published is copied by nobody, so its padding goes along with whatever the slot held there: bytes of
// earlier messages of the same publisher, zeros in a new slot. Do not compare structs with memcmp; who must not leak
// old bytes fills the padding with fields.
#ifndef WEIR_DESCRIBE_H_
#define WEIR_DESCRIBE_H_

#include <cstddef>
#include <type_traits>

#include "weir/internal/struct_fields.h"

#define WEIR_STRUCT(Type, ...)                                                                         \
  static_assert(::std::is_standard_layout_v<Type> && ::std::is_trivially_copyable_v<Type>,             \
                #Type " cannot be described: it must be trivially copyable and have standard layout"); \
  template <class WeirVisitor>                                                                         \
  constexpr void WeirVisitFields(::std::type_identity<Type>, [[maybe_unused]] WeirVisitor& visitor) {  \
    WEIR_INTERNAL_FIELDS(Type, __VA_ARGS__)                                                            \
  }                                                                                                    \
  static_assert(::weir::internal::IsWholeLayout<Type>(),                                               \
                "WEIR_STRUCT must name all fields of " #Type " in the order in which they are declared")

#endif  // WEIR_DESCRIBE_H_
