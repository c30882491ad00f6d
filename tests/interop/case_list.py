"""How the named cases are kept: attacks_*.py register functions that change a right manifest, and
what a verifier must answer (the exit code of `plumb manifest verify`)."""
from maker import Case

CASES = {}  # name: (makes the files, exit code, what was done)
TAXONOMY = {
    "profiles": {"conceptual": {"band": [0.6, 1]}, "early": {"trapezoid": [0, 0, 0.25, 0.5]},
                 "curve": {"points": [[0, 0.5], [0.25, 1], [1, 0]]},
                 "heads": {"layers": {"*.head": 1, "h.?.mlp*": 0.5}}},
    "rubrics": {"role@2": {"depth": "conceptual", "budget": {"step": 2, "run": 16}, "weight": 0.5},
                "form@1": {"budget": {"step": 0.125}, "description": "spelling"}},
    "domains": {"sound": {}},
    "defaults": {"depth": "early", "budget": {"run": 8}, "weight": 2}}


def case(code, why, base=None):
    """Registers a function that changes a Case and may return changed files."""
    def register(function):
        def make():
            made = base() if base else Case()
            changed = function(made)
            return changed if changed is not None else made.files()
        CASES[function.__name__.replace("_", "-")] = (make, code, why)
        return function
    return register
