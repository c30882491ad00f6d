"""The files of tests/golden/manifest: python golden.py writes them, test_golden.py compares. Test
keys, fixed times and Ed25519's determinism make them the same at every writing."""
import json
import os
import shutil
import sys

from attacks import BAD_FIELDS, CASES
from maker import Case, record
from oracle import manifest, trust

FOLDER = os.path.join(os.path.dirname(__file__), "..", "golden", "manifest")
README = """# Golden manifests

Made by `tests/interop/golden.py` with test keys that protect nothing (their seeds are
SHA-256 of "plumbline test key: NAME"). Each folder holds a manifest named `records`; its trust
store is its own `trust.json`, else the one beside this file. The code is what a reader answers
(docs/formats/manifest.md, section 6): 0 good, 1 not what was signed, 3 malformed, 5 not trusted.
No audience is given; the time of judgement is any day from 2026-02-01 to 2998.

`expected.json` beside a good manifest has the terms of its records: a budget that nobody states is
null. Each line of `bad-records.jsonl` is a record to be refused with code 3, were it signed.

| folder | code | what was done |
|---|---|---|
"""


def expected(records):
    return [{"id": r.id, "depth": r.terms.profile, "depth_from": r.origin["profile"],
             "step_nats": r.terms.step, "run_nats": r.terms.run, "weight": r.terms.weight,
             "loss_weight": r.loss_weight, "withdrawn": r.withdrawn is not None,
             "segments": [{name: s[name] for name in ("profile", "share", "annotators")}
                          for s in r.segments]} for r in records]


def named():
    return {name: made for name, made in CASES.items() if not name.startswith("record-")
            or name[len("record-"):] not in BAD_FIELDS}


def write_expected(folder):
    store = os.path.join(folder, "trust.json")
    store = trust.open_store(store if os.path.exists(store)
                             else os.path.join(folder, "..", "trust.json"))
    found = manifest.verify(os.path.join(folder, "records.plumb.json"), store)
    text = json.dumps(expected(found.records), indent=1, sort_keys=True)
    return text.encode() + b"\n"


def write(root):
    os.makedirs(root)
    common = Case().files()["trust.json"]
    lines = [json.dumps({**record("r1"), **fields}) for fields in BAD_FIELDS.values()]
    table = []
    files = {"trust.json": common, "bad-records.jsonl": "\n".join(lines + [""]).encode()}
    for name, (make, code, why) in sorted(named().items()):
        folder, made = os.path.join(root, name), make()
        os.mkdir(folder)
        if made["trust.json"] == common:
            del made["trust.json"]
        put(folder, made)
        put(root, files)
        if code == 0:
            put(folder, {"expected.json": write_expected(folder)})
        table.append(f"| `{name}` | {code} | {why} |\n")
    put(root, {"README.md": (README + "".join(table)).encode()})


def put(folder, files):
    for name, data in files.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)


if __name__ == "__main__":
    target = sys.argv[1] if len(sys.argv) > 1 else FOLDER
    shutil.rmtree(target, ignore_errors=True)
    write(target)
