#!/bin/sh
# Aim: plumb-lm keeps its promises as a program: exit codes and messages, a governed run without
# masks and limits that trains as the ungoverned one does, resume after SIGINT and SIGKILL that goes
# on bit for bit, settings that a resume may not change. Method: real keys, a real manifest of a few
# generated records, the real programs; checkpoints compared byte by byte, losses by number.
# usage: test_plumb_lm.sh PLUMB PLUMB_LM
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

# ---- keys, trust, 24 records of 3 to 90 bytes ----
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
i=0
while [ $i -lt 24 ]; do
    i=$((i + 1))
    text=$(awk -v n=$((i * 29 % 88 + 3)) -v s=$i \
        'BEGIN { srand(s); for (j = 0; j < n; j++) printf "%c", 97 + int(rand() * 26) }')
    sum=$(printf %s "$text" | sha256sum | cut -c1-64)
    depth=all
    [ $((i % 3)) -ne 0 ] || depth=deep
    printf '{"id":"r%d","text":"%s","content":{"sha256":"%s","bytes":%d},"depth":"%s"}\n' \
        $i "$text" "$sum" ${#text} $depth
done >records.jsonl
sed 's/"depth":"[a-z]*"/"depth":"all"/' records.jsonl >open.jsonl
echo '{"profiles":{"deep":{"band":[0.5,1]}}}' >taxonomy.json
for set in records open; do
    "$plumb" manifest sign $set.jsonl --key vendor.key --passphrase-file pass --vendor v \
        --dataset $set --version 1 --taxonomy taxonomy.json >/dev/null 2>&1 || exit 1
done
echo '{"plumb_policy":1}' >free.json
echo '{"plumb_policy":1,"budgets":{"unit_step_nats":1.0,"layer_step_nats":2.0,"run_nats":6.0}}' \
    >strict.json

prefix= # exec, where the shell is to become the program
model="--layers 2 --width 32 --heads 2 --context 64 --batch 6 --progress json --warmup 4"
ungoverned() { # SET, then more options
    set=$1
    shift
    "$lm" --ungoverned --manifest $set.plumb.json --trust trust.json $model "$@"
}
governed() { # SET POLICY RUN, then more options
    set=$1 policy=$2 run=$3
    shift 3
    $prefix "$lm" --manifest $set.plumb.json --trust trust.json --policy $policy.json --out $run \
        --key operator.key --passphrase-file pass $model "$@"
}
losses() { sed -n 's/.*"loss":\([^,]*\),.*/\1/p' "$1"; }

# ---- usage ----
says() { # CODE MESSAGE OPTIONS…
    code=$1 message=$2
    shift 2
    said=$("$lm" "$@" 2>&1)
    check $? "$code" "exit code of $*"
    check "$said" "$message" "message of $*"
}
says 2 "plumb-lm: --nonsense is no option of plumb-lm; see plumb-lm --help" --nonsense
says 2 "plumb-lm: --steps wants a value; see plumb-lm --help" --steps
says 2 "plumb-lm: --steps 1x is not a number from 1 to 1000000000000; see plumb-lm --help" \
    --steps 1x
says 2 "plumb-lm: --lr nan is not a number from 0 to 10; see plumb-lm --help" --lr nan
says 2 "plumb-lm: --policy is missing; see plumb-lm --help" --manifest a --trust b
says 2 "plumb-lm: --width is not a multiple of --heads; see plumb-lm --help" --ungoverned \
    --manifest a --trust b --width 30 --heads 4
says 2 "plumb-lm: --out goes with a governed run; --ungoverned leaves no record and no checkpoint; \
see plumb-lm --help" --ungoverned --manifest a --trust b --out c
says 6 "plumb-lm: this build has no CUDA kernels; use --device cpu" --ungoverned --manifest a \
    --trust b --device cuda
"$lm" --help | grep -q '^Example:$' || fail "--help has no example"
says 4 "plumb-lm: nowhere/run.json cannot be read: No such file or directory; --resume wants the \
bundle of an earlier run in --out" --manifest a --trust b --policy c --key d --out nowhere --resume

# ---- governed without masks and limits = ungoverned, within rounding ----
for head in "" --tied; do
    for parts in 1 4; do
        ungoverned open --steps 12 --micro-batches $parts $head 2>plain.log ||
            fail "ungoverned $head: $(tail -1 plain.log)"
        rm -rf free
        governed open free free --steps 12 --micro-batches $parts $head 2>free.log ||
            fail "governed $head: $(tail -1 free.log)"
        losses plain.log >a
        losses free.log >b
        check "$(wc -l <b)" 12 "losses of the governed run"
        paste a b | awk '{ d = $1 - $2; if (d < 0) d = -d; if (!(d <= 2e-4 * $1)) bad = 1 }
            END { exit bad || NR != 12 }' || fail "losses differ ($head, $parts): $(paste a b)"
    done
done

# ---- resume ----
governed records strict straight --steps 20 --checkpoint-every 5 2>straight.log ||
    fail "straight run: $(tail -1 straight.log)"
grep -q '"clipped":0\.[0-9]*[1-9]' straight.log || fail "the strict policy clipped nothing"

# run [signal] after it acknowledged step 7 or more; stretched by a horizon far away
every=5
stop_at() { # RUN SIGNAL
    (prefix=exec; governed records strict $1 --steps 1000000 --horizon 20 \
        --checkpoint-every $every) 2>$1.log &
    child=$!
    tries=0
    until grep -q '"acknowledged":[7-9]\|"acknowledged":[1-9][0-9]' $1.log 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 3000 ] || break
        sleep 0.01
    done
    kill -$2 $child
    wait $child
    stopped=$?
}
# Checkpoints but for the identity of their run: weights, moments, ledger, reference scales.
same() {
    for one in "$1" "$2"; do
        LC_ALL=C sed '1s/"run_id":"[0-9a-f]*"//; 1s/"plumb_attempt":"[0-9]*"//' "$one" >"$one.bare"
    done
    cmp "$1.bare" "$2.bare"
    alike=$?
    rm "$1.bare" "$2.bare"
    return $alike
}
# resumed run to where it stands now plus some, against a straight one of the same horizon
finish_and_compare() { # RUN
    seen=$(sed -n 's/^{"step":\([0-9]*\),.*/\1/p' $1.log | tail -1)
    goal=$((seen + 4))
    governed records strict $1 --steps $goal --resume --checkpoint-every 5 2>$1.again ||
        fail "resume of $1: $(tail -1 $1.again)"
    governed records strict $1-whole --steps $goal --horizon 20 --checkpoint-every 5 \
        2>$1-whole.log || fail "whole run beside $1: $(tail -1 $1-whole.log)"
    name=checkpoints/step-$(printf %08d $goal).safetensors
    same $1/$name $1-whole/$name || fail "$1: the checkpoint after a resume is another one"
    "$plumb" verify $1 --trust trust.json --full --require closed >/dev/null ||
        fail "$1 does not verify"
}

stop_at interrupted INT
check $stopped 7 "exit code after SIGINT"
last=$(tail -1 interrupted.log | sed 's/step [0-9]*;/step N;/')
check "$last" "plumb-lm: interrupted after step N; the record is sealed. To go on, give the same \
command with --resume" "message after SIGINT"
"$plumb" verify interrupted --trust trust.json >/dev/null || fail "interrupted: does not verify"
said=$(governed records strict interrupted --steps 30 --resume --lr 0.01 2>&1)
check $? 2 "exit code of a resume with another learning rate"
check "$said" "plumb-lm: --lr 0.01 differs from this run's 0.001; a run goes on with the settings \
it began with (--steps may differ): leave it out" "message of a changed setting"
taken=$(tail -1 interrupted.log | sed 's/.*after step \([0-9]*\);.*/\1/')
said=$(governed records strict interrupted --steps 2 --resume 2>&1)
check $? 2 "exit code of a resume with a goal behind the run"
check "$(printf '%s' "$said" | tail -1)" "plumb-lm: --steps 2 is behind the run, which has taken \
$taken; nothing was closed: give $taken to close it there, or more to go on" \
    "message of a goal behind the run"
cp -R interrupted there
governed records strict there --steps $taken --resume 2>there.log ||
    fail "closing an interrupted run where it stands: $(tail -1 there.log)"
"$plumb" verify there --trust trust.json --full --require closed >/dev/null ||
    fail "a run closed where it stood does not verify"
finish_and_compare interrupted
said=$(governed records strict interrupted --steps 99 --resume 2>&1)
[ $? -ne 0 ] || fail "a closed run resumed"

every=1 # the signal comes while a checkpoint is written
stop_at often INT
check $stopped 7 "exit code after SIGINT in a checkpoint: $(tail -1 often.log)"
every=5

stop_at killed KILL
check $stopped 137 "exit code after SIGKILL"
finish_and_compare killed

# killed (by the limit on file sizes) while checkpoint 0 is written: nothing but the bundle is there
(ulimit -f 64; governed records strict early --steps 10 2>early.log) 2>/dev/null
[ -f early/run.json ] || fail "the run that was to die early did not begin: $(cat early.log)"
[ ! -f early/checkpoints/step-00000000.safetensors ] || fail "checkpoint 0 was to be too large"
governed records strict early --resume 2>early.log || fail "resume of early: $(tail -1 early.log)"
governed records strict early-whole --steps 10 2>early.log || fail "whole run beside early"
for step in 00000000 00000010; do
    name=checkpoints/step-$step.safetensors
    same early/$name early-whole/$name || fail "early: $name is another one"
done
"$plumb" verify early --trust trust.json --full --require closed >/dev/null ||
    fail "early does not verify"

[ $failed -eq 0 ] &&
    echo "PASS: usage, equality with ungoverned, resume after INT, KILL and before checkpoint 0"
exit $failed
