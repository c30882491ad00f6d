"""Aim: receipts are read alike by plumb and by the second reader.
Method: a right receipt is made from receipt.md; both readers judge it, then each of its fields left
out, doubled in value, or of another type, and by other signers; all signed anew."""
import copy
import os
import time

import cases

cases.require("cryptography")
from maker import ACME, OTHER, ROOT, Case, digests, entry, seal  # noqa: E402
from oracle import envelope, receipt, trust  # noqa: E402
from oracle.strict import Refused, dump_json  # noqa: E402

SPEND = {"spend_nats": 1.5, "masked_share": 0.5, "clipped_share": 0.0}


def statement():
    group = {"records": 6, "units": 12, **SPEND}
    small = {"merged": 2, "records": 3, "units": 5, **SPEND}
    return {"_type": "https://in-toto.io/Statement/v1", "predicateType": receipt.TYPE,
            "subject": [{"name": "records.jsonl", "digest": digests(b"x")}],
            "predicate": {
                "vendor": "acme", "dataset": "tags", "version": 2, "statement": "00" * 32,
                "records": 12, "root": "11" * 32, "issued": "2026-02-01T00:00:00Z",
                "run": {"digest": "22" * 32, "head": {"size": 9, "root": "33" * 32}, "steps": 30},
                "used": 9, "moved": 8, "units": 17, **SPEND,
                "decisions": [{"decision": "admitted", "reason": "none", "units": 15},
                              {"decision": "rejected", "reason": "withdrawn", "units": 2}],
                "depth": [{"from": i / 4, "to": (i + 1) / 4, **SPEND} for i in range(4)],
                "min_group": 3,
                "groups": {name: [{"name": "a", **group}, small]
                           for name in ("rubric", "batch", "cohort")},
                "limits": {"max_mask": 1.0, "unit_step_nats": 0.5, "run_nats": None,
                           "layer_step_nats": None, "edges_checked": 100, "exceeded": 0},
                "withdrawn": {"records": 3, "statements": 1, "last": "44" * 32,
                              "units_rejected": 2, "units_trained": 0}}}


def store_files(*operators):
    made = Case()
    made.store["vendors"]["lab"] = {"keys": list(operators) or [entry(OTHER, "operator")]}
    return {"trust.json": seal(trust.KIND, dump_json(made.store), [ROOT])}


def both(directory, document, what, code=None, signers=(OTHER,), payload=None):
    payload = receipt.canonical(document).encode() if payload is None else payload
    data = seal(envelope.STATEMENT, payload, signers)
    cases.write(directory, {"one.receipt.json": data})
    done = cases.plumb("verify", "one.receipt.json", "--trust", "trust.json", cwd=directory,
                       code=None)
    try:
        receipt.verify(data, trust.open_store(os.path.join(directory, "trust.json")), time.time())
        found, said = 0, ""
    except Refused as refused:
        found, said = refused.code, str(refused)
    assert (found == 0) == (done.returncode == 0) and code in (None, done.returncode), (
        f"{what}: plumb {done.returncode} {done.stderr.decode()}, second reader {found} {said}")


def places(value, path=()):
    """Every place inside a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) \
        if isinstance(value, list) else ()
    for key, entry_ in inner:
        yield path + (key,)
        yield from places(entry_, path + (key,))


def changed(document, path, change):
    out = copy.deepcopy(document)
    at = out
    for key in path[:-1]:
        at = at[key]
    change(at, path[-1])
    return out


def every_field():
    changes = [lambda at, key: at.pop(key), lambda at, key: at.__setitem__(key, None),
               lambda at, key: at.__setitem__(key, -1), lambda at, key: at.__setitem__(key, "x"),
               lambda at, key: at.__setitem__(
                   key, at[key] * 2 if at[key] and not isinstance(at[key], dict) else [])]
    good, judged, wrong = statement(), 0, []
    with cases.folder() as directory:
        cases.write(directory, store_files())
        both(directory, good, "as it is", 0)
        for path in places(good):
            if "batch" in path or "cohort" in path:
                continue  # as rubric
            for number, change in enumerate(changes):
                try:
                    both(directory, changed(good, path, change), f"{path}, change {number}")
                except AssertionError as error:
                    wrong.append(str(error))
                judged += 1
    print(f"{judged} changed receipts")
    assert not wrong, "\n".join(wrong)


def signers():
    good = statement()
    with cases.folder() as directory:
        for code, what, keys, operators in [
                (5, "a stranger", [ACME], [entry(OTHER, "operator")]),
                (5, "no operator", [OTHER], [entry(OTHER, "auditor")]),
                (5, "compromised", [OTHER], [entry(OTHER, "operator", revoked_at="2999-01-01",
                                                   reason="compromised")]),
                (0, "retired later", [OTHER], [entry(OTHER, "operator", revoked_at="2026-02-02",
                                                     reason="retired")])]:
            cases.write(directory, store_files(*operators))
            both(directory, good, what, code, keys)
        cases.write(directory, store_files())
        both(directory, good, "not canonical", 3, payload=receipt.canonical(good).encode() + b" ")


if __name__ == "__main__":
    if "receipt" not in cases.verbs("manifest"):
        print("SKIP: this plumb has no receipts")
        raise SystemExit(77)
    cases.main(every_field, signers)
