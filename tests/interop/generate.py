"""Records with random fields: most are right, some have one thing wrong. For comparing readers."""
from maker import content, record

TEXTS = ["", "x", "an example", "tab\there", "gr\u00fc\u00df", "\U0001f600" * 3, "a" * 1025,
         "\u007f"]
NAMES = ["role@2", "form@1", "sound", "a17", "x" * 1024, "x" * 1025, "a\u0001", "", 5, None,
         "\u2028"]
NUMBERS = [0, 1, 0.5, 1e-9, 1e6, 1000000.5, -1, -0.0, 1e300, 2, True, None, "1"]
TIMES = ["2026-01-01", "2026-02-29", "2024-02-29T23:59:59Z", "2026-1-1", "2026-01-01T00:00:00",
         "0001-01-01", 7]
DEPTHS = [{"band": [0, 1]}, {"band": [0.2, 0.2]}, {"band": [0.4, 0.2]}, {"band": [0, 1, 1]},
          {"trapezoid": [0, 0.1, 0.1, 1]}, {"trapezoid": [0, 0.1, 0.05, 1]}, "all", "none", "early",
          {"points": [[0, 1], [0.5, 0]]}, {"points": [[0.5, 1], [0.1, 0]]}, {"points": [[0, -1]]},
          {"points": [[0, 1, 2]]}, {"layers": {}}, {"layers": {"h.*": 0.5, "*": 0}}, {}, [], 1,
          {"layers": {"h": "1"}}, {"layers": {"h": -1}}, {"band": ["0", 1]}, {"bend": [0, 1]},
          {"schedule": [[0, "all"], [1, {"band": [0, 1]}]]}, {"schedule": [[0.5, "early"]]},
          {"schedule": [[0, "all"], [0, "none"]]}, {"schedule": [[0, {"schedule": []}]]},
          {"schedule": [[2, "all"]]}, {"by_entropy": {"low": "all", "mid": "none"}},
          {"by_entropy": {"low": "all", "mid": {"schedule": [[0, "all"]]}, "high": "none"}},
          {"by_entropy": {"low": "all", "mid": "nobody", "high": {"band": [1, 0]}}}]


def messages(rng):
    good = [{"role": "user", "content": rng.choice(TEXTS)},
            {"role": "model", "content": "y", "z": 1}]
    return rng.choice([good, good[:1], good, [], [{}], [{"role": "", "content": "x"}], "text", [1]])


def segments(rng):
    def one():
        where = rng.choice([{"bytes": [0, 3]}, {"bytes": [3, 7]}, {"bytes": [7, 10]},
                            {"bytes": [7, 11]}, {"message": 0}, {"message": 1}, {"part": "prompt"},
                            {"part": "chosen"}, {}, {"bytes": [0, 3], "message": 0},
                            {"bytes": [3]}, {"message": "0"}, {"part": "label"}])
        more = rng.choice([{}, {}, {"depth": rng.choice(DEPTHS)}, {"weight": rng.choice(NUMBERS)},
                           {"annotators": [rng.choice(NAMES)]}, {"component": rng.choice(NAMES)}])
        return {**where, **more}
    return [one() for _ in range(rng.randrange(4))]


FIELDS = {
    **{name: (lambda rng: rng.choice(NAMES)) for name in
       ("domain", "batch", "cohort", "parent", "licence", "marking")},
    "rubric": lambda rng: rng.choice(["role@2", "form@1", "form@1", "unlisted@1"]),
    "component": lambda rng: "step",
    "text": lambda rng: rng.choice(TEXTS), "label": lambda rng: rng.choice(TEXTS + [1, None]),
    "source": lambda rng: rng.choice(["human", "model", "human+model", "machine", "", None]),
    "annotators": lambda rng: rng.choice([[], ["a"], ["a", "b"], ["a", "a"], [rng.choice(NAMES)]]),
    "quality": lambda rng: rng.choice(NUMBERS), "weight": lambda rng: rng.choice(NUMBERS),
    "agreement": lambda rng: rng.choice([
        {}, {"raters": 3, "alpha": 0.5}, {"raters": -1}, {"raters": 1.0}, {"alpha": -3},
        {"alpha": 1.1}, {"kappa": "high"}, {"kappa": None}, {"kappa": {}}, []]),
    "consent": lambda rng: rng.choice([
        {}, {"basis": "contract"}, {"basis": ""}, {"reference": 1}, {"other": "x"},
        {"withdrawn": rng.choice(TIMES)}]),
    "budget": lambda rng: rng.choice([
        {}, {"step": rng.choice(NUMBERS)}, {"run": rng.choice(NUMBERS)}, {"day": 1}, 1]),
    "depth": lambda rng: rng.choice(DEPTHS),
    "messages": messages, "prompt": lambda rng: rng.choice(["2+2", messages(rng), 1]),
    "chosen": lambda rng: rng.choice(["4", messages(rng)]),
    "rejected": lambda rng: rng.choice(["5", messages(rng)]),
    "segments": segments,
    "private": lambda rng: rng.choice(["0" * 64, "0" * 63, "A" * 64]),
    "content": lambda rng: rng.choice([
        content("0123456789"), {**content("x"), "bytes": -1}, {**content("x"), "bytes": 1e3},
        {"bytes": 1}, {"sha256": "0" * 64}, {**content("x"), "more": 1}, None]),
    "my-own-field": lambda rng: rng.choice([None, [], {"any": ["thing", 1.5, True]}]),
}


def make_record(rng, ident):
    out = record(ident, "0123456789")
    for name in rng.sample(sorted(FIELDS), rng.choice([1, 1, 2, 2, 3])):
        out[name] = FIELDS[name](rng)
    if "component" in out and rng.random() < 0.5:
        out["parent"] = "task-77"
    return out
