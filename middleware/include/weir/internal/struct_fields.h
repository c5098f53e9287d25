// Behind WEIR_STRUCT: walks over the fields of a described struct. Not for users: names here may change in any release.
//
// The macro makes a function `WeirVisitFields(std::type_identity<Type>, visitor)` beside the struct, which
// argument-dependent lookup finds, and which calls visitor.Field<FieldType>(name, offset) for each field. (Not a
// `const Type*`: that of a derived struct would convert.)
#ifndef WEIR_INTERNAL_STRUCT_FIELDS_H_
#define WEIR_INTERNAL_STRUCT_FIELDS_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "weir/internal/type_name.h"

namespace weir::internal {

// Whether the fields that are named fill the struct, but for what the compiler pads. A field that was forgotten is
// found, unless it is small enough to lie where there would be padding without it.
struct LayoutCheck {
  size_t struct_align;
  size_t end = 0;
  bool whole = true;

  constexpr void Next(size_t offset, size_t align) {
    bool fits = false;  // more than the field's own alignment is for alignas
    for (; align <= struct_align; align *= 2) fits = fits || (end + align - 1) / align * align == offset;
    whole = whole && fits;
  }
  template <class T>
  constexpr void Field(const char*, size_t offset) {
    Next(offset, alignof(T));
    end = offset + sizeof(T);
  }
};

template <class T>
concept DescribedStruct = std::is_class_v<T> && requires(LayoutCheck& visitor) {
  WeirVisitFields(std::type_identity<T>(), visitor);
};

template <class T>
constexpr bool IsWholeLayout() {
  LayoutCheck check{.struct_align = alignof(T)};
  WeirVisitFields(std::type_identity<T>(), check);
  if (!std::is_empty_v<T>) check.Next(sizeof(T), alignof(T));
  return check.whole;
}

// Arrays: of what, and how many.
template <class T>
struct Elements {
  using Type = std::remove_cv_t<T>;
  static std::string Dimensions() { return ""; }
};
template <class T, size_t kCount>
struct Elements<T[kCount]> {
  using Type = typename Elements<T>::Type;
  static std::string Dimensions() { return "[" + std::to_string(kCount) + "]" + Elements<T>::Dimensions(); }
};
template <class T, size_t kCount>
struct Elements<std::array<T, kCount>> : Elements<T[kCount]> {};

template <class T>
std::string ScalarText() {
  static_assert(!std::is_pointer_v<T> && !std::is_member_pointer_v<T>, "a pointer means nothing in another process");
  const std::string bits = std::to_string(8 * sizeof(T));
  if constexpr (std::is_same_v<T, bool>) return "bool";
  if constexpr (std::is_same_v<T, char>) return "char";
  if constexpr (std::is_same_v<T, std::byte>) return "byte";
  if constexpr (std::is_integral_v<T>) return (std::is_signed_v<T> ? "int" : "uint") + bits;
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) return "float" + bits;
  if constexpr (std::is_enum_v<T>) {
    return "enum " + ScalarText<std::underlying_type_t<T>>() + " " + std::string(TypeName<T>());
  }
  return (DescribedStruct<T> ? "" : "opaque ") + std::string(TypeName<T>());
}

// The text that lies with a topic; schema/struct_text.h says what it looks like.
class StructText {
 public:
  template <class T>
  static std::string Of() {
    StructText text;
    text.text_ = "weir-struct 1\n";
    text.Add<T>();
    return std::move(text.text_);
  }

  template <class T>
  void Field(const char* name, size_t offset) {
    using Element = Elements<std::remove_cv_t<T>>;
    using Type = typename Element::Type;
    text_ += std::to_string(offset) + " " + std::to_string(sizeof(T)) + " " + ScalarText<Type>() +
             Element::Dimensions() + " " + name + "\n";
    if constexpr (DescribedStruct<Type>) nested_.push_back([](StructText& text) { text.Add<Type>(); });
  }

 private:
  template <class T>
  void Add() {
    const std::string_view name = TypeName<T>();
    if (std::find(added_.begin(), added_.end(), name) != added_.end()) return;
    added_.push_back(name);
    text_ += "struct " + std::to_string(sizeof(T)) + " " + std::to_string(alignof(T)) + " " + std::string(name) + "\n";
    std::vector<void (*)(StructText&)> outer;
    nested_.swap(outer);
    WeirVisitFields(std::type_identity<T>(), *this);
    nested_.swap(outer);
    for (const auto add : outer) add(*this);
  }

  std::string text_;
  std::vector<std::string_view> added_;
  std::vector<void (*)(StructText&)> nested_;  // of the struct whose fields are being written
};

}  // namespace weir::internal

// One call of `visitor` per field. The preprocessor does not recurse: each of the levels rescans the text four times.
#define WEIR_INTERNAL_FIELD(Type, field) visitor.template Field<decltype(Type::field)>(#field, offsetof(Type, field));
#define WEIR_INTERNAL_PARENTHESES ()
#define WEIR_INTERNAL_RESCAN(...) \
  WEIR_INTERNAL_RESCAN_4(WEIR_INTERNAL_RESCAN_4(WEIR_INTERNAL_RESCAN_4(WEIR_INTERNAL_RESCAN_4(__VA_ARGS__))))
#define WEIR_INTERNAL_RESCAN_4(...) \
  WEIR_INTERNAL_RESCAN_3(WEIR_INTERNAL_RESCAN_3(WEIR_INTERNAL_RESCAN_3(WEIR_INTERNAL_RESCAN_3(__VA_ARGS__))))
#define WEIR_INTERNAL_RESCAN_3(...) \
  WEIR_INTERNAL_RESCAN_2(WEIR_INTERNAL_RESCAN_2(WEIR_INTERNAL_RESCAN_2(WEIR_INTERNAL_RESCAN_2(__VA_ARGS__))))
#define WEIR_INTERNAL_RESCAN_2(...) \
  WEIR_INTERNAL_RESCAN_1(WEIR_INTERNAL_RESCAN_1(WEIR_INTERNAL_RESCAN_1(WEIR_INTERNAL_RESCAN_1(__VA_ARGS__))))
#define WEIR_INTERNAL_RESCAN_1(...) __VA_ARGS__
#define WEIR_INTERNAL_FIELDS(Type, ...) __VA_OPT__(WEIR_INTERNAL_RESCAN(WEIR_INTERNAL_FIRST_FIELD(Type, __VA_ARGS__)))
#define WEIR_INTERNAL_FIRST_FIELD(Type, first, ...) \
  WEIR_INTERNAL_FIELD(Type, first)                  \
  __VA_OPT__(WEIR_INTERNAL_FURTHER_FIELDS WEIR_INTERNAL_PARENTHESES(Type, __VA_ARGS__))
#define WEIR_INTERNAL_FURTHER_FIELDS() WEIR_INTERNAL_FIRST_FIELD

#endif  // WEIR_INTERNAL_STRUCT_FIELDS_H_
