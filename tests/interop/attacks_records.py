"""Good manifests, and what is wrong with records files, records and private files."""
import hashlib
import json

from case_list import TAXONOMY, case
from maker import ACME, ACME2, Case, content, entry, record
from oracle import envelope
from oracle.strict import CONTENT, INPUT, dump_json


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
    "id-c1": {"id": "a\u009b"}, "id-turned": {"id": "a\u202eb"}, "id-line": {"id": "a\u2028"},
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
