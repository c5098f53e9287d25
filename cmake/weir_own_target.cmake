# weir_own_target(<target>...): how code of this repository is compiled. C++20 without extensions; and, when Weir is
# built on its own, with every warning an error. Generated code and users' builds get no warning flags from us.
function(weir_own_target)
  foreach(target IN LISTS ARGV)
    target_compile_features(${target} PUBLIC cxx_std_20)
    set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
    if(PROJECT_IS_TOP_LEVEL)
      target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion -Wshadow -Werror)
      if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
        # With -O3 it warns of "text" + std::string, inside the standard library (GCC bug 105651, mended in 13).
        target_compile_options(${target} PRIVATE -Wno-restrict)
      endif()
      if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
        target_compile_options(${target} PRIVATE -Wno-sign-conversion)  # in g++'s -Wconversion it is not included
      endif()
    endif()
  endforeach()
endfunction()
