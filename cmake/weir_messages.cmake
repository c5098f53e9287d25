# weir::messages of an installed Weir: compiled in the build that uses it, from the installed schemas, because generated
# headers fit one version of Cap'n Proto only. Built if something links it. Included by weirConfig.cmake, and by the
# Conan package.
if(NOT TARGET weir_messages)
  cmake_path(SET weir_schemas NORMALIZE "${CMAKE_CURRENT_LIST_DIR}/../../../include/weir/messages")
  if(NOT EXISTS "${weir_schemas}/header.capnp")  # lib/<architecture>/cmake/weir
    cmake_path(SET weir_schemas NORMALIZE "${CMAKE_CURRENT_LIST_DIR}/../../../../include/weir/messages")
  endif()
  file(GLOB weir_schemas "${weir_schemas}/*.capnp")
  weir_generate_schema(weir_messages ${weir_schemas} PREFIX weir/messages)
  set_target_properties(weir_messages PROPERTIES EXCLUDE_FROM_ALL ON)
  unset(weir_schemas)
endif()
if(NOT TARGET weir::messages)
  add_library(weir::messages ALIAS weir_messages)
else()  # Conan's, with nothing in it
  get_target_property(weir_roots weir_messages WEIR_SCHEMA_ROOTS)
  set_target_properties(weir::messages PROPERTIES WEIR_SCHEMA_ROOTS "${weir_roots}")
  set_property(TARGET weir::messages APPEND PROPERTY INTERFACE_LINK_LIBRARIES weir_messages)
  unset(weir_roots)
endif()
