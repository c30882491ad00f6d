#!/bin/sh
# Aim: the checks of this folder can fail. Method: a small good tree passes each; then one offence
# at a time is planted, and the check must fail and say exactly what and where.
# usage: test_planted.sh CC [CXX]
set -eu
house=$(cd "$(dirname "$0")" && pwd)
cc=$1 cxx=${2:-}
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0 cases=0

good_tree() {
    rm -rf "${tree:?}"/*
    mkdir "$tree/base" "$tree/manifest" "$tree/kernels" "$tree/provenance" "$tree/runtime" \
        "$tree/cli" "$tree/examples" "$tree/examples/lm"
    printf '#include <stdint.h>\n#define PLUMB_API __attribute__((visibility("default")))\n' \
        >"$tree/base/plumb_a.h"
    printf '/* A\n * thing. */\nPLUMB_API int plumb_a(int x,\n    int y) __attribute__((pure));\n' \
        >>"$tree/base/plumb_a.h"
    printf '#include "base/plumb_a.h"\nint plumb_a(int x, int y)\n{\n    return x + y;\n}\n' \
        >"$tree/base/a.c"
    printf '#include "base/plumb_a.h"\n#include "manifest/m.h"\n' >"$tree/manifest/m.c"
    printf '#include "base/plumb_a.h"\n' >"$tree/manifest/m.h"
    printf '#include "manifest/m.h"\n#include "kernels/k.h"\n' >"$tree/runtime/r.c"
    printf '#include "base/plumb_a.h"\n#include "cli/c.h"\n#include <stdio.h>\n' >"$tree/cli/c.c"
    printf '#include "base/plumb_a.h"\n#include "lm.h"\n' >"$tree/examples/lm/lm.c"
}

# passes NAME COMMAND…
passes() {
    name=$1; shift; cases=$((cases + 1))
    if ! out=$("$@" 2>&1); then
        echo "$name: fails on a good tree: $out"; failed=$((failed + 1))
    fi
}

# refuses "EXPECTED LINE" COMMAND…
refuses() {
    wanted=$1; shift; cases=$((cases + 1))
    if out=$("$@" 2>&1); then
        echo "not noticed: $wanted"; failed=$((failed + 1))
    elif ! printf '%s\n' "$out" | grep -qxF -- "$wanted"; then
        echo "wanted: $wanted"; echo "said:   $out"; failed=$((failed + 1))
    fi
}

# plant FILE LINE "EXPECTED": the include check must refuse a good tree with that file.
plant() {
    good_tree
    printf '%s\n' "$2" >"$tree/$1"
    refuses "$1:1: $3" sh "$house/check_includes.sh" "$tree"
}
# plant_above FILE INCLUDED "ALLOWED FLOORS"
plant_above() {
    plant "$1" "#include \"$2\"" "\"$2\" lies above ${1%%/*}/ (allowed: $3 )"
}
# plant_private FILE INCLUDED: outside the floors only public headers and own files
plant_private() {
    plant "$1" "#include \"$2\"" \
        "\"$2\" is neither a public header (plumb*.h) nor of ${1%/*}/"
}

good_tree
passes includes sh "$house/check_includes.sh" "$tree"
plant_above base/bad.c manifest/m.h 'base'
plant_above base/bad.c runtime/plumb.h 'base'
plant_above base/bad.c tests/t.h 'base'
plant_above manifest/bad.h kernels/k.h 'base manifest'
plant_above manifest/bad.h provenance/p.h 'base manifest'
plant_above kernels/bad.c manifest/m.h 'base kernels'
plant_above provenance/bad.c kernels/k.h 'base manifest provenance'
plant_above provenance/bad.c runtime/plumb.h 'base manifest provenance'
plant_above runtime/bad.c cli/c.h 'base manifest kernels provenance runtime'
plant_private cli/bad.c base/alloc.h
plant_private examples/lm/bad.c manifest/m.h
plant_private examples/lm/bad.c cli/c.h
plant base/bad.c '  #  include <kernels/k.h>' '"kernels/k.h" lies above base/ (allowed: base )'
plant base/bad.c '#include "../manifest/m.h"' \
    '"../manifest/m.h" is named by a relative or absolute path; name it from the root'
plant base/plumb_bad.h '#include "base/alloc.h"' \
    'a public header includes "base/alloc.h", which is not public'
plant cli/bad.c '#include "examples/lm/plumb_x.h"' '"examples/lm/plumb_x.h" is of no floor'

good_tree
passes style sh "$house/check_style.sh" "$tree"
printf '/* %0100d */\n' 0 >"$tree/base/wide.c"
refuses 'base/wide.c:1: 106 characters (at most 100)' sh "$house/check_style.sh" "$tree"
good_tree
awk 'BEGIN { printf "/* "; while (n++ < 94) printf "\303\251"; print " */" }' \
    >"$tree/base/accents.c"
passes 'accents count once' sh "$house/check_style.sh" "$tree"
printf 'int x;\n\tint y;\n' >"$tree/base/tab.c"
refuses 'base/tab.c:2: a tab' sh "$house/check_style.sh" "$tree"
good_tree
printf 'int x; \n' >"$tree/base/blank.c"
refuses 'base/blank.c:1: a blank or carriage return ends the line' \
    sh "$house/check_style.sh" "$tree"
good_tree
cp "$tree/base/a.c" "$tree/cli/a.c"
refuses 'a.c: base/a.c cli/a.c have the same name' sh "$house/check_style.sh" "$tree"

# function FILE COMMENT BRACES…: 79 statements, so 82 lines.
long_function() {
    awk -v comment="$2" -v head="$3" 'BEGIN {
        if (comment) print comment
        printf "%s", head
        while (n++ < 79) print "    f();"
        print "}"
    }' >"$tree/$1"
    # Short functions beside it, so that the median stays small.
    for i in 1 2 3 4; do printf '\nint s%d(void)\n{\n    return 1;\n}\n' $i; done >>"$tree/$1"
}
too_long='a function of 82 lines (at most 80, or say why: /* long: reason */)'
good_tree
long_function base/long.c '' 'int f(int a)
{
'
refuses "base/long.c:1: $too_long" sh "$house/check_style.sh" "$tree"
long_function base/long.c '/* What it does. */' 'static int f(int a,
             int b) {
'
refuses "base/long.c:2: $too_long" sh "$house/check_style.sh" "$tree"
long_function base/long.c '/* What it does.
 * long: one state machine, read from top to bottom */' 'int f(int a)
{
'
passes 'a long function with a reason' sh "$house/check_style.sh" "$tree"
long_function base/long.c '/* long: of another function */
' 'int f(int a)
{
'
refuses "base/long.c:3: $too_long" sh "$house/check_style.sh" "$tree"
good_tree
awk 'BEGIN { print "int f(void)"; print "{"; while (n++ < 40) print "    g();"; print "}" }' \
    >"$tree/base/a.c"
refuses 'the median function has 43 lines (below 20 is meant)' sh "$house/check_style.sh" "$tree"

good_tree
passes headers sh "$house/check_headers.sh" "$tree" "$cc" "${cxx:-$cc}"
printf 'plumb_status plumb_b(void);\n' >"$tree/base/plumb_b.h"
refuses 'base/plumb_b.h does not compile alone as C11' \
    sh "$house/check_headers.sh" "$tree" "$cc" "${cxx:-$cc}"
if [ -n "$cxx" ]; then
    printf 'int plumb_b(int class);\n' >"$tree/base/plumb_b.h"
    refuses 'base/plumb_b.h does not compile alone as C++' \
        sh "$house/check_headers.sh" "$tree" "$cc" "$cxx"
fi

build() { "$cc" -shared -fPIC -fvisibility=hidden -I"$tree" "$tree/base/a.c" -o "$tree/lib.so"; }
good_tree
build
passes symbols sh "$house/check_symbols.sh" "$tree" "$tree/lib.so"
printf 'plumb_a\n' >"$tree/list"
passes 'symbols with a list' sh "$house/check_symbols.sh" "$tree" "$tree/lib.so" "$tree/list"
printf 'plumb_a\nplumb_old\n' >"$tree/list"
refuses '- plumb_old is in the list and no longer exported: customers may use it' \
    sh "$house/check_symbols.sh" "$tree" "$tree/lib.so" "$tree/list"
printf 'plumb_0\n' >"$tree/list"
refuses '+ plumb_a is exported and not in the list: run scripts/symbols.sh if that is meant' \
    sh "$house/check_symbols.sh" "$tree" "$tree/lib.so" "$tree/list"
printf 'PLUMB_API void plumb_c(void);\n' >>"$tree/base/plumb_a.h"
refuses 'plumb_c is declared with PLUMB_API, but not exported: define it or take it out' \
    sh "$house/check_symbols.sh" "$tree" "$tree/lib.so"
good_tree
printf '__attribute__((visibility("default"))) int stray;\n' >>"$tree/base/a.c"
build
refuses 'stray is exported, but no public header declares it with PLUMB_API' \
    sh "$house/check_symbols.sh" "$tree" "$tree/lib.so"
refuses 'stray is exported, but is not named plumb_…' \
    sh "$house/check_symbols.sh" "$tree" "$tree/lib.so"

echo "$cases planted cases, $failed failed"
[ "$failed" -eq 0 ]
