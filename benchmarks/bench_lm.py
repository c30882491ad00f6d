#!/usr/bin/env python3
"""Ungoverned plumb-lm against the same model in PyTorch, on the CPU, in one run.

usage: scripts/bench.sh lm [--rounds N] [--steps N] [--newest PYTHON]

Shape: 6 layers, width 256, 8 heads, T=256, batch 8, float32, full-length sequences. Both sides are
first tried at {1, 2} threads (PyTorch also with active and passive waiting, with OpenBLAS's
own choice of kernels and SkylakeX's, compiled where it can); the best of each then runs in turns,
A B A B. `ratio` is the median of plumb-lm's step over the median of PyTorch's best, `ratio_best`
the fastest step over the fastest (what a busy machine disturbs least); `aa_ratio` is plumb-lm
against itself in the same turns. PyTorch comes from Debian's python3-torch and, with --newest
(default: $PLUMB_TORCH_PYTHON), from a Python that has the newest one of PyPI.
"""
import argparse, itertools, json, os, subprocess, sys

import bench_kit as kit

TORCH = os.path.join(kit.ROOT, "benchmarks", "lm_torch.py")
WARM = 4


def torch_run(variant, steps):
    env = kit.environment({"OMP_WAIT_POLICY": variant["waiting"]})
    if variant["openblas_core"]:
        env["OPENBLAS_CORETYPE"] = variant["openblas_core"]
    command = [variant["python"], TORCH, "--threads", str(variant["threads"]), "--steps",
               str(steps), "--warmup", str(WARM)]
    if variant["compiled"]:
        command.append("--compile")
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        return None, (done.stderr.strip().splitlines() or ["failed without a word"])[-1][:200]
    return json.loads(done.stdout.splitlines()[-1]), None


def torch_variants(python, cores, avx512):
    for threads, waiting in itertools.product(range(1, min(cores, 2) + 1), ("active", "passive")):
        base = {"python": python, "threads": threads, "waiting": waiting, "compiled": False,
                "openblas_core": None}
        yield base
        if avx512:
            yield dict(base, openblas_core="SkylakeX")


def try_torch(python, steps, facts, notes):
    """Every variant once; the best first."""
    seen = []
    for variant in torch_variants(python, facts["cpu"]["cores"], facts["cpu"]["avx512"]):
        said, why = torch_run(variant, steps)
        if not said:
            notes.append(f"{python}: {why}")
            return []
        if variant["openblas_core"] and not any("openblas" in b and "scipy" not in b
                                               for b in said["blas"]):
            continue
        seen.append(describe(variant, said))
    if not seen:
        return []
    best = min(seen, key=lambda v: v["step_ms"])
    compiled = dict(best["variant"], compiled=True)
    said, why = torch_run(compiled, steps)
    if said:
        seen.append(describe(compiled, said))
    else:
        notes.append(f"torch.compile with {python}: {why}")
    return sorted(seen, key=lambda v: v["step_ms"])


def describe(variant, said):
    middle, wide = kit.spread(said["seconds"])
    kit.say(f"  torch {said['torch']} {variant['threads']} threads {variant['waiting']} "
            f"{variant['openblas_core'] or ''} {'compiled' if variant['compiled'] else ''}: "
            f"{1e3 * middle:.1f} ms")
    return {"variant": variant, "step_ms": 1e3 * middle, "spread": wide, "torch": said["torch"],
            "adamw": said["adamw"], "blas": said["blas"], "sdpa": said["sdpa"]}


def ours(bundle, threads, steps):
    lines, _ = bundle.train(WARM + steps, False, more=("--threads", str(threads)))
    return [line["seconds"] for line in lines[WARM:]], lines[-1]


def interleave(bundle, threads, best, rounds, steps):
    a, b, theirs = [], [], []
    for i in range(rounds):
        a += ours(bundle, threads, steps)[0]
        said, _ = torch_run(best["variant"], steps)
        theirs += said["seconds"]
        b += ours(bundle, threads, steps)[0]
        kit.say(f"  round {i + 1} of {rounds}: plumb-lm {1e3 * kit.spread(a + b)[0]:.1f} ms, "
                f"torch {1e3 * kit.spread(theirs)[0]:.1f} ms")
    return a, b, theirs


def public(variant, debian):
    """A variant without the path of its interpreter."""
    source = "Debian" if variant["variant"]["python"] == debian else "PyPI"
    kept = {k: v for k, v in variant["variant"].items() if k != "python"}
    return {**variant, "variant": {**kept, "source": source}}


def main():
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--rounds", type=int, default=4)
    ap.add_argument("--steps", type=int, default=8)
    ap.add_argument("--newest", default=os.environ.get("PLUMB_TORCH_PYTHON"))
    args = ap.parse_args()
    facts, notes, debian = kit.facts(), [], "/usr/bin/python3"
    bundle = kit.Bundle(64, kit.SHAPE["context"])
    seen = []
    for python in filter(None, (debian, args.newest)):
        seen += try_torch(python, args.steps, facts, notes)
    if not args.newest:
        notes.append("PyPI's newest torch: not measured, no --newest PYTHON was given")
    threads = min(range(1, facts["cpu"]["cores"] + 1),
                  key=lambda n: kit.spread(ours(bundle, n, args.steps)[0])[0])
    result = {"bench": "lm", "shape": kit.SHAPE, **facts, "ratio": None, "notes": notes,
              "variants": [public(v, debian) for v in seen], "threads": threads}
    best = min(seen, key=lambda v: v["step_ms"]) if seen else None
    if best:
        a, b, theirs = interleave(bundle, threads, best, args.rounds, args.steps)
        middle, wide = kit.spread(a + b)
        torch_middle, torch_wide = kit.spread(theirs)
        result.update(ratio=middle / torch_middle, aa_ratio=kit.spread(a)[0] / kit.spread(b)[0],
                      ratio_best=min(a + b) / min(theirs), step_ms=1e3 * middle, spread=wide,
                      torch_step_ms=1e3 * torch_middle,
                      torch_spread=torch_wide, baseline=public(best, debian))
        confirmed = [b for b in best["blas"] if "openblas" in b and "scipy" not in b]
        notes.append(f"OpenBLAS confirmed loaded by the baseline: {', '.join(confirmed)}"
                     if confirmed else "the baseline has no OpenBLAS mapped: its BLAS is built in")
    else:
        a, b = ours(bundle, threads, args.steps)[0], []
        middle, wide = kit.spread(a)
        result.update(step_ms=1e3 * middle, spread=wide, aa_ratio=None)
        notes.append("no PyTorch was found: install python3-torch")
    rows = kit.SHAPE["batch"] * kit.SHAPE["context"]
    result["tokens_per_s"] = rows / middle
    kit.finish("lm", result)


if __name__ == "__main__":
    sys.exit(main())
