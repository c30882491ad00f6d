#!/usr/bin/env bash
# From nothing to a verified, governed training run on real annotated data, on the CPU.
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/.."

usage() {
    cat <<'EOF'
usage: scripts/quickstart.sh [--out DIR] [--steps N] [--device cpu] [--records N] [--synthetic]

Builds Plumbline, makes keys and a trust store, turns this machine's package index into a signed
annotation manifest, trains a 4-layer language model under it, verifies the run bundle and asks it
one question. Everything it makes is below DIR.

  --out DIR      where to put it (default out/quickstart; must not exist or be empty)
  --steps N      optimizer steps (default 300)
  --device D     cpu; this version has no CUDA kernels
  --records N    records in the manifest (default 1200)
  --synthetic    invented records instead of the machine's package index
  -h, --help     this text

environment: PLUMB_NO_INSTALL=1 prints missing packages instead of installing them.
example: scripts/quickstart.sh --out /tmp/plumb --steps 100
EOF
}

wrong() { echo "quickstart.sh: $1; see scripts/quickstart.sh --help" >&2; exit 2; }

out=out/quickstart steps=300 device=cpu records=1200 synthetic=
while [ $# -gt 0 ]; do
    case "$1" in
        --out | --steps | --device | --records) [ -n "${2:-}" ] || wrong "$1 wants a value" ;;
    esac
    case "$1" in
        --out)
            out=$2
            [ "${out#/}" != "$out" ] || [ "$here" = "$PWD" ] || out=$here/$out
            shift 2 ;;
        --steps) steps=$2; shift 2 ;;
        --device) device=$2; shift 2 ;;
        --records) records=$2; shift 2 ;;
        --synthetic) synthetic=--synthetic; shift ;;
        -h | --help) usage; exit 0 ;;
        *) wrong "$1 is no option" ;;
    esac
done
for number in "$steps" "$records"; do
    case "$number" in
        *[!0-9]* | 0*) wrong "--steps and --records want whole numbers above 0, found $number" ;;
    esac
done
if [ "$device" != cpu ]; then
    echo "--device $device: this version has no CUDA kernels; use --device cpu" >&2
    exit 6
fi
if [ -e "$out" ] && [ -n "$(ls -A "$out" 2>/dev/null || echo file)" ]; then
    echo "$out is not empty: remove it or choose another folder with --out" >&2
    exit 4
fi

say() { printf '\n== %s\n' "$*"; }
show() { printf ' '; printf ' %q' "$@"; printf '\n'; }   # a command that can be copied

say "1/6 build"
. scripts/deps.sh
# shellcheck disable=SC2086
plumb_deps $PLUMB_BUILD_PACKAGES
[ -n "$synthetic" ] || plumb_deps_optional debtags
[ -f build/CMakeCache.txt ] || cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DPLUMB_BUILD_TESTS=OFF -DPLUMB_BUILD_BENCHMARKS=OFF >/dev/null
cmake --build build -- --quiet >&2
bin=build/bin shown=build/bin
[ "$here" = "$PWD" ] || shown=$PWD/$bin

export PLUMB_STATE=$out/state   # the versions seen here stay with the demonstration
say "2/6 keys and trust: a vendor signs records, an operator signs runs, a root says who may"
umask 077
mkdir -p "$out/keys"
head -c 24 /dev/urandom | base64 >"$out/keys/passphrase"   # for this demonstration only
head -c 32 /dev/urandom >"$out/keys/pseudonyms"
umask 022
pass=(--passphrase-file "$out/keys/passphrase")
for key in root vendor operator; do
    "$bin/plumb" key new "$out/keys/$key" "${pass[@]}" >/dev/null
done
"$bin/plumb" trust init --quiet "$out/trust.json" --root "$out/keys/root.key" "${pass[@]}"
"$bin/plumb" trust add --quiet "$out/trust.json" --root "$out/keys/root.key" "${pass[@]}" \
    --vendor debian-labels --name vendor-1 --key "$out/keys/vendor.pub" --role quality-attestation
"$bin/plumb" trust add --quiet "$out/trust.json" --root "$out/keys/root.key" "${pass[@]}" \
    --vendor trainer --name operator-1 --key "$out/keys/operator.pub" --role operator
"$bin/plumb" trust show "$out/trust.json"

say "3/6 the manifest: who labelled what, and how deep it may go"
# shellcheck disable=SC2086
"$bin/plumb-debian-tags" --out "$out/records.jsonl" --taxonomy "$out/taxonomy.json" \
    --pseudonym-key "$out/keys/pseudonyms" --limit "$records" $synthetic
"$bin/plumb" manifest sign "$out/records.jsonl" --key "$out/keys/vendor.key" "${pass[@]}" \
    --vendor debian-labels --dataset debian-tags --version 1 --taxonomy "$out/taxonomy.json"
"$bin/plumb" manifest verify "$out/records.plumb.json" --trust "$out/trust.json"

say "4/6 governed training: $steps steps"
cp examples/debian-tags/policy.json "$out/policy.json"
train=("$bin/plumb-lm" --manifest "$out/records.plumb.json" --trust "$out/trust.json"
    --policy "$out/policy.json" --state "$out/state" --key "$out/keys/operator.key"
    "${pass[@]}" --out "$out/run" --steps "$steps")
code=0
"${train[@]}" || code=$?
if [ $code = 7 ]; then
    printf '\nTo go on with this run:\n' >&2
    show "$shown/plumb-lm" "${train[@]:1}" --resume >&2
fi
[ $code = 0 ] || exit $code

say "5/6 verify everything from the record alone"
"$bin/plumb" verify "$out/run" --trust "$out/trust.json" --full --require closed

say "6/6 which cohorts wrote which layers?"
"$bin/plumb" query "$out/run" --trust "$out/trust.json" --by cohort,layer --top 8

# The example that spent most: one that the run has surely seen.
id=$("$bin/plumb" query "$out/run" --trust "$out/trust.json" --by example --top 1 --format csv |
    sed -n '2s/,.*//p')
[ "${out#/}" != "$out" ] || [ "$here" = "$PWD" ] || out=$PWD/$out
printf '\nDone. The bundle is in %s. Try next:\n' "$out/run"
trust=(--trust "$out/trust.json")
show "$shown/plumb" show "$out/run" "${trust[@]}"
show "$shown/plumb" query "$out/run" "${trust[@]}" --example "$id" --by layer
show "$shown/plumb" query "$out/run" "${trust[@]}" --by rubric --format csv
show "$shown/plumb" manifest show "$out/records.plumb.json" "${trust[@]}" --id "$id" --explain
show h5dump -n "$out/run/provenance.h5"
echo "(h5dump is in the package hdf5-tools; docs/formats/graph.md shows the same with h5py)"
