# weir_generate_schema(<target> <file.capnp>... [PREFIX <folder>] [LINK <target>...])
#
# Compiles Cap'n Proto schemas into the library <target>. Whoever links it includes <PREFIX/file.capnp.h>:
#
#   weir_generate_schema(robot_types state.capnp)
#   target_link_libraries(robot PRIVATE weir::weir robot_types)
#
# A schema that imports from another such library names that one under LINK and writes import "/PREFIX/file.capnp".
# Weir's own types are the target weir::messages with the prefix weir/messages. Generated headers are never installed:
# they fit one version of Cap'n Proto only.
#
# The schemas are compiled through links in the build folder, so that a type's name in its binary schema is
# PREFIX/file.capnp:Type in whatever folder the sources lie. (What processes compare when they meet on a topic has no
# folders in it.)
function(weir_generate_schema target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "PREFIX" "LINK")
  set(files ${arg_UNPARSED_ARGUMENTS})
  if(NOT files)
    message(FATAL_ERROR "weir_generate_schema(${target}): names no .capnp file")
  endif()
  set(root "${CMAKE_CURRENT_BINARY_DIR}/${target}.schema")
  file(MAKE_DIRECTORY "${root}/${arg_PREFIX}")
  set(links "")
  foreach(file IN LISTS files)
    cmake_path(ABSOLUTE_PATH file BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
    if(NOT EXISTS "${file}")
      message(FATAL_ERROR "weir_generate_schema(${target}): there is no ${file}")
    endif()
    cmake_path(GET file FILENAME name)
    cmake_path(SET link NORMALIZE "${root}/${arg_PREFIX}/${name}")
    file(CREATE_LINK "${file}" "${link}" SYMBOLIC)
    list(APPEND links "${link}")
  endforeach()

  # What capnp_generate_cpp() of Cap'n Proto's CMake package reads.
  if(NOT CAPNP_INCLUDE_DIRECTORY)
    set(CAPNP_INCLUDE_DIRECTORY "${WEIR_CAPNP_INCLUDE_DIRECTORY}")
  endif()
  set(CAPNPC_SRC_PREFIX "${root}")
  set(CAPNPC_OUTPUT_DIR "${root}")
  set(CAPNPC_IMPORT_DIRS "${root}")
  foreach(other IN LISTS arg_LINK)
    get_target_property(imports ${other} WEIR_SCHEMA_ROOTS)
    if(imports)
      list(APPEND CAPNPC_IMPORT_DIRS ${imports})
    endif()
  endforeach()
  capnp_generate_cpp(sources headers ${links})

  add_library(${target} STATIC ${sources} ${headers})
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target} SYSTEM PUBLIC "${root}")
  target_link_libraries(${target} PUBLIC CapnProto::capnp ${arg_LINK})
  set_target_properties(${target} PROPERTIES WEIR_SCHEMA_ROOTS "${CAPNPC_IMPORT_DIRS}"
                                             POSITION_INDEPENDENT_CODE ON)  # it may go into a shared library
endfunction()
