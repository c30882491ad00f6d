"""Aim: who signs with minisign need not make another key: plumb takes its public keys, and its
signatures over what `plumb manifest payload` writes.
Method: minisign makes a key pair and signs (its legacy form is pure Ed25519 over the file, the form
that plumb asks for); plumb imports the key, attaches the signatures and verifies the manifest."""
import base64
import json
import os

import cases

cases.require("cryptography")
from maker import ROOT, Case, seal  # noqa: E402: wants cryptography
from oracle import ed25519, trust  # noqa: E402
from oracle.strict import dump_json  # noqa: E402


def read(directory, name):
    with open(os.path.join(directory, name), "rb") as file:
        return file.read()


def second_line(data):
    """The base64 line of minisign's files: two letters, eight bytes of key id, the rest."""
    return base64.b64decode(data.splitlines()[1])


def new_key(directory):
    program = cases.tool("minisign", "-v")
    cases.run(program, "-G", "-W", "-p", "theirs.pub", "-s", "theirs.key", cwd=directory)
    cases.plumb("key", "import", "theirs.pub", "--out", "acme.pub", cwd=directory)
    return program


def imports_public_keys():
    with cases.folder() as directory:
        new_key(directory)
        theirs = second_line(read(directory, "theirs.pub"))
        assert theirs[:2] == b"Ed"
        cases.equal(ed25519.pem_parse(read(directory, "acme.pub"), "acme.pub"), theirs[10:])
        bad = bytearray(theirs)
        bad[1] ^= 1
        for data in (bytes(bad), theirs[:-1], theirs + b"\0", theirs[:10] + b"\1" + bytes(31)):
            cases.write(directory, {"bad.pub": b"untrusted comment: x\n"
                                    + base64.b64encode(data) + b"\n"})
            done = cases.plumb("key", "import", "bad.pub", "--out", "bad.out", cwd=directory,
                               code=None)
            assert done.returncode not in (0, 2), done.stderr
            assert not os.path.exists(os.path.join(directory, "bad.out"))


def signs_a_manifest():
    with cases.folder() as directory:
        program, made = new_key(directory), Case()
        key = second_line(read(directory, "theirs.pub"))[10:]
        made.store["vendors"]["acme"]["keys"] = [
            {"name": "mini", "key": ed25519.spki_text(key), "roles": ["quality-attestation"]}]
        cases.write(directory, {
            "records.jsonl": made.data(),
            "trust.json": seal(trust.KIND, dump_json(made.store), [ROOT])})
        cases.plumb("manifest", "payload", "records.jsonl", "--vendor", "acme", "--dataset", "tags",
                    "--version", "1", "--signer-key", "acme.pub", cwd=directory)
        for name in ("records.plumb.pae", "records.checkpoint.body"):
            cases.run(program, "-S", "-l", "-s", "theirs.key", "-m", name, cwd=directory)
            signature = second_line(read(directory, name + ".minisig"))
            cases.write(directory, {name + ".sig": signature[10:]})
        cases.plumb("manifest", "attach", "records.jsonl", "--payload", "records.plumb.payload",
                    "--key", "acme.pub", "--signature", "records.plumb.pae.sig",
                    "--checkpoint-signature", "records.checkpoint.body.sig", cwd=directory)
        done = cases.plumb("--json", "manifest", "verify", "records.plumb.json", "--trust",
                           "trust.json", cwd=directory)
        cases.equal(json.loads(done.stdout)["signers"][0]["name"], "mini")


if __name__ == "__main__":
    cases.main(imports_public_keys, signs_a_manifest)
