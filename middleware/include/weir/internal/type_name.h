// What a C++ type is called. Not for users: names here may change in any release.
#ifndef WEIR_INTERNAL_TYPE_NAME_H_
#define WEIR_INTERNAL_TYPE_NAME_H_

#include <cstddef>
#include <string_view>

namespace weir::internal {

// The name of a type as the compiler spells it. g++ and clang++ agree on "ns::Name".
template <class T>
constexpr std::string_view SpelledName() {
  const std::string_view signature = __PRETTY_FUNCTION__;
  const size_t begin = signature.find("T = ") + 4;
  const size_t end = signature.find_first_of(";]", begin);
  return signature.substr(begin, end - begin);
}

// The type's own name, unless it has a member `static constexpr std::string_view kWeirTypeName`.
template <class T>
constexpr std::string_view TypeName() {
  if constexpr (requires { std::string_view(T::kWeirTypeName); }) {
    return T::kWeirTypeName;
  } else {
    return SpelledName<T>();
  }
}

}  // namespace weir::internal

#endif  // WEIR_INTERNAL_TYPE_NAME_H_
