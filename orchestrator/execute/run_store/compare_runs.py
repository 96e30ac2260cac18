"""What differs between two runs: their manifests, value by value. Pure but for reading the two.

Paths of folders, times and process ids differ always, and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import MissingError, Problem
from orchestrator.execute.run_store.manifest import read_manifest
from orchestrator.execute.run_store.run_folder import Run

# In the order in which they explain one another.
PARTS = (
    *("recipe", "data", "base", "conch", "environments", "hardware", "stages", "proofs", "results"),
    "headline",
)
_PASSING = frozenset({"seconds", "inputs", "outputs", "from", "reason"})
ABSENT = "(nothing)"


@dataclass(frozen=True, slots=True)
class RunDifference:
    """One value that differs.

    Attributes:
        part: of the manifest: "recipe", "data", …
        key: dotted, within the part.
        a, b: the value in each run; ABSENT where there is none.
        from_a, from_b: where a recipe's value was written; "" for others.
    """

    part: str
    key: str
    a: Any
    b: Any
    from_a: str = ""
    from_b: str = ""


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[RunDifference]:
    """What differs between two manifests.

    >>> one = {"recipe": {"train.seed": {"value": 1, "from": "default"}}}
    >>> two = {"recipe": {"train.seed": {"value": 2, "from": "--set train.seed=2"}}}
    >>> [(each.key, each.a, each.b, each.from_b) for each in differences(one, two)]
    [('train.seed', 1, 2, '--set train.seed=2')]
    """
    found: list[RunDifference] = []
    for part in PARTS:
        if part == "recipe":
            found += _recipe(a.get(part, {}), b.get(part, {}))
            continue
        flat_a, flat_b = dict(_flat(a.get(part))), dict(_flat(b.get(part)))
        for key in sorted(flat_a.keys() | flat_b.keys()):
            one, other = flat_a.get(key, ABSENT), flat_b.get(key, ABSENT)
            if one != other:
                found.append(RunDifference(part, key, one, other))
    return found


def compare_runs(a: Run, b: Run) -> list[RunDifference]:
    """What differs between two runs.

    Raises:
        MissingError: a run has no manifest.
    """
    manifests = []
    for run in (a, b):
        found = read_manifest(run)
        if not found:
            what = f"{run.name} has no manifest.json: an older Conch made it, or it never began"
            hint = f"conch run {run.recipe} writes one, and trains nothing again"
            raise MissingError(Problem(what, str(run.path), hint))
        manifests.append(found)
    return differences(*manifests)


def _recipe(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[RunDifference]:
    nothing = {"value": ABSENT, "from": ""}
    for key in sorted(a.keys() | b.keys()):
        one, other = a.get(key, nothing), b.get(key, nothing)
        if one["value"] != other["value"]:
            yield RunDifference("recipe", key, one["value"], other["value"], one["from"], other["from"])


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of every leaf; a list is a leaf."""
    if isinstance(value, Mapping):
        for key, inside in value.items():
            if key not in _PASSING:
                yield from _flat(inside, f"{path}.{key}" if path else key)
    elif value is not None:
        yield path, value
