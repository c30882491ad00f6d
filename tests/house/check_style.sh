#!/bin/sh
# Aim: what of the house style a machine can see. Method: plain text scans of the project's own
# sources: lines of at most 100 characters, no tabs, no trailing blanks, unique names of C files, no
# function over 80 lines without a "/* long: reason */" in the comment above it, and a median
# function below 20 lines. Prints FILE:LINE: message; exit 1 if there is one.
# usage: check_style.sh [ROOT]
set -eu
cd "${1:-.}"
LC_ALL=C
export LC_ALL

files() {
    find . \( -name .git -o -name 'build*' -o -name out \) -prune -o -type f \
        \( -name '*.c' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh' -o -name '*.sh' \
        -o -name '*.py' -o -name '*.awk' -o -name '*.cmake' -o -name CMakeLists.txt \) -print |
        sed 's|^\./||' | sort
}
c_files() { files | grep -E '\.(c|h|cu|cuh)$'; }

lines=${TMPDIR:-/tmp}/plumb-style.$$
trap 'rm -f "$lines"' EXIT
status=0
files | while IFS= read -r file; do
    awk -v file="$file" '
        function offence(text) { print file ":" FNR ": " text; bad = 1 }
        /\t/ { offence("a tab") }
        /[ \r]$/ { offence("a blank or carriage return ends the line") }
        {
            characters = $0
            gsub(/[\200-\277]/, "", characters) # a UTF-8 character counts once
            if (length(characters) > 100) offence(length(characters) " characters (at most 100)")
        }
        END { exit bad }' "$file" || echo bad
done >"$lines"
if [ -s "$lines" ]; then
    grep -v '^bad$' "$lines" || true
    status=1
fi

twice=$(c_files | sed 's|.*/||' | sort | uniq -d)
for name in $twice; do
    echo "$name: $(c_files | grep "/$name\$" | tr '\n' ' ')have the same name"
    status=1
done

# A function is a paragraph (from the line after the last blank line or closing brace) that reaches
# a "{" in the first column, up to the "}" in the first column.
c_files | while IFS= read -r file; do
    awk -v file="$file" '
        function forget() { start = 0; reason = 0; comment = 0 }
        BEGIN { forget() }
        inside && /^}/ {
            size = FNR - start + 1
            print "size", size
            if (size > 80 && !reason)
                print "bad " file ":" start ": a function of " size \
                    " lines (at most 80, or say why: /* long: reason */)"
            inside = 0
            forget()
            next
        }
        inside { next }
        /^[ \t]*$/ || /^}/ || /^#/ { forget(); next }
        {
            if (/\/\* *long: [^ ]/ || (comment && /long: [^ ]/)) reason = 1
            is_comment = comment || /^\/[*\/]/
            if (/^\/\*/) comment = 1
            if (comment && /\*\//) comment = 0
            if (!is_comment && !start) start = FNR
        }
        /^{/ || (start && /\) *{$/) { inside = 1; if (!start) start = FNR }
    ' "$file"
done >"$lines"
if grep '^bad ' "$lines" | sed 's/^bad //' | grep .; then status=1; fi
median=$(grep '^size ' "$lines" | cut -d' ' -f2 | sort -n |
    awk '{ v[NR] = $1 } END { print NR ? v[int((NR + 1) / 2)] : 0 }')
if [ "$median" -ge 20 ]; then
    echo "the median function has $median lines (below 20 is meant)"
    status=1
fi
exit $status
