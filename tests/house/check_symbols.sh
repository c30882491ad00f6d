#!/bin/sh
# Aim: what libplumb.so exports is what its public headers declare, and, where a list is committed,
# what that list says. Method: nm -D against the names behind PLUMB_API in FLOOR/plumb*.h.
# usage: check_symbols.sh ROOT LIBRARY [LIST]     compares
#        check_symbols.sh --print LIBRARY         prints the exported names, sorted
set -eu
LC_ALL=C
export LC_ALL

# Names that toolchains add (sanitizers, section marks) begin with an underscore.
exported() {
    nm -D --defined-only "$1" | awk '{ sub(/@.*/, "", $3); print $3 }' | grep -v '^_' | sort -u
}

declared() {
    cat "$1"/*/plumb*.h | grep -v '^#' | tr '\n' ' ' |
        sed 's|/\*[^*]*\*\**\([^/*][^*]*\*\**\)*/| |g' |
        sed 's/PLUMB_API/\n&/g' | sed -n 's/^PLUMB_API \([^;(]*\).*/\1/p' |
        sed 's/.*[^A-Za-z0-9_]\([A-Za-z0-9_][A-Za-z0-9_]*\) *$/\1/' | sort -u
}

if [ "$1" = --print ]; then
    exported "$2"
    exit 0
fi
root=$1 library=$2 list=${3:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0
exported "$library" >"$work/exported"
declared "$root" >"$work/declared"
complain() { # FILE FORMAT: one line per name in FILE
    while IFS= read -r name; do
        # shellcheck disable=SC2059
        printf -- "$2\n" "$name"
        status=1
    done <"$1"
}
[ -s "$work/exported" ] || { echo "$library exports nothing"; exit 1; }
comm -23 "$work/exported" "$work/declared" >"$work/undeclared"
comm -13 "$work/exported" "$work/declared" >"$work/missing"
grep -v '^plumb_[a-z]' "$work/exported" >"$work/foreign" || true
complain "$work/undeclared" "%s is exported, but no public header declares it with PLUMB_API"
complain "$work/missing" "%s is declared with PLUMB_API, but not exported: define it or take it out"
complain "$work/foreign" "%s is exported, but is not named plumb_…"
if [ -n "$list" ]; then
    sort -u "$list" >"$work/list"
    comm -23 "$work/exported" "$work/list" >"$work/new"
    comm -13 "$work/exported" "$work/list" >"$work/gone"
    complain "$work/new" \
        "+ %s is exported and not in the list: run scripts/symbols.sh if that is meant"
    complain "$work/gone" "- %s is in the list and no longer exported: customers may use it"
fi
[ $status -ne 0 ] || echo "$(wc -l <"$work/exported") exported symbols are as declared"
exit $status
