# Targets all floors share.
include(CheckCCompilerFlag)

add_library(plumb_options INTERFACE)
target_compile_options(plumb_options INTERFACE -Wall -Wextra -Wconversion -Werror
  -fno-math-errno -ffp-contract=off -fstack-protector-strong)
target_compile_definitions(plumb_options INTERFACE _GNU_SOURCE
  PLUMB_VERSION_TEXT="${PROJECT_VERSION}")
target_include_directories(plumb_options INTERFACE ${PROJECT_SOURCE_DIR})
target_link_libraries(plumb_options INTERFACE PkgConfig::SODIUM PkgConfig::JANSSON Threads::Threads
  m)
if(CRYPTO_FOUND)
  target_compile_definitions(plumb_options INTERFACE PLUMB_HAVE_LIBCRYPTO=1)
  target_link_libraries(plumb_options INTERFACE PkgConfig::CRYPTO)
endif()

# One floor: all .c files of the calling folder and of its rooms (folders one below), and the
# libraries that it alone brings: plumb_floor(NAME [LIBRARY…]).
function(plumb_floor name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c
    ${CMAKE_CURRENT_SOURCE_DIR}/*/*.c)
  if(sources)
    add_library(plumb_${name} OBJECT ${sources})
    target_link_libraries(plumb_${name} PUBLIC plumb_options ${ARGN})
    set_property(GLOBAL APPEND PROPERTY PLUMB_FLOORS plumb_${name})
    set_property(GLOBAL APPEND PROPERTY PLUMB_FLOOR_LIBRARIES ${ARGN})
  endif()
endfunction()

# libplumb.so with the committed symbols, and an archive with everything for tests and benchmarks.
# The tools alone are one program: its library is an archive that is not installed.
function(plumb_library)
  get_property(floors GLOBAL PROPERTY PLUMB_FLOORS)
  get_property(libraries GLOBAL PROPERTY PLUMB_FLOOR_LIBRARIES)
  set(objects "")
  foreach(floor ${floors})
    list(APPEND objects $<TARGET_OBJECTS:${floor}>)
  endforeach()
  if(PLUMB_TOOLS_ONLY)
    add_library(plumb STATIC ${objects})
    target_link_libraries(plumb PUBLIC plumb_options)
    return()
  endif()
  add_library(plumb SHARED ${objects})
  set_target_properties(plumb PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0)
  target_include_directories(plumb INTERFACE ${PROJECT_SOURCE_DIR})
  target_link_libraries(plumb PRIVATE plumb_options ${libraries})
  add_library(plumb_all STATIC ${objects})
  target_link_libraries(plumb_all PUBLIC plumb_options ${libraries})
  if(BLAS_FOUND)
    target_link_libraries(plumb_all PUBLIC PkgConfig::BLAS)
  endif()
endfunction()

# A test program over the archive: plumb_test(NAME SOURCES… [ENV VAR=VALUE…]). PLUMB_STATE keeps
# what a test pins out of the memory of versions that the user has.
function(plumb_test name)
  cmake_parse_arguments(T "" "TIMEOUT" "ENV;LIBS" ${ARGN})
  add_executable(test_${name} ${T_UNPARSED_ARGUMENTS})
  target_link_libraries(test_${name} PRIVATE plumb_all PkgConfig::CMOCKA ${T_LIBS})
  set_target_properties(test_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND test_${name})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 300)
  endif()
  set(env "PLUMB_SOURCE_DIR=${PROJECT_SOURCE_DIR}" "PLUMB_BUILD_DIR=${CMAKE_BINARY_DIR}"
    "PLUMB_STATE=${CMAKE_BINARY_DIR}/tests/state/${name}" ${T_ENV})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${T_TIMEOUT} ENVIRONMENT "${env}")
endfunction()
