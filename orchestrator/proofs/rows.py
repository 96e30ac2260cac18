"""No row is lost: what LLaMA-Factory's own loader keeps of each data set is what was prepared. Pure.

Holds when every prepared data set is the file that was prepared, and the rows that the loader read, those
that it kept, and those that prepare.json tells of are the same in number. Rows that are missing are named.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.proofs.findings import Findings
from orchestrator.results import Proof

NAME = "rows"
MISSING, COUNT = "missing", "count"
_HINT = "look at the row in its source and in data/, fix it, and prepare the data again"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A prepared data set, and what the trainer's loader made of it.

    Attributes:
        name: in dataset_info.json.
        part: "train", "validation" or "test".
        prepared: its rows in prepare.json.
        read, kept: rows that the loader read, and kept; None when it was not asked for this data set.
        missing: places (file:line) of the rows that it does not have.
        changed: the file is another than the one that was prepared.
    """

    name: str
    part: str
    prepared: int
    read: int | None
    kept: int | None
    missing: Sequence[str] = ()
    changed: bool = False

    @property
    def whole(self) -> bool:
        """Whether every row is there, and none too many."""
        return self.prepared == self.read == self.kept and not self.changed


def prove(datasets: Iterable[Loaded]) -> Proof:
    """Whether nothing was lost between the data sets and the trainer."""
    sets, found = list(datasets), Findings()
    for each in sets:
        if each.whole:
            continue
        found.add(COUNT, _told(each), f"data/{each.name}.jsonl", _HINT)
        for place in each.missing:
            found.add(MISSING, f"LLaMA-Factory drops this row of {each.name}", place, _HINT)
    rows = {part: sum(one.prepared for one in sets if one.part == part) for part in _parts(sets)}
    torn = [one for one in sets if not one.whole]
    places = f": {found.places(MISSING)}" if found.counts[MISSING] else ""
    listed = ", ".join(f"{number} for {part}" for part, number in rows.items()) or "none"
    return Proof(
        name=NAME,
        holds=bool(sets) and not torn,
        covered=f"{sum(rows.values())} prepared rows ({listed}), as LLaMA-Factory's own loader counts them",
        numbers={
            "rows": sum(rows.values()),
            **{f"rows_{part}": number for part, number in rows.items()},
            "missing": sum(max(0, one.prepared - (one.kept or 0)) for one in torn),
        },
        detail="" if sets and not torn else "; ".join(map(_told, torn)) + places or "no row was prepared",
        hint=_HINT if torn else "",
        findings=found.listed(),
    )


def _told(each: Loaded) -> str:
    if each.read is None:
        return f"{each.name}: {each.prepared} rows were prepared, and the loader was not asked for them"
    dropped = f" and keeps {each.kept}" if each.kept != each.read else ""
    changed = "; the file was changed since" if each.changed else ""
    return (
        f"{each.name}: {each.prepared} rows were prepared, LLaMA-Factory reads {each.read}{dropped}{changed}"
    )


def _parts(sets: Sequence[Loaded]) -> list[str]:
    return list(dict.fromkeys(one.part for one in sets))
