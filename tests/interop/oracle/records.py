"""Records, their private lines and segments (manifest.md section 1)."""
import hashlib
import re
from dataclasses import dataclass, field

from .strict import (CONTENT, HEX64, get, get_hash, get_plain, get_time, is_integer, is_number,
                     need, only, parse_json, plain)
from .taxonomy import Terms, get_weight, resolve, shares

LINE_CAP = 16 << 20
NAMES = "rubric domain batch cohort template parent component licence marking"


@dataclass
class Record:
    id: str
    terms: Terms
    origin: dict
    fields: dict
    segments: list = field(default_factory=list)
    withdrawn: int = None
    found: dict = None  # entries of the taxonomy that it is under
    component: object = None
    loss_weight: float = 1


def split_lines(data, what):
    need(data, f"{what}: has no records")
    need(data.endswith(b"\n"), f"{what}: the last line does not end in LF")
    lines = data[:-1].split(b"\n")
    need(not data.startswith(b"\xef\xbb\xbf"), f"{what}: begins with a byte order mark")
    for number, line in enumerate(lines, 1):
        need(len(line) <= LINE_CAP, f"{what}: line {number} is too long")
        need(b"\r" not in line, f"{what}: line {number} has a CR")
        need(line.strip(b" \t"), f"{what}: line {number} is blank")
    return lines


def _annotators(obj, what):
    names = get(obj, "annotators", "list", what)
    need(names is None or (len(names) <= 4096 and all(plain(n, 1024) for n in names)),
         f"{what}: annotators are up to 4096 names")
    return names


def _content(obj, what):
    content = get(obj, "content", "object", what)
    if content is None:
        return None
    only(content, "sha256 bytes", f"{what}: content")
    get_hash(content, "sha256", what)
    need(get(content, "bytes", "integer", what, True) >= 0, f"{what}: bytes below 0")
    return content["bytes"]


def _agreement(obj, what):
    agreement = get(obj, "agreement", "object", what) or {}
    need((get(agreement, "raters", "integer", what) or 0) >= 0, f"{what}: raters below 0")
    alpha = get(agreement, "alpha", "number", what)
    need(alpha is None or alpha <= 1, f"{what}: alpha above 1")
    need(all(isinstance(v, str) or is_number(v) for v in agreement.values()),
         f"{what}: a measure is a number or a text")


def _consent(obj, what):
    consent = get(obj, "consent", "object", what)
    if consent is None:
        return None
    only(consent, "basis reference withdrawn", f"{what}: consent")
    get_plain(consent, "basis", 1024, what)
    get_plain(consent, "reference", 1024, what)
    return get_time(consent, "withdrawn", what)


def _messages(value, what):
    need(isinstance(value, list) and 1 <= len(value) <= 65536, f"{what}: 1 to 65536 messages")
    for message in value:
        get_plain(message, "role", 1024, what, True)
        get(message, "content", "text", what, True)


def _conversation(obj, what):
    if "messages" in obj:
        _messages(obj["messages"], f"{what}: messages")
    for part in ("prompt", "chosen", "rejected"):
        if part in obj and not isinstance(obj[part], str):
            _messages(obj[part], f"{what}: {part}")
    need(("chosen" in obj) == ("rejected" in obj), f"{what}: chosen and rejected come together")


def _segment(entry, obj, size, places, what):
    """Checks where a segment lies; `places` has how far those before it have come."""
    need(isinstance(entry, dict), f"{what}: must be an object")
    need(len(set(places) & set(entry)) == 1, f"{what}: one of bytes, message, part")
    if "message" in entry:
        index = get(entry, "message", "integer", what)
        need(places["message"] <= index < len(obj.get("messages", [])), f"{what}: message {index}")
        places["message"] = index + 1
    elif "part" in entry:
        part = get(entry, "part", "text", what)
        need(part in ("prompt", "chosen", "rejected") and part in obj, f"{what}: no part {part!r}")
        need(part not in places["part"], f"{what}: part {part!r} has a segment already")
        places["part"] += (part,)
    else:
        span = get(entry, "bytes", "list", what)
        need(len(span) == 2 and all(is_integer(n) for n in span), f"{what}: bytes is [from, to)")
        need(places["bytes"] <= span[0] < span[1] and (size is None or span[1] <= size),
             f"{what}: outside or overlapping")
        places["bytes"] = span[1]


def read_record(obj, taxonomy, what):
    need(isinstance(obj, dict), f"{what}: a record is an object")
    ident = get_plain(obj, "id", 256, what, True)
    for name in ("text", "label"):
        get(obj, name, "text", what)
    for name in NAMES.split():
        get_plain(obj, name, 1024, what)
    need(get(obj, "source", "text", what) in (None, "human", "model", "human+model"),
         f"{what}: no such source")
    need("component" not in obj or "parent" in obj, f"{what}: component needs parent")
    size = _content(obj, what)
    get_hash(obj, "private", what, required=False)
    need("content" in obj or "private" in obj, f"{what}: needs content or private")
    _annotators(obj, what)
    quality = get(obj, "quality", "number", what)
    need(quality is None or 0 <= quality <= 1, f"{what}: quality is from 0 to 1")
    _agreement(obj, what)
    _conversation(obj, what)
    own = taxonomy.read_terms(obj, what)
    terms, origin, found, component = resolve(taxonomy, obj, own, what)
    out = Record(ident, terms, origin, obj, withdrawn=_consent(obj, what), found=found,
                 component=component, loss_weight=terms.weight)
    segments = get(obj, "segments", "list", what) or []
    need(len(segments) <= 65536, f"{what}: too many segments")
    places = {"bytes": 0, "message": 0, "part": ()}
    for number, entry in enumerate(segments, 1):
        place = f"{what}: segment {number}"
        _segment(entry, obj, size, places, place)
        out.segments.append(_segment_terms(entry, obj, own, out, taxonomy, place))
    if segments and "template" in found:
        _recombine_segments(out, taxonomy, what)
    return out


def _segment_terms(entry, obj, own, record, taxonomy, what):
    get_plain(entry, "component", 1024, what)
    component = taxonomy.component(entry, record.found, what)
    profile = record.terms.profile
    if "depth" in entry:
        depth = Terms(None, taxonomy.read_depth(entry["depth"], what)[1])
        taxonomy.check_own(depth, record.found, what)
        profile = depth.profile
    elif component is not None and component.profile is not None and own.profile is None:
        profile = component.profile
    weight, names = get_weight(entry, what), _annotators(entry, what)
    if weight is not None and "template" in record.found:
        bounds = taxonomy.bounds_over(taxonomy.line(record.found["template"]))
        if bounds is not None:
            bounds.check_component(weight, what)
    if weight is None:
        weight = component.weight if component is not None else 1
    return {"profile": profile, "weight": weight, "share": weight, "component": component,
            "annotators": obj.get("annotators", []) if names is None else names}


def _recombine_segments(record, taxonomy, what):
    template = record.found["template"]
    if "component" not in record.fields:
        there = [segment["component"] for segment in record.segments]
        need(all(c in there for c in taxonomy.components(template) if c.required),
             f"{what}: a required component has no segment")
    weights = [segment["weight"] for segment in record.segments]
    for segment, share in zip(record.segments, shares(taxonomy.recombination(template), weights,
                                                      what)):
        segment["share"] = share


def recombine_siblings(records, taxonomy, what):
    """Records that are components of one parent under one template: their loss weights."""
    groups = {}
    for record in records:
        if record.component is not None and "parent" in record.fields:
            key = record.fields["parent"], record.fields["template"]
            groups.setdefault(key, []).append(record)
    for (parent, name), group in groups.items():
        template = taxonomy.entries["template"][name]
        there = [record.component for record in group]
        need(all(c in there for c in taxonomy.components(template) if c.required),
             f"{what}: parent {parent!r} lacks a required component")
        weights = [component.weight for component in there]
        for record, share in zip(group, shares(taxonomy.recombination(template), weights, what)):
            record.loss_weight = record.terms.weight * share


class Private:
    """NAME.private.jsonl: lines by id, each taken once by the record that was signed with it."""

    def __init__(self, data, what):
        self.lines, self.what = {}, what
        for line in split_lines(data, what) if data else []:
            ident = get(parse_json(line, what), "id", "text", what, True)
            need(ident not in self.lines, f"{what}: id {ident!r} is there twice")
            self.lines[ident] = line

    def merge(self, obj):
        """The record with the fields of its private line."""
        line = self.lines.pop(obj.get("id"), None) if isinstance(obj.get("id"), str) else None
        if line is None:
            return obj
        fields = parse_json(line, self.what)
        only(fields, "id salt content text label annotators cohort", self.what)
        salt = get(fields, "salt", "text", self.what, True)
        need(re.match("[0-9a-f]{32}\\Z", salt), f"{self.what}: salt is 32 hex digits")
        digest = hashlib.sha256(bytes.fromhex(salt) + line).hexdigest()
        need(isinstance(obj.get("private"), str) and HEX64.match(obj["private"])
             and obj["private"] == digest, f"{self.what}: is not the line that was signed", CONTENT)
        added = {k: v for k, v in fields.items() if k not in ("id", "salt")}
        need(not set(added) & set(obj), f"{self.what}: a field is public too")
        return {**obj, **added}


def read_records(lines, taxonomy, private, what):
    out, seen = [], set()
    for number, line in enumerate(lines, 1):
        place = f"{what}: line {number}"
        obj = parse_json(line, place)
        if private is not None and isinstance(obj, dict):
            obj = private.merge(obj)
        record = read_record(obj, taxonomy, place)
        need(record.id not in seen, f"{place}: id {record.id!r} is there twice")
        seen.add(record.id)
        out.append(record)
    need(private is None or not private.lines, "a private line belongs to no record")
    recombine_siblings(out, taxonomy, what)
    return out
