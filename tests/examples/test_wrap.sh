#!/bin/sh
# Aim: the loop that the README quotes runs as it stands, learns, and leaves a closed bundle; and it
# is about twenty lines. Method: keys, trust and a manifest made with the plumb command, then the
# program itself.
# usage: test_wrap.sh PLUMB PLUMB-WRAP SOURCE
set -eu
plumb=$1 program=$2 source=$3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
PLUMB_STATE=$dir/state
export PLUMB_STATE
fail() { echo "FAILED: $*"; exit 1; }
lines=$(sed -n '/\[wrap\]/,/\[\/wrap\]/p' "$source" | grep -c .)
[ "$lines" -le 26 ] || fail "the wrapped loop has grown to $lines lines"
echo secret >"$dir/pass"
for key in root vendor operator; do
    "$plumb" key new "$dir/$key" --passphrase-file "$dir/pass" >/dev/null 2>&1 || fail "key $key"
done
add() {
    "$plumb" trust add "$dir/trust.json" --root "$dir/root.key" --passphrase-file "$dir/pass" \
        --vendor acme --key "$dir/$1.pub" --name "$1" --role "$2" >/dev/null 2>&1 ||
        fail "trust add $1"
}
"$plumb" trust init "$dir/trust.json" --root "$dir/root.key" --passphrase-file "$dir/pass" \
    >/dev/null 2>&1 || fail "trust init"
add vendor quality-attestation
add operator operator
i=0
while [ $i -lt 64 ]; do
    printf '{"id":"toy:%d","content":{"sha256":"%064d","bytes":8},"depth":{"band":[0,1]}}\n' $i $i
    i=$((i + 1))
done >"$dir/records.jsonl"
"$plumb" manifest sign "$dir/records.jsonl" --key "$dir/vendor.key" --passphrase-file "$dir/pass" \
    --vendor acme --dataset toy --version 1 >/dev/null 2>&1 || fail "manifest sign"
cat >"$dir/policy.json" <<'EOF'
{"plumb_policy":1,"budgets":{"unit_step_nats":2,"layer_step_nats":8,"run_nats":null}}
EOF
wrap() {
    "$program" "$dir/records.plumb.json" "$dir/trust.json" "$dir/policy.json" "$dir/$1.key" \
        "$dir/pass" "$dir/run"
}
if wrap vendor >"$dir/out" 2>"$dir/err"; then fail "a key of another role was accepted"; fi
[ ! -e "$dir/run" ] || fail "a refused start left something behind"
wrap operator >"$dir/out" 2>"$dir/err" || fail "$(cat "$dir/err")"
awk '$1 == "step" { loss[$2] = $4 } END { exit !(loss[20] > loss[60] && loss[60] < 0.8) }' \
    "$dir/out" || fail "the loss did not fall: $(cat "$dir/out")"
[ -f "$dir/run/provenance.h5" ] || fail "the closed bundle has no provenance.h5"
if wrap operator >"$dir/out" 2>"$dir/err"; then fail "an existing bundle was used again"; fi
grep -q "$dir/run exists already: resume it, or choose another directory" "$dir/err" ||
    fail "message: $(cat "$dir/err")"
echo "wrap: all held"
