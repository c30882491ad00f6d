#!/bin/bash
# Aim: scripts/quickstart.sh says what is wrong with its options before it builds anything, works
# from another folder into one with a blank in its name, suggests only commands that work, and tells
# how to go on after an interruption. Method: a copy of the scripts beside the programs built here;
# cmake and dpkg-query are stood in for, everything else is real.
# usage: test_quickstart.sh BUILD SOURCE
set -u
build=$1 source=$2
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failed=0
fail() { echo "FAIL: $*"; failed=1; }
check() { [ "$1" = "$2" ] || fail "$3: got '$1', wanted '$2'"; }

root=$dir/tree fakes=$dir/fakes
mkdir -p "$root/build/bin" "$root/examples/debian-tags" "$fakes" "$dir/work"
cp -R "$source/scripts" "$root/scripts"
cp "$source/examples/debian-tags/policy.json" "$root/examples/debian-tags"
touch "$root/build/CMakeCache.txt"
for program in plumb plumb-lm plumb-debian-tags; do
    ln -s "$build/bin/$program" "$root/build/bin/$program"
done
fake() { printf '#!/bin/sh\n%s\n' "$2" >"$1"; chmod +x "$1"; }
fake "$fakes/cmake" 'exit 0'
fake "$fakes/dpkg-query" 'echo install ok installed'
cd "$dir/work" || exit 1
quickstart() { PATH=$fakes:$PATH PLUMB_NO_INSTALL=1 "$root/scripts/quickstart.sh" "$@"; }

# ---- options ----
says() { # CODE MESSAGE OPTIONS…
    local code=$1 message=$2
    shift 2
    said=$(quickstart "$@" 2>&1)
    check $? "$code" "exit code of $*"
    check "$said" "$message" "message of $*"
}
see="see scripts/quickstart.sh --help"
says 2 "quickstart.sh: --nonsense is no option; $see" --nonsense
says 2 "quickstart.sh: --steps wants a value; $see" --steps
says 2 "quickstart.sh: --out wants a value; $see" --out ""
says 2 "quickstart.sh: --steps and --records want whole numbers above 0, found 0; $see" --steps 0
says 2 "quickstart.sh: --steps and --records want whole numbers above 0, found 1x; $see" \
    --records 1x
says 6 "--device cuda: this version has no CUDA kernels; use --device cpu" --device cuda
says 4 "$fakes is not empty: remove it or choose another folder with --out" --out "$fakes"
quickstart --help | grep -q '^example: scripts/quickstart.sh ' || fail "--help has no example"

# scripts/test.sh would build and test everything for a misspelled option
said=$("$root/scripts/test.sh" --perset tsan 2>&1)
check $? 2 "exit code of test.sh --perset"
check "$said" "test.sh: --perset is no option; see scripts/test.sh --help" "message of --perset"
said=$("$root/scripts/test.sh" --preset fast 2>&1)
check $? 2 "exit code of test.sh --preset fast"
check "$said" "test.sh: --preset is release, debug, asan-ubsan, tsan or clang, found \"fast\"; see \
scripts/test.sh --help" "message of --preset fast"

# ---- the whole of it, from another folder ----
quickstart --synthetic --records 64 --steps 12 --out "a b" >out 2>err || fail "$(tail -3 err)"
[ -f "$dir/work/a b/run/provenance.h5" ] || fail "the bundle is not below the caller's folder"
grep '^  /.*/plumb ' out >commands
check "$(wc -l <commands)" 4 "suggested commands"
while read -r command; do
    eval "$command" >said 2>&1 || fail "$command: $(head -3 said)"
done <commands

# ---- interrupted ----
rm "$root/build/bin/plumb-lm"
fake "$root/build/bin/plumb-lm" 'exit 7'
quickstart --synthetic --records 64 --steps 12 --out c >out 2>err
check $? 7 "exit code of an interrupted training"
check "$(tail -2 err)" "To go on with this run:
  $root/build/bin/plumb-lm --manifest $dir/work/c/records.plumb.json --trust \
$dir/work/c/trust.json --policy $dir/work/c/policy.json --state $dir/work/c/state \
--key $dir/work/c/keys/operator.key --passphrase-file \
$dir/work/c/keys/passphrase --out $dir/work/c/run --steps 12 --resume" "how to go on"

# ---- packages are missing and may not be installed ----
fake "$fakes/dpkg-query" 'exit 1'
says 4 "
== 1/6 build
Please install these packages and run this again:
    apt-get install gcc libc6-dev cmake ninja-build pkg-config libsodium-dev libjansson-dev \
libhdf5-dev libopenblas-dev libssl-dev " --out d

[ $failed -eq 0 ] && echo "PASS: options, a run from another folder, its suggestions, packages"
exit $failed
