#!/usr/bin/env bash
# Runs the real fuzzers (clang, libFuzzer, address and undefined-behaviour sanitizers).
set -euo pipefail
cd "$(dirname "$0")/.."
usage() {
    cat <<'USAGE'
usage: scripts/fuzz.sh [TARGET|all] [SECONDS]

Builds the fuzz targets (preset fuzz), runs TARGET (default: all of them, one after the other) for
SECONDS each (default 60), starting from tests/fuzz/corpus/TARGET and what earlier runs found
(build-fuzz/found/TARGET), then merges the smallest set of inputs with the same coverage back into
tests/fuzz/corpus/TARGET and writes what was run to benchmarks/results/fuzz.json. An input that
fails is left in build-fuzz/failed/TARGET, and the exit code is 1.
example: scripts/fuzz.sh envelope 300
USAGE
}
case "${1:-}" in -h | --help) usage; exit 0 ;; esac
target=${1:-all}
seconds=${2:-60}
case "$seconds" in '' | *[!0-9]*) usage >&2; exit 2 ;; esac

. scripts/deps.sh
# shellcheck disable=SC2086
plumb_deps $PLUMB_BUILD_PACKAGES clang libclang-rt-dev
build=$PWD/build-fuzz
{ cmake --preset fuzz && cmake --build "$build"; } >&2

# What is merged stays small: the ordinary tests replay it, and the repository keeps it.
max_bytes=4096
corpus=$PWD/tests/fuzz/corpus

run_one() {
    local name=$1 dictionary=$2 found=$build/found/$1 failed=$build/failed/$1
    local log=$build/fuzz/$1.log status=0
    mkdir -p "$found" "$failed" "$corpus/$name"
    "$build/fuzz/fuzz_$name" -dict="$dictionary" -max_total_time="$seconds" -max_len=$max_bytes \
        -timeout=20 -rss_limit_mb=3000 -print_final_stats=1 -artifact_prefix="$failed/" \
        "$found" "$corpus/$name" >"$log" 2>&1 || status=$?
    if [ $status -ne 0 ]; then
        echo "fuzz.sh: $name failed, see $log and $failed" >&2
        grep -E 'does not hold|ERROR|SUMMARY' "$log" >&2 || true
    else
        merge "$name" "$found"
    fi
    python3 scripts/fuzz_record.py "$name" "$seconds" "$log" "$status"
    return $status
}

# The smallest set with the coverage of all: committed files first, then what is new to them.
merge() {
    local name=$1 found=$2 small=$build/merged/$1
    rm -rf "$small"
    mkdir -p "$small"
    "$build/fuzz/fuzz_$name" -merge=1 -max_len=$max_bytes "$small" "$corpus/$name" "$found" \
        >"$build/fuzz/$name.merge.log" 2>&1
    python3 scripts/fuzz_record.py --keep "$corpus/$name" "$small"
}

worst=0
known=0
while read -r name dictionary; do
    [ "$target" = all ] || [ "$target" = "$name" ] || continue
    known=1
    run_one "$name" "$dictionary" || worst=1
done <"$build/fuzz/targets.txt"
[ $known = 1 ] || { echo "fuzz.sh: there is no target \"$target\"" >&2; exit 2; }
exit $worst
