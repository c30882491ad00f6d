"""Aim: the golden manifests stay what they are and both readers give them the answers of their
README: old files must not become unreadable, nor bad ones good.
Method: both readers judge every folder; the files are made once more and compared byte by byte."""
import filecmp
import json
import os
import re

import cases

cases.require("cryptography")
import golden  # noqa: E402: wants cryptography
from maker import Case  # noqa: E402
from oracle import manifest, trust  # noqa: E402
from oracle.strict import Refused, parse_json  # noqa: E402


def listed():
    with open(os.path.join(golden.FOLDER, "README.md"), encoding="utf-8") as file:
        return re.findall(r"^\| `([^`]+)` \| (\d) \| (.*) \|$", file.read(), re.MULTILINE)


def store_of(folder):
    own = os.path.join(folder, "trust.json")
    return own if os.path.exists(own) else os.path.join(golden.FOLDER, "trust.json")


def verdict(folder):
    try:
        found = manifest.verify(os.path.join(folder, "records.plumb.json"),
                                trust.open_store(store_of(folder)))
    except Refused as refused:
        return refused.code, str(refused), None
    return 0, "", golden.expected(found.records)


def both_readers():
    rows = listed()
    cases.equal(sorted(name for name, _, _ in rows), sorted(
        name for name in os.listdir(golden.FOLDER) if os.path.isdir(
            os.path.join(golden.FOLDER, name))), "folders and README")
    for name, code, why in rows:
        folder = os.path.join(golden.FOLDER, name)
        done = cases.plumb("manifest", "verify", "records.plumb.json", "--trust", store_of(folder),
                           cwd=folder, code=None)
        cases.equal(done.returncode, int(code), f"{name} ({why}): plumb: {done.stderr.decode()}")
        found, said, records = verdict(folder)
        cases.equal(found, int(code), f"{name} ({why}): the second reader: {said}")
        if records is not None:
            with open(os.path.join(folder, "expected.json"), encoding="utf-8") as file:
                cases.equal(records, json.load(file), name)
    print(f"{len(rows)} golden manifests")


def bad_records():
    with open(os.path.join(golden.FOLDER, "bad-records.jsonl"), "rb") as file:
        lines = file.read().splitlines()
    with cases.folder() as directory:
        for line in lines:
            cases.write(directory, Case([parse_json(line, "golden")]).files())
            cases.plumb("manifest", "verify", "records.plumb.json", "--trust", "trust.json",
                        cwd=directory, code=3)
    assert len(lines) > 40


def same(ours, theirs):
    compared = filecmp.dircmp(ours, theirs)
    assert not compared.left_only and not compared.right_only, (
        compared.left_only, compared.right_only)
    for name in compared.common_files:
        assert filecmp.cmp(os.path.join(ours, name), os.path.join(theirs, name), shallow=False), (
            f"{name}: python tests/interop/golden.py writes another file; if that is meant, commit "
            "it as a new version of the format")
    for name in compared.common_dirs:
        same(os.path.join(ours, name), os.path.join(theirs, name))


def made_again():
    with cases.folder() as directory:
        again = os.path.join(directory, "golden")
        golden.write(again)
        same(golden.FOLDER, again)


if __name__ == "__main__":
    cases.main(both_readers, bad_records, made_again)
