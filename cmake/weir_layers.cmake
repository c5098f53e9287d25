# Layers: one target per folder, gathered into the library.
#
#   weir_add_layer(<name> [LAYERS <lower layer>...] [LIBRARIES <target>...])
#     Makes weir_<name> from the *.cc files of the current folder: an OBJECT library, or an INTERFACE library if the
#     folder has headers only.
#
#   weir_gather_layers(<library> OBJECTS|SOURCES)
#     Puts all layers into a library: what they have been compiled to, or their sources to be compiled once more with
#     the library's own definitions.
#
#   weir_layer_closure(<variable> <name>)
#     Sets the variable to weir_<name> and all layers below it, or to nothing if there is no such layer.

define_property(GLOBAL PROPERTY WEIR_LAYERS BRIEF_DOCS "Names of all layers, lowest first")
define_property(TARGET PROPERTY WEIR_LOWER_LAYERS BRIEF_DOCS "Names of the layers a layer uses")
define_property(TARGET PROPERTY WEIR_LIBRARIES BRIEF_DOCS "Libraries of others that a layer uses")
define_property(TARGET PROPERTY WEIR_SOURCES BRIEF_DOCS "Absolute names of a layer's sources")

function(weir_add_layer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LAYERS;LIBRARIES")
  set(target weir_${name})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cc")
  if(sources)
    set(scope PUBLIC)
    add_library(${target} OBJECT ${sources})
    weir_own_target(${target})
    weir_hide_symbols(${target})
    if(BUILD_SHARED_LIBS)
      set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    endif()
  else()
    set(scope INTERFACE)
    add_library(${target} INTERFACE)
    target_compile_features(${target} INTERFACE cxx_std_20)
  endif()
  target_include_directories(${target} ${scope} "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/middleware/include")
  target_link_libraries(${target} ${scope} ${arg_LIBRARIES})
  foreach(lower IN LISTS arg_LAYERS)
    target_link_libraries(${target} ${scope} weir_${lower})
  endforeach()

  set_target_properties(${target} PROPERTIES WEIR_LOWER_LAYERS "${arg_LAYERS}" WEIR_LIBRARIES "${arg_LIBRARIES}"
                                             WEIR_SOURCES "${sources}")
  set_property(GLOBAL APPEND PROPERTY WEIR_LAYERS ${name})
endfunction()

# What is not marked WEIR_EXPORT (<weir/internal/export.h>) cannot be reached from outside of a shared library.
function(weir_hide_symbols target)
  set_target_properties(${target} PROPERTIES CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
endfunction()

function(weir_gather_layers library what)
  get_property(layers GLOBAL PROPERTY WEIR_LAYERS)
  foreach(layer IN LISTS layers)
    get_property(sources TARGET weir_${layer} PROPERTY WEIR_SOURCES)
    get_property(libraries TARGET weir_${layer} PROPERTY WEIR_LIBRARIES)
    if(sources AND what STREQUAL "OBJECTS")
      target_sources(${library} PRIVATE $<TARGET_OBJECTS:weir_${layer}>)
    else()
      target_sources(${library} PRIVATE ${sources})
    endif()
    target_link_libraries(${library} PUBLIC ${libraries})
  endforeach()

  file(GLOB_RECURSE headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/middleware/include/weir/*.h")
  target_sources(${library} PUBLIC FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}/middleware/include"
                                   FILES ${headers})
  target_include_directories(${library} PRIVATE "${PROJECT_SOURCE_DIR}")
endfunction()

function(weir_layer_closure variable name)
  set(${variable} "" PARENT_SCOPE)
  get_property(layers GLOBAL PROPERTY WEIR_LAYERS)
  if(NOT name IN_LIST layers)
    return()
  endif()
  set(found "")
  set(pending ${name})
  while(pending)
    list(POP_FRONT pending layer)
    list(APPEND found weir_${layer})
    get_property(lower TARGET weir_${layer} PROPERTY WEIR_LOWER_LAYERS)
    list(APPEND pending ${lower})
  endwhile()
  list(REMOVE_DUPLICATES found)
  set(${variable} ${found} PARENT_SCOPE)
endfunction()
