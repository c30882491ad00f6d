"""NAME.withdrawals (withdrawal.md): a chain of signed statements that take records back."""
import hashlib

from . import envelope, tree, trust
from .strict import (CONTENT, TRUST, Refused, dump_json, get, get_hash, get_plain, get_time,
                     need, only, parse_json)

TYPE = "urn:plumbline:statement:withdrawal:v1"
REASONS = ("consent", "error", "licence", "other")
DAY = 86400


def _signers(kind, payload, signatures, store, vendor, what):
    """Keys of the vendor that signed. A signature that names one must be by it; one that names
    another key is a stranger's."""
    keys = {entry.key for entry in store.keys if entry.vendor == vendor}
    names = {envelope.ed25519.key_id(key) for key in keys}
    own = [s for s in signatures if s[0] is None or s[0] in names]
    found = [key for key in envelope.makers(kind, payload, own, list(keys), what) if key]
    need(found, f"{what}: is signed by no key of vendor {vendor}", TRUST)
    return list(dict.fromkeys(found))


def _records(listed, manifest, gone, what):
    need(1 <= len(listed) <= 100000, f"{what}: 1 to 100,000 records")
    last = -1
    for entry in listed:
        only(entry, "index leaf id", what)
        index = get(entry, "index", "integer", what, True)
        ident, leaf = get(entry, "id", "text", what), get_hash(entry, "leaf", what)
        need(index > last, f"{what}: records must ascend")
        need(index < len(manifest.records), f"{what}: there is no record {index}")
        need(leaf == tree.leaf_hash(manifest.lines[index]), f"{what}: another leaf", CONTENT)
        need(ident in (None, manifest.records[index].id), f"{what}: another id", CONTENT)
        need(index not in gone, f"{what}: record {index} was withdrawn before", CONTENT)
        last = index
    return [entry["index"] for entry in listed]


def _line(line, sequence, before, manifest, subject, store, at, gone, what):
    """(digest of the payload, time of issue, record numbers)"""
    kind, payload, signatures = envelope.parse(line + b"\n", what)
    need(kind == envelope.STATEMENT, f"{what}: holds no statement")
    p, signed = manifest.predicate, manifest.predicate["records"]
    keys = _signers(kind, payload, signatures, store, p["vendor"], what)
    statement = parse_json(payload, what)
    need(dump_json(statement) == payload, f"{what}: is not canonical JSON")
    only(statement, "_type subject predicateType predicate", what)
    need(statement.get("_type") == "https://in-toto.io/Statement/v1"
         and statement.get("predicateType") == TYPE, f"{what}: is no withdrawal")
    w = get(statement, "predicate", "object", what, True)
    only(w, "vendor dataset version root issued reason note sequence previous records", what)
    for name in ("vendor", "dataset", "version"):
        get(w, name, "integer" if name == "version" else "text", what, True)
        need(w[name] == p[name], f"{what}: withdraws from another manifest", CONTENT)
    need(get_hash(w, "root", what).hex() == signed["root"], f"{what}: another tree", CONTENT)
    need(statement.get("subject") == [subject], f"{what}: another subject", CONTENT)
    need(get(w, "sequence", "integer", what, True) == sequence, f"{what}: out of order", CONTENT)
    previous = get_hash(w, "previous", what, required=sequence > 1)
    need(previous == (before[0] if before else None), f"{what}: another chain", CONTENT)
    issued = get_time(w, "issued", what, True)
    need(len(w["issued"]) == 20, f"{what}: issued is a time")
    need(get(w, "reason", "text", what, True) in REASONS, f"{what}: no such reason")
    get_plain(w, "note", 1024, what)
    records = _records(get(w, "records", "list", what, True), manifest, gone, what)
    need(issued <= at + DAY, f"{what}: was issued after the time of judgement")
    need(before is None or issued >= before[1], f"{what}: was issued before the line before")
    trust.signers(store, keys, p["vendor"], "quality-attestation", issued, what)
    return hashlib.blake2b(payload, digest_size=32).digest(), issued, records


def superseded(data, predicate):
    """Whether the first line is of the very version that this one took the place of: signing was
    killed before it had put the old chain aside."""
    before = predicate.get("supersedes")
    try:
        payload = envelope.parse(data[:data.index(b"\n") + 1], "withdrawals")[1]
        old = parse_json(payload, "withdrawals")["predicate"]
        return before is not None and before == {"version": old["version"], "root": old["root"]} \
            and all(old[name] == predicate[name] for name in ("vendor", "dataset"))
    except (Refused, ValueError, KeyError, TypeError):
        return False


def read_chain(data, manifest, subject, store, at, what):
    """Marks the records that the chain withdraws; raises Refused for any wrong line."""
    need(data.endswith(b"\n"), f"{what}: was cut short")
    lines, before, gone = data[:-1].split(b"\n"), None, {}
    need(len(lines) <= 65536, f"{what}: has too many lines")
    for number, line in enumerate(lines, 1):
        *before, records = _line(line, number, before, manifest, subject, store, at, gone,
                                 f"{what}: line {number}")
        gone.update((index, before[1]) for index in records)
    for index, issued in gone.items():
        record = manifest.records[index]
        record.withdrawn = min(issued, issued if record.withdrawn is None else record.withdrawn)
