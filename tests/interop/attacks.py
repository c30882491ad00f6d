"""Good and bad manifests by name: what was done to them, and what a verifier must answer (the exit
code of `plumb manifest verify`). tests/golden/manifest holds the same cases as files."""
import base64
import hashlib
import json

from maker import ACME, ACME2, OTHER, ROOT, ROOT2, WITNESS, Case, content, entry, record, seal
from oracle import envelope, tree, trust
from oracle.strict import CONTENT, INPUT, TRUST, dump_json

CASES = {}
TAXONOMY = {
    "profiles": {"conceptual": {"band": [0.6, 1]}, "early": {"trapezoid": [0, 0, 0.25, 0.5]},
                 "curve": {"points": [[0, 0.5], [0.25, 1], [1, 0]]},
                 "heads": {"layers": {"*.head": 1, "h.?.mlp*": 0.5}}},
    "rubrics": {"role@2": {"depth": "conceptual", "budget": {"step": 2, "run": 16}, "weight": 0.5},
                "form@1": {"budget": {"step": 0.125}, "description": "spelling"}},
    "domains": {"sound": {}},
    "defaults": {"depth": "early", "budget": {"run": 8}, "weight": 2}}


def case(code, why, base=None):
    """Registers a function that changes a Case and may return changed files."""
    def register(function):
        def make():
            made = base() if base else Case()
            changed = function(made)
            return changed if changed is not None else made.files()
        CASES[function.__name__.replace("_", "-")] = (make, code, why)
        return function
    return register


def rich():
    return Case([
        record("deb:abgate#role", "LV2 noise gate plugin", rubric="role@2", domain="sound",
               batch="2026-01", annotators=["src:debtags", "a17"], cohort="desktop",
               source="human+model", quality=0.94, agreement={"raters": 3, "alpha": 0.81},
               licence="CC0-1.0", marking="UNCLASSIFIED", label="role::plugin"),
        record("own-depth", rubric="role@2", depth="curve", weight=1.5),
        record("inline", rubric="form@1", depth={"band": [0.25, 0.75]},
               budget={"step": 1e-3, "run": 0.5}),
        record("nothing-stated"),
        record("of-a-rubric", rubric="form@1", weight=0),
        record("globs", depth="heads"), record("built-in", depth="none"),
        record("gr\u00fc\u00dfe \U0001f600", "Gr\u00fc\u00dfe", rubric="form@1", depth="all"),
        record("parted", "0123456789", segments=[{"bytes": [0, 4], "depth": "early"},
                                                 {"bytes": [4, 10], "annotators": ["a18"],
                                                  "weight": 0.25}]),
        record("talk", messages=[{"role": "user", "content": "hi"},
                                 {"role": "model", "content": "hello", "extra": [1, {}]}],
               segments=[{"message": 1, "depth": "none"}]),
        record("pair", prompt="2+2", chosen="4", rejected=[{"role": "model", "content": "5"}],
               segments=[{"part": "chosen", "depth": "conceptual"}, {"part": "rejected"}]),
        record("withdrawn", consent={"basis": "contract", "reference": "c-7",
                                     "withdrawn": "2026-01-01"}),
    ], TAXONOMY)


def first_line(made, text):
    made.lines[0] = text if isinstance(text, bytes) else text.encode()


def bad_record(made, **fields):
    first_line(made, json.dumps(record("r1", **fields)))


@case(0, "the smallest manifest")
def plain(made):
    made.lines = [dump_json({"id": "r1", "content": content("x")})]


@case(0, "every way in which a record gets its depth, budgets and weight", rich)
def terms(made):
    pass


@case(0, "without its checkpoint")
def no_checkpoint(made):
    made.note_signer = None


@case(0, "two signatures, one of them by a stranger")
def stranger_beside(made):
    made.signers = [ACME2, ACME]


@case(0, "two signers where two are wanted; the checkpoint is signed by the second")
def threshold_reached(made):
    made.signers, made.note_signer = [ACME, ACME2], ACME2
    made.acme().update(keys=[entry(ACME), entry(ACME2)], thresholds={"quality-attestation": 2})


@case(0, "the key was retired after today")
def retired_later(made):
    made.acme()["keys"] = [entry(ACME, revoked_at="2999-01-01", reason="retired")]


@case(0, "a signature without a key id")
def no_key_id(made):
    files = made.files()
    kind, payload, signatures = envelope.parse(files["records.plumb.json"], "")
    files["records.plumb.json"] = envelope.write(kind, payload, [(None, s[1]) for s in signatures])
    return files


@case(0, "the payload is JSON with blanks: what counts are its bytes")
def payload_with_blanks(made):
    made.patch_payload = lambda p: json.dumps(json.loads(p), indent=1).encode()


def with_private(made):
    line = json.dumps({"id": "r1", "salt": "00" * 16, "content": content("secret"),
                       "text": "secret", "annotators": ["a17"]}).encode()
    digest = hashlib.sha256(bytes(16) + line).hexdigest()
    first_line(made, dump_json({"id": "r1", "private": digest, "weight": 0.5}))
    made.private = line + b"\n"


@case(0, "a record whose text and content are in the private file")
def private_line(made):
    with_private(made)


@case(0, "the same with the private line forgotten")
def private_dropped(made):
    with_private(made)
    made.private = b""


@case(CONTENT, "a private line that was changed")
def private_changed(made):
    with_private(made)
    made.private = made.private.replace(b"secret", b"secreT")


@case(INPUT, "a private line of no record")
def private_unknown(made):
    with_private(made)
    made.private += b'{"id":"r9","salt":"' + b"00" * 16 + b'"}\n'


@case(INPUT, "a private line twice")
def private_twice(made):
    with_private(made)
    made.private *= 2


# ---- the records file ----

def changed_records(made, change):
    files = made.files()
    files["records.jsonl"] = change(files["records.jsonl"])
    return files


@case(CONTENT, "a byte of a record was changed")
def record_changed(made):
    return changed_records(made, lambda d: d.replace(b"another", b"anothes"))


@case(CONTENT, "two records changed places")
def records_reordered(made):
    lines = made.lines[::-1]
    return changed_records(made, lambda d: b"".join(line + b"\n" for line in lines))


@case(CONTENT, "a record was added")
def record_appended(made):
    return changed_records(made, lambda d: d + made.lines[0] + b"\n")


@case(INPUT, "a record was dropped")
def record_dropped(made):
    return changed_records(made, lambda d: d[:d.rindex(b"\n", 0, -1) + 1])


@case(CONTENT, "the statement's tree is that of other records")
def wrong_root(made):
    def patch(s):
        s["predicate"]["records"]["root"] = "00" * 32
    made.patch_statement = patch


@case(CONTENT, "the statement counts one record more")
def wrong_count(made):
    def patch(s):
        s["predicate"]["records"]["count"] += 1
    made.patch_statement = patch


@case(CONTENT, "the statement's BLAKE2b digest is another file's, its SHA-256 is right")
def wrong_blake2b(made):
    def patch(s):
        s["subject"][0]["digest"]["blake2b"] = "00" * 32
    made.patch_statement = patch


@case(INPUT, "two records with one id")
def duplicate_id(made):
    made.lines.append(made.lines[0])


@case(INPUT, "a key twice in one object")
def duplicate_key(made):
    first_line(made, made.lines[0].replace(b'{"id":"r1"', b'{"id":"r1","id":"r1"'))


@case(INPUT, "a key twice, once escaped")
def duplicate_key_escaped(made):
    first_line(made, made.lines[0].replace(b'{"id":"r1"', b'{"id":"r1","\\u0069d":"r1"'))


@case(INPUT, "NaN is no JSON")
def nan_weight(made):
    first_line(made, made.lines[0][:-1] + b',"weight":NaN}')


@case(INPUT, "a number beyond float64")
def infinite_number(made):
    first_line(made, made.lines[0][:-1] + b',"own":1e999}')


@case(INPUT, "an integer beyond 64 bits")
def huge_integer(made):
    first_line(made, made.lines[0][:-1] + b',"own":9223372036854775808}')


@case(INPUT, "an escaped surrogate alone")
def lone_surrogate(made):
    first_line(made, made.lines[0][:-1] + b',"own":"\\ud800"}')


@case(INPUT, "an escaped NUL in a text")
def nul_in_text(made):
    first_line(made, made.lines[0][:-1] + b',"own":"\\u0000"}')


@case(INPUT, "bytes that are no UTF-8")
def not_utf8(made):
    first_line(made, made.lines[0][:-1] + b',"own":"\xc0\xaf"}')


@case(0, "nested 64 levels deep")
def nested_64(made):
    first_line(made, made.lines[0][:-1] + b',"own":' + b"[" * 63 + b"]" * 63 + b"}")


@case(INPUT, "nested 10,000 levels deep")
def nested_10000(made):
    first_line(made, made.lines[0][:-1] + b',"own":' + b"[" * 10000 + b"]" * 10000 + b"}")


@case(INPUT, "nested 65 levels deep")
def nested_65(made):
    first_line(made, made.lines[0][:-1] + b',"own":' + b"[" * 64 + b"]" * 64 + b"}")


@case(INPUT, "a line that ends in CR LF")
def carriage_return(made):
    first_line(made, made.lines[0] + b"\r")


@case(INPUT, "a blank line")
def blank_line(made):
    made.lines.insert(1, b" \t")


@case(INPUT, "a byte order mark")
def byte_order_mark(made):
    first_line(made, b"\xef\xbb\xbf" + made.lines[0])


@case(INPUT, "the last line has no LF, and was signed so")
def no_last_lf(made):
    made.data = lambda: b"\n".join(made.lines)


@case(INPUT, "a record that is no object")
def record_no_object(made):
    first_line(made, "[]")


BAD_FIELDS = {
    "id-empty": {"id": ""}, "id-long": {"id": "x" * 257}, "id-control": {"id": "a\u007f"},
    "rubric-number": {"rubric": 2}, "source-unknown": {"source": "machine"},
    "component-alone": {"component": "step"}, "quality-high": {"quality": 1.01},
    "quality-text": {"quality": "0.9"}, "weight-negative": {"weight": -1e-9},
    "weight-high": {"weight": 1000001}, "budget-zero": {"budget": {"step": 0}},
    "budget-unknown": {"budget": {"steps": 1}}, "depth-unknown": {"depth": "deep"},
    "depth-two-kinds": {"depth": {"band": [0, 1], "points": [[0, 1]]}},
    "band-falls": {"depth": {"band": [0.5, 0.25]}}, "band-outside": {"depth": {"band": [0, 1.5]}},
    "points-twice": {"depth": {"points": [[0, 1], [0, 2]]}},
    "points-negative": {"depth": {"points": [[0, -1]]}}, "points-none": {"depth": {"points": []}},
    "glob-empty": {"depth": {"layers": {"": 1}}}, "annotator-empty": {"annotators": [""]},
    "annotators-text": {"annotators": "a17"}, "agreement-list": {"agreement": {"kappa": [1]}},
    "agreement-alpha": {"agreement": {"alpha": 1.5}},
    "agreement-raters": {"agreement": {"raters": 2.5}},
    "consent-unknown": {"consent": {"withdrawm": "2026-01-01"}},
    "consent-time": {"consent": {"withdrawn": "2026-02-30"}},
    "messages-none": {"messages": []}, "message-no-role": {"messages": [{"content": "x"}]},
    "chosen-alone": {"chosen": "x"}, "prompt-number": {"prompt": 4},
    "content-unknown": {"content": {**content("x"), "type": "text"}},
    "content-hex": {"content": {"sha256": "AB" * 32, "bytes": 1}},
    "content-bytes": {"content": {**content("x"), "bytes": 1.0}},
    "content-negative": {"content": {**content("x"), "bytes": -1}},
    "private-hex": {"private": "00"}, "text-number": {"text": 1}, "null-label": {"label": None},
    "segment-two": {"segments": [{"bytes": [0, 1], "part": "prompt"}], "prompt": "x"},
    "segment-none": {"segments": [{"depth": "all"}]},
    "segment-outside": {"segments": [{"bytes": [0, 11]}]},
    "segment-overlap": {"segments": [{"bytes": [0, 5]}, {"bytes": [4, 6]}]},
    "segment-empty": {"segments": [{"bytes": [1, 1]}]},
    "segment-message": {"segments": [{"message": 0}]},
    "segment-part": {"segments": [{"part": "chosen"}]},
    "segment-weight": {"segments": [{"bytes": [0, 1], "weight": -1}]},
}


def register_fields():
    for name, fields in BAD_FIELDS.items():
        def function(made, fields=fields):
            first_line(made, json.dumps({**record("r1"), **fields}))
        function.__name__ = "record-" + name
        case(INPUT, "a record with " + json.dumps(fields)[:70])(function)


register_fields()


@case(INPUT, "a rubric that the taxonomy does not list", rich)
def rubric_unknown(made):
    bad_record(made, rubric="role@3")


@case(INPUT, "a taxonomy with a field that is not known")
def taxonomy_unknown_field(made):
    made.predicate["taxonomy"] = {"rubric": {}}


@case(INPUT, "a taxonomy that gives \"all\" another meaning")
def taxonomy_built_in(made):
    made.predicate["taxonomy"] = {"profiles": {"all": {"band": [0, 0.5]}}}


# ---- envelope and statement ----

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


# ---- trust store ----

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


# ---- withdrawals ----

def withdrawal(made, sequence, before, numbers, **changes):
    """(payload, line) of a withdrawal of the records with these numbers."""
    statement = made.statement()
    p = statement["predicate"]
    listed = [{"index": i, "leaf": tree.leaf_hash(made.lines[i]).hex(),
               "id": json.loads(made.lines[i])["id"]} for i in numbers]
    signers = changes.pop("signers", [ACME])
    body = {**{name: p[name] for name in ("vendor", "dataset", "version")},
            "root": p["records"]["root"], "issued": "2026-01-05T00:00:00Z", "reason": "consent",
            "sequence": sequence, "records": listed, **changes}
    if before is not None:
        body["previous"] = hashlib.blake2b(before, digest_size=32).hexdigest()
    payload = dump_json({**statement, "predicate": body,
                         "predicateType": "urn:plumbline:statement:withdrawal:v1"})
    return payload, seal(envelope.STATEMENT, payload, signers)


def chained(made, *lines):
    files = made.files()
    files["records.withdrawals"] = b"".join(lines)
    return files


def two_lines(made, **changes):
    first, one = withdrawal(made, 1, None, [1])
    return one, withdrawal(made, 2, first, [0, 2], issued="2026-01-06T00:00:00Z", **changes)[1]


@case(0, "three records withdrawn by two statements")
def withdrawals(made):
    return chained(made, *two_lines(made))


@case(0, "a withdrawal outlives its key")
def withdrawal_key_retired(made):
    made.acme()["keys"] = [entry(ACME, revoked_at="2026-01-10", reason="retired"), entry(ACME2)]
    made.signers, made.note_signer = [ACME2], ACME2
    return chained(made, *two_lines(made))


@case(TRUST, "a withdrawal by a compromised key")
def withdrawal_key_compromised(made):
    made.acme()["keys"] = [entry(ACME, revoked_at="2999-01-10", reason="compromised"), entry(ACME2)]
    made.signers, made.note_signer = [ACME2], ACME2
    return chained(made, *two_lines(made))


@case(TRUST, "a withdrawal by another vendor")
def withdrawal_stranger(made):
    return chained(made, *two_lines(made, signers=[OTHER]))


@case(CONTENT, "the first withdrawal was cut out")
def withdrawal_missing(made):
    return chained(made, two_lines(made)[1])


@case(CONTENT, "a withdrawal twice")
def withdrawal_twice(made):
    return chained(made, *two_lines(made)[:1] * 2)


@case(CONTENT, "a withdrawal behind another first one")
def withdrawal_other_chain(made):
    other = withdrawal(made, 1, None, [1], reason="error")[1]
    return chained(made, other, two_lines(made)[1])


@case(CONTENT, "the withdrawal of another record's leaf")
def withdrawal_leaf(made):
    line = withdrawal(made, 1, None, [0], records=[{"index": 0, "leaf": "00" * 32}])[1]
    return chained(made, line)


@case(CONTENT, "a record withdrawn twice")
def withdrawal_again(made):
    first, one = withdrawal(made, 1, None, [1])
    return chained(made, one, withdrawal(made, 2, first, [1])[1])


@case(CONTENT, "a withdrawal from another version")
def withdrawal_other_version(made):
    return chained(made, withdrawal(made, 1, None, [1], version=2)[1])


@case(INPUT, "a withdrawal with a reason that there is not")
def withdrawal_reason(made):
    return chained(made, withdrawal(made, 1, None, [1], reason="whim")[1])


@case(INPUT, "a withdrawal issued before the one it follows")
def withdrawal_backwards(made):
    first, one = withdrawal(made, 1, None, [1])
    return chained(made, one, withdrawal(made, 2, first, [0], issued="2026-01-04T00:00:00Z")[1])


@case(INPUT, "a withdrawal from the future")
def withdrawal_future(made):
    return chained(made, withdrawal(made, 1, None, [1], issued="2998-12-31T00:00:00Z")[1])


@case(INPUT, "withdrawals cut short")
def withdrawal_cut(made):
    return chained(made, *two_lines(made)[:1], b"{")


def with_key(made, number):
    from oracle.ed25519 import spki_text
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
    from oracle.ed25519 import P, add, decode, spki_text
    x, y, z, _ = add(decode(ACME2.key), (0, P - 1, 1, 0))
    inverse = pow(z, P - 2, P)
    x, y = x * inverse % P, y * inverse % P
    with_key(made, y | (x & 1) << 255)
