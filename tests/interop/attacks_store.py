"""What may be wrong with a trust store: its roots, its rotations, its keys."""
import hashlib

from attacks_envelope import witnessed
from case_list import case
from maker import ACME, ACME2, ROOT, ROOT2, entry, seal
from oracle import trust
from oracle.ed25519 import P, add, decode, spki_text
from oracle.strict import CONTENT, INPUT, TRUST, dump_json


@case(0, "a second version of the store, under the same root; the first is not needed")
def store_second(made):
    made.store.update(version=2, previous="00" * 32)


@case(0, "a store that wants two roots has both")
def store_two_roots(made):
    made.store["roots"] = {"keys": [ROOT.spki, ROOT2.spki], "threshold": 2}
    made.roots = [ROOT2, ROOT]


@case(TRUST, "a store that wants two roots has one")
def store_below_threshold(made):
    made.store["roots"] = {"keys": [ROOT.spki, ROOT2.spki], "threshold": 2}


@case(INPUT, "a store with one root's signature twice where two are wanted")
def store_root_twice(made):
    made.store["roots"] = {"keys": [ROOT.spki, ROOT2.spki], "threshold": 2}
    made.roots = [ROOT, ROOT]


@case(TRUST, "a store signed by a stranger")
def store_stranger(made):
    made.roots = [ROOT2]


@case(TRUST, "a store with a stranger's signature beside the root's")
def store_stranger_beside(made):
    made.roots = [ROOT, ROOT2]


@case(INPUT, "a root key twice under a threshold of two")
def store_same_root_twice(made):
    made.store["roots"] = {"keys": [ROOT.spki, ROOT.spki], "threshold": 2}


@case(INPUT, "one key under two names of a vendor")
def store_key_twice(made):
    made.acme()["keys"].append({**entry(ACME), "name": "acme-9"})


@case(INPUT, "two keys under one name")
def store_name_twice(made):
    made.acme()["keys"].append({**entry(ACME2), "name": "acme-1"})


@case(INPUT, "a role that there is not")
def store_role(made):
    made.acme()["keys"] = [entry(ACME, "quality-attestation", "king")]


@case(INPUT, "a revocation without its reason")
def store_half_revocation(made):
    made.acme()["keys"] = [entry(ACME, revoked_at="2999-01-01")]


@case(INPUT, "a store with a field that is not known")
def store_field(made):
    made.store["comment"] = "x"


@case(INPUT, "a second version without the digest of the first")
def store_no_previous(made):
    made.store["version"] = 2


@case(INPUT, "a store's threshold of 0")
def store_threshold(made):
    made.acme()["thresholds"] = {"quality-attestation": 0}


def second_store(made, **changes):
    """The store of version 2 after `made`'s."""
    identity = hashlib.blake2b(dump_json(made.store), digest_size=32).hexdigest()
    return {**made.store, "version": 2, "previous": identity, **changes}


NEW_ROOTS = {"keys": [ROOT2.spki], "threshold": 1}


def rotated(made, signers, between=b"", **changes):
    files = made.files()
    store = second_store(made, roots=NEW_ROOTS, **changes)
    files["trust.json"] += between + seal(trust.KIND, dump_json(store), signers)
    return files


@case(0, "a store whose root was replaced, signed by the old and the new one")
def store_rotated(made):
    return rotated(made, [ROOT, ROOT2])


@case(TRUST, "a rotation that only the new root has signed")
def store_rotated_by_new(made):
    return rotated(made, [ROOT2])


@case(TRUST, "a rotation that only the old root has signed")
def store_rotated_by_old(made):
    return rotated(made, [ROOT])


@case(CONTENT, "a rotation that does not follow the version before it")
def store_rotated_fork(made):
    return rotated(made, [ROOT, ROOT2], previous="00" * 32)


@case(INPUT, "a rotation that leaves out a version")
def store_rotated_gap(made):
    return rotated(made, [ROOT, ROOT2], version=3)


@case(INPUT, "two lines of the same roots: the first proves nothing")
def store_idle_line(made):
    files = made.files()
    files["trust.json"] += seal(trust.KIND, dump_json(second_store(made)), [ROOT])
    return files


@case(TRUST, "a rotation by a stranger")
def store_rotated_stranger(made):
    return rotated(made, [ACME, ROOT2])


@case(0, "a compromised key, but a witness saw the manifest before")
def compromised_cosigned(made):
    witnessed(made)
    made.acme()["keys"] = [entry(ACME, revoked_at="2026-01-15", reason="compromised")]


@case(TRUST, "a compromised key, and the witness saw the manifest too late")
def compromised_cosigned_late(made):
    witnessed(made)
    made.acme()["keys"] = [entry(ACME, revoked_at="2026-01-01", reason="compromised")]


@case(TRUST, "a compromised key, and the witness's key was compromised too")
def compromised_witness(made):
    witnessed(made)
    made.acme()["keys"] = [entry(ACME, revoked_at="2026-01-15", reason="compromised")]
    made.store["vendors"]["house"]["keys"][0].update(revoked_at="2026-06-01", reason="compromised")


@case(TRUST, "a key that was retired and then declared compromised, and a witness saw the manifest")
def retired_then_compromised(made):
    witnessed(made)
    made.acme()["keys"] = [entry(ACME, revoked_at="2026-01-15", reason="compromised",
                                 retired_at="2026-01-20")]


@case(0, "a compromised key that is to be retired later, and a witness saw the manifest")
def compromised_retired_later(made):
    witnessed(made)
    made.acme()["keys"] = [entry(ACME, revoked_at="2026-01-15", reason="compromised",
                                 retired_at="2999-01-01")]


@case(INPUT, "a key that is not compromised, with the time of an earlier retirement")
def retired_at_alone(made):
    made.acme()["keys"] = [entry(ACME, revoked_at="2999-01-01", reason="retired",
                                 retired_at="2999-01-01")]


@case(TRUST, "the key of the only signer is called compromised under another vendor")
def compromised_elsewhere(made):
    stolen = entry(ACME, "operator", revoked_at="2026-01-15", reason="compromised")
    made.store["vendors"]["other"]["keys"].append(stolen)


@case(0, "a key called compromised under another vendor, but a witness saw the manifest before")
def compromised_elsewhere_cosigned(made):
    witnessed(made)
    compromised_elsewhere(made)


@case(TRUST, "a compromised key, cosigned before by itself under another vendor")
def compromised_own_witness(made):
    made.store["vendors"]["house"] = {"keys": [entry(ACME, "witness")]}
    made.witnesses = [("house", ACME, 1767225600)]
    made.acme()["keys"] = [entry(ACME, revoked_at="2026-01-15", reason="compromised")]


@case(TRUST, "a compromised key, cosigned before by another key that may sign for the vendor")
def compromised_vendor_witness(made):
    made.store["vendors"]["house"] = {"keys": [entry(ACME2, "witness")]}
    made.witnesses = [("house", ACME2, 1767225600)]
    made.acme()["keys"] = [entry(ACME, revoked_at="2026-01-15", reason="compromised"),
                           entry(ACME2)]


@case(0, "the same, where the witness's key has another role for the vendor")
def compromised_operator_witness(made):
    compromised_vendor_witness(made)
    made.acme()["keys"][1] = entry(ACME2, "operator")


def with_key(made, number):
    made.acme()["keys"].append({**entry(ACME2), "key": spki_text(number.to_bytes(32, "little"))})


@case(TRUST, "a key of small order: the identity")
def store_small_order_key(made):
    with_key(made, 1)


@case(TRUST, "a key in a form that is not canonical: y = p + 3")
def store_uncanonical_key(made):
    with_key(made, 2**255 - 19 + 3)


@case(TRUST, "a key that is no point of the curve")
def store_no_point(made):
    with_key(made, 2)


@case(TRUST, "a key with a component of small order")
def store_mixed_order_key(made):
    x, y, z, _ = add(decode(ACME2.key), (0, P - 1, 1, 0))
    inverse = pow(z, P - 2, P)
    x, y = x * inverse % P, y * inverse % P
    with_key(made, y | (x & 1) << 255)
