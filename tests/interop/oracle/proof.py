"""`.tlog-proof` files (proofs.md): one record of a manifest, by its path to a signed checkpoint."""
import re

from . import ed25519, tree, trust
from .strict import CONTENT, TRUST, base64_exact, need

FIRST = b"c2sp.org/tlog-proof@v1\n"
NO_RECORD = 2


def parse(data, what):
    """(the record's line or None, index, path, Note)"""
    need(len(data) <= 24 << 20 and data.startswith(FIRST), f"{what}: is no tlog-proof")
    head, blank, note = data[len(FIRST):].partition(b"\n\n")
    need(blank, f"{what}: has no checkpoint")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        need(False, f"{what}: has a line that is not ASCII")
    extra = None
    if lines[0].startswith("extra "):
        extra = base64_exact(lines.pop(0)[6:], what)
    index = re.match("index (0|[1-9][0-9]{0,18})\\Z", lines[0]) if lines else None
    need(index, f"{what}: has no index")
    path = [base64_exact(line, what) for line in lines[1:]]
    need(len(path) <= 64 and all(len(node) == 32 for node in path), f"{what}: has a wrong path")
    return extra, int(index.group(1)), path, tree.parse_note(note, what)


def climb(leaf, index, size, path, what):
    """The root that the path leads to: RFC 9162, section 2.1.3.2."""
    node, at, last = leaf, index, size - 1
    for sibling in path:
        need(last > 0, f"{what}: the path is too long", CONTENT)
        if at & 1 or at == last:
            node = tree.node_hash(sibling, node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = tree.node_hash(node, sibling)
        at, last = at >> 1, last >> 1
    need(last == 0, f"{what}: the path is too short", CONTENT)
    return node


def _signers(note, store, at, what):
    """Checks every line of a known key; the vendor's keys that signed must reach its threshold."""
    vendor, signed, cosigned = note.origin.split("/")[0], [], None
    for entry in store.keys:
        for line in note.lines:
            if entry.vendor == vendor and tree.line_names(line, note.origin, 1, entry.key):
                need(ed25519.verify(entry.key, note.text, line[2]), f"{what}: bad line", TRUST)
                signed.append(entry.key)
            if "witness" in entry.roles and tree.line_names(
                    line, f"{entry.vendor}/{entry.name}", 4, entry.key):
                seen = tree.cosigned_at(note, line, entry.key)
                need(seen, f"{what}: a cosignature does not hold", TRUST)
                if trust.may_witness(store, entry, vendor, seen):
                    cosigned = min(seen, cosigned or seen)
    need(signed, f"{what}: is signed by no key of vendor {vendor}", TRUST)
    trust.signers(store, list(dict.fromkeys(signed)), vendor, "quality-attestation", at, what,
                  cosigned)


def verify(data, store, at, record=None, what="proof"):
    """(origin, index, the record's line) of a proof that holds; `record` where it carries none."""
    extra, index, path, note = parse(data, what)
    _signers(note, store, at, what)
    need(store.expires is None or at < store.expires, "the trust store has expired", TRUST)
    line = record if extra is None else extra
    need(line is not None, f"{what}: carries no record", NO_RECORD)
    need(index < note.size, f"{what}: index {index} of {note.size} records", CONTENT)
    need(climb(tree.leaf_hash(line), index, note.size, path, what) == note.root,
         f"{what}: is not in the tree", CONTENT)
    return note.origin, index, line
