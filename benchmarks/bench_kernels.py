"""Weight gradients with exact per-unit norms against plain sgemm of the same shapes,
at one thread and at every core. Writes benchmarks/results/kernels.json; the last line is the same
object."""
import argparse, json, os, subprocess

import bench_kit as kit


def run(threads, rounds):
    kit.say(f"{threads} thread(s)")
    done = subprocess.run([kit.program("bench_kernels"), "--threads", str(threads),
                           "--rounds", str(rounds)], stdout=subprocess.PIPE, text=True, check=True)
    result = json.loads(done.stdout.splitlines()[-1])
    for shape in result["shapes"]:
        shape["threads"] = threads
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11, help="interleaved rounds per shape")
    rounds = parser.parse_args().rounds
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    runs = [run(threads, rounds) for threads in sorted({1, cores})]
    shapes = [shape for one in runs for shape in one["shapes"]]
    result = kit.facts()
    result.update(bench="kernels", simd=runs[0]["simd"], openblas_core=runs[0]["openblas_core"],
                  rounds=rounds, load_before=round(load, 2), shapes=shapes,
                  wgrad_vs_gemm=max(shape["ratio"] for shape in shapes),
                  wgrad_vs_gemm_best=max(shape["ratio_best"] for shape in shapes))
    kit.finish("kernels", result)


if __name__ == "__main__":
    main()
