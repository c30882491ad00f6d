#!/usr/bin/env bash
# Measures one thing side by side and prints one JSON object as its last line.
set -euo pipefail
cd "$(dirname "$0")/.."
usage() {
    cat <<'EOF'
usage: scripts/bench.sh NAME [options of that benchmark]

  lm        ungoverned plumb-lm against the same model in PyTorch
  step      a governed step against an ungoverned one: time, sparse masks, memory
  kernels   weight gradients with exact norms against plain products
  manifest  verifying and loading a million signed records, and its digests, proofs and signing

The last line on standard output is one JSON object; it is also written to
benchmarks/results/NAME.json. scripts/bench.sh NAME --help says more.
example: scripts/bench.sh step --rounds 6
EOF
}
name=${1:-}
[ $# -eq 0 ] || shift
case "$name" in
    -h | --help) usage; exit 0 ;;
    lm | step | kernels | manifest) ;;
    *) usage >&2; exit 2 ;;
esac
# PLUMB_BUILD: an existing build to measure.
if [ -z "${PLUMB_BUILD:-}" ]; then
    . scripts/deps.sh
    # shellcheck disable=SC2086
    plumb_deps $PLUMB_BUILD_PACKAGES
    { cmake --preset release -DPLUMB_BUILD_BENCHMARKS=ON && cmake --build build; } >&2
    export PLUMB_BUILD=$PWD/build
fi
exec python3 "benchmarks/bench_$name.py" "$@"
