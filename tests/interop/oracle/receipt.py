"""Receipts (receipt.md): what an operator states about a vendor's records in one run."""
import re

from . import envelope, trust
from .strict import (HEX64, TRUST, canonical, get, get_count, get_hash, get_name, get_time,
                     is_integer, is_number, need, only, parse_json)

TYPE = "urn:plumbline:statement:receipt:v1"
DAY = 86400
SPEND = "spend_nats masked_share clipped_share"
REASONS = ("none weight unknown content zero_weight no_depth unknown_passed segment exhausted "
           "withdrawn").split()
DECISIONS = ["admitted", "modulated", "rejected"]


def _count(obj, name, what):
    value = get(obj, name, "integer", what, True)
    need(value >= 0, f"{what}: {name} is below 0")
    return value


def _spend(obj, what):
    for name in SPEND.split():
        value = get(obj, name, "number", what, True)
        need(value >= 0 and (name == "spend_nats" or value <= 1), f"{what}: {name}")


def _decisions(p, what):
    listed, last, total = get(p, "decisions", "list", what, True), -1, 0
    for entry in listed:
        only(entry, "decision reason units", what)
        need(entry.get("decision") in DECISIONS and entry.get("reason") in REASONS, what)
        place = DECISIONS.index(entry["decision"]) * 100 + REASONS.index(entry["reason"])
        need(place > last and get_count(entry, "units", what), f"{what}: decisions in order")
        last, total = place, total + entry["units"]
    need(total == p["units"], f"{what}: units of all decisions add up to {total}")


def _groups(p, what):
    groups, least = get(p, "groups", "object", what, True), get_count(p, "min_group", what)
    only(groups, "rubric batch cohort", what)
    for name in ("rubric", "batch", "cohort"):
        listed, names = get(groups, name, "list", what, True), []
        for number, entry in enumerate(listed, 1):
            merged = isinstance(entry, dict) and "merged" in entry
            only(entry, ("merged" if merged else "name") + " records units " + SPEND, what)
            need(not merged or number == len(listed), f"{what}: merged groups come last")
            need(not merged or get_count(entry, "merged", what), what)
            names += [] if merged else [get(entry, "name", "text", what, True).encode()]
            need(merged or get_count(entry, "records", what) >= least, f"{what}: a small group")
            _spend(entry, what)
        need(names == sorted(set(names)), f"{what}: groups in the order of bytes")
        for field, total in (("records", p["used"]), ("units", p["units"])):
            need(sum(_count(entry, field, what) for entry in listed) == total,
                 f"{what}: {field} of the groups by {name} do not add up")


def _depth(p, what):
    listed = get(p, "depth", "list", what, True)
    need(len(listed) == 4, f"{what}: four quarters of the depth axis")
    for number, entry in enumerate(listed):
        only(entry, "from to " + SPEND, what)
        need((entry.get("from"), entry.get("to")) == (number / 4, (number + 1) / 4), what)
        _spend(entry, what)


def _limits(p, what):
    limits = get(p, "limits", "object", what, True)
    only(limits, "max_mask unit_step_nats run_nats layer_step_nats edges_checked exceeded", what)
    for name in ("max_mask", "unit_step_nats", "run_nats", "layer_step_nats"):
        value = limits.get(name, "missing")
        need((value is None and name != "max_mask") or (is_number(value) and value > 0), what)
    _count(limits, "edges_checked", what)
    _count(limits, "exceeded", what)


def _withdrawn(p, what):
    w = get(p, "withdrawn", "object", what, True)
    only(w, "records statements last units_rejected units_trained", what)
    for name in ("records", "statements", "units_rejected", "units_trained"):
        _count(w, name, what)
    last = get_hash(w, "last", what, required=w["statements"] > 0)
    need(w["statements"] > 0 or last is None, f"{what}: a last statement of none")


def _run(p, what):
    run = get(p, "run", "object", what, True)
    only(run, "digest head steps", what)
    get_hash(run, "digest", what)
    only(get(run, "head", "object", what, True), "size root", what)
    get_count(run["head"], "size", what)
    get_hash(run["head"], "root", what)
    _count(run, "steps", what)


def _subject(subjects, what):
    need(isinstance(subjects, list) and len(subjects) == 1, f"{what}: one subject")
    only(subjects[0], "name digest", what)
    get(subjects[0], "name", "text", what, True)
    only(get(subjects[0], "digest", "object", what, True), "sha256 blake2b", what)
    need(all(HEX64.match(str(subjects[0]["digest"].get(n))) for n in ("sha256", "blake2b")), what)


def verify(data, store, at, what="receipt"):
    """The predicate of a receipt that holds."""
    kind, payload, signatures = envelope.parse(data, what)
    need(kind == envelope.STATEMENT, f"{what}: holds no statement")
    made_by = envelope.makers(kind, payload, signatures, [k.key for k in store.keys], what)
    keys = list(dict.fromkeys(key for key in made_by if key))
    need(keys, f"{what}: is signed by no key of the store", TRUST)
    statement = parse_json(payload, what)
    only(statement, "_type subject predicateType predicate", what)
    need(statement.get("_type") == "https://in-toto.io/Statement/v1"
         and statement.get("predicateType") == TYPE, f"{what}: is no receipt")
    need(canonical(statement).encode() == payload, f"{what}: is not canonical JSON")
    _subject(statement.get("subject"), what)
    p = get(statement, "predicate", "object", what, True)
    only(p, "vendor dataset version statement records root issued run used moved units decisions "
         "depth min_group groups limits withdrawn " + SPEND, what)
    get_name(p, "vendor", what)
    get_name(p, "dataset", what)
    get_count(p, "version", what)
    get_hash(p, "statement", what)
    get_hash(p, "root", what)
    used, moved = _count(p, "used", what), _count(p, "moved", what)
    need(moved <= used <= get_count(p, "records", what), f"{what}: moved, used, records")
    _count(p, "units", what)
    _spend(p, what)
    for check in (_run, _decisions, _depth, _groups, _limits, _withdrawn):
        check(p, what)
    issued = get_time(p, "issued", what, True)
    need(issued <= at + DAY, f"{what}: was issued after the time of judgement")
    _judge(store, keys, issued, what)
    return p


def _judge(store, keys, issued, what):
    """As many keys of one vendor as its threshold says could act as operator at the time."""
    able = {}
    for entry in store.keys:
        if entry.key in keys and trust.judge(store, entry, "operator", issued) is None:
            able.setdefault(entry.vendor, set()).add(entry.key)
    need(any(len(found) >= store.need_signers(vendor, "operator")
             for vendor, found in able.items()), f"{what}: its signer is no operator", TRUST)
