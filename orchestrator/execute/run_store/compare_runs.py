"""What differs between two runs: their manifests, value by value. Pure, except for reading them.

Folders, times and process ids always differ, and are ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from orchestrator.errors import MissingError, Problem
from orchestrator.execute.run_store.manifest import Manifest, RecipeValue, read_manifest
from orchestrator.execute.run_store.run_folder import Run

# In the order in which they explain each other.
PARTS = (
    *("data", "base", "conch", "environments", "hardware", "stages", "proofs", "results"),
    "headline",
)
_PASSING = frozenset({"offline", "seconds", "inputs", "outputs", "from", "reason"})
ABSENT = "(nothing)"


@dataclass(frozen=True, slots=True)
class RunDifference:
    """One value that differs.

    Attributes:
        part: a part of the manifest: "recipe", "data", …
        key: dotted, within the part.
        a, b: the value in each run; ABSENT if there is none.
        from_a, from_b: where a recipe value was set; "" for others.
    """

    part: str
    key: str
    a: object
    b: object
    from_a: str = ""
    from_b: str = ""


def differences(a: Manifest, b: Manifest) -> list[RunDifference]:
    """The differences between two manifests.

    >>> one = {"recipe": {"train.seed": {"value": 1, "from": "default"}}}
    >>> two = {"recipe": {"train.seed": {"value": 2, "from": "--set train.seed=2"}}}
    >>> [(each.key, each.a, each.b, each.from_b) for each in differences(one, two)]
    [('train.seed', 1, 2, '--set train.seed=2')]
    """
    found = list(_recipe(a.get("recipe", {}), b.get("recipe", {})))
    for part in PARTS:
        flat_a, flat_b = dict(_flat(a.get(part))), dict(_flat(b.get(part)))
        for key in sorted(flat_a.keys() | flat_b.keys()):
            one, other = flat_a.get(key, ABSENT), flat_b.get(key, ABSENT)
            if one != other:
                found.append(RunDifference(part, key, one, other))
    return found


def compare_runs(a: Run, b: Run) -> list[RunDifference]:
    """The differences between two runs.

    Raises:
        MissingError: a run has no manifest.
    """
    manifests = []
    for run in (a, b):
        found = read_manifest(run)
        if not found:
            what = f"{run.name} has no manifest.json: an older version of Conch made it, or it never began"
            hint = f"conch run {run.recipe} writes one without training again"
            raise MissingError(Problem(what, str(run.path), hint))
        manifests.append(found)
    return differences(*manifests)


def _recipe(a: Mapping[str, RecipeValue], b: Mapping[str, RecipeValue]) -> Iterator[RunDifference]:
    nothing: RecipeValue = {"value": ABSENT, "from": ""}
    for key in sorted(a.keys() | b.keys()):
        one, other = a.get(key, nothing), b.get(key, nothing)
        if one["value"] != other["value"]:
            yield RunDifference("recipe", key, one["value"], other["value"], one["from"], other["from"])


def _flat(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """(dotted key, value) of every leaf; a list is a leaf."""
    if isinstance(value, Mapping):
        for key, inside in value.items():
            if key not in _PASSING:
                yield from _flat(inside, f"{path}.{key}" if path else key)
    elif value is not None:
        yield path, value
