"""Aim: `plumb manifest verify` and a reader written in another language from docs/formats alone
agree: on what is refused, with which exit code, and on the terms of every record.
Method: every case of attacks.py made by the Python side; then, by a seed that is printed, bytes of
the files changed; records, statements and stores changed before they are signed; and records with
random fields."""
import json
import os
import random

import cases

cases.require("cryptography")
from attacks import CASES, TAXONOMY  # noqa: E402: wants cryptography
from attacks_records import rich  # noqa: E402
from generate import make_record  # noqa: E402
from generate_taxonomy import make_records, make_taxonomy  # noqa: E402
from maker import Case  # noqa: E402
from oracle import manifest, trust  # noqa: E402
from oracle.strict import Refused  # noqa: E402

INSERTS = [
    b" ", b"\t", b"\n", b"\r", b"0", b"-", b"+", b".", b"e9", b"E-400", b"1e400", b",", b":", b'"',
    b"\\", b"\\u0041", b"\\ud83d\\ude00", b"\\ude00", b"\\/", b"\\'", b"null", b"true", b"{}",
    b"[]", b"}", b"]", b"\0", b"\x7f", b"\x80", b"\xc3\xa9", b"\xed\xa0\x80", b"\xef\xbb\xbf",
    b"\xf4\x90\x80\x80", b"//", b"/**/", b"NaN", b"00", b"9" * 19, b"0.1e1", b'"id":"x",',
    b"\xc2\x85", b"\xe2\x80\xa8"]
SEED = int(os.environ.get("PLUMB_SEED", "20261122"))


def judge(directory):
    """(exit code, message or Manifest) of the second reader."""
    try:
        store = trust.open_store(os.path.join(directory, "trust.json"))
        return 0, manifest.verify(os.path.join(directory, "records.plumb.json"), store)
    except Refused as refused:
        return refused.code, str(refused)


def both(directory, files, what, code=None):
    """Both verdicts on these files; returns the oracle's Manifest where it accepts."""
    for name in os.listdir(directory):
        os.remove(os.path.join(directory, name))
    cases.write(directory, files)
    done = cases.plumb("manifest", "verify", "records.plumb.json", "--trust", "trust.json",
                       cwd=directory, code=None)
    found, answer = judge(directory)
    said = f"{what}: plumb {done.returncode} {done.stderr.decode()!r}, oracle {found} {answer!r}"
    assert done.returncode == found, said
    assert code is None or found == code, f"{said}; expected {code}"
    return answer if found == 0 else None


def close(a, b):
    return a is b or (a is not None and b is not None and float(a) == float(b))


def same_segments(shown, record):
    assert len(shown) == len(record.segments)
    for theirs, ours in zip(shown, record.segments):
        what = f"{record.id}: {theirs} against {ours}"
        assert theirs["profile"] == ours["profile"], what
        assert theirs["weight"] == ours["weight"] and theirs["share"] == ours["share"], what
        assert theirs["annotators"] == ours["annotators"], what


def same_terms(directory, record):
    """What `show --explain` says of a record: each term, where it comes from, and its segments."""
    done = cases.plumb("manifest", "show", "records.plumb.json", "--trust", "trust.json", "--id",
                       record.id, "--explain", "--json", cwd=directory)
    shown, terms, origin = json.loads(done.stdout), record.terms, record.origin
    what = f"{record.id}: {shown} against {record}"
    assert json.loads(shown["profile"]) == terms.profile, what
    assert close(shown["loss_weight"], record.loss_weight), what
    for name, value, term in (
            ("depth", terms.depth_name, "profile"), ("weight", terms.weight, "weight"),
            ("budget.step", terms.step, "step"), ("budget.run", terms.run, "run")):
        found = shown["terms"][name] or {"value": None, "from": None}
        same = found["value"] == value if name == "depth" else close(found["value"], value)
        assert same and found["from"] == origin.get(term), f"{name}: {what}"
    same_segments(shown["segments"], record)


def named_cases():
    wrong = []
    with cases.folder() as directory:
        for name, (make, code, why) in CASES.items():
            try:
                answer = both(directory, make(), f"{name} ({why})", code)
                for record in answer.records if answer else []:
                    same_terms(directory, record)
            except AssertionError as error:
                wrong.append(str(error))
    print(f"{len(CASES)} named cases")
    assert not wrong, "\n".join(wrong)


def changed_bytes():
    rng, accepted = random.Random(SEED), 0
    good = [CASES[name][0]() for name in ("plain", "private-line", "threshold-reached")]
    with cases.folder() as directory:
        for number in range(240):
            files = dict(good[number % len(good)])
            name = rng.choice(sorted(files))
            at = rng.randrange(len(files[name]))
            data = bytearray(files[name])
            if number % 5 == 0:
                del data[at:]
            else:
                data[at] ^= 1 << rng.randrange(8)
            files[name] = bytes(data)
            accepted += both(directory, files, f"seed {SEED}: byte {at} of {name}") is not None
    # Only the private file may lose lines: when it was cut to nothing, all is forgotten.
    print(f"240 changed files, {accepted} accepted")
    assert accepted < 12


def mutate(rng, data):
    """One to three small changes that JSON readers may take differently."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        at, kind = rng.randrange(len(data)), rng.randrange(5)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del data[at]
        elif kind == 2:
            data[at:at] = rng.choice(INSERTS)
        elif kind == 3:
            data[at:at + rng.randrange(9)] = b""
        else:
            start = rng.randrange(len(data))
            data[at:at] = data[start:start + rng.randrange(12)]
    return bytes(data)


def signed_changes():
    """The changes are made before signing, so that the parsers behind the signatures see them."""
    rng, accepted = random.Random(SEED), 0
    with cases.folder() as directory:
        for number in range(450):
            made = rich()
            if number % 3 == 0:
                line = rng.randrange(len(made.lines))
                made.lines = [mutate(rng, made.lines[line])]
                what = made.lines[0]
            elif number % 3 == 1:
                made.patch_payload = lambda payload: mutate(rng, payload)
                what = "statement"
            else:
                made.patch_store = lambda payload: mutate(rng, payload)
                what = "store"
            files = made.files()
            accepted += both(directory, files, f"seed {SEED}, change {number}: {what}") is not None
    print(f"450 changes before signing, {accepted} accepted")
    assert accepted > 20


def random_records():
    rng, good = random.Random(SEED), 0
    with cases.folder() as directory:
        for number in range(150):
            made = Case([make_record(rng, "r1")], TAXONOMY if number % 2 else None)
            answer = both(directory, made.files(), f"seed {SEED}: {made.lines}")
            good += answer is not None
            for record in answer.records if answer and number % 3 == 0 else []:
                same_terms(directory, record)
    print(f"150 random records, {good} accepted")
    assert 40 < good < 140


def random_taxonomies():
    rng, good, compared = random.Random(SEED), 0, 0
    with cases.folder() as directory:
        for _ in range(300):
            taxonomy, records = make_taxonomy(rng), make_records(rng)
            made = Case(records, taxonomy)
            answer = both(directory, made.files(), f"seed {SEED}: {json.dumps(taxonomy)} "
                          f"{[line.decode() for line in made.lines]}")
            good += answer is not None
            for record in answer.records if answer else []:
                same_terms(directory, record)
                compared += 1
    print(f"300 random taxonomies, {good} accepted, {compared} records compared")
    assert 30 < good < 270


if __name__ == "__main__":
    cases.main(named_cases, changed_bytes, signed_changes, random_records,
               random_taxonomies)
