"""Aim: a .tlog-proof is checked alike by plumb and by a reader that knows only the C2SP and RFC
texts, and what plumb proves convinces that reader.
Method: `plumb manifest prove` for every record of small trees of every size; proofs that the Python
side made; both readers on both, and on proofs with one thing wrong."""
import base64
import os
import random
import time

import cases

cases.require("cryptography")
from maker import ACME, ACME2, OTHER, WITNESS, Case, entry, record  # noqa: E402
from oracle import ed25519, manifest, proof, tree, trust  # noqa: E402
from oracle.strict import Refused  # noqa: E402

SEED = int(os.environ.get("PLUMB_SEED", "20261122"))


def path_of(leaves, index):
    """From the leaf's sibling up: RFC 6962, section 2.1.1."""
    if len(leaves) == 1:
        return []
    half = 1 << (len(leaves) - 1).bit_length() - 1
    if index < half:
        return path_of(leaves[:half], index) + [tree.root(leaves[half:])]
    return path_of(leaves[half:], index - half) + [tree.root(leaves[:half])]


def write_proof(line, index, path, note):
    lines = [b"c2sp.org/tlog-proof@v1"]
    if line is not None:
        lines.append(b"extra " + base64.b64encode(line))
    lines += [b"index %d" % index, *(base64.b64encode(node) for node in path), b"", note]
    return b"\n".join(lines)


def parts(made, index):
    """(line, index, path, checkpoint) of a record of this Case."""
    leaves = [tree.leaf_hash(line) for line in made.lines]
    return made.lines[index], index, path_of(leaves, index), made.files()["records.checkpoint"]


def of_size(n):
    return Case([record(f"r{i}", str(i)) for i in range(n)])


def both(directory, data, what, code=None):
    cases.write(directory, {"one.tlog-proof": data})
    done = cases.plumb("verify", "one.tlog-proof", "--trust", "trust.json", cwd=directory,
                       code=None)
    try:
        store = trust.open_store(os.path.join(directory, "trust.json"))
        proof.verify(data, store, time.time())
        found, said = 0, ""
    except Refused as refused:
        found, said = refused.code, str(refused)
    assert found == done.returncode and code in (None, found), (
        f"{what}: plumb {done.returncode} {done.stderr.decode()}, second reader {found} {said}, "
        f"expected {code}")
    return found


def plumb_proves():
    for n in (1, 2, 3, 5, 8):
        made = of_size(n)
        with cases.folder() as directory:
            cases.write(directory, made.files())
            for i in range(n):
                cases.plumb("manifest", "prove", "records.plumb.json", "--trust", "trust.json",
                            "--id", f"r{i}", "--out", "made.tlog-proof", cwd=directory)
                with open(os.path.join(directory, "made.tlog-proof"), "rb") as file:
                    data = file.read()
                cases.equal(data, write_proof(*parts(made, i)), f"proof of record {i} of {n}")
                store = trust.open_store(os.path.join(directory, "trust.json"))
                cases.equal(proof.verify(data, store, time.time()),
                            ("acme/tags/v1", i, made.lines[i]))


def good_and_bad():
    made = of_size(7)
    line, index, path, note = parts(made, 4)
    wrong = [
        (0, "as it is", (line, index, path, note)), (2, "no record", (None, index, path, note)),
        (1, "another record", (made.lines[3], index, path, note)),
        (1, "another index", (line, 5, path, note)), (1, "outside", (line, 7, path, note)),
        (1, "a node less", (line, index, path[:-1], note)),
        (1, "a node more", (line, index, path + path[:1], note)),
        (1, "nodes exchanged", (line, index, path[::-1], note)),
        (3, "a short node", (line, index, path[:-1] + [path[-1][:-1]], note)),
        (3, "no checkpoint", (line, index, path, b"")),
        (5, "another size", (line, index, path, note.replace(b"\n7\n", b"\n8\n"))),
        (3, "a line more", (line, index, path, note + b"\n"))]
    with cases.folder() as directory:
        cases.write(directory, made.files())
        for code, what, which in wrong:
            both(directory, write_proof(*which), what, code)
        good = write_proof(line, index, path, note)
        for code, what, data in [
                (3, "leading zero", good.replace(b"index 4", b"index 04")),
                (3, "CR LF", good.replace(b"index 4\n", b"index 4\r\n")),
                (3, "extra twice", good.replace(b"extra ", b"extra AA==\nextra ", 1)),
                (3, "cut short", good[:-1])]:
            both(directory, data, what, code)


def signers():
    for code, what, change in [
            (5, "a stranger's", lambda m: setattr(m, "note_signer", ACME2)),
            (5, "another vendor's", lambda m: setattr(m, "note_signer", OTHER)),
            (5, "retired", lambda m: m.acme().update(
                keys=[entry(ACME, revoked_at="2026-02-01", reason="retired")])),
            (5, "wrong role", lambda m: m.acme().update(keys=[entry(ACME, "operator")])),
            (5, "below threshold", lambda m: m.acme().update(
                keys=[entry(ACME), entry(ACME2)], thresholds={"quality-attestation": 2})),
            (5, "an expired store", lambda m: m.store.update(expires="2026-02-01")),
            (5, "compromised", lambda m: m.acme().update(
                keys=[entry(ACME, revoked_at="2026-02-01", reason="compromised")])),
            (0, "compromised after a witness saw it", witnessed)]:
        made = of_size(3)
        change(made)
        with cases.folder() as directory:
            cases.write(directory, made.files())
            both(directory, write_proof(*parts(made, 1)), what, code)


def witnessed(made):
    made.acme().update(keys=[entry(ACME, revoked_at="2026-02-01", reason="compromised")])
    made.store["vendors"]["house"] = {"keys": [entry(WITNESS, "witness")]}
    made.witnesses = [("house", WITNESS, 1767225600)]


def plumb_cosigns():
    """The second reader takes the time of plumb's witness from the checkpoint and from a proof."""
    if "witness" not in cases.plumb("--help").stdout.decode():
        raise cases.Skip("this plumb has no witness")
    made, start = of_size(3), int(time.time())
    with cases.folder() as directory:
        cases.write(directory, {"pass": b"open sesame\n"})
        cases.plumb("key", "new", "w", "--passphrase-file", "pass", cwd=directory)
        with open(os.path.join(directory, "w.pub"), "rb") as file:
            key = ed25519.pem_parse(file.read(), "w.pub")
        made.store["vendors"]["house"] = {"keys": [
            {"name": "w", "key": ed25519.spki_text(key), "roles": ["witness"]}]}
        cases.write(directory, made.files())
        cases.plumb("witness", "records.plumb.json", "--key", "w.key", "--trust", "trust.json",
                    "--passphrase-file", "pass", "--state", "state", cwd=directory)
        store = trust.open_store(os.path.join(directory, "trust.json"))
        found = manifest.verify(os.path.join(directory, "records.plumb.json"), store)
        assert start <= found.cosigned <= time.time(), found.cosigned
        with open(os.path.join(directory, "records.checkpoint"), "rb") as file:
            note = file.read()
        made.acme().update(keys=[entry(ACME, revoked_at="2900-01-01", reason="compromised")])
        cases.write(directory, {"trust.json": made.files()["trust.json"]})
        both(directory, write_proof(*parts(made, 2)), "not cosigned", 5)
        both(directory, write_proof(*parts(made, 2)[:3], note), "cosigned", 0)


def changed_bytes():
    rng, made = random.Random(SEED), of_size(6)
    good = write_proof(*parts(made, 2))
    with cases.folder() as directory:
        cases.write(directory, made.files())
        for _ in range(150):
            data = bytearray(good)
            at = rng.randrange(len(data))
            data[at] ^= 1 << rng.randrange(8)
            assert both(directory, bytes(data), f"seed {SEED}: byte {at}") != 0, f"byte {at}"


if __name__ == "__main__":
    if "prove" not in cases.verbs("manifest"):
        print("SKIP: this plumb has no manifest prove")
        raise SystemExit(77)
    cases.main(plumb_proves, good_and_bad, signers, plumb_cosigns, changed_bytes)
