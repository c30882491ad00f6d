#!/bin/sh
# Runs a Python test with the interpreter that has what tests/interop compares with: the one of
# $PLUMB_INTEROP_PYTHON, else of build/interop-venv (scripts/test.sh makes it), else python3. Each
# test looks for its own packages and says what it lacks.
# usage: run.sh TEST.py [ARGUMENT…]
here=$(cd "$(dirname "$0")" && pwd)
for python in "${PLUMB_INTEROP_PYTHON:-}" "$here/../../build/interop-venv/bin/python" \
    "$(command -v python3)"; do
    [ -n "$python" ] && [ -x "$python" ] && exec env PYTHONDONTWRITEBYTECODE=1 "$python" "$@"
done
echo "SKIP: there is no Python 3"
exit 77
