#!/bin/sh
# Aim: what cmake --install leaves is enough for a customer: the public headers and no other,
# programs that start, and plumb.pc, with which the loop of the README compiles outside the source
# tree and runs; also after the tree was moved. Method: the commands of docs/runtime.md, then
# test_wrap.sh with the installed program and the loop compiled here.
# usage: test_install.sh CMAKE BUILD SOURCE CC [FLAGS…]
set -eu
cmake=$1 build=$2 source=$3 cc=$4
shift 4
flags=$*
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "FAILED: $*"; exit 1; }
"$cmake" --install "$build" --prefix "$dir/first" >/dev/null || fail "cmake --install"
mv "$dir/first" "$dir/moved"
mkdir "$dir/mine"
cp "$source/examples/wrap/wrap_loop.c" "$dir/mine/loop.c"

(cd "$source" && ls */plumb*.h) | sort >"$dir/public"
(cd "$dir/moved/include/plumbline" && find . -type f | sed 's/^..//') | sort >"$dir/installed"
cmp "$dir/public" "$dir/installed" || fail "headers: $(cat "$dir/installed")"

for program in plumb plumb-lm; do
    "$dir/moved/bin/$program" --version >"$dir/out" || fail "$program does not start"
done
pc=$(find "$dir/moved" -name plumb.pc)
[ -n "$pc" ] || fail "plumb.pc is not there"
PKG_CONFIG_PATH=${pc%/*}
export PKG_CONFIG_PATH
version=$(pkg-config --modversion plumb)
[ "plumb-lm $version" = "$(cat "$dir/out")" ] || fail "plumb.pc says version $version"
lib=$(pkg-config --variable=libdir plumb)
cd "$dir/mine"
# shellcheck disable=SC2046,SC2086
"$cc" -std=c11 $flags loop.c $(pkg-config --cflags --libs plumb) -lm -Wl,-rpath,"$lib" -o loop ||
    fail "the loop does not compile"
sh "$source/tests/examples/test_wrap.sh" "$dir/moved/bin/plumb" "$dir/mine/loop" \
    "$source/examples/wrap/wrap_loop.c" || fail "the loop does not run"
echo "install: all held"
