# What `cmake --install` puts where. Relocatable: nothing of it knows the prefix.
#
#   component weir_runtime       the shared library
#   component weir_development   headers, schemas, CMake package, pkg-config file, static library
#   component weir_tools         programs
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS weir EXPORT weirTargets
  RUNTIME COMPONENT weir_tools
  LIBRARY COMPONENT weir_runtime NAMELINK_COMPONENT weir_development
  ARCHIVE COMPONENT weir_development
  FILE_SET HEADERS COMPONENT weir_development
  INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
set(WEIR_CMAKE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/weir")
install(EXPORT weirTargets NAMESPACE weir:: DESTINATION "${WEIR_CMAKE_DIR}" COMPONENT weir_development)

configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/weirConfig.cmake.in" "${PROJECT_BINARY_DIR}/weirConfig.cmake"
  INSTALL_DESTINATION "${WEIR_CMAKE_DIR}" NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/weirConfigVersion.cmake" COMPATIBILITY SameMajorVersion)
install(FILES "${PROJECT_BINARY_DIR}/weirConfig.cmake" "${PROJECT_BINARY_DIR}/weirConfigVersion.cmake"
              "${CMAKE_CURRENT_LIST_DIR}/weir_generate_schema.cmake" "${CMAKE_CURRENT_LIST_DIR}/weir_messages.cmake"
        DESTINATION "${WEIR_CMAKE_DIR}" COMPONENT weir_development)

# The schemas lie among the headers: the Cap'n Proto compiler looks into include folders for what an import with a
# leading slash names.
install(FILES ${WEIR_MESSAGE_SCHEMAS} DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/weir/messages"
        COMPONENT weir_development)

# pkg-config knows where a .pc file lies; with that, the prefix need not be written into it.
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX
           BASE_DIRECTORY "${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/pkgconfig" OUTPUT_VARIABLE up)
set(WEIR_PC_PREFIX "\${pcfiledir}/${up}")
configure_file("${CMAKE_CURRENT_LIST_DIR}/weir.pc.in" "${PROJECT_BINARY_DIR}/weir.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/weir.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig"
        COMPONENT weir_development)
