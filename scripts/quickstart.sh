#!/usr/bin/env bash
# From nothing to a verified, governed training run on real annotated data, on the CPU.
set -euo pipefail
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

out=out/quickstart steps=300 device=cpu records=1200 synthetic=
while [ $# -gt 0 ]; do
    case "$1" in
        --out) out=${2:?--out wants a folder}; shift 2 ;;
        --steps) steps=${2:?--steps wants a number}; shift 2 ;;
        --device) device=${2:?--device wants a name}; shift 2 ;;
        --records) records=${2:?--records wants a number}; shift 2 ;;
        --synthetic) synthetic=--synthetic; shift ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done
case "$steps$records" in *[!0-9]*) echo "--steps and --records want whole numbers" >&2; exit 2 ;; esac
if [ "$device" != cpu ]; then
    echo "--device $device: this version has no CUDA kernels; use --device cpu" >&2
    exit 6
fi
if [ -e "$out" ] && [ -n "$(ls -A "$out" 2>/dev/null || echo file)" ]; then
    echo "$out is not empty: remove it or choose another folder with --out" >&2
    exit 4
fi

say() { printf '\n== %s\n' "$*"; }

say "1/6 build"
. scripts/deps.sh
# shellcheck disable=SC2086
plumb_deps $PLUMB_BUILD_PACKAGES
[ -n "$synthetic" ] || plumb_deps_optional debtags
[ -f build/CMakeCache.txt ] || cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DPLUMB_BUILD_TESTS=OFF -DPLUMB_BUILD_BENCHMARKS=OFF >/dev/null
cmake --build build -- --quiet >&2
bin=build/bin

say "2/6 keys and trust: a vendor signs records, an operator signs runs, a root says who may"
umask 077
mkdir -p "$out/keys"
head -c 24 /dev/urandom | base64 >"$out/keys/passphrase"   # for this demonstration only
head -c 32 /dev/urandom >"$out/keys/pseudonyms"
umask 022
pass=(--passphrase-file "$out/keys/passphrase")
for key in root vendor operator; do "$bin/plumb" key new "$out/keys/$key" "${pass[@]}" >/dev/null; done
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
"$bin/plumb-lm" --manifest "$out/records.plumb.json" --trust "$out/trust.json" \
    --policy "$out/policy.json" --key "$out/keys/operator.key" "${pass[@]}" --out "$out/run" \
    --steps "$steps"

say "5/6 verify everything from the record alone"
"$bin/plumb" verify "$out/run" --trust "$out/trust.json" --full --require closed

say "6/6 which cohorts wrote which layers?"
"$bin/plumb" query "$out/run" --trust "$out/trust.json" --by cohort,layer --top 8

id=$(sed -n '1s/^{"id":"\([^"]*\)".*/\1/p' "$out/records.jsonl")
cat <<EOF

Done. The bundle is in $out/run. Try next:
  $bin/plumb show $out/run --trust $out/trust.json
  $bin/plumb query $out/run --trust $out/trust.json --example '$id' --by layer
  $bin/plumb query $out/run --trust $out/trust.json --by rubric --format csv
  h5dump -n $out/run/provenance.h5      (package hdf5-tools), or open it with h5py
EOF
