"""Aim: OpenSSL and Plumbline understand each other's keys and signatures, so that a key may live in
whatever OpenSSL can reach, and a signature can be checked without Plumbline.
Method: the openssl program reads what `plumb key` writes and checks a manifest's signature over the
PAE; plumb reads a key that OpenSSL made and accepts a manifest that OpenSSL signed."""
import base64
import functools
import hashlib
import json
import os

import cases
from cases import equal, plumb, run

PASS = ("--passphrase-file", "pass")


def openssl():
    return cases.tool("openssl", "version")


@functools.lru_cache
def prepared():
    """A folder with a root's store, a vendor's key and a manifest that plumb signed with it. Made
    once: each use of a key costs 256 MiB of Argon2id."""
    made = cases.folder()
    d = made.name
    line = {"id": "r1", "content": {"sha256": hashlib.sha256(b"x").hexdigest(), "bytes": 1}}
    cases.write(d, {"pass": b"open sesame\n", "records.jsonl": json.dumps(line).encode() + b"\n"})
    for name in ("root", "acme"):
        plumb("key", "new", name, *PASS, cwd=d)
    plumb("trust", "init", "trust.json", "--root", "root.key", *PASS, cwd=d)
    plumb("manifest", "sign", "records.jsonl", "--key", "acme.key", *PASS, "--vendor", "acme",
          "--dataset", "tags", "--version", "1", cwd=d)
    return made


def envelope_of(directory):
    with open(os.path.join(directory, "records.plumb.json"), "rb") as file:
        return json.load(file)


def pae(envelope):
    kind, payload = envelope["payloadType"].encode(), base64.b64decode(envelope["payload"])
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def reads_public_keys():
    program, d = openssl(), prepared().name
    der = run(program, "pkey", "-pubin", "-in", "acme.pub", "-outform", "DER", cwd=d).stdout
    shown = json.loads(plumb("key", "show", "acme.pub", "--json", cwd=d).stdout)
    equal(hashlib.sha256(der).hexdigest(), shown["keyid"], "the key id is SHA-256 of the DER")
    with open(os.path.join(d, "acme.pub"), "rb") as file:
        equal(run(program, "pkey", "-pubin", "-in", "acme.pub", cwd=d).stdout, file.read())


def reads_exported_secrets():
    program, d = openssl(), prepared().name
    secret = plumb("key", "export", "acme.key", "--secret", *PASS, cwd=d).stdout
    equal(run(program, "pkey", data=secret).stdout, secret, "PKCS#8 as OpenSSL writes it")
    public = run(program, "pkey", "-pubout", data=secret).stdout
    equal(public, plumb("key", "export", "acme.key", cwd=d).stdout)


def verifies_a_manifest():
    program, d = openssl(), prepared().name
    envelope = envelope_of(d)
    signature = base64.b64decode(envelope["signatures"][0]["sig"])
    cases.write(d, {"pae": pae(envelope), "sig": signature,
                    "bad": bytes([signature[0] ^ 1]) + signature[1:]})
    check = (program, "pkeyutl", "-verify", "-pubin", "-inkey", "acme.pub", "-rawin", "-in",
             "pae", "-sigfile")
    run(*check, "sig", cwd=d)
    run(*check, "bad", cwd=d, code=1)


def signs_a_manifest():
    program, d = openssl(), prepared().name
    run(program, "genpkey", "-algorithm", "ed25519", "-out", "hsm.pem", cwd=d)
    run(program, "pkey", "-in", "hsm.pem", "-pubout", "-out", "hsm.pub", cwd=d)
    plumb("trust", "add", "trust.json", "--root", "root.key", *PASS, "--vendor", "acme", "--key",
          "hsm.pub", "--name", "acme-hsm", "--role", "quality-attestation", cwd=d)
    envelope = envelope_of(d)
    cases.write(d, {"pae": pae(envelope)})
    run(program, "pkeyutl", "-sign", "-inkey", "hsm.pem", "-rawin", "-in", "pae", "-out", "sig",
        cwd=d)
    with open(os.path.join(d, "sig"), "rb") as file:
        sig = base64.b64encode(file.read()).decode()
    keyid = json.loads(plumb("key", "show", "hsm.pub", "--json", cwd=d).stdout)["keyid"]
    form = '{"payload":"%s","payloadType":"%s","signatures":[{"keyid":"%s","sig":"%s"}]}\n'
    text = form % (envelope["payload"], envelope["payloadType"], keyid, sig)
    with open(os.path.join(d, "records.jsonl"), "rb") as file:
        cases.write(d, {"hsm.jsonl": file.read(), "hsm.plumb.json": text.encode()})
    said = plumb("manifest", "verify", "hsm.plumb.json", "--trust", "trust.json", cwd=d)
    assert b"acme-hsm" in said.stdout, said.stdout


if __name__ == "__main__":
    cases.main(reads_public_keys, reads_exported_secrets, verifies_a_manifest, signs_a_manifest)
