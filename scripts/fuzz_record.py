#!/usr/bin/env python3
"""For scripts/fuzz.sh: notes one run in benchmarks/results/fuzz.json, and keeps corpora small.

usage: fuzz_record.py TARGET SECONDS LOG STATUS
       fuzz_record.py --keep CORPUS MERGED    adds files of MERGED to CORPUS, small and large ones
                                              alike, until it has 48 KiB or 40 files
Standard library only."""
import datetime, hashlib, json, os, re, subprocess, sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RESULT = os.path.join(ROOT, "benchmarks", "results", "fuzz.json")
KEEP_BYTES, KEEP_FILES = 48 << 10, 40


def record(target, seconds, log, status):
    with open(log, errors="replace") as f:
        text = f.read()
    last = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", text)
    runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", text)
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], text=True,
                            capture_output=True).stdout.strip()
    whole = {}
    if os.path.exists(RESULT):
        with open(RESULT) as f:
            whole = json.load(f)
    edges, features, inputs = map(int, last[-1]) if last else (None, None, None)
    whole[target] = {"runs": int(runs.group(1)) if runs else None, "seconds": int(seconds),
                     "edges": edges, "features": features, "inputs": inputs,
                     "held": int(status) == 0, "commit": commit or None,
                     "date": datetime.date.today().isoformat()}
    with open(RESULT, "w") as f:
        json.dump(whole, f, indent=2, sort_keys=True)
        f.write("\n")
    print(f"{target}: {whole[target]}")


def keep(corpus, merged):
    def content(folder):
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), "rb") as f:
                yield f.read()
    have = set(content(corpus))
    new = sorted(set(content(merged)) - have, key=lambda d: (len(d), d))
    room = max(0, min(len(new), KEEP_FILES - len(have)))
    size, count = sum(map(len, have)), len(have)
    for i in range(room):
        data = new[(2 * i + 1) * len(new) // (2 * room)]
        if size + len(data) > KEEP_BYTES:
            break
        with open(os.path.join(corpus, hashlib.sha1(data).hexdigest()[:16]), "wb") as f:
            f.write(data)
        size, count = size + len(data), count + 1
    print(f"{corpus}: {count} files, {size} bytes")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--keep"]:
        keep(*sys.argv[2:])
    else:
        record(*sys.argv[1:])
