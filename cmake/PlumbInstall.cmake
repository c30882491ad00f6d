# cmake --install: programs, libplumb, the public headers, and plumb.pc, which says how to link.
include(GNUInstallDirs)
foreach(folder BINDIR LIBDIR INCLUDEDIR)
  if(IS_ABSOLUTE "${CMAKE_INSTALL_${folder}}")
    message(FATAL_ERROR "CMAKE_INSTALL_${folder} must be relative to the prefix, like lib")
  endif()
endforeach()

# Programs find the library beside them, wherever the whole tree is put.
foreach(program plumb_cli plumb-lm plumb-debian-tags)
  if(TARGET ${program})
    set_target_properties(${program} PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endforeach()
if(PLUMB_TOOLS_ONLY)
  return()
endif()
install(TARGETS plumb LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})

# A header is public if its name begins with plumb; they include each other from the root.
foreach(floor base manifest provenance runtime)
  file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${floor}/plumb*.h)
  install(FILES ${headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/plumbline/${floor})
endforeach()

# The prefix is told from where plumb.pc lies: --prefix may choose it after the configuration.
file(RELATIVE_PATH up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" PLUMB_PC_UP ${up})
configure_file(${PROJECT_SOURCE_DIR}/cmake/plumb.pc.in ${PROJECT_BINARY_DIR}/plumb.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/plumb.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
