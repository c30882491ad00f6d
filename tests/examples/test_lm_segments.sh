#!/bin/sh
# Aim: plumb-lm presents records as their segments. What a segment closes is learned from by nobody,
# rows outside go on under the record's terms, a text cut at the context loses what lies beyond,
# segments that ask for nothing change nothing, and those that are no bytes of the text are refused.
# Method: signed manifests of a few records, the real programs; `plumb verify --full`, unit counts
# and spends by `plumb query`, checkpoints of two runs that differ in a closed text alone.
# usage: test_lm_segments.sh PLUMB PLUMB_LM
set -u
plumb=$1 lm=$2
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
PLUMB_STATE=$dir/state
export PLUMB_STATE
cd "$dir" || exit 1
failed=0
fail() { echo "FAIL: $*"; failed=1; }
check() { [ "$1" = "$2" ] || fail "$3: got '$1', wanted '$2'"; }

echo secret >pass
chmod 600 pass
for k in root vendor operator; do
    "$plumb" key new "$k" --passphrase-file pass >/dev/null 2>&1 || exit 1
done
"$plumb" trust init trust.json --root root.key --passphrase-file pass >/dev/null 2>&1 || exit 1
"$plumb" trust add trust.json --root root.key --passphrase-file pass --vendor v --name v \
    --key vendor.pub --role quality-attestation >/dev/null || exit 1
"$plumb" trust add trust.json --root root.key --passphrase-file pass --vendor o --name o \
    --key operator.pub --role operator >/dev/null || exit 1
echo '{"plumb_policy":1}' >free.json
echo '{"plumb_policy":1,"budgets":{"unit_step_nats":1.0,"layer_step_nats":2.0,"run_nats":6.0}}' \
    >strict.json

record() { # ID TEXT REST
    sum=$(printf %s "$2" | sha256sum | cut -c1-64)
    printf '{"id":"%s","text":"%s","content":{"sha256":"%s","bytes":%d}%s}\n' \
        "$1" "$2" "$sum" ${#2} "$3"
}
a80=abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzab
# five units within a context of 64: rest, 0, 1, rest, 2; segment 3 lies beyond it
parts='{"bytes":[5,10],"annotators":["guest"],"depth":{"band":[0.5,1]}},
{"bytes":[10,20],"weight":0},{"bytes":[60,70]},{"bytes":[70,80]}'
set_of() { # SET CLOSED SEGMENTS_OF_CUT
    {
        record closed "$2" ',"segments":[{"bytes":[0,14],"depth":"none","weight":0}]'
        record cut $a80 ",\"annotators\":[\"host\"],\"segments\":[$(echo "$3" | tr -d '\n')]"
        record plain "the quick brown fox" ',"annotators":["host"]'
    } >$1.jsonl
    sign $1
}
sign() {
    "$plumb" manifest sign $1.jsonl --key vendor.key --passphrase-file pass --vendor v \
        --dataset $1 --version 1 >/dev/null 2>&1 || exit 1
}
model="--layers 2 --width 32 --heads 2 --context 64 --batch 4 --micro-batches 2 --progress json
    --warmup 2 --steps 6"
governed() { # SET POLICY RUN
    "$lm" --manifest $1.plumb.json --trust trust.json --policy $2.json --out $3 --key operator.key \
        --passphrase-file pass $model 2>$3.log || fail "run $3: $(tail -1 $3.log)"
    "$plumb" verify $3 --trust trust.json --full --require closed >$3.verify 2>&1 ||
        fail "$3 does not verify: $(cat $3.verify)"
}
# Columns: the groups, units, spend_nats, share, masked_share, clipped_share, mean_norm.
asked() { "$plumb" query "$@" --trust trust.json --format csv | tr -d '\r' | tail -n +2; }
losses() { sed -n 's/.*"loss":\([^,]*\),.*/\1/p' "$1"; }
# Weights, moments, ledger and scales but for the identity of their run.
bare() {
    LC_ALL=C sed '1s/"run_id":"[0-9a-f]*"//' $1/checkpoints/step-00000006.safetensors >$1.bare
}

# ---- closed text: no spend, and no trace in any weight; 24 places of 3 records: 8 of each ----
set_of one "secret secrets" "$parts"
set_of two "other contents" "$parts"
governed one strict one.run
governed two strict two.run
check "$(asked one.run --example closed)" 8,0,0,1,0,0 "units and spend of closed text"
bare one.run
bare two.run
cmp one.run.bare two.run.bare || fail "the closed text left a trace in the checkpoint"

# ---- parts: five of the cut text, each with its own terms and annotators ----
check "$(asked one.run --example cut | cut -d, -f1)" 40 "units of the cut text"
check "$(asked one.run --example plain | cut -d, -f1)" 8 "units of the undivided text"
check "$(asked one.run --example cut --by annotator | cut -d, -f1,2,5 | sort)" "guest,8,0.5
host,32,0.25" "units and closed share by annotator"

# ---- segments without terms of their own change nothing ----
set_of open "free text to be" '{"bytes":[5,10]},{"bytes":[10,20]},{"bytes":[60,70]}'
sed 's/"depth":"none","weight":0/"depth":"all"/' open.jsonl >split.jsonl
sign split
governed split free split.run
"$lm" --ungoverned --manifest split.plumb.json --trust trust.json $model 2>plain.log ||
    fail "ungoverned: $(tail -1 plain.log)"
losses plain.log >a
losses split.run.log >b
paste a b | awk '{ d = $1 - $2; if (d < 0) d = -d; if (!(d <= 2e-4 * $1)) bad = 1 }
    END { exit bad || NR != 6 }' || fail "losses differ: $(paste a b)"

# ---- segments that are no bytes of the text ----
{
    record plain "the quick brown fox" ""
    record talk "hello" ',"messages":[{"role":"user","content":"hello"}],"segments":[{"message":0}]'
} >talk.jsonl
sign talk
said=$("$lm" --ungoverned --manifest talk.plumb.json --trust trust.json $model 2>&1)
check $? 3 "exit code of a message as a segment"
check "$said" "plumb-lm: record \"talk\" has a segment that is a message or a part; plumb-lm \
trains on \"text\" and takes segments that are \"bytes\" of it only: sign a manifest without the \
record's \"text\", or without such segments" "message of a message as a segment"

[ $failed -eq 0 ] && echo "PASS: segments closed, in parts, open and refused"
exit $failed
