#!/usr/bin/env python3
"""Verifying and loading a large signed manifest, beside what its parts cost elsewhere.

usage: scripts/bench.sh manifest [--records N] [--rounds R] [--keep DIR]

N made-up records of about 300 bytes in a temporary folder, signed: texts distinct, 20 domains, 50
rubrics, 2,000 batches of one domain and two rubrics each, 25 teams of 12 annotators, one to three a
record. Then rounds in turn, a fresh process for each measurement: open with two threads, open with
one, sign, and the peers. `mixed` is a file where nearly every record combines rubric, domain, batch
and annotators as no other does: the worst case for a table that shares combinations.

records_per_s    verify and load on two threads: signatures, SHA-256, BLAKE2b, tree, then the table
hash_share       our SHA-256 of the file, block by block, against the fastest installed SHA-256
                 (libcrypto's EVP, libsodium) over the same bytes in the same process;
                 `digests` has the others, the leaf hashes of the lines among them
bytes_per_record the table less its distinct ids and texts with their NULs;
                 bytes_per_record_stored less what they take as they lie, at multiples of 8
proof_ms         one record's proof made and checked, the tile store in the page cache; `proof` has
                 it cold, the making of the store, sizes
model_signing_ratio  plumb manifest verify / model_signing verify of the same file, wall time of
                 both commands; `model_signing` has signing too
jansson          jansson alone over the lines: records per second of one core
"""
import argparse, json, os, shutil, statistics, subprocess, sys, tempfile, time

import bench_kit as kit

AIMS = {"records_per_s": (">=", 500e3), "hash_share": (">=", 0.8), "bytes_per_record": ("<=", 64),
        "proof_ms": ("<", 1.0), "model_signing_ratio": None}
# It imports OpenSSL without asking for it.
PACKAGES = ("model-signing==1.1.1", "pyOpenSSL==26.4.0")
VENV = os.path.join(kit.ROOT, "build", "bench-venv")


def piece(*args, name="bench_manifest"):
    """One process of bench_manifest, or of another; its JSON."""
    done = subprocess.run([kit.program(name), *map(str, args)], text=True, capture_output=True,
                          env=kit.environment())
    if done.returncode != 0:
        sys.exit(f"{name} {' '.join(map(str, args))}: {done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def wall(command, env=None):
    start = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, env=kit.environment(env))
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: {(done.stderr or done.stdout).strip()[-300:]}")
    return time.monotonic() - start


class ModelSigning:
    """model-signing (PyPI) with a P-256 key of its own over a folder that holds the records only;
    `why` says why it is not there."""

    def __init__(self, folder, records):
        self.why, self.version = None, None
        self.folder, self.program = folder, os.path.join(VENV, "bin", "model_signing")
        try:
            self.install()
            self.prepare(records)
        except (RuntimeError, OSError, subprocess.SubprocessError) as e:
            self.why = str(e)

    def install(self):
        if not os.path.exists(self.program):
            wall([sys.executable, "-m", "venv", VENV])
            wall([os.path.join(VENV, "bin", "pip"), "install", "--quiet", *PACKAGES])
        shown = subprocess.run([os.path.join(VENV, "bin", "pip"), "show", "model-signing"],
                               capture_output=True, text=True).stdout
        self.version = dict(line.split(": ", 1) for line in shown.splitlines()
                            if ": " in line).get("Version")

    def prepare(self, records):
        self.model = os.path.join(self.folder, "model")
        os.makedirs(self.model, exist_ok=True)
        os.link(records, os.path.join(self.model, "records.jsonl"))
        self.key, self.public = (os.path.join(self.folder, n) for n in ("ms.key", "ms.pub"))
        self.signature = os.path.join(self.folder, "model.sig")
        wall(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.key])
        wall(["openssl", "ec", "-in", self.key, "-pubout", "-out", self.public])
        self.sign()
        self.verify()

    def sign(self):
        return wall([self.program, "sign", "key", self.model, "--private_key", self.key,
                     "--signature", self.signature])

    def verify(self):
        return wall([self.program, "verify", "key", self.model, "--public_key", self.public,
                     "--signature", self.signature])


def rounds(folder, count, peer):
    seen = {name: [] for name in ("open_two", "open_one", "sign", "parse", "verify", "peer_sign",
                                  "peer_verify")}
    envelope = os.path.join(folder, "records.plumb.json")
    verify = [kit.program("plumb"), "manifest", "verify", envelope, "--trust",
              os.path.join(folder, "trust.json")]
    state = {"PLUMB_STATE": os.path.join(folder, "state")}
    for i in range(count):
        seen["sign"].append(piece("sign", folder))
        seen["open_two"].append(piece("open", folder, 2))
        seen["open_one"].append(piece("open", folder, 1))
        seen["parse"].append(piece("parse", folder))
        seen["verify"].append(wall(verify, state))
        if peer.why is None:
            seen["peer_sign"].append(peer.sign())
            seen["peer_verify"].append(peer.verify())
        kit.say(f"  round {i + 1} of {count}: open {seen['open_two'][-1]['seconds']:.3f} s on two "
                f"threads, {seen['open_one'][-1]['seconds']:.3f} s on one")
    return seen


def median_of(runs, key="seconds"):
    return statistics.median(run[key] for run in runs)


def digests(folder, count):
    """Bytes per second of each digest, and the two shares."""
    hashed = piece("hash", folder, max(3, count))
    speed = {name: hashed["bytes"] / statistics.median(values)
             for name, values in hashed.items() if isinstance(values, list) and min(values) > 0}
    fastest = max(speed.get("evp", 0), speed["sodium"])
    return {"bytes_per_s": speed, "share": speed["ours"] / fastest,
            "tree_share": speed["tree"] / fastest, "leaves_per_s":
            hashed["leaves"] / statistics.median(hashed["tree"])}


def mixed(folder, records):
    folder = os.path.join(folder, "mixed")
    os.makedirs(folder)
    piece("mix", folder, records)
    piece("sign", folder)
    run = piece("open", folder, 2)
    shutil.rmtree(folder)
    return {"records": records, "records_per_s": records / run["seconds"], "bytes_per_record":
            (run["table_bytes"] - run["string_bytes"]) / records, "peak_bytes": run["peak_bytes"]}


def judged(result):
    """Each aim with its figure: met, missed or not measured."""
    out = {}
    for name, aim in AIMS.items():
        if aim is None:
            continue
        value, (sign, limit) = result[name], aim
        met = None if value is None else {">=": value >= limit, "<=": value <= limit,
                                          "<": value < limit}[sign]
        out[name] = {"aim": f"{sign} {limit:g}", "met": met}
    return out


def versions(peer):
    def ask(command):
        return subprocess.run(command, text=True, capture_output=True).stdout.strip() or None
    return {"openssl": ask(["openssl", "version"]), "model_signing": peer.version,
            "libsodium": ask(["pkg-config", "--modversion", "libsodium"]),
            "jansson": ask(["pkg-config", "--modversion", "jansson"]),
            "python": sys.version.split()[0]}


def summary(made, seen, hashed, proofs, peer):
    two, one = median_of(seen["open_two"]), median_of(seen["open_one"])
    last, n = seen["open_two"][-1], made["records"]
    verify = statistics.median(seen["verify"])
    theirs = statistics.median(seen["peer_verify"]) if seen["peer_verify"] else None
    result = {"records": n, "record_bytes": made["bytes"] / n, "records_per_s": n / two,
              "records_per_s_one_thread": n / one,
              "records_per_s_spread": kit.spread([r["seconds"] for r in seen["open_two"]])[1],
              "hash_share": hashed["share"], "digests": hashed,
              "bytes_per_record": (last["table_bytes"] - last["string_bytes"]) / n,
              "bytes_per_record_stored": (last["table_bytes"] - last["stored_string_bytes"]) / n,
              "table_bytes": last["table_bytes"], "string_bytes": last["string_bytes"],
              "peak_bytes": max(r["peak_bytes"] for r in seen["open_two"]),
              "sign_s": median_of(seen["sign"]),
              "sign_peak_bytes": max(r["peak_bytes"] for r in seen["sign"]),
              "proof_ms": proofs["warm_ms"], "proof": proofs,
              "jansson": {"records_per_s_core": n / median_of(seen["parse"])},
              "plumb_verify_s": verify, "model_signing_ratio": verify / theirs if theirs else None,
              "model_signing": {"skipped": peer.why, "verify_s": theirs, "sign_s":
                                statistics.median(seen["peer_sign"]) if theirs else None},
              "versions": versions(peer)}
    if theirs:
        result["model_signing"]["sign_ratio"] = result["sign_s"] / result["model_signing"]["sign_s"]
    return result


def main():
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--records", type=int, default=1_000_000)
    ap.add_argument("--rounds", type=int, default=7)
    ap.add_argument("--keep", help="a folder to leave the manifest in")
    args = ap.parse_args()
    folder = args.keep or tempfile.mkdtemp(prefix="plumb-bench-")
    os.makedirs(folder, exist_ok=True)
    for name in ("trust.json", "mixed"):
        if os.path.exists(os.path.join(folder, name)):
            sys.exit(f"{folder} holds a benchmark already; take an empty folder")
    facts = kit.facts()
    made = piece("make", folder, args.records)
    kit.say(f"{made['records']} records, {made['bytes']} bytes")
    peer = ModelSigning(tempfile.mkdtemp(prefix="plumb-peer-", dir=folder),
                        os.path.join(folder, "records.jsonl"))
    if peer.why:
        kit.say(f"without model-signing: {peer.why}")
    seen = rounds(folder, args.rounds, peer)
    proofs = piece(folder, 2000, name="bench_proofs")
    result = summary(made, seen, digests(folder, args.rounds), proofs, peer)
    result["mixed"] = mixed(folder, max(1000, args.records // 5))
    if not args.keep:
        shutil.rmtree(folder)
    kit.finish("manifest", {"bench": "manifest", **facts, **result, "aims": judged(result),
                            "rounds": args.rounds})


if __name__ == "__main__":
    sys.exit(main())
