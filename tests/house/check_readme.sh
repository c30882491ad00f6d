#!/bin/sh
# Aim: the loop that the README shows is the loop that the tests run, to the letter, and every file
# it names is there.
# Usage: check_readme.sh SOURCE_DIR
set -eu
cd "$1"
shown=$(awk '/^```c$/ {on = 1; next} /^```$/ {on = 0} on' README.md)
real=$(sed -n '/\[wrap\]/,/\[\/wrap\]/p' examples/wrap/wrap_loop.c | sed '1d;$d;s/^    //')
if [ -z "$real" ] || [ "$shown" != "$real" ]; then
    echo "README.md shows another loop than examples/wrap/wrap_loop.c between its [wrap] marks"
    exit 1
fi
for name in $(grep -o '`[a-z]*/[A-Za-z_./-]*`' README.md | tr -d '`'); do
    [ -e "$name" ] || { echo "README.md names $name, which is not there"; exit 1; }
done
if grep -q '@@' README.md; then echo "README.md has an unfilled place"; exit 1; fi
echo "README: the loop and the names hold"
