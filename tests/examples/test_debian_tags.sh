#!/bin/sh
# Aim: the importer turns index stanzas and debtags lines into records that say what both said.
# Method: a tiny index, tag file and vocabulary made here; exact fields of the records are compared.
set -eu
program=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/index" <<'EOF'
Package: abgate
Description: LV2 noise gate plugin
Maintainer: Debian Multimedia <m@example.org>
Tag: role::plugin, works-with::audio,
 use::editing
Section: sound

Package: unsaid
Description: Nothing is said of it
Section: misc
EOF
printf 'abgate: role::plugin, role::program, works-with::audio\nmissing: role::program\n' |
    gzip >"$dir/tags.gz"
printf '%s\n' 'Facet: role' 'Description: Role' '' 'Tag: role::plugin' '' 'Facet: works-with' \
    'Description: Works with' '' 'Facet: use' 'Description: Use' >"$dir/words"
head -c 32 /dev/zero >"$dir/key"
run() {
    "$program" --out "$dir/out.jsonl" --taxonomy "$dir/taxonomy.json" --pseudonym-key "$dir/key" \
        --index "$dir/index" --tags "$dir/tags.gz" --vocabulary "$dir/words" "$@"
}
fail() { echo "FAILED: $*"; cat "$dir/out.jsonl"; exit 1; }
run 2>"$dir/err" || fail "exit $?"
[ "$(wc -l <"$dir/out.jsonl")" = 3 ] || fail "three records expected"
text='"text":"abgate: LV2 noise gate plugin\\trole::plugin, role::program"'
grep -q '"id":"deb:abgate#role".*'"$text" "$dir/out.jsonl" ||
    fail "text of the role record"
grep '#role' "$dir/out.jsonl" | grep -q '"quality":0.5,' || fail "half of the role tags agree"
grep '#role' "$dir/out.jsonl" | grep -q '"annotators":\["src:archive","src:debtags"\]' ||
    fail "both sources"
grep '#use' "$dir/out.jsonl" | grep -q '"annotators":\["src:archive"\]' ||
    fail "only the archive says use"
grep '#works-with' "$dir/out.jsonl" | grep -q '"quality":1.0' || fail "full agreement"
text=$(grep '#use' "$dir/out.jsonl" | sed 's/.*"sha256":"\([0-9a-f]*\)".*/\1/')
whole=$(printf 'abgate: LV2 noise gate plugin\tuse::editing' | sha256sum | cut -c1-64)
[ "$text" = "$whole" ] || fail "content digest"
grep -q '"conceptual"' "$dir/taxonomy.json" || fail "taxonomy lacks the profile"
cp "$dir/out.jsonl" "$dir/first"
run 2>"$dir/err"
cmp -s "$dir/first" "$dir/out.jsonl" || fail "the same input gave other records"
run --limit 1 2>"$dir/err"
[ "$(wc -l <"$dir/out.jsonl")" = 1 ] || fail "one record expected"
if run --index /nonexistent 2>"$dir/err"; then fail "a missing index was accepted"; fi
if run --limit x 2>"$dir/err"; then fail "--limit x was accepted"; fi
grep -q -e '--limit wants a number, not x' "$dir/err" || fail "message of --limit"
"$program" --out "$dir/out.jsonl" --taxonomy "$dir/taxonomy.json" --pseudonym-key "$dir/key" \
    --synthetic 2>"$dir/err"
grep -q 'invented packages' "$dir/err" || fail "synthetic data must be named as such"
echo "debian tags: all held"
