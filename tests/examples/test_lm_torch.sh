#!/bin/sh
# Aim: the model that bench.sh compares with is the same model. Method: the float64 build writes its
# weights, a ragged batch, loss and gradients; PyTorch computes its own in float64 from them.
# usage: test_lm_torch.sh TEST_LM_GRADIENTS LM_TORCH_PY
set -u
for python in /usr/bin/python3 python3; do
    "$python" -c 'import torch' 2>/dev/null && break
    python=
done
[ -n "$python" ] || { echo "skipped: no Python here has torch"; exit 77; }
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
for head in untied tied; do
    "$1" --probe "$dir/$head" "$head" || { echo "FAIL: the probe was not written"; exit 1; }
    "$python" "$2" --probe "$dir/$head" >"$dir/said" || exit 1
    cat "$dir/said"
    "$python" -c '
import json, sys
said = json.load(open(sys.argv[1]))
good = said["loss_difference"] < 1e-10 and said["gradient_difference"] < 1e-9
sys.exit(0 if good and said["parameters"] > 20000 else 1)' "$dir/said" ||
        { echo "FAIL: PyTorch computes something else ($head)"; exit 1; }
done
echo "PASS: loss and gradients agree, tied and untied"
