"""What may be wrong with envelope, statement, signers and checkpoint."""
import base64
import json

from case_list import case
from maker import ACME, ACME2, OTHER, WITNESS, Case, entry, record, seal
from oracle import envelope, trust
from oracle.strict import CONTENT, INPUT, TRUST, dump_json


def rewritten(made, change):
    files = made.files()
    files["records.plumb.json"] = change(files["records.plumb.json"])
    return files


@case(INPUT, "an envelope with a blank more")
def envelope_blank(made):
    return rewritten(made, lambda d: d.replace(b'","payloadType"', b'", "payloadType"'))


@case(INPUT, "an envelope whose fields stand in another order")
def envelope_order(made):
    return rewritten(made, lambda d: json.dumps(
        dict(sorted(json.loads(d).items(), reverse=True)), separators=(",", ":")).encode() + b"\n")


@case(INPUT, "an envelope without its LF")
def envelope_cut(made):
    return rewritten(made, lambda d: d[:-1])


@case(INPUT, "an envelope without signatures")
def unsigned(made):
    made.signers = []


@case(INPUT, "a signature of 63 bytes")
def signature_short(made):
    def change(data):
        kind, payload, signatures = envelope.parse(data, "")
        return envelope.write(kind, payload, [(s[0], s[1][:-1]) for s in signatures])
    return rewritten(made, change)


def resigned(made, change):
    def edit(data):
        kind, payload, signatures = envelope.parse(data, "")
        return envelope.write(kind, payload, [change(*s) for s in signatures])
    return rewritten(made, edit)


@case(TRUST, "S of the signature has the group order added: the same signature in a second form")
def signature_high_s(made):
    def change(keyid, sig):
        order = 2**252 + 27742317777372353535851937790883648493
        s = int.from_bytes(sig[32:], "little") + order
        return keyid, sig[:32] + s.to_bytes(32, "little")
    return resigned(made, change)


@case(TRUST, "R of the signature is the identity")
def signature_small_r(made):
    return resigned(made, lambda keyid, sig: (keyid, b"\1" + bytes(31) + bytes(32)))


@case(TRUST, "a byte of the signature was changed")
def signature_changed(made):
    return resigned(made, lambda keyid, sig: (keyid, bytes([sig[0] ^ 1]) + sig[1:]))


@case(TRUST, "a signature under the name of another key of the store")
def key_id_of_another(made):
    return resigned(made, lambda keyid, sig: (OTHER.id, sig))


@case(TRUST, "a signature by a known key under an unknown name")
def key_id_unknown(made):
    return resigned(made, lambda keyid, sig: ("00" * 32, sig))


@case(TRUST, "signed by a key that the store does not have")
def signer_unknown(made):
    made.signers = [ACME2]


@case(TRUST, "signed by another vendor's key")
def signer_of_another_vendor(made):
    made.signers, made.note_signer = [OTHER], None


@case(TRUST, "signed by a key in another role")
def wrong_role(made):
    made.acme()["keys"] = [entry(ACME, "operator", "witness")]


@case(TRUST, "one signer where two are wanted")
def below_threshold(made):
    made.acme().update(keys=[entry(ACME), entry(ACME2)], thresholds={"quality-attestation": 2})


@case(TRUST, "one key signed twice where two signers are wanted")
def same_key_twice(made):
    made.signers = [ACME, ACME]
    made.acme().update(keys=[entry(ACME), entry(ACME2)], thresholds={"quality-attestation": 2})


@case(TRUST, "the key is not valid yet")
def key_too_early(made):
    made.acme()["keys"] = [entry(ACME, valid_from="2999-01-01")]


@case(TRUST, "the key has expired")
def key_expired(made):
    made.acme()["keys"] = [entry(ACME, valid_until="2026-01-03T00:00:00Z")]


@case(TRUST, "the key was retired")
def key_retired(made):
    made.acme()["keys"] = [entry(ACME, revoked_at="2026-01-03", reason="retired")]


@case(TRUST, "the key will be called compromised from 2999 on: void today, there is no witness")
def key_compromised(made):
    made.acme()["keys"] = [entry(ACME, revoked_at="2999-01-01", reason="compromised")]


@case(TRUST, "the manifest has expired")
def manifest_expired(made):
    made.predicate["expires"] = "2026-01-03"


@case(INPUT, "the manifest expired in 1970, which some would take for never")
def manifest_expired_1970(made):
    made.predicate["expires"] = "1970-01-01"


@case(INPUT, "the key was retired in 1970, which some would take for never")
def key_retired_1970(made):
    made.acme()["keys"] = [entry(ACME, revoked_at="1970-01-01", reason="retired")]


@case(TRUST, "the trust store has expired")
def store_expired(made):
    made.store["expires"] = "2026-01-03"


@case(INPUT, "the manifest is for another audience")
def audience_other(made):
    made.predicate["audience"] = "somebody"


@case(INPUT, "an envelope of another payload type")
def payload_type(made):
    made.kind = "application/json"


@case(INPUT, "a trust store in the place of the manifest")
def envelope_is_store(made):
    files = made.files()
    files["records.plumb.json"] = seal(trust.KIND, dump_json(made.store), [ACME])
    return files


@case(INPUT, "a statement of another type")
def statement_type(made):
    made.predicate_type = "urn:plumbline:statement:receipt:v1"


@case(INPUT, "a statement with a field that is not known")
def statement_field(made):
    made.predicate["note"] = "hello"


@case(INPUT, "a statement with two subjects")
def statement_subjects(made):
    def patch(s):
        s["subject"] *= 2
    made.patch_statement = patch


@case(0, "a second version that supersedes the first")
def supersedes(made):
    made.predicate.update(version=2, supersedes={"version": 1, "root": "00" * 32})


@case(INPUT, "a manifest that supersedes itself")
def supersedes_itself(made):
    made.predicate.update(version=2, supersedes={"version": 2, "root": "00" * 32})


@case(INPUT, "version 0")
def version_zero(made):
    made.predicate["version"] = 0
    made.note_signer = None


@case(INPUT, "a vendor with a blank in its name")
def vendor_name(made):
    made.predicate["vendor"] = "ac me"
    made.note_signer = None


@case(INPUT, "issued at 24:00")
def issued_time(made):
    made.predicate["issued"] = "2026-01-02T24:00:00Z"


# ---- checkpoint ----

def changed_checkpoint(made, change):
    files = made.files()
    files["records.checkpoint"] = change(files["records.checkpoint"])
    return files


@case(TRUST, "a checkpoint whose size was changed")
def checkpoint_changed(made):
    return changed_checkpoint(made, lambda d: d.replace(b"\n3\n", b"\n4\n"))


@case(TRUST, "a checkpoint by a key that did not sign the manifest")
def checkpoint_other_key(made):
    made.acme()["keys"].append(entry(ACME2))
    made.note_signer = ACME2


@case(CONTENT, "the checkpoint of another tree, rightly signed")
def checkpoint_of_another(made):
    other = Case()
    other.lines[0] = dump_json(record("r1", "changed"))
    return changed_checkpoint(made, lambda d: other.files()["records.checkpoint"])


@case(CONTENT, "the checkpoint of another statement over the same records")
def checkpoint_of_another_statement(made):
    other = Case()
    other.predicate["issued"] = "2026-01-02"
    return changed_checkpoint(made, lambda d: other.files()["records.checkpoint"])


def witnessed(made, at=1767225600):
    made.store["vendors"]["house"] = {"keys": [entry(WITNESS, "witness")]}
    made.witnesses = [("house", WITNESS, at)]


@case(0, "a checkpoint that a witness has cosigned")
def cosigned(made):
    witnessed(made)


@case(0, "a cosignature by a stranger is left aside")
def cosigned_by_stranger(made):
    made.witnesses = [("house", WITNESS, 1767225600)]


@case(TRUST, "a cosignature whose time was changed")
def cosignature_changed(made):
    witnessed(made)
    other = Case()
    witnessed(other, 1767225601)
    one, two = (m.files()["records.checkpoint"].split(b" ")[-1] for m in (made, other))
    blob = bytearray(base64.b64decode(one))
    blob[11] ^= 1
    assert blob[:12] == base64.b64decode(two)[:12]
    return changed_checkpoint(made, lambda d: d.replace(one, base64.b64encode(blob) + b"\n"))


@case(TRUST, "a checkpoint that only a witness has signed")
def checkpoint_only_witness(made):
    witnessed(made)
    def change(data):
        lines = data.split(b"\n")
        return b"\n".join(lines[:5] + lines[6:])
    return changed_checkpoint(made, change)


@case(INPUT, "a checkpoint with a line that is no signature")
def checkpoint_extra_line(made):
    return changed_checkpoint(made, lambda d: d + b"hello\n")


@case(INPUT, "a checkpoint that is no note")
def checkpoint_no_note(made):
    return changed_checkpoint(made, lambda d: b"hello\n")
