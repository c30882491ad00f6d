"""Aim: "any tlog verifier accepts": what plumb proves and cosigns convinces the Go project's own
sumdb/note and sumdb/tlog, the code behind the Go checksum database.
Method: tlog_go/check.go, built with Debian's golang-golang-x-mod-dev and no network, checks proofs
of every record of trees of several sizes under the signer's and a witness's key; with one thing
wrong it refuses, as plumb does."""
import base64
import glob
import hashlib
import json
import os
import shutil

import cases
from cases import equal, plumb, run

PASS = ("--passphrase-file", "pass")
LIBRARY = "/usr/share/gocode"
LINE = '{{"id":"r{0}","content":{{"sha256":"{1}","bytes":1}}}}\n'


def build_checker(directory):
    go = shutil.which("go") or next(iter(sorted(glob.glob("/usr/lib/go-*/bin/go"))), None)
    if go is None or not os.path.isdir(LIBRARY + "/src/golang.org/x/mod/sumdb/tlog"):
        raise cases.Skip("Go's sumdb is not here; for this test: apt-get install golang-go "
                         "golang-golang-x-mod-dev")
    cases.say("with " + run(go, "version").stdout.decode().strip())
    source = os.path.join(cases.SOURCE, "tests", "interop", "tlog_go", "check.go")
    program = os.path.join(directory, "check")
    run("env", "GO111MODULE=off", f"GOPATH={LIBRARY}", f"GOCACHE={directory}/cache",
        f"HOME={directory}", go, "build", "-o", program, source)
    return program


def raw_key(directory, name):
    with open(os.path.join(directory, name + ".pub"), encoding="ascii") as file:
        return base64.b64decode(file.read().splitlines()[1])[-32:]


def vkey(name, kind, key):
    """The note format's form of a public key: name, key hash, type and key."""
    material = bytes([kind]) + key
    digest = hashlib.sha256(name.encode() + b"\n" + material).hexdigest()[:8]
    return f"{name}+{digest}+{base64.b64encode(material).decode()}"


def prepare(d):
    cases.write(d, {"pass": b"open sesame\n"})
    for name in ("root", "acme", "w1"):
        plumb("key", "new", name, *PASS, cwd=d)
    plumb("trust", "init", "trust.json", "--root", "root.key", *PASS, cwd=d)
    for vendor, name, role in (("acme", "acme", "quality-attestation"), ("house", "w1", "witness")):
        plumb("trust", "add", "trust.json", "--root", "root.key", *PASS, "--vendor", vendor,
              "--key", name + ".pub", "--name", name, "--role", role, cwd=d)


def sign(d, n, version):
    lines = "".join(LINE.format(i, hashlib.sha256(b"%d" % i).hexdigest()) for i in range(n))
    cases.write(d, {"records.jsonl": lines.encode()})
    plumb("manifest", "sign", "records.jsonl", "--key", "acme.key", *PASS, "--vendor", "acme",
          "--dataset", "tags", "--version", str(version), cwd=d)
    done = plumb("--json", "witness", "records.plumb.json", "--key", "w1.key", *PASS, "--trust",
                 "trust.json", cwd=d)
    plumb("manifest", "index", "records.plumb.json", "--trust", "trust.json", cwd=d)
    return lines.splitlines(), json.loads(done.stdout)


def prove(d, i):
    plumb("manifest", "prove", "records.plumb.json", "--trust", "trust.json", "--id", f"r{i}",
          "--out", "p.tlog-proof", cwd=d)
    with open(os.path.join(d, "p.tlog-proof"), "rb") as file:
        return file.read()


def check(program, d, version, witness=("house/w1", "w1"), code=0):
    keys = [vkey(f"acme/tags/v{version}", 1, raw_key(d, "acme"))]
    if witness:
        keys += [witness[0], base64.b64encode(raw_key(d, witness[1])).decode()]
    return run(program, os.path.join(d, "p.tlog-proof"), *keys, code=code)


def go_accepts_and_refuses():
    with cases.folder() as d:
        program = build_checker(d)
        prepare(d)
        for version, n in enumerate((1, 2, 7, 300), 1):
            lines, cosigned = sign(d, n, version)
            for i in range(0, n, 1 if n < 10 else 43):
                prove(d, i)
                head, line = check(program, d, version).stdout.decode().splitlines()
                equal(head.split()[:3], [f"acme/tags/v{version}", str(i), str(n)])
                equal(line, lines[i])
                assert cosigned["time"].startswith("20") and int(head.split()[3]) > 1_700_000_000
        good = prove(d, 44)
        check(program, d, version, witness=None)
        check(program, d, version, witness=("house/w2", "w1"), code=1)
        check(program, d, version, witness=("house/w1", "acme"), code=1)
        for wrong in (good.replace(b"index 44", b"index 45"), good.replace(b"\n300\n", b"\n301\n"),
                      good.replace(b"statement sha256 ", b"statement sha256 0", 1)):
            cases.write(d, {"p.tlog-proof": wrong})
            check(program, d, version, code=1)
            assert plumb("verify", "p.tlog-proof", "--trust", "trust.json", cwd=d,
                         code=None).returncode != 0


if __name__ == "__main__":
    cases.main(go_accepts_and_refuses)
