#!/bin/sh
# Aim: each public header compiles alone, as C11 and as C++, with all warnings as errors (house
# rule 4). Method: a source of one #include per header; nothing is linked.
# usage: check_headers.sh ROOT CC [CXX]      exit 77: no C++ compiler (a skip)
set -eu
root=$1 cc=$2 cxx=${3:-}
cd "$root"
warnings="-Wall -Wextra -Wconversion -Wpedantic -Werror -fsyntax-only -I."
status=0 count=0
for header in */plumb*.h; do
    count=$((count + 1))
    printf '#include "%s"\nint plumb_header_alone;\n' "$header" >"${TMPDIR:-/tmp}/plumb-header.$$"
    # shellcheck disable=SC2086
    "$cc" -std=c11 -x c $warnings "${TMPDIR:-/tmp}/plumb-header.$$" ||
        { echo "$header does not compile alone as C11"; status=1; }
    if [ -n "$cxx" ]; then
        # shellcheck disable=SC2086
        "$cxx" -std=c++11 -x c++ $warnings "${TMPDIR:-/tmp}/plumb-header.$$" ||
            { echo "$header does not compile alone as C++"; status=1; }
    fi
    rm -f "${TMPDIR:-/tmp}/plumb-header.$$"
done
[ $count -gt 0 ] || { echo "no public header found in $root"; exit 1; }
[ $status -eq 0 ] || exit 1
[ -n "$cxx" ] || { echo "skipped: no C++ compiler; C11 was checked for $count headers"; exit 77; }
echo "$count public headers compile alone"
