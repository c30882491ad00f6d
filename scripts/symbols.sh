#!/bin/sh
# Writes the committed list of exported symbols anew, from the library that was built last.
# usage: scripts/symbols.sh [LIBRARY]       default: build/lib/libplumb.so
set -eu
case "${1:-}" in
    -h | --help) sed -n '2,3s/^# //p' "$0"; exit 0 ;;
esac
root=$(cd "$(dirname "$0")/.." && pwd)
library=${1:-$root/build/lib/libplumb.so}
[ -f "$library" ] || { echo "$library is not there; build first: scripts/test.sh" >&2; exit 1; }
sh "$root/tests/house/check_symbols.sh" --print "$library" >"$root/tests/house/symbols.txt.new"
mv "$root/tests/house/symbols.txt.new" "$root/tests/house/symbols.txt"
echo "$(wc -l <"$root/tests/house/symbols.txt") symbols in tests/house/symbols.txt"
