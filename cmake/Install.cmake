# What `cmake --install` puts where: programs, library with headers and CMake package, the bundled model. All paths are
# relative to the prefix, which may be moved afterwards.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS regroup RUNTIME)
if(TARGET regroup-view)
  install(TARGETS regroup-view RUNTIME)
endif()
install(FILES assets/regroup-3m.gguf DESTINATION ${CMAKE_INSTALL_DATADIR}/regroup)
install(PROGRAMS assets/fetch_model.py DESTINATION ${CMAKE_INSTALL_DATADIR}/regroup)
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES assets/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME MODEL.md)
install(FILES examples/decode.c examples/CMakeLists.txt DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)

install(TARGETS regroup_capi EXPORT regroupTargets LIBRARY INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES capi/include/regroup/regroup.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/regroup)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/regroup)
install(EXPORT regroupTargets NAMESPACE regroup:: DESTINATION ${package_folder})
configure_package_config_file(cmake/regroupConfig.cmake.in regroupConfig.cmake INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(regroupConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/regroupConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/regroupConfigVersion.cmake
        DESTINATION ${package_folder})

cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig OUTPUT_VARIABLE REGROUP_PC_PREFIX)
configure_file(cmake/regroup.pc.in regroup.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/regroup.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# Man pages and completion, written by the programs themselves from their tables of options.
if(NOT CMAKE_CROSSCOMPILING)
  set(pages ${CMAKE_BINARY_DIR}/option-pages)
  set(programs regroup)
  if(TARGET regroup-view)
    list(APPEND programs regroup-view)
  endif()
  foreach(program IN LISTS programs)
    add_custom_command(OUTPUT ${pages}/bash/${program} COMMAND ${program} --write-option-pages ${pages} DEPENDS ${program} VERBATIM
                       COMMENT "Man pages and completion of ${program}")
    list(APPEND page_files ${pages}/bash/${program})
  endforeach()
  add_custom_target(option_pages ALL DEPENDS ${page_files})
  install(DIRECTORY ${pages}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR})
  install(DIRECTORY ${pages}/bash/ DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(DIRECTORY ${pages}/fish/ DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
  # zsh looks into the first below its own prefix and /usr/local, into the second where Debian packaged it.
  install(DIRECTORY ${pages}/zsh/ DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
  install(DIRECTORY ${pages}/zsh/ DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
endif()
