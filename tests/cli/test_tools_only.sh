#!/bin/sh
# Aim: a vendor can build the tools without HDF5, BLAS or a GPU, sign with them and verify, and is
# told what is missing where a run is wanted; and a customer with the full build honours what the
# vendor withdraws and gives it a receipt that these tools read. Method: configure with
# PLUMB_TOOLS_ONLY in a temporary folder, with a pkg-config that finds neither library; build; ldd;
# install; the way from key to verified manifest; then, where plumb-lm was built, a short run.
# usage: test_tools_only.sh CMAKE SOURCE CC GENERATOR FULL [LAUNCHER]   FULL: folder of the full
#                                                                        build's programs
set -eu
cmake=$1 source=$2 cc=$3 generator=$4 full=$5 launcher=${6:-}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "FAILED: $*"; exit 1; }
PLUMB_STATE=$dir/state
export PLUMB_STATE

cat >"$dir/pkg-config" <<'EOF'
#!/bin/sh
case "$*" in *hdf5* | *blas*) exit 1 ;; esac
exec pkg-config "$@"
EOF
chmod +x "$dir/pkg-config"
"$cmake" -S "$source" -B "$dir/build" -G "$generator" -DPLUMB_TOOLS_ONLY=ON \
    -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER="$cc" -DCMAKE_C_COMPILER_LAUNCHER="$launcher" \
    -DPKG_CONFIG_EXECUTABLE="$dir/pkg-config" >"$dir/log" 2>&1 ||
    { cat "$dir/log"; fail "the configuration"; }
"$cmake" --build "$dir/build" -j 2 >"$dir/log" 2>&1 || { tail -30 "$dir/log"; fail "the build"; }
"$cmake" --install "$dir/build" --prefix "$dir/installed" >/dev/null || fail "the installation"
[ "$(cd "$dir/installed" && find . -type f)" = ./bin/plumb ] || fail "more than plumb is installed"
PATH=$dir/installed/bin:$PATH

ldd "$dir/installed/bin/plumb" >"$dir/linked" || fail "ldd"
for library in hdf5 blas plumb; do
    ! grep -q "lib[a-z]*$library" "$dir/linked" || fail "linked: $(grep "$library" "$dir/linked")"
done

cd "$dir"
echo secret >pass
sha=b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9
i=0
while [ $i -lt 8 ]; do
    i=$((i + 1))
    echo '{"id":"r'$i'","rubric":"a@'$((i % 2))'","text":"hello world","content":{"sha256":"'$sha'",
        "bytes":11}}' | tr -d '\n ' | sed 's/helloworld/hello world/;s/$/\n/'
done >set.jsonl
plumb key new --passphrase-file pass acme >/dev/null || fail "key new"
plumb trust init --quiet trust.json --root acme.key --passphrase-file pass || fail "trust init"
plumb trust add --quiet trust.json --root acme.key --passphrase-file pass --vendor acme \
    --key acme.pub --name acme-1 --role quality-attestation || fail "trust add"
plumb manifest sign --quiet set.jsonl --key acme.key --passphrase-file pass --vendor acme \
    --dataset set --version 1 || fail "manifest sign"
plumb manifest verify set.plumb.json --trust trust.json >out || fail "manifest verify"
grep -q '^verified ' out || fail "manifest verify says $(cat out)"
plumb verify set.plumb.json --trust trust.json >out || fail "verify"
[ "$(head -1 out)" = "manifest acme/set version 1: holds" ] || fail "verify says $(cat out)"

refused() { # ARGUMENT…: a command that needs runs
    code=0
    plumb "$@" >out 2>err || code=$?
    [ $code = 2 ] || fail "plumb $1 exits with $code"
    [ "$(cat err)" = "plumb: this build has no run tools (built with PLUMB_TOOLS_ONLY); install \
the full build" ] || fail "plumb $1 says $(cat err)"
}
mkdir run
refused show run
refused query run --by cohort
refused verify run --untrusted
refused impact run --all
refused manifest receipt run --vendor acme --key acme.key --trust trust.json --out x.receipt.json

# ---- withdrawing needs no run tools ----
withdraw() { # ID REASON
    plumb manifest withdraw set.plumb.json --id "$1" --reason "$2" --key acme.key \
        --passphrase-file pass >out 2>err || fail "withdraw $1: $(cat err)"
}
withdraw r1 consent
[ "$(cat err)" = "withdrawal 1 of set.plumb.json is signed" ] || fail "withdraw says $(cat err)"
grep -q 'this build has no run tools' out || fail "withdraw says $(cat out)"
plumb manifest verify set.plumb.json --trust trust.json >out || fail "verify with withdrawals"
grep -q '^withdrawn   1 records, 1 statements$' out || fail "verify says $(cat out)"

plumb manifest show set.plumb.json --trust trust.json --id r1 --explain >out || fail "show"
grep -q '^withdrawn   since .* (statement 1: consent)$' out || fail "show says $(cat out)"

# The key may be kept elsewhere: OpenSSL signs what is to be signed.
if command -v openssl >/dev/null; then
    plumb key export acme.key --secret --passphrase-file pass >hsm.pem || fail "key export"
    plumb manifest withdraw set.plumb.json --id r8 --reason other --payload w.payload 2>err ||
        fail "withdraw --payload: $(cat err)"
    openssl pkeyutl -sign -rawin -inkey hsm.pem -in w.payload.pae -out w.sig || fail "openssl"
    plumb manifest withdraw set.plumb.json --attach w.payload --signature w.sig \
        --signer-key acme.pub 2>err || fail "withdraw --attach: $(cat err)"
else
    withdraw r8 other
fi

[ -x "$full/plumb-lm" ] || { echo "tools_only: all held; no plumb-lm for a receipt"; exit 0; }

# ---- the customer trains, and gives a receipt ----
rm -r run
plumb key new --passphrase-file pass op >/dev/null || fail "key new"
plumb trust add --quiet trust.json --root acme.key --passphrase-file pass --vendor lab \
    --key op.pub --name op-1 --role operator || fail "trust add"
echo '{"plumb_policy":1,"budgets":{"unit_step_nats":1.0,"run_nats":6.0}}' >policy.json
train() { # RUN [OPTION…]
    out=$1
    shift
    "$full/plumb-lm" --manifest set.plumb.json --trust trust.json --policy policy.json --out $out \
        --key op.key --passphrase-file pass --steps 4 --layers 2 --width 32 --heads 2 --context 32 \
        --batch 8 "$@" >out 2>err
}
train run || fail "plumb-lm: $(cat err)"
"$full/plumb" manifest receipt run --vendor acme --key op.key --passphrase-file pass \
    --trust trust.json --out acme.receipt.json --min-group 2 2>err || fail "receipt: $(cat err)"
plumb verify acme.receipt.json --trust trust.json --manifest set.plumb.json >out || fail "verify"
grep -q '^signed by   operator op-1 of lab, ' out || fail "verify says $(cat out)"
grep -q '^manifest    is the one given, with all its withdrawals$' out || fail "it says $(cat out)"
grep -Eq '^records     of 8: presented 8, learned from [1-6], withdrawn 2 rejected$' out ||
    fail "verify says $(cat out)"
plumb verify acme.receipt.json --trust trust.json --json >out || fail "verify --json"
grep -Eq '"learned_from":[1-6],.*"presented":8,.*_as_withdrawn":[1-9].*"withdrawn":2}' out ||
    fail "verify --json says $(cat out)"
plumb manifest receipt acme.receipt.json --trust trust.json >out || fail "show"
grep -q '^decisions   .*rejected (withdrawn) ' out || fail "show says $(cat out)"
grep -q '^            0 exceeded, of ' out || fail "show says $(cat out)"
code=0
sed 's/"payload":"..../"payload":"eyJh/' acme.receipt.json >changed.receipt.json
plumb verify changed.receipt.json --trust trust.json 2>err || code=$?
[ $code = 5 ] || fail "a changed receipt: $code, $(cat err)"

# ---- what is withdrawn later: the run is named, and no run starts without it again ----
"$full/plumb" manifest withdraw set.plumb.json --id r2 --reason error --key acme.key \
    --passphrase-file pass >out 2>err || fail "withdraw: $(cat err)"
grep -q "^run $dir/run: acme/set version 1, closed" out || fail "withdraw says $(cat out)"
grep -q '^  checkpoints that contain it:$' out || fail "withdraw says $(cat out)"
plumb verify acme.receipt.json --trust trust.json --manifest set.plumb.json >out || fail "verify"
grep -q 'the run did not know its last 1 withdrawals$' out || fail "verify says $(cat out)"
"$full/plumb" verify run --trust trust.json --full >out || fail "the run holds as of its start"
train second || fail "plumb-lm: $(cat err)"
mv set.withdrawals gone
code=0
train third || code=$?
[ $code = 5 ] && grep -q 'rollback: 3 withdrawals from version 1 of acme/set were seen' err ||
    fail "without the withdrawals: $code, $(cat err)"
mv gone set.withdrawals
code=0
train third --withdrawals none || code=$?
[ $code = 5 ] || fail "--withdrawals none: $code, $(cat err)"
"$full/plumb" trust revoke trust.json --root acme.key --passphrase-file pass --vendor acme \
    --name acme-1 --reason retired --json >out || fail "trust revoke"
[ "$(grep -o '"run_id"' out | wc -l)" = 2 ] || fail "trust revoke says $(cat out)"
echo "tools_only: all held"
