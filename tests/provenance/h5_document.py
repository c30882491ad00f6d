"""h5_document.py SOURCE GRAPH EXAMPLE: runs the python block of docs/formats/graph.md as it is
printed there, on GRAPH and EXAMPLE, and compares what it computes (`spend`) with /ledger/spend.
Exits 1 when they differ."""
import re
import sys

import h5py
import numpy as np

source, path, example = sys.argv[1], sys.argv[2], int(sys.argv[3])
text = open(source + "/docs/formats/graph.md", encoding="utf-8").read()
blocks = re.findall(r"```python\n(.*?)```", text, re.S)
if len(blocks) != 1:
    sys.exit("graph.md has not exactly one python block")
code = blocks[0].replace('"RUN/provenance.h5"', repr(path))
code = code.replace("example = 0", f"example = {example}")
if repr(path) not in code or f"example = {example}" not in code:
    sys.exit("the block does not name its file and its example as this test expects")
scope = {}
exec(code, scope)
with h5py.File(path, "r") as graph:
    want = graph["ledger/spend"][example].astype(np.float64)
if not np.any(want > 0):
    sys.exit("the example spent nothing: nothing was compared")
if not np.allclose(scope["spend"], want, rtol=1e-5, atol=0):
    sys.exit(f"computed {scope['spend']}, stored {want}")
