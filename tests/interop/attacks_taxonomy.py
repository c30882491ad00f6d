"""Taxonomies whole: inheritance, bounds, tenants, templates, profiles that vary; and what may be
wrong with them."""
from case_list import case
from maker import Case, record
from oracle.strict import INPUT


def taxonomy():
    return {
        "profiles": {"low": {"band": [0, 0.5]},
                     "late": {"schedule": [[0, "none"], [1, "low"]]},
                     "unsure": {"by_entropy": {"low": "none", "mid": "late", "high": "low"}}},
        "rubrics": {"base@1": {"depth": "low", "budget": {"step": 2}, "dimension": "spelling",
                               "overridable": {"weight": [0.5, 2], "depth": ["low", "unsure"]}},
                    "child@1": {"inherits": "base@1", "weight": 1.5}},
        "domains": {"sound": {"budget": {"run": 8}}, "sound/effects": {"inherits": "sound"}},
        "templates": {"steps@4": {"recombine": "normalised", "components": [
            {"name": "premise", "weight": 1, "depth": "late", "required": True},
            {"name": "step", "weight": 3}],
            "error_rate": {"rate": 0.02, "items": 500, "validated": "2026-01-01"}}},
        "tenant": {"rubrics": {"child@1": {"weight": 2}}}}


def divided():
    parts = [{"bytes": [0, 4], "component": "premise"},
             {"bytes": [4, 10], "component": "step", "weight": 7, "annotators": ["a1"]}]
    return [record("inherits", rubric="child@1", domain="sound/effects"),
            record("own", rubric="child@1", depth="unsure", weight=0.5),
            record("divided", "0123456789", template="steps@4", segments=parts),
            record("one", template="steps@4", component="premise", parent="task-1"),
            record("two", template="steps@4", component="step", parent="task-1"),
            record("three", template="steps@4", component="step", parent="task-1", weight=2)]


def whole():
    return Case(divided(), taxonomy())


def spoiled(change):
    """A manifest whose taxonomy or records `change` has edited."""
    records, terms = divided(), taxonomy()
    change(records, terms)
    return Case(records, terms).files()


@case(0, "inheritance, a tenant, profiles that vary, segments and siblings that recombine", whole)
def taxonomy_whole(made):
    pass


def register():
    for name, why, change in [
            ("circle", "rubrics that inherit in a circle",
             lambda r, t: t["rubrics"]["base@1"].update(inherits="child@1")),
            ("no-parent", "a rubric that inherits from one that there is not",
             lambda r, t: t["rubrics"]["child@1"].update(inherits="base@2")),
            ("child-out-of-bounds", "a child outside its parent's bounds",
             lambda r, t: t["rubrics"]["child@1"].update(weight=3)),
            ("child-widens", "a child that widens its parent's bounds",
             lambda r, t: t["rubrics"]["child@1"].update(overridable={"weight": [0, 1]})),
            ("record-out-of-bounds", "a record outside its rubric's bounds",
             lambda r, t: r[1].update(weight=0.25)),
            ("record-not-open", "a record that states what its rubric does not leave open",
             lambda r, t: r[1].update(budget={"step": 1})),
            ("tenant-not-open", "a tenant's term for an entry that leaves nothing open",
             lambda r, t: t["tenant"].update(domains={"sound": {"weight": 1}})),
            ("tenant-unknown", "a tenant's term for an entry that there is not",
             lambda r, t: t["tenant"].update(domains={"light": {"weight": 1}})),
            ("component-unknown", "a component that the template lacks",
             lambda r, t: r[4].update(component="stop")),
            ("component-missing", "siblings without a required component",
             lambda r, t: r.pop(3)),
            ("segment-missing", "segments without a required component",
             lambda r, t: r[2]["segments"].pop(0)),
            ("component-no-template", "a component without a template",
             lambda r, t: r[4].pop("template")),
            ("sum-zero", "parts that add up to 0 and are to be normalised",
             lambda r, t: [c.update(weight=0) for c in t["templates"]["steps@4"]["components"]]),
            ("names-many", "a profile that comes to 4100 points with its names replaced",
             lambda r, t: t["profiles"].update(
                 points={"points": [[i / 255, 1] for i in range(256)]},
                 many={"schedule": [[i / 16, "points" if i < 16 else {"trapezoid": [0, 0, 1, 1]}]
                                    for i in range(17)]})),
            ("names-large", "profiles that name others and come to over 4 MiB",
             lambda r, t: t["profiles"].update(
                 {f"p{n}": {"schedule": [[i / 16, "points"] for i in range(1, 16)]
                            + [[1, {"band": [0, n / 100]}]]} for n in range(80)},
                 points={"points": [[i / 255, 1 / (i + 3)] for i in range(256)]})),
            ("names-circle", "a profile by entropy that names another",
             lambda r, t: t["profiles"]["unsure"]["by_entropy"].update(low="unsure"))]:
        def function(made, change=change):
            return spoiled(change)
        function.__name__ = "taxonomy-" + name
        case(INPUT, why)(function)


register()
