"""Aim: docs/formats/*.schema.json say the same as plumb, so that other tools can rely on them.
Method: the schemas are valid draft 2020-12; every record of the good and bad cases, and thousands
of records with random fields, are judged by the schema and by plumb. A difference must be one of
the rules that JSON Schema cannot say, and they are listed here one by one."""
import json
import os
import random

import cases

cases.require("cryptography", "jsonschema")
from attacks import BAD_FIELDS, CASES, TAXONOMY  # noqa: E402: wants cryptography
from generate import make_record  # noqa: E402
from generate_taxonomy import make_taxonomy  # noqa: E402
from jsonschema import Draft202012Validator  # noqa: E402
from maker import Case, record  # noqa: E402
from oracle.strict import Refused, parse_json, parse_time  # noqa: E402
from oracle.taxonomy import read_taxonomy  # noqa: E402
from referencing import Registry, Resource  # noqa: E402

SEED = int(os.environ.get("PLUMB_SEED", "20261122"))
NAMES = "domain batch cohort parent template component licence marking rubric"


def schema_of(name):
    with open(os.path.join(cases.SOURCE, "docs", "formats", name), encoding="utf-8") as file:
        return json.load(file)


def validator(name):
    schema, registry = schema_of(name), Registry()
    Draft202012Validator.check_schema(schema)
    for one in map(schema_of, ("record.schema.json", "taxonomy.schema.json")):
        registry = registry.with_resource(one["$id"], Resource.from_contents(one))
    return Draft202012Validator(schema, registry=registry)


def too_long(value, most):
    return isinstance(value, str) and len(value.encode()) > most


def falls(profile):
    """Depths that do not rise."""
    if not isinstance(profile, dict):
        return False
    if "by_entropy" in profile:
        return any(falls(inner) for inner in profile["by_entropy"].values())
    if "schedule" in profile:
        marks = profile["schedule"]
        return (any(a[0] >= b[0] for a, b in zip(marks, marks[1:]))
                or any(falls(inner) for _, inner in marks))
    points = profile.get("points")
    depths = profile.get("band") or profile.get("trapezoid") or [p[0] for p in points or []]
    return depths != sorted(depths) or (points and len(set(depths)) < len(depths))


def unknown_depth(depth, names):
    """A name that is not there, or, inside a profile, that stands for too deep a one: those of
    the cases' taxonomy are all plain."""
    if isinstance(depth, str):
        return depth not in names
    inner = list(depth.get("by_entropy", {}).values()) if depth else []
    inner += [mark[1] for mark in (depth or {}).get("schedule", [])]
    return any(unknown_depth(one, names) for one in inner)


def bad_segments(record_):
    """Out of the content, out of order, twice the same part, or a message that there is not."""
    size = record_.get("content", {}).get("bytes", 1 << 62)
    byte, message, parts = 0, 0, set()
    for segment in record_.get("segments", []):
        if "bytes" in segment:
            start, end = segment["bytes"]
            if not byte <= start < end <= size:
                return True
            byte = end
        elif "message" in segment:
            if not message <= segment["message"] < len(record_.get("messages", [])):
                return True
            message = segment["message"] + 1
        elif segment["part"] in parts:
            return True
        parts.add(segment.get("part"))
    return False


def real_for_integer(record_):
    """1.0 is an integer for JSON Schema, not for plumb."""
    numbers = [record_.get("content", {}).get("bytes"), record_.get("agreement", {}).get("raters")]
    for segment in record_.get("segments", []):
        numbers += [segment.get("message"), *segment.get("bytes", [])]
    return any(isinstance(n, float) for n in numbers)


def bad_date(record_):
    try:
        parse_time(record_.get("consent", {}).get("withdrawn", "2026-01-01"), "")
    except Refused:
        return True
    return False


def beyond_schema(r, taxonomy):
    """What the schema's description says that it cannot say, for a record that it accepts."""
    depths = {"all", "none", *taxonomy.get("profiles", {})}
    listed = [(r[one], taxonomy[one + "s"]) for one in ("rubric", "domain")
              if one in r and taxonomy.get(one + "s")]
    wholes = [r, *r.get("segments", [])]
    return (too_long(r["id"], 256) or any(too_long(r.get(n), 1024) for n in NAMES.split())
            or any(falls(w.get("depth")) or unknown_depth(w.get("depth"), depths) for w in wholes)
            or any(too_long(n, 1024) for w in wholes for n in w.get("annotators", []))
            or bad_segments(r) or real_for_integer(r) or bad_date(r)
            or any(name not in names for name, names in listed))


def plumb_accepts(directory, records, taxonomy):
    cases.write(directory, Case(records, taxonomy).files())
    done = cases.plumb("manifest", "verify", "records.plumb.json", "--trust", "trust.json",
                       cwd=directory, code=None)
    assert done.returncode in (0, 3), done.stderr
    return done.returncode == 0, done.stderr


def agree(schema, directory, one, taxonomy):
    by_schema = schema.is_valid(one)
    expected = by_schema and not beyond_schema(one, taxonomy or {})
    found, said = plumb_accepts(directory, [one], taxonomy)
    assert found == expected, f"schema {by_schema}, plumb {found} {said}: {json.dumps(one)}"
    return by_schema, found


def records_of_the_cases():
    schema, judged = validator("record.schema.json"), 0
    for make, code, why in CASES.values():
        lines = make()["records.jsonl"].split(b"\n") if code == 0 else []
        for line in filter(None, lines):
            errors = list(schema.iter_errors(parse_json(line, "")))
            assert not errors, f"{why}: {line}: {errors}"
            judged += 1
    assert judged > 30
    with cases.folder() as directory:
        refused = 0
        for fields in BAD_FIELDS.values():
            by_schema, by_plumb = agree(schema, directory, {**record("r1"), **fields}, None)
            assert not by_plumb, fields
            refused += not by_schema
    print(f"{judged} good records; the schema refuses {refused} of {len(BAD_FIELDS)} bad ones")


def random_records():
    """What should be good goes to plumb in one file; of the rest, each tenth one by one, and every
    one that only plumb refuses."""
    schema, rng = validator("record.schema.json"), random.Random(SEED)
    counts = {}
    with cases.folder() as directory:
        for taxonomy in (None, TAXONOMY):
            good = []
            for number in range(1500):
                one = make_record(rng, f"r{number}")
                if schema.is_valid(one) and not beyond_schema(one, taxonomy or {}):
                    good.append(one)
                elif number % 10 == 0 or schema.is_valid(one):
                    key = agree(schema, directory, one, taxonomy)
                    counts[key] = counts.get(key, 0) + 1
            accepted, said = plumb_accepts(directory, good, taxonomy)
            assert accepted, f"seed {SEED}: {said}"
            counts[True, True] = counts.get((True, True), 0) + len(good)
    print(f"(schema accepts, plumb accepts): {counts}")
    assert counts[True, True] > 500 and counts[False, False] > 50 and counts[True, False] > 5


def taxonomies():
    """Those that a reader takes are good by the schema; those that the schema refuses are refused
    by plumb; and the schema refuses what is wrong in form."""
    schema, rng = validator("taxonomy.schema.json"), random.Random(SEED)
    counts, forms = {}, 0
    with cases.folder() as directory:
        for _ in range(400):
            taxonomy = make_taxonomy(rng)
            try:
                read_taxonomy(taxonomy)
                good = True
            except Refused:
                good = False
            by_schema = schema.is_valid(taxonomy)
            assert by_schema or not good, (list(schema.iter_errors(taxonomy)), taxonomy)
            if not by_schema and forms < 40:
                forms += 1
                assert not plumb_accepts(directory, [record("r1")], taxonomy)[0], taxonomy
            counts[by_schema, good] = counts.get((by_schema, good), 0) + 1
    print(f"taxonomies (schema accepts, second reader accepts): {counts}")
    assert counts[True, True] > 100 and counts[False, False] > 15
    for wrong in ({"rubric": {}}, {"rubrics": {"unversioned": {}}}, {"profiles": {"all": {}}},
                  {"templates": {"t@1": {"recombine": "max"}}}, {"domains": {"d@": {}}},
                  {"defaults": {"quality": 1}}, {"tenant": {"profiles": {}}},
                  {"rubrics": {"r@1": {"components": []}}}):
        assert not schema.is_valid(wrong), wrong


if __name__ == "__main__":
    cases.main(records_of_the_cases, random_records, taxonomies)
