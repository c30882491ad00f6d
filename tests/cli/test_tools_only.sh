#!/bin/sh
# Aim: a vendor can build the tools without HDF5, BLAS or a GPU, sign with them and verify, and is
# told what is missing where a run is wanted. Method: configure with PLUMB_TOOLS_ONLY in a temporary
# folder, with a pkg-config that finds neither library; build; ldd; the way from key to verified
# manifest; install.
# usage: test_tools_only.sh CMAKE SOURCE CC GENERATOR [LAUNCHER]
set -eu
cmake=$1 source=$2 cc=$3 generator=$4 launcher=${5:-}
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
echo '{"id":"r1","content":{"sha256":"'$sha'","bytes":11}}' >set.jsonl
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
echo "tools_only: all held"
