#!/usr/bin/env bash
# Builds and runs all tests. Its last line is "N passed, N failed, N skipped".
set -uo pipefail
cd "$(dirname "$0")/.."
case "${1:-}" in
    -h | --help)
        echo "usage: scripts/test.sh [--preset release|debug|asan-ubsan|tsan|clang]"
        echo "Builds with the preset (default release), runs every test, and counts them."
        exit 0 ;;
esac
wrong() { echo "test.sh: $1; see scripts/test.sh --help" >&2; exit 2; }
preset=release
case "${1:-}" in
    "") ;;
    --preset) preset=${2:-} ;;
    *) wrong "$1 is no option" ;;
esac
case "$preset" in
    release) build=build ;;
    asan-ubsan) build=build-asan ;;
    debug | tsan | clang) build=build-$preset ;;
    *) wrong "--preset is release, debug, asan-ubsan, tsan or clang, found \"$preset\"" ;;
esac

. scripts/deps.sh
# shellcheck disable=SC2086
plumb_deps $PLUMB_BUILD_PACKAGES g++ libcmocka-dev openssl
[ "$preset" != clang ] || plumb_deps clang
plumb_deps_optional python3 python3-numpy python3-h5py python3-venv
plumb_deps_optional minisign
plumb_deps_optional clang libclang-rt-dev
# One environment for every preset; tests/interop says what each test takes from it.
plumb_venv build/interop-venv tests/interop/requirements.txt
export PLUMB_INTEROP_PYTHON="${PLUMB_INTEROP_PYTHON:-$PWD/build/interop-venv/bin/python}"

fail() { echo "$1"; echo "0 passed, 1 failed, 0 skipped"; exit 1; }
configured=$(cmake --preset "$preset" -DPLUMB_BUILD_TESTS=ON -DPLUMB_BUILD_BENCHMARKS=ON 2>&1) ||
    { echo "$configured"; fail "the configuration failed"; }
cmake --build "$build" || fail "the build failed"

ctest --test-dir "$build" -V --timeout 600 -j 2 >"$build/test.log" 2>&1
awk -f scripts/count-tests.awk "$build/test.log"
