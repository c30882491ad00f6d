"""h5_check.py GRAPH EXPECTED: reads a segment with h5py alone, as a user would, and compares the
edges with the numbers of EXPECTED (norm, mask, clip per line). Exits 1 with the reason when
something differs."""
import sys

import h5py
import numpy as np


def check(condition, reason):
    if not condition:
        sys.exit(reason)


with h5py.File(sys.argv[1], "r") as graph:
    check(graph.attrs["plumb_schema"] == 2, "schema")
    check(graph.attrs["run_id"] == b"00112233445566778899aabbccddeeff", "run_id")

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            for attribute in ("units", "description"):
                check(len(item.attrs[attribute]) > 0, f"{name} lacks {attribute}")
            check(item.chunks is not None and item.compression == "gzip" and item.shuffle, name)

    graph.visititems(visit)
    edges = graph["edges"]
    check(edges["norm"].dtype == np.float32, "norm is not float32")
    check(edges["mask"].dtype == np.float16, "mask is not float16")
    check(edges["clip"].dtype == np.float16, "clip is not float16")
    check(graph["layers/name"][1] == b"block.1.w", "layer name")
    want = np.loadtxt(sys.argv[2])
    for column, name in enumerate(("norm", "mask", "clip")):
        got = edges[name][:].astype(np.float64).ravel()
        check(got.shape == want[:, column].shape, f"{name} has another size")
        check(np.array_equal(got, want[:, column]), f"{name} differs")
    check(np.any(want[:, 0] > 0), "nothing compared")
