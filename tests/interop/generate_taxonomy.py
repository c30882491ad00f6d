"""Taxonomies with random rubrics, domains and templates, and records under them: most are right,
some have one thing wrong. For comparing readers."""
from maker import record

PROFILES = [{"band": [0, 0.5]}, {"band": [0, 0.5]}, {"points": [[0, 1], [1, 0]]},
            {"schedule": [[0, "all"], [0.5, {"band": [0.5, 1]}], [1, "none"]]},
            {"by_entropy": {"low": "none", "mid": {"band": [0, 1]}, "high": "p0"}},
            {"by_entropy": {"low": "p3", "mid": "all", "high": {"schedule": [[1, "p0"]]}}}]
BAD_PROFILES = [{"schedule": []}, {"schedule": [[0.5, "all"], [0.5, "none"]]}, {"by_entropy": {}},
                {"schedule": [[0, {"schedule": [[0, "all"]]}]]}, {"schedule": [[0, "nobody"]]},
                {"by_entropy": {"low": "p4", "mid": "all", "high": "all"}},
                {"by_entropy": {"low": "all", "mid": "all", "high": "all", "top": "all"}},
                {"schedule": [[-0.1, "all"]]}, {"schedule": [[0, "all", 1]]}]
BAD_FIELDS = [{"inherits": "nobody@1"}, {"overridable": {"weight": [1]}}, {"depth": "nobody"},
              {"overridable": {"depth": []}}, {"overridable": {"depth": [{"band": [0, 1]}]}},
              {"overridable": {"weight": [2, 1]}}, {"overridable": {"quality": [0, 1]}},
              {"definition_digest": 1}, {"dimension": ""}, {"dimension": "x"}, {"weight": -1},
              {"components": []}, {"recombine": "max"}, {"components": [{"name": "a"}] * 2},
              {"error_rate": {"rate": 0.1}}, {"error_rate": {"rate": 2, "items": 1}},
              {"error_rate": {"rate": 0, "items": 9, "validated": "2026-02-30"}},
              {"error_rate": {"rate": 0.5, "items": 9, "validated": "2026-02-03", "method": "m"}}]


def terms(rng, most=2):
    fields = {"depth": ["p0", "p1", "p2", "p3", "p5", "all", {"band": [0, 0.5]}],
              "weight": [0, 0.5, 1, 2.0], "budget": [{"step": 1}, {"run": 8.5},
                                                     {"step": 2, "run": 4}]}
    return {name: rng.choice(fields[name]) for name in
            rng.sample(sorted(fields), rng.randrange(most + 1))}


def bounds(rng, kind):
    out = {"weight": rng.choice([[0, 2], [0.5, 1], [0, 1e6]]), "budget.step": [0.5, 2],
           "budget.run": [0, 100],
           "depth": rng.choice([["p0", "p1", "all"], ["p0"], ["all", "p5"]])}
    if kind == "template":
        out.update({"component.weight": [0, 4], "recombine": rng.choice([["sum", "mean"], []])})
    return {name: out[name] for name in out if rng.random() < 0.8}


def entry(rng, kind, number):
    out = terms(rng)
    if number and rng.random() < 0.7:
        out["inherits"] = f"{kind[0]}{rng.randrange(number)}@1"
    if rng.random() < 0.15:
        out["overridable"] = bounds(rng, kind)
    if kind == "template":
        if number == 0 or rng.random() < 0.3:
            out["components"] = [
                {"name": name, **({"weight": rng.choice([0, 1, 3, 0.1, 1])} if rng.random() < 0.7
                                  else {}), **({"required": True} if rng.random() < 0.07 else {}),
                 **({"depth": "p2"} if rng.random() < 0.3 else {})} for name in "abc"]
        if rng.random() < 0.6:
            out["recombine"] = rng.choice(["sum", "normalised", "mean"])
    return out


def make_taxonomy(rng):
    out = {"profiles": {f"p{i}": PROFILES[i] for i in range(len(PROFILES))}}
    for kind in ("rubric", "domain", "template"):
        out[kind + "s"] = {f"{kind[0]}{i}@1": entry(rng, kind, i) for i in range(3)}
    if rng.random() < 0.5:
        out["defaults"] = terms(rng)
    for kind in ("rubrics", "templates"):
        over = [name for name, e in out[kind].items() if "overridable" in e]
        if over and rng.random() < 0.4:
            out.setdefault("tenant", {})[kind] = {rng.choice(over): terms(rng, 1)}
    spoil = rng.random()
    if spoil < 0.06:
        out["profiles"]["bad"] = rng.choice(BAD_PROFILES)
    elif spoil < 0.16:
        kind = rng.choice(["rubrics", "domains", "templates"])
        out[kind][rng.choice(sorted(out[kind]))].update(rng.choice(BAD_FIELDS))
    elif spoil < 0.18:
        out["rubrics"]["r0@1"]["inherits"] = "r2@1"
    return out


def make_records(rng):
    out = []
    for number in range(rng.randrange(1, 7)):
        one = record(f"r{number}", "0123456789", **terms(rng, 1))
        for kind in ("rubric", "domain", "template"):
            if rng.random() < 0.6:
                one[kind] = f"{kind[0]}{rng.randrange(3)}@1"
        if "template" in one and rng.random() < 0.5:
            one.update(component=rng.choice("abc"), parent=rng.choice(["task-1", "task-2"]))
        if rng.random() < 0.4:
            one["segments"] = [
                {"bytes": [3 * i, 3 * i + 2],
                 **({"component": name} if "template" in one and rng.random() < 0.7 else {}),
                 **({"weight": rng.choice([0, 1, 2.5])} if rng.random() < 0.3 else {}),
                 **({"depth": rng.choice(["p0", "p2", "all"])} if rng.random() < 0.2 else {})}
                for i, name in enumerate("abc"[:rng.randrange(1, 4)])]
        out.append(one)
    return out
