"""What every file of docs/formats shares: refusals, strict JSON, base64, hex, times, names."""
import base64
import binascii
import calendar
import json
import math
import re

CONTENT, INPUT, IO, TRUST = 1, 3, 4, 5  # the exit codes of `plumb manifest verify`
MAX_NESTING = 64
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)Z)?\Z", re.ASCII)
HEX64 = re.compile(r"[0-9a-f]{64}\Z")


class Refused(Exception):
    def __init__(self, message, code=INPUT):
        super().__init__(message)
        self.code = code


def need(condition, message, code=INPUT):
    if not condition:
        raise Refused(message, code)


def read(path, cap=1 << 34):
    try:
        with open(path, "rb") as file:
            data = file.read(cap + 1)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}", IO) from None
    need(len(data) <= cap, f"{path}: too large")
    return data


def _pairs(pairs):
    out = dict(pairs)
    need(len(out) == len(pairs), "a key is there twice")
    return out


def _integer(text):
    value = int(text)
    need(-(1 << 63) <= value < 1 << 63, "an integer beyond 64 bits")
    return value


def _real(text):
    value = float(text)
    need(math.isfinite(value), "a number beyond float64")
    return value


def _constant(text):
    raise Refused(f"{text} is no JSON number")


def _check_nesting(text):
    depth = 0
    for token in re.finditer(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', text, re.DOTALL):
        mark = token.group()
        depth += (mark in "[{") - (mark in "]}")
        need(depth <= MAX_NESTING, "nested deeper than 64 levels")


def _check_strings(value):
    if isinstance(value, str):
        need(value.find("\0") < 0, "a NUL in a text")
        need(not re.search("[\ud800-\udfff]", value), "a lone surrogate")
    elif isinstance(value, list):
        for entry in value:
            _check_strings(entry)
    elif isinstance(value, dict):
        for key, entry in value.items():
            _check_strings(key)
            _check_strings(entry)


def parse_json(data, what):
    try:
        text = data.decode("utf-8")
        _check_nesting(text)
        value = json.loads(text, object_pairs_hook=_pairs, parse_int=_integer, parse_float=_real,
                           parse_constant=_constant)
        _check_strings(value)
    except (ValueError, RecursionError, Refused) as error:
        raise Refused(f"{what}: {error}") from None
    return value


def dump_json(value):
    """Canonical: keys sorted, no blanks."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


def canonical(value):
    """Canonical JSON with reals of 17 digits."""
    if isinstance(value, dict):
        parts = (f'{canonical(key)}:{canonical(value[key])}' for key in sorted(value))
        return "{" + ",".join(parts) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, float):
        text = "%.17g" % value
        return text if re.search("[.e]", text) else text + ".0"
    if is_integer(value) or isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return {None: "null", True: "true", False: "false"}[value]


def only(obj, fields, what):
    need(isinstance(obj, dict), f"{what}: must be an object")
    unknown = sorted(set(obj) - set(fields.split()))
    need(not unknown, f"{what}: unknown field {unknown[:1]}")


KINDS = {"text": lambda v: isinstance(v, str), "number": is_number, "integer": is_integer,
         "object": lambda v: isinstance(v, dict), "list": lambda v: isinstance(v, list)}


def get(obj, name, kind, what, required=False):
    need(isinstance(obj, dict), f"{what}: must be an object")
    if name not in obj:
        need(not required, f"{what}: field {name} is missing")
        return None
    need(KINDS[kind](obj[name]), f"{what}: field {name} must be a {kind}")
    return obj[name]


CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def plain(value, most):
    """A text of 1 to `most` bytes without control characters."""
    return (isinstance(value, str) and 1 <= len(value.encode()) <= most
            and not CONTROL.search(value))


def get_plain(obj, name, most, what, required=False):
    value = get(obj, name, "text", what, required)
    need(value is None or plain(value, most),
         f"{what}: field {name} must have 1 to {most} bytes without control characters")
    return value


def get_hash(obj, name, what, required=True):
    value = get(obj, name, "text", what, required)
    need(value is None or HEX64.match(value), f"{what}: field {name} must be 64 hex digits")
    return None if value is None else bytes.fromhex(value)


def get_time(obj, name, what, required=False):
    value = get(obj, name, "text", what, required)
    return None if value is None else parse_time(value, f"{what}: field {name}")


def get_moment(obj, name, what, required=False):
    """A time of a statement or trust store."""
    value = get_time(obj, name, what, required)
    need(value is None or value > 0, f"{what}: field {name} is not later than 1970-01-01")
    return value


def get_name(obj, name, what):
    value = get(obj, name, "text", what, True)
    need(NAME.match(value), f"{what}: field {name} is no name")
    return value


def get_count(obj, name, what):
    value = get(obj, name, "integer", what, True)
    need(value >= 1, f"{what}: field {name} must be at least 1")
    return value


def parse_time(text, what):
    match = TIME.match(text)
    need(match, f"{what}: is no time")
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
    need(1 <= month <= 12 and hour < 24 and minute < 60 and second < 60, f"{what}: is no time")
    leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
    days = [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
    need(1 <= day <= days, f"{what}: is no day")
    return calendar.timegm((year, month, day, hour, minute, second))


def base64_exact(text, what):
    """Standard alphabet, canonical padding and no unused bits."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(f"{what}: is not base64") from None
    need(base64.b64encode(data).decode() == text, f"{what}: is not canonical base64")
    return data
