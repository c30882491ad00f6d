"""The trust store (trust.md): whose signatures count, for what, and when."""
import hashlib
from dataclasses import dataclass, field

from . import ed25519, envelope
from .strict import (TRUST, get, get_count, get_hash, get_name, get_moment, need, only, parse_json,
                     NAME, read)

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


@dataclass
class Store:
    version: int = 0
    expires: int = None
    roots: list = field(default_factory=list)
    threshold: int = 1
    keys: list = field(default_factory=list)
    thresholds: dict = field(default_factory=dict)
    digest: bytes = b""

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
    only(entry, "name key roles valid_from valid_until revoked_at reason", what)
    name = get_name(entry, "name", what)
    key = ed25519.spki_parse(get(entry, "key", "text", what, True), what)
    roles = get(entry, "roles", "list", what, True)
    need(roles and all(role in ROLES for role in roles), f"{what}: has wrong roles")
    out = Key(vendor, name, key, roles, get_moment(entry, "valid_from", what),
              get_moment(entry, "valid_until", what), get_moment(entry, "revoked_at", what),
              get(entry, "reason", "text", what))
    need((out.revoked_at is None) == (out.reason is None), f"{what}: half a revocation")
    need(out.reason in (None, "retired", "compromised"), f"{what}: no such reason")
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


def parse(data, what="trust store"):
    kind, payload, signatures = envelope.parse(data, what)
    need(kind == KIND, f"{what}: is no trust store")
    document, store = parse_json(payload, what), Store()
    need(get(document, "plumb_trust", "integer", what, True) == 1, f"{what}: not version 1")
    only(document, "plumb_trust version issued expires previous roots vendors", what)
    store.version = get_count(document, "version", what)
    get_moment(document, "issued", what)
    store.expires = get_moment(document, "expires", what)
    previous = get_hash(document, "previous", what, required=store.version > 1)
    need(store.version > 1 or previous is None, f"{what}: version 1 has no predecessor")
    _roots(document, store, what)
    for name, vendor in get(document, "vendors", "object", what, True).items():
        _vendor(name, vendor, store, f"{what}: vendor {name}")
    need(len(store.keys) <= MAX_KEYS, f"{what}: too many keys")
    made_by = envelope.makers(kind, payload, signatures, store.roots, what)
    need(all(made_by), f"{what}: a signature is by no root key", TRUST)
    need(all(keyid for keyid, _ in signatures), f"{what}: a signature names no key", TRUST)
    need(len(set(made_by)) == len(made_by), f"{what}: a root has signed twice")
    need(len(made_by) >= store.threshold, f"{what}: below the root threshold", TRUST)
    store.digest = hashlib.blake2b(data, digest_size=32).digest()
    return store


def open_store(path):
    return parse(read(path, 1 << 22), path)


def judge(entry, role, at, cosigned=None):
    """None, or why this key does not count in this role at this time."""
    if role not in entry.roles:
        return "has not the role"
    if entry.revoked_at is not None:
        if entry.reason == "compromised":
            return "was compromised"
        if at >= entry.revoked_at:
            return "was revoked"
    if entry.valid_from is not None and at < entry.valid_from:
        return "is not valid yet"
    if entry.valid_until is not None and at >= entry.valid_until:
        return "has expired"
    return None


def signers(store, keys, vendor, role, at, what):
    """The entries of `keys` that count; refuses below the vendor's threshold."""
    found, why = [], "is not listed for this vendor"
    for key in keys:
        entry = next((k for k in store.keys if k.key == key and k.vendor == vendor), None)
        problem = judge(entry, role, at) if entry else "is not listed for this vendor"
        if problem is None:
            found.append(entry)
        else:
            why = problem
    need(found, f"{what}: its signer {why}", TRUST)
    wanted = store.need_signers(vendor, role)
    need(len(found) >= wanted, f"{what}: {len(found)} signers, {wanted} wanted", TRUST)
    return found
