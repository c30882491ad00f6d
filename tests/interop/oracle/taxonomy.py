"""Depth profiles and the taxonomy (manifest.md sections 2 and 3), and the terms of a record."""
import math
from dataclasses import dataclass, field, fields

from .strict import get, is_number, need, only, plain

ALL, NONE = {"band": [0, 1]}, {"layers": {}}
MAX_WEIGHT = 1e6


def check_profile(value, what):
    need(isinstance(value, dict) and len(value) == 1, f"{what}: a profile has one field")
    (kind, body), = value.items()
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


def _check_depths(depths, what):
    need(all(is_number(d) and 0 <= d <= 1 for d in depths), f"{what}: a depth is from 0 to 1")
    need(depths == sorted(depths), f"{what}: depths rise")


@dataclass
class Terms:
    """What a record, a rubric or the defaults state; None for what they leave out."""
    depth_name: str = None
    profile: dict = None
    step: float = None
    run: float = None
    weight: float = None


@dataclass
class Taxonomy:
    profiles: dict = field(default_factory=lambda: {"all": ALL, "none": NONE})
    rubrics: dict = field(default_factory=dict)
    domains: dict = field(default_factory=dict)
    defaults: Terms = field(default_factory=Terms)

    def read_depth(self, value, what):
        if isinstance(value, dict):
            check_profile(value, what)
            return "(inline)", value
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


def get_weight(obj, what):
    weight = get(obj, "weight", "number", what)
    need(weight is None or 0 <= weight <= MAX_WEIGHT, f"{what}: weight is from 0 to 1e6")
    return weight


def _limit(budget, name, what):
    value = get(budget, name, "number", what)
    need(value is None or (value > 0 and math.isfinite(value)), f"{what}: {name} is above 0")
    return value


def read_taxonomy(value):
    out, what = Taxonomy(), "taxonomy"
    if value is None:
        return out
    only(value, "profiles rubrics domains defaults", what)
    for name, profile in (get(value, "profiles", "object", what) or {}).items():
        need(plain(name, 255) and name not in ("all", "none"), f"{what}: profile {name!r}")
        check_profile(profile, f"{what}: profile {name}")
        out.profiles[name] = profile
    for name, domain in (get(value, "domains", "object", what) or {}).items():
        place = f"{what}: domain {name!r}"
        only(domain, "depth budget weight definition_digest description", place)
        out.domains[name] = out.read_terms(domain, place)
    for name, rubric in (get(value, "rubrics", "object", what) or {}).items():
        place = f"{what}: rubric {name!r}"
        need(plain(name, 255) and "@" in name, f"{place}: is named name@version")
        only(rubric, "depth budget weight definition_digest description", place)
        get(rubric, "definition_digest", "text", place)
        get(rubric, "description", "text", place)
        out.rubrics[name] = out.read_terms(rubric, place)
    defaults = get(value, "defaults", "object", what)
    if defaults is not None:
        only(defaults, "depth budget weight", f"{what}: defaults")
        out.defaults = out.read_terms(defaults, f"{what}: defaults")
    return out


def resolve(taxonomy, rubric, domain, own, what):
    """(terms, where each comes from): the record's own, else its rubric's, else its domain's, else
    the default's."""
    stated = [("record", own)]
    for kind, name, entries in (("rubric", rubric, taxonomy.rubrics),
                                ("domain", domain, taxonomy.domains)):
        if name is not None and entries:
            need(name in entries, f"{what}: the taxonomy has no {kind} {name!r}")
            stated.append((kind, entries[name]))
    stated.append(("defaults", taxonomy.defaults))
    stated.append(("built in", Terms("all", ALL, None, None, 1)))
    terms, origin = Terms(), {}
    for term in fields(Terms):
        for source, values in stated:
            if getattr(values, term.name) is not None:
                setattr(terms, term.name, getattr(values, term.name))
                origin[term.name] = source
                break
    return terms, origin
