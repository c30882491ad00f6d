"""Records, their private lines and segments (manifest.md section 1)."""
import hashlib
import re
from dataclasses import dataclass, field

from .strict import (CONTENT, HEX64, get, get_hash, get_plain, get_time, is_integer, is_number,
                     need, only, parse_json, plain)
from .taxonomy import Terms, get_weight, resolve

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


def _segment(entry, obj, size, after, what):
    """Checks where a segment lies; returns where the next one may begin."""
    need(isinstance(entry, dict), f"{what}: must be an object")
    need(len({"bytes", "message", "part"} & set(entry)) == 1, f"{what}: one of bytes/message/part")
    if "message" in entry:
        index = get(entry, "message", "integer", what)
        need(0 <= index < len(obj.get("messages", [])), f"{what}: no message {index}")
    elif "part" in entry:
        part = get(entry, "part", "text", what)
        need(part in ("prompt", "chosen", "rejected") and part in obj, f"{what}: no part {part!r}")
    else:
        span = get(entry, "bytes", "list", what)
        need(len(span) == 2 and all(is_integer(n) for n in span), f"{what}: bytes is [from, to)")
        need(size is None or after <= span[0] < span[1] <= size, f"{what}: outside or overlapping")
        need(after <= span[0] < span[1], f"{what}: outside or overlapping")
        return span[1]
    return after


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
    terms, origin = resolve(taxonomy, obj.get("rubric"), obj.get("domain"),
                            taxonomy.read_terms(obj, what), what)
    out = Record(ident, terms, origin, obj, withdrawn=_consent(obj, what))
    after, segments = 0, get(obj, "segments", "list", what) or []
    need(len(segments) <= 65536, f"{what}: too many segments")
    for number, entry in enumerate(segments, 1):
        place = f"{what}: segment {number}"
        after = _segment(entry, obj, size, after, place)
        depth = taxonomy.read_depth(entry["depth"], place)[1] if "depth" in entry else None
        names = _annotators(entry, place)
        get_plain(entry, "component", 1024, place)
        weight = get_weight(entry, place)
        out.segments.append({"profile": depth or terms.profile, "weight": weight,
                             "annotators": obj.get("annotators", []) if names is None else names})
    return out


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
    return out
