"""The trust store (trust.md): whose signatures count, for what, and when."""
import hashlib
from dataclasses import dataclass, field

from . import ed25519, envelope
from .strict import (CONTENT, NAME, TRUST, get, get_count, get_hash, get_moment, get_name, need,
                     only, parse_json, read)

KIND = "application/vnd.plumbline.trust+json"
ROLES = ("quality-attestation", "operator", "reviewer", "director", "auditor", "witness")
MAX_KEYS = 16384


@dataclass
class Key:
    vendor: str
    name: str
    key: bytes
    roles: list
    valid_from: int = None
    valid_until: int = None
    revoked_at: int = None
    reason: str = None
    retired_at: int = None


@dataclass
class Store:
    version: int = 0
    expires: int = None
    roots: list = field(default_factory=list)
    threshold: int = 1
    keys: list = field(default_factory=list)
    thresholds: dict = field(default_factory=dict)
    previous: bytes = None
    identity: bytes = b""
    first_roots: str = ""

    def fingerprint(self):
        return hashlib.blake2b(self.threshold.to_bytes(4, "little") + b"".join(sorted(self.roots)),
                               digest_size=32).hexdigest()

    def need_signers(self, vendor, role):
        return self.thresholds.get((vendor, role), 1)


def _threshold(obj, name, what):
    value = get_count(obj, name, what)
    need(value <= 64, f"{what}: threshold {name} is above 64")
    return value


def _roots(document, store, what):
    roots = get(document, "roots", "object", what, True)
    only(roots, "keys threshold", f"{what}: roots")
    listed = get(roots, "keys", "list", what, True)
    store.threshold = _threshold(roots, "threshold", what)
    need(store.threshold <= len(listed) <= 64, f"{what}: {len(listed)} root keys")
    for text in listed:
        need(isinstance(text, str), f"{what}: a root key is no text", TRUST)
        store.roots.append(ed25519.spki_parse(text, what))
    need(len(set(store.roots)) == len(store.roots), f"{what}: a root key is there twice")


def _key(vendor, entry, what):
    only(entry, "name key roles valid_from valid_until revoked_at reason retired_at", what)
    name = get_name(entry, "name", what)
    key = ed25519.spki_parse(get(entry, "key", "text", what, True), what)
    roles = get(entry, "roles", "list", what, True)
    need(roles and all(role in ROLES for role in roles), f"{what}: has wrong roles")
    out = Key(vendor, name, key, roles, get_moment(entry, "valid_from", what),
              get_moment(entry, "valid_until", what), get_moment(entry, "revoked_at", what),
              get(entry, "reason", "text", what), get_moment(entry, "retired_at", what))
    need((out.revoked_at is None) == (out.reason is None), f"{what}: half a revocation")
    need(out.reason in (None, "retired", "compromised"), f"{what}: no such reason")
    need(out.retired_at is None or out.reason == "compromised", f"{what}: half a retirement")
    return out


def _vendor(name, vendor, store, what):
    need(NAME.match(name), f"{what}: is no name")
    only(vendor, "keys thresholds", what)
    own = [_key(name, entry, what) for entry in get(vendor, "keys", "list", what, True)]
    need(len({key.name for key in own}) == len(own), f"{what}: a name is there twice")
    need(len({key.key for key in own}) == len(own), f"{what}: a key is there twice")
    store.keys += own
    thresholds = get(vendor, "thresholds", "object", what) or {}
    for role in thresholds:
        need(role in ROLES, f"{what}: no role {role}")
        store.thresholds[name, role] = _threshold(thresholds, role, what)


def _document(payload, what):
    document, store = parse_json(payload, what), Store()
    need(get(document, "plumb_trust", "integer", what, True) == 1, f"{what}: not version 1")
    only(document, "plumb_trust version issued expires previous roots vendors", what)
    store.version = get_count(document, "version", what)
    get_moment(document, "issued", what)
    store.expires = get_moment(document, "expires", what)
    store.previous = get_hash(document, "previous", what, required=store.version > 1)
    need(store.version > 1 or store.previous is None, f"{what}: version 1 has no predecessor")
    _roots(document, store, what)
    for name, vendor in get(document, "vendors", "object", what, True).items():
        _vendor(name, vendor, store, f"{what}: vendor {name}")
    need(len(store.keys) <= MAX_KEYS, f"{what}: too many keys")
    store.identity = hashlib.blake2b(payload, digest_size=32).digest()
    return store


def _line(line, before, what):
    """One line of the file, signed by its roots and, where they differ, by those before."""
    kind, payload, signatures = envelope.parse(line, what)
    need(kind == KIND, f"{what}: is no trust store")
    store = _document(payload, what)
    rotated = before is not None and before.fingerprint() != store.fingerprint()
    may = store.roots + [key for key in before.roots if key not in store.roots] if rotated \
        else store.roots
    made_by = envelope.makers(kind, payload, signatures, may, what)
    need(all(made_by), f"{what}: a signature is by no root key", TRUST)
    need(all(keyid for keyid, _ in signatures), f"{what}: a signature names no key", TRUST)
    need(len(set(made_by)) == len(made_by), f"{what}: a root has signed twice")
    need(len(set(made_by) & set(store.roots)) >= store.threshold, f"{what}: below threshold", TRUST)
    if before is not None:
        need(store.version > before.version, f"{what}: versions rise")
        need(not rotated or store.version == before.version + 1, f"{what}: a rotation is one up")
        need(store.version > before.version + 1 or store.previous == before.identity,
             f"{what}: does not follow the line before", CONTENT)
    need(not rotated or len(set(made_by) & set(before.roots)) >= before.threshold,
         f"{what}: below the threshold of the old roots", TRUST)
    return store


def parse(data, what="trust store"):
    """The last line; the lines before it prove that its roots descend from the first one's."""
    need(data.endswith(b"\n"), f"{what}: was cut short")
    lines, stores = data[:-1].split(b"\n"), [None]
    need(len(lines) <= 64, f"{what}: has {len(lines)} lines")
    for number, line in enumerate(lines, 1):
        stores.append(_line(line + b"\n", stores[-1], f"{what}: line {number}"))
    prints = [store.fingerprint() for store in stores[1:]]
    for i, own in enumerate(prints[:-1]):
        need(own != prints[i + 1] or (i > 0 and own != prints[i - 1]),
             f"{what}: line {i + 1} proves nothing")
    stores[-1].first_roots = prints[0]
    return stores[-1]


def open_store(path):
    return parse(read(path, 16 << 20), path)


def judge(store, entry, role, at, cosigned=None):
    """None, or why this key does not count in this role at this time. A key that any entry calls
    compromised counts only for what a witness saw before."""
    if role not in entry.roles:
        return "has not the role"
    for same in store.keys:
        if same.key == entry.key and same.reason == "compromised" \
                and (cosigned is None or cosigned >= same.revoked_at):
            return "was compromised"
    retired = entry.revoked_at if entry.reason == "retired" else entry.retired_at
    if retired is not None and at >= retired:
        return "was retired"
    if entry.valid_from is not None and at < entry.valid_from:
        return "is not valid yet"
    if entry.valid_until is not None and at >= entry.valid_until:
        return "has expired"
    return None


def may_witness(store, entry, vendor, at):
    """This key's word, given at this time, counts about a manifest of the vendor: nobody is the
    witness of what its own key may sign."""
    own = any(k.key == entry.key and k.vendor == vendor and "quality-attestation" in k.roles
              for k in store.keys)
    return not own and judge(store, entry, "witness", at) is None


def signers(store, keys, vendor, role, at, what, cosigned=None):
    """The entries of `keys` that count; refuses below the vendor's threshold."""
    found, why = [], "is not listed for this vendor"
    for key in keys:
        entry = next((k for k in store.keys if k.key == key and k.vendor == vendor), None)
        problem = judge(store, entry, role, at, cosigned) if entry \
            else "is not listed for this vendor"
        if problem is None:
            found.append(entry)
        else:
            why = problem
    need(found, f"{what}: its signer {why}", TRUST)
    wanted = store.need_signers(vendor, role)
    need(len(found) >= wanted, f"{what}: {len(found)} signers, {wanted} wanted", TRUST)
    return found
