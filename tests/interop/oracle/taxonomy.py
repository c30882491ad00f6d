"""Depth profiles and the taxonomy (manifest.md sections 2 and 3), and the terms of a record."""
import math
import re
from dataclasses import dataclass, field, fields

from .strict import (canonical, dump_json, get, get_plain, is_number, need, only, parse_time, plain)

ALL, NONE = {"band": [0, 1]}, {"layers": {}}
MAX_WEIGHT = 1e6
MAX_CORNERS, MAX_NAMED_BYTES = 4096, 1 << 22
KINDS = {"rubric": "rubrics", "domain": "domains", "template": "templates"}
ORDER = ("template", "rubric", "domain")  # which of them is asked first for a term
TERMS = "depth budget weight"
ENTRY = TERMS + " inherits overridable definition_digest description"
RECOMBINE = ("sum", "normalised", "mean")


# ---- profiles ----

def _check_depths(depths, what):
    need(all(is_number(d) and 0 <= d <= 1 for d in depths), f"{what}: a depth is from 0 to 1")
    need(depths == sorted(depths), f"{what}: depths rise")


def _check_plain(kind, body, what):
    if kind in ("band", "trapezoid"):
        need(isinstance(body, list) and len(body) == (2 if kind == "band" else 4), what)
        _check_depths(body, what)
    elif kind == "points":
        need(isinstance(body, list) and 1 <= len(body) <= 256, f"{what}: 1 to 256 points")
        need(all(isinstance(p, list) and len(p) == 2 and is_number(p[1]) and p[1] >= 0
                 for p in body), f"{what}: a point is [depth, weight]")
        depths = [p[0] for p in body]
        _check_depths(depths, what)
        need(len(set(depths)) == len(depths), f"{what}: a depth is there twice")
    elif kind == "layers":
        need(isinstance(body, dict) and len(body) <= 256, f"{what}: up to 256 globs")
        need(all(1 <= len(g.encode()) <= 256 and is_number(w) and w >= 0
                 for g, w in body.items()), f"{what}: a glob has 1 to 256 bytes, its weight >= 0")
    else:
        need(False, f"{what}: no profile {kind}")


def read_profile(value, names, what, level=0):
    """The profile with names replaced by what they name. Level 0 is the outermost, 1 inside
    by_entropy, 2 inside a schedule."""
    if level > 0 and isinstance(value, str):
        need(value in names, f"{what}: no depth {value!r}")
        return read_profile(names[value], names, what, level)
    need(isinstance(value, dict) and len(value) == 1, f"{what}: a profile has one field")
    (kind, body), = value.items()
    if kind == "by_entropy" and level == 0:
        only(body, "low mid high", what)
        need(len(body) == 3, f"{what}: by_entropy has low, mid and high")
        return {kind: {band: read_profile(p, names, what, 1) for band, p in body.items()}}
    if kind == "schedule" and level < 2:
        need(isinstance(body, list) and 1 <= len(body) <= 256, f"{what}: 1 to 256 marks")
        need(all(isinstance(m, list) and len(m) == 2 and is_number(m[0]) and 0 <= m[0] <= 1
                 for m in body), f"{what}: a mark is [progress, profile]")
        need(all(a[0] < b[0] for a, b in zip(body, body[1:])), f"{what}: progress rises")
        return {kind: [[at, read_profile(p, names, what, 2)] for at, p in body]}
    _check_plain(kind, body, what)
    return value


def _corners(profile):
    (kind, body), = profile.items()
    if kind == "by_entropy":
        return sum(map(_corners, body.values()))
    return sum(_corners(p) for at, p in body) if kind == "schedule" else len(body)


def _names_others(profile):
    (kind, body), = profile.items()
    inner = {"by_entropy": lambda: body.values(), "schedule": lambda: [p for at, p in body]}
    return any(isinstance(p, str) or _names_others(p) for p in inner.get(kind, list)())


def _rank(value):
    """Profiles may name those of lower rank: plain, schedule, by_entropy."""
    value = value if isinstance(value, dict) else {}
    return 2 if "by_entropy" in value else 1 if "schedule" in value else 0


# ---- terms and bounds ----

@dataclass
class Terms:
    """What a record, an entry or the defaults state; None for what they leave out."""
    depth_name: str = None
    profile: dict = None
    step: float = None
    run: float = None
    weight: float = None


def get_weight(obj, what):
    weight = get(obj, "weight", "number", what)
    need(weight is None or 0 <= weight <= MAX_WEIGHT, f"{what}: weight is from 0 to 1e6")
    return weight


def _limit(budget, name, what):
    value = get(budget, name, "number", what)
    need(value is None or (value > 0 and math.isfinite(value)), f"{what}: {name} is above 0")
    return value


def _range(obj, name, what):
    pair = get(obj, name, "list", what)
    need(pair is None or (len(pair) == 2 and all(map(is_number, pair)) and 0 <= pair[0] <= pair[1]),
         f"{what}: {name} is [from, to]")
    return pair


@dataclass
class Bounds:
    """`overridable`: what those under an entry may state. None or empty: nothing."""
    weight: list
    step: list
    run: list
    component: list
    profiles: list
    recombine: list

    def check(self, terms, what):
        for value, span in ((terms.weight, self.weight), (terms.step, self.step),
                            (terms.run, self.run)):
            self._within(value, span, what)
        need(terms.profile is None or dump_json(terms.profile) in self.profiles,
             f"{what}: this depth may not be stated")

    @staticmethod
    def _within(value, span, what):
        need(value is None or (span and span[0] <= value <= span[1]), f"{what}: is out of bounds")

    def check_component(self, weight, what):
        self._within(weight, self.component, what)

    def check_recombine(self, word, what):
        need(word is None or word in self.recombine, f"{what}: recombine may not be stated")

    def check_inner(self, inner, what):
        for mine, theirs in ((self.weight, inner.weight), (self.step, inner.step),
                             (self.run, inner.run), (self.component, inner.component)):
            for value in theirs or []:
                self._within(value, mine, what)
        need(set(inner.profiles) <= set(self.profiles) and
             set(inner.recombine) <= set(self.recombine), f"{what}: wider than its parent's")


@dataclass
class Component:
    name: str
    weight: float
    profile: dict
    depth_name: str
    required: bool


@dataclass
class Entry:
    kind: str
    name: str
    inherits: str = None
    stated: Terms = None
    tenant: Terms = field(default_factory=Terms)
    bounds: Bounds = None
    components: list = None
    recombine: str = None
    tenant_recombine: str = None


# ---- the taxonomy ----

@dataclass
class Taxonomy:
    profiles: dict = field(default_factory=lambda: {"all": ALL, "none": NONE})
    entries: dict = field(default_factory=lambda: {kind: {} for kind in KINDS})
    defaults: Terms = field(default_factory=Terms)
    named: dict = field(default_factory=dict)  # as written: bytes with names replaced

    def read_profile(self, value, what):
        out = read_profile(value, self.profiles, what)
        need(_corners(out) <= MAX_CORNERS, f"{what}: comes to over {MAX_CORNERS} points and globs")
        if _names_others(value):
            self.named[canonical(value)] = len(canonical(out).encode())
            need(sum(self.named.values()) <= MAX_NAMED_BYTES, f"{what}: profiles with names: big")
        return out

    def read_depth(self, value, what):
        if isinstance(value, dict):
            return "(inline)", self.read_profile(value, what)
        need(isinstance(value, str) and value in self.profiles, f"{what}: no depth {value!r}")
        return value, self.profiles[value]

    def read_terms(self, obj, what):
        out = Terms(weight=get_weight(obj, what))
        if "depth" in obj:
            out.depth_name, out.profile = self.read_depth(obj["depth"], what)
        budget = get(obj, "budget", "object", what)
        if budget is not None:
            only(budget, "step run", f"{what}: budget")
            out.step, out.run = (_limit(budget, name, what) for name in ("step", "run"))
        return out

    def line(self, entry):
        """The entry and its ancestors, nearest first."""
        out = []
        while entry is not None:
            need(entry not in out and len(out) <= 16, f"{entry.name}: inherits without end")
            out.append(entry)
            entry = self.entries[entry.kind].get(entry.inherits)
        return out

    def bounds_over(self, entries):
        return next((entry.bounds for entry in entries if entry.bounds), None)

    def components(self, entry):
        return next((e.components for e in self.line(entry) if e.components is not None), [])

    def recombination(self, entry):
        stated = [entry.tenant_recombine] + [e.recombine for e in self.line(entry)]
        return next((word for word in stated if word), "sum")

    def find(self, obj, what):
        """The entries that a record is under, by kind; where a kind is listed, names must be."""
        out = {}
        for kind in ORDER:
            name, listed = obj.get(kind), self.entries[kind]
            if name is not None and listed:
                need(name in listed, f"{what}: the taxonomy has no {kind} {name!r}")
                out[kind] = listed[name]
        return out

    def component(self, obj, found, what):
        """The component of the found template that `obj` names."""
        name = obj.get("component")
        if name is None or not self.entries["template"]:
            return None
        need("template" in found, f"{what}: component needs the record's template")
        listed = [c for c in self.components(found["template"]) if c.name == name]
        need(listed, f"{what}: the template has no component {name!r}")
        return listed[0]

    def check_own(self, terms, found, what):
        for entry in found.values():
            bounds = self.bounds_over(self.line(entry))
            if bounds is not None:
                bounds.check(terms, what)


def _read_bounds(obj, kind, taxonomy, what):
    bounds, what = get(obj, "overridable", "object", what), f"{what}: overridable"
    if bounds is None:
        return None
    of_template = " component.weight recombine" if kind == "template" else ""
    only(bounds, "weight depth budget.step budget.run" + of_template, what)
    names = get(bounds, "depth", "list", what)
    need(names is None or 1 <= len(names) <= 256, f"{what}: depth lists 1 to 256 names")
    need(all(isinstance(n, str) and n in taxonomy.profiles for n in names or []), f"{what}: depth")
    words = get(bounds, "recombine", "list", what) or []
    need(all(word in RECOMBINE for word in words), f"{what}: recombine")
    return Bounds(*(_range(bounds, name, what) for name in
                    ("weight", "budget.step", "budget.run", "component.weight")),
                  [dump_json(taxonomy.profiles[n]) for n in names or []], words)


def _read_component(obj, taxonomy, what):
    only(obj, "name weight depth required", what)
    name, weight = get_plain(obj, "name", 255, what, True), get_weight(obj, what)
    need(isinstance(obj.get("required", False), bool), f"{what}: required is true or false")
    depth = taxonomy.read_depth(obj["depth"], what) if "depth" in obj else (None, None)
    return Component(name, 1 if weight is None else weight, depth[1], depth[0],
                     obj.get("required", False))


def _read_recombine(obj, what):
    word = get(obj, "recombine", "text", what)
    need(word in (None, *RECOMBINE), f"{what}: no recombination {word!r}")
    return word


def _read_template(obj, entry, taxonomy, what):
    listed = get(obj, "components", "list", what)
    if listed is not None:
        need(1 <= len(listed) <= 256, f"{what}: 1 to 256 components")
        entry.components = [_read_component(c, taxonomy, f"{what}: component") for c in listed]
        need(len({c.name for c in entry.components}) == len(listed), f"{what}: a name twice")
    entry.recombine = _read_recombine(obj, what)
    rate = get(obj, "error_rate", "object", what)
    if rate is not None:
        only(rate, "rate items validated method", what)
        need(0 <= get(rate, "rate", "number", what, True) <= 1, f"{what}: rate is from 0 to 1")
        need(get(rate, "items", "integer", what, True) >= 1, f"{what}: items is at least 1")
        get(rate, "method", "text", what)
        if get(rate, "validated", "text", what) is not None:
            parse_time(rate["validated"], what)


def _read_entry(kind, name, obj, taxonomy, what):
    need(plain(name, 255) and (re.search(".@[^@]+\\Z", name, re.DOTALL)
                               or (kind == "domain" and "@" not in name)),
         f"{what}: is named name@version")
    extra = {"rubric": " dimension", "domain": "", "template": " components recombine error_rate"}
    only(obj, ENTRY + extra[kind], what)
    get(obj, "definition_digest", "text", what)
    get(obj, "description", "text", what)
    get_plain(obj, "dimension", 1024, what)
    out = Entry(kind, name, get(obj, "inherits", "text", what), taxonomy.read_terms(obj, what))
    out.bounds = _read_bounds(obj, kind, taxonomy, what)
    if kind == "template":
        _read_template(obj, out, taxonomy, what)
    return out


def _check_child(entry, taxonomy, what):
    """Under an entry with `overridable` only that may be stated, and bounds only narrowed."""
    bounds = taxonomy.bounds_over(taxonomy.line(entry)[1:])
    if bounds is not None:
        bounds.check(entry.stated, what)
        bounds.check_recombine(entry.recombine, what)
        need(entry.components is None, f"{what}: components stay as they are")
        if entry.bounds is not None:
            bounds.check_inner(entry.bounds, what)


def _read_tenant(value, taxonomy, what):
    tenant = get(value, "tenant", "object", what) or {}
    only(tenant, " ".join(KINDS.values()), f"{what}: tenant")
    for kind, plural in KINDS.items():
        for name, obj in (get(tenant, plural, "object", what) or {}).items():
            place = f"{what}: tenant: {kind} {name!r}"
            need(name in taxonomy.entries[kind], f"{place}: there is none")
            only(obj, TERMS + (" recombine" if kind == "template" else ""), place)
            entry = taxonomy.entries[kind][name]
            entry.tenant = taxonomy.read_terms(obj, place)
            entry.tenant_recombine = _read_recombine(obj, place)
            bounds = taxonomy.bounds_over(taxonomy.line(entry))
            need(bounds is not None, f"{place}: has no overridable")
            bounds.check(entry.tenant, place)
            bounds.check_recombine(entry.tenant_recombine, place)


def read_taxonomy(value):
    out, what = Taxonomy(), "taxonomy"
    if value is None:
        return out
    only(value, "profiles rubrics domains templates defaults tenant", what)
    profiles = get(value, "profiles", "object", what) or {}
    for name in sorted(profiles, key=lambda name: _rank(profiles[name])):
        need(plain(name, 255) and name not in ("all", "none"), f"{what}: profile {name!r}")
        out.profiles[name] = out.read_profile(profiles[name], f"{what}: {name}")
    for kind, plural in KINDS.items():
        for name, obj in (get(value, plural, "object", what) or {}).items():
            out.entries[kind][name] = _read_entry(kind, name, obj, out, f"{what}: {kind} {name!r}")
        for name, entry in out.entries[kind].items():
            need(entry.inherits is None or entry.inherits in out.entries[kind],
                 f"{what}: {kind} {name!r} inherits what is not there")
            _check_child(entry, out, f"{what}: {kind} {name!r}")
    _read_tenant(value, out, what)
    defaults = get(value, "defaults", "object", what)
    if defaults is not None:
        only(defaults, TERMS, f"{what}: defaults")
        out.defaults = out.read_terms(defaults, f"{what}: defaults")
    return out


# ---- the terms of a record ----

def resolve(taxonomy, obj, own, what):
    """(terms, where each comes from, entries, component): the record's own, else its component's
    depth, else what its template, its rubric, its domain state (each: the tenant, the entry, its
    ancestors), else the defaults, else what is built in."""
    found = taxonomy.find(obj, what)
    taxonomy.check_own(own, found, what)
    component, stated = taxonomy.component(obj, found, what), [("record", own)]
    if component is not None:
        stated.append(("component", Terms(component.depth_name, component.profile)))
    for kind in (kind for kind in ORDER if kind in found):
        stated.append((kind, found[kind].tenant))
        stated += [(kind, entry.stated) for entry in taxonomy.line(found[kind])]
    stated.append(("defaults", taxonomy.defaults))
    stated.append(("built in", Terms("all", ALL, None, None, 1)))
    terms, origin = Terms(), {}
    for term in fields(Terms):
        for source, values in stated:
            if getattr(values, term.name) is not None:
                setattr(terms, term.name, getattr(values, term.name))
                origin[term.name] = source
                break
    return terms, origin, found, component


def shares(how, weights, what):
    """What the parts of one whole count: sum as they are, normalised to 1, or their mean."""
    total = 0.0
    for weight in weights:
        total += weight
    need(how != "normalised" or not weights or total > 0, f"{what}: weights add up to 0")
    by = {"sum": 1, "normalised": total, "mean": len(weights)}[how]
    return [weight / by if how != "sum" else weight for weight in weights]
