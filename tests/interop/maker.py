"""Writes manifests and trust stores as a second implementation would: from the documents, with test
keys. The keys are made of their names and protect nothing."""
import hashlib
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from oracle import ed25519, envelope, manifest, tree, trust
from oracle.strict import dump_json


class Signer:
    def __init__(self, name):
        self.name = name
        seed = hashlib.sha256(b"plumbline test key: " + name.encode()).digest()
        self.private = Ed25519PrivateKey.from_private_bytes(seed)
        self.key = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id = ed25519.key_id(self.key)
        self.spki = ed25519.spki_text(self.key)

    def sign(self, message):
        return self.private.sign(message)


ROOT, ROOT2, ACME, ACME2, OTHER, WITNESS = (
    Signer(n) for n in ("root", "root-2", "acme-1", "acme-2", "other-1", "witness-1"))


def seal(kind, payload, signers):
    message = envelope.pae(kind, payload)
    return envelope.write(kind, payload, [(s.id, s.sign(message)) for s in signers])


def entry(signer, *roles, **more):
    return {"name": signer.name, "key": signer.spki,
            "roles": list(roles) or ["quality-attestation"], **more}


def digests(data):
    return {"sha256": hashlib.sha256(data).hexdigest(),
            "blake2b": hashlib.blake2b(data, digest_size=32).hexdigest()}


def content(text):
    data = text.encode()
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def record(ident, text="an example", **fields):
    return {"id": ident, "content": content(text), "text": text, **fields}


class Case:
    """The parts of a manifest and its trust store. A test changes parts before they are signed, or
    the files afterwards; what is not changed is right."""

    def __init__(self, records=None, taxonomy=None):
        self.name = "records"
        self.lines = [json.dumps(r, ensure_ascii=False, separators=(",", ":")).encode()
                      for r in records or [record("r1"), record("r2", "another"), record("r3")]]
        self.predicate = {"vendor": "acme", "dataset": "tags", "version": 1,
                          "issued": "2026-01-02T03:04:05Z"}
        if taxonomy is not None:
            self.predicate["taxonomy"] = taxonomy
        self.signers, self.note_signer = [ACME], ACME
        self.kind, self.predicate_type = envelope.STATEMENT, manifest.MANIFEST
        self.store = {"plumb_trust": 1, "version": 1, "issued": "2026-01-01T00:00:00Z",
                      "roots": {"keys": [ROOT.spki], "threshold": 1},
                      "vendors": {"acme": {"keys": [entry(ACME)]},
                                  "other": {"keys": [entry(OTHER)]}}}
        self.roots = [ROOT]
        self.patch_statement = self.patch_payload = self.patch_store = None
        self.private, self.witnesses = None, []

    def acme(self):
        return self.store["vendors"]["acme"]

    def data(self):
        return b"".join(line + b"\n" for line in self.lines)

    def statement(self):
        data, leaves = self.data(), [tree.leaf_hash(line) for line in self.lines]
        records = {"bytes": len(data), "count": len(leaves), "tree": "rfc6962-sha256",
                   "root": tree.root(leaves).hex()}
        out = {"_type": manifest.TYPE, "predicateType": self.predicate_type,
               "subject": [{"name": f"{self.name}.jsonl", "digest": digests(data)}],
               "predicate": {"records": records, **self.predicate}}
        if self.patch_statement:
            self.patch_statement(out)
        return out

    def checkpoint(self, statement, payload):
        p = statement["predicate"]
        origin = f"{p['vendor']}/{p['dataset']}/v{p['version']}"
        text = tree.write_head(origin, p["records"]["count"], bytes.fromhex(p["records"]["root"]),
                               tree.sha256(payload))
        signer, lines = self.note_signer, b""
        lines += tree.write_line(origin, 1, signer.key, signer.sign(text))
        for vendor, witness, at in self.witnesses:
            signature = witness.sign(b"cosignature/v1\ntime %d\n" % at + text)
            lines += tree.write_line(f"{vendor}/{witness.name}", 4, witness.key,
                                     at.to_bytes(8, "big") + signature)
        return text + b"\n" + lines

    def files(self):
        statement = self.statement()
        payload = dump_json(statement)
        if self.patch_payload:
            payload = self.patch_payload(payload)
        store = dump_json(self.store)
        if self.patch_store:
            store = self.patch_store(store)
        out = {f"{self.name}.jsonl": self.data(),
               f"{self.name}.plumb.json": seal(self.kind, payload, self.signers),
               "trust.json": seal(trust.KIND, store, self.roots)}
        if self.note_signer:
            out[f"{self.name}.checkpoint"] = self.checkpoint(statement, payload)
        if self.private is not None:
            out[f"{self.name}.private.jsonl"] = self.private
        return out
