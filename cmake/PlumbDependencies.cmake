# What the build needs. A missing package stops the configuration and names the Debian package.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(plumb_need prefix module package)
  pkg_check_modules(${prefix} IMPORTED_TARGET ${module})
  if(NOT ${prefix}_FOUND)
    message(FATAL_ERROR "${module} was not found. Install it first "
      "(Debian and Ubuntu: apt-get install ${package}).")
  endif()
endfunction()

plumb_need(SODIUM libsodium libsodium-dev)
plumb_need(JANSSON jansson libjansson-dev)
if(NOT PLUMB_TOOLS_ONLY)
  plumb_need(HDF5 hdf5-serial libhdf5-dev)
endif()
# The library multiplies by itself; the trainer, tests and benchmarks compare with a BLAS.
if(PLUMB_BUILD_TESTS OR PLUMB_BUILD_EXAMPLES OR PLUMB_BUILD_BENCHMARKS OR PLUMB_BUILD_FUZZERS)
  plumb_need(BLAS openblas libopenblas-dev)
endif()
if(PLUMB_BUILD_TESTS)
  plumb_need(CMOCKA cmocka libcmocka-dev)
endif()
# SHA-256 with the processor's instructions; libsodium serves where it is missing.
pkg_check_modules(CRYPTO IMPORTED_TARGET libcrypto)
