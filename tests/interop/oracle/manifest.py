"""A manifest as a whole: manifest.md section 6, in its order."""
import hashlib
import os
import time
from dataclasses import dataclass, field

from . import ed25519, envelope, tree, trust, withdrawal
from .records import Private, read_records, split_lines
from .strict import (CONTENT, TRUST, get, get_count, get_hash, get_moment, get_name, get_plain,
                     need, only, parse_json, read)
from .taxonomy import read_taxonomy

TYPE = "https://in-toto.io/Statement/v1"
MANIFEST = "urn:plumbline:statement:manifest:v1"
ATTESTATION = "quality-attestation"


@dataclass
class Manifest:
    predicate: dict
    signers: list = None
    records: list = None
    lines: list = None
    noted: set = field(default_factory=set)  # keys that signed the checkpoint
    cosigned: int = None

    def origin(self):
        p = self.predicate
        return f"{p['vendor']}/{p['dataset']}/v{p['version']}"


def parse_statement(payload, predicate_type, what):
    """(subject, predicate) of an in-toto Statement of this type."""
    statement = parse_json(payload, what)
    kind = get(statement, "_type", "text", what, True)
    predicate = get(statement, "predicateType", "text", what, True)
    need(kind == TYPE, f"{what}: is no Statement v1")
    need(predicate == predicate_type, f"{what}: is a statement of another type")
    only(statement, "_type subject predicateType predicate", what)
    subjects = get(statement, "subject", "list", what, True)
    return subjects, get(statement, "predicate", "object", what, True)


def _subject(subjects, what):
    need(len(subjects) == 1, f"{what}: has {len(subjects)} subjects")
    only(subjects[0], "name digest", what)
    get(subjects[0], "name", "text", what, True)
    digest = get(subjects[0], "digest", "object", what, True)
    only(digest, "sha256 blake2b", what)
    return get_hash(digest, "sha256", what), get_hash(digest, "blake2b", what)


def _predicate(p, what):
    only(p, "vendor dataset version issued expires audience records taxonomy supersedes", what)
    get_name(p, "vendor", what)
    get_name(p, "dataset", what)
    get_count(p, "version", what)
    get_moment(p, "issued", what, True)
    get_plain(p, "audience", 255, what)
    get(p, "taxonomy", "object", what)
    records = get(p, "records", "object", what, True)
    only(records, "bytes count root tree", what)
    get_count(records, "bytes", what)
    get_count(records, "count", what)
    need(get(records, "tree", "text", what, True) == "rfc6962-sha256", f"{what}: another tree")
    before = get(p, "supersedes", "object", what)
    if before is not None:
        only(before, "version root", what)
        need(get_count(before, "version", what) < p["version"], f"{what}: supersedes a later one")
        get_hash(before, "root", what)
    return get_hash(records, "root", what), get_moment(p, "expires", what)


def _records_file(path, predicate, digests, root):
    data, signed = read(path), predicate["records"]
    need(len(data) >= signed["bytes"], f"{path}: was cut short")
    need(len(data) == signed["bytes"], f"{path}: was added to", CONTENT)
    need(hashlib.sha256(data).digest() == digests[0], f"{path}: SHA-256 differs", CONTENT)
    lines = split_lines(data, path)
    need(hashlib.blake2b(data, digest_size=32).digest() == digests[1]
         and tree.root([tree.leaf_hash(line) for line in lines]) == root
         and len(lines) == signed["count"], f"{path}: the statement contradicts itself", CONTENT)
    return lines


def _checkpoint(path, manifest, keys, store, payload):
    """Checks NAME.checkpoint; notes which of `keys` signed it, and its earliest cosignature."""
    if not os.path.exists(path):
        return
    note, origin = tree.parse_note(read(path, 1 << 16), path), manifest.origin()
    for key, line in ((key, line) for key in keys for line in note.lines):
        if tree.line_names(line, origin, 1, key):
            need(ed25519.verify(key, note.text, line[2]), f"{path}: a signature does not hold",
                 TRUST)
            manifest.noted.add(key)
    need(manifest.noted, f"{path}: is signed by none of the manifest's signers", TRUST)
    records = manifest.predicate["records"]
    need((note.origin, note.size, note.root.hex()) == (origin, records["count"], records["root"]),
         f"{path}: is the checkpoint of another tree", CONTENT)
    need(note.statement == tree.sha256(payload), f"{path}: is of another statement", CONTENT)
    witnesses = [k for k in store.keys if "witness" in k.roles]
    for witness, line in ((witness, line) for witness in witnesses for line in note.lines):
        if not tree.line_names(line, f"{witness.vendor}/{witness.name}", 4, witness.key):
            continue
        at = tree.cosigned_at(note, line, witness.key)
        need(at, f"{path}: a cosignature does not hold", TRUST)
        if trust.may_witness(store, witness, manifest.predicate["vendor"], at):
            manifest.cosigned = min(at, manifest.cosigned or at)


def verify(path, store, at=None, audience=None):
    """Raises Refused, or returns the Manifest."""
    at = time.time() if at is None else at
    need(path.endswith(".plumb.json"), f"{path}: an envelope is named NAME.plumb.json")
    base = path[:-len(".plumb.json")]
    kind, payload, signatures = envelope.parse(read(path, 1 << 26), path)
    need(kind == envelope.STATEMENT, f"{path}: holds no statement")
    known = {key.key for key in store.keys}
    made_by = envelope.makers(kind, payload, signatures, list(known), path)
    keys = list(dict.fromkeys(key for key in made_by if key))
    need(keys, f"{path}: is signed by no key of the trust store", TRUST)
    subjects, predicate = parse_statement(payload, MANIFEST, path)
    digests = _subject(subjects, path)
    root, expires = _predicate(predicate, path)
    out = Manifest(predicate)
    _checkpoint(base + ".checkpoint", out, keys, store, payload)
    out.signers = trust.signers(store, keys, predicate["vendor"], ATTESTATION, at, path,
                                out.cosigned)
    need(not out.noted or out.noted & {signer.key for signer in out.signers},
         f"{path}: its checkpoint is signed by no key that counts", TRUST)
    need(store.expires is None or at < store.expires, "the trust store has expired", TRUST)
    need(expires is None or at < expires, f"{path}: has expired", TRUST)
    need(predicate.get("audience") == audience, f"{path}: is for another audience")
    out.lines = _records_file(base + ".jsonl", predicate, digests, root)
    taxonomy, private = read_taxonomy(predicate.get("taxonomy")), base + ".private.jsonl"
    private = Private(read(private), private) if os.path.exists(private) else None
    out.records = read_records(out.lines, taxonomy, private, base + ".jsonl")
    if os.path.exists(base + ".withdrawals"):
        chain = read(base + ".withdrawals", 1 << 28)
        if not withdrawal.superseded(chain, predicate):
            withdrawal.read_chain(chain, out, subjects[0], store, at, base + ".withdrawals")
    return out
