#!/usr/bin/env python3
"""A governed step of plumb-lm against an ungoverned one, interleaved in one run.

usage: scripts/bench.sh step [--rounds N] [--steps N] [--shape lm|quickstart|all]

Governed: exact norms of every unit at every layer, all limits on (a policy that clips a few percent
of the pairs), reference scales, run ledger, journal with its group commits. Both sides run the same
model on the same full-length records, A B C A B C, each turn a process that times its own steps
after a warm-up; `ratio` is of the medians over all turns, `ratio_best` of the fastest steps (what a
busy machine disturbs least), `aa_ratio` the ungoverned side against itself
(even turns over odd ones). `ratio_sparse`: half of the (unit, layer) pairs masked (half of the
records may change depths [0, .5), the others [.5, 1]), against its floor 1 - share/6, where share
is what governed linear layers have of the step's floating-point operations. `memory`: peak resident
bytes, governed over ungoverned, and `memory_checkpoint` with a checkpoint amid the run, whose seal
takes a fixed amount; what governance keeps per example is listed beside.
"""
import argparse, shutil, statistics, sys

import bench_kit as kit

SHAPES = {"lm": (kit.SHAPE, 24),
          "quickstart": ({"layers": 4, "width": 128, "heads": 4, "context": 128, "batch": 16}, 60)}
WARM = 5
BUDGETS = {"unit_step_nats": 0.3, "layer_step_nats": 2.4, "run_nats": 60.0}
POLICY = {"plumb_policy": 1, "unknown": "reject", "budgets": BUDGETS, "reference": {"ema": 0.9}}
SPARSE = ({"band": [0, 0.499]}, {"band": [0.5, 1]})


def linear_share(shape):
    """Of the step's operations per token: weights 6 each (forward, dX, dW), attention 14 width T/2
    (two products forward, five back, the lower triangle)."""
    width, blocks = shape["width"], shape["layers"]
    linear = 6 * (12 * width * width * blocks + 256 * width)
    return linear / (linear + 7 * width * shape["context"] * blocks)


def turn(bundle, shape, steps, governed, number):
    out = bundle.path(f"run-{number}")
    lines, peak = bundle.train(WARM + steps, governed, out, shape)
    shutil.rmtree(out, ignore_errors=True)
    timed = [line for line in lines if "step" in line][WARM:]
    memory = [line["memory"] for line in lines if "memory" in line]
    return [line["seconds"] for line in timed], timed, peak, memory[0] if memory else None


def rounds(shape, steps, count):
    whole = kit.Bundle(64, shape["context"], policy=POLICY)
    halves = kit.Bundle(64, shape["context"], depths=SPARSE, policy=POLICY)
    seen = {"plain": [], "governed": [], "sparse": []}
    peaks = {"plain": [], "governed": [], "sparse": []}
    clipped, memory = [], None
    for i in range(count):
        for name, bundle, governed in (("plain", whole, False), ("governed", whole, True),
                                       ("sparse", halves, True)):
            seconds, lines, peak, kept = turn(bundle, shape, steps, governed, i)
            seen[name].append(seconds)
            peaks[name].append(peak)
            if name == "governed":
                clipped += [line["clipped"] for line in lines]
                memory = kept or memory
        kit.say(f"  round {i + 1} of {count}: " + ", ".join(
            f"{name} {1e3 * statistics.median(sum(turns, [])):.1f} ms"
            for name, turns in seen.items()))
    # Once more with a checkpoint in mid-run, whose sealing needs memory beside the model.
    _, more = whole.train(WARM + 2, True, whole.path("run-checkpoint"), shape,
                          more=("--checkpoint-every", "3"))
    peaks["checkpoint"] = [more]
    shutil.rmtree(whole.dir)
    shutil.rmtree(halves.dir)
    return seen, peaks, clipped, memory


def measure(shape, steps, count):
    seen, peaks, clipped, memory = rounds(shape, steps, count)
    middle = {name: kit.spread(sum(turns, [])) for name, turns in seen.items()}
    best = {name: min(sum(turns, [])) for name, turns in seen.items()}
    per_round = [statistics.median(g) / statistics.median(p)
                 for g, p in zip(seen["governed"], seen["plain"])]
    floor = 1 - linear_share(shape) / 6
    even, odd = sum(seen["plain"][::2], []), sum(seen["plain"][1::2], [])
    result = {"shape": shape, "ratio": middle["governed"][0] / middle["plain"][0],
              "ratio_by_round": per_round, "ratio_best": best["governed"] / best["plain"],
              "ratio_sparse_best": best["sparse"] / best["plain"],
              "ratio_sparse": middle["sparse"][0] / middle["plain"][0], "sparse_floor": floor,
              "aa_ratio": statistics.median(even) / statistics.median(odd) if odd else None,
              "step_ms": {name: 1e3 * m for name, (m, _) in middle.items()},
              "spread": {name: s for name, (_, s) in middle.items()},
              "clipped_share": statistics.mean(clipped), "linear_share": linear_share(shape),
              "memory": min(peaks["governed"]) / min(peaks["plain"]),
              "memory_checkpoint": min(peaks["checkpoint"]) / min(peaks["plain"]),
              "peak_bytes": {name: min(p) for name, p in peaks.items()}}
    if memory:
        examples = memory["examples"]
        result["kept_bytes"] = memory
        result["per_example_bytes"] = {"manifest": memory["manifest_bytes"] / examples,
                                       "ledger": memory["ledger_bytes"] / examples}
    return result


def main():
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--rounds", type=int, default=6)
    ap.add_argument("--steps", type=int, help="timed steps of a turn (by shape)")
    ap.add_argument("--shape", choices=[*SHAPES, "all"], default="all")
    args = ap.parse_args()
    shapes = {}
    for name, (shape, steps) in SHAPES.items():
        if args.shape in (name, "all"):
            kit.say(f"{name}:")
            shapes[name] = measure(shape, args.steps or steps, args.rounds)
    main_shape = shapes.get("lm") or next(iter(shapes.values()))
    keys = ("ratio", "ratio_best", "ratio_sparse", "ratio_sparse_best",
            "sparse_floor", "memory", "aa_ratio", "clipped_share")
    kit.finish("step", {"bench": "step", **kit.facts(), "policy": BUDGETS, "shapes": shapes,
                        **{key: main_shape[key] for key in keys}})


if __name__ == "__main__":
    sys.exit(main())
