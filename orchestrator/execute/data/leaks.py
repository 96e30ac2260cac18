"""Rows that are trained although a data set for validation or test asks the same: the measure would lie."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.datasets.base import Example, excerpt
from orchestrator.datasets.split import first_question, group_of
from orchestrator.errors import Problem

SHOWN = 3


@dataclass
class Leaks:
    """Remembers what is asked in the data sets that are held apart, and finds it in the others.

    Memory grows with the rows that are held apart, not with those that are trained.
    """

    _apart: dict[int, tuple[str, str]] = field(default_factory=dict)
    _first: list[Problem] = field(default_factory=list)
    _count: int = 0

    def see(self, example: Example, part: str, where: str) -> None:
        """Take a row; those held apart come first.

        Args:
            example: the row.
            part: "test", "validation", or "train" (which stands for whatever is split off it, too).
            where: its place, as people know it.
        """
        if part == "train" and not self._apart:
            return
        question = first_question(example)
        group = group_of(question)
        known = self._apart.get(group)
        if known is None:
            if part != "train":
                self._apart[group] = part, where
            return
        other, place = known
        if other == part:
            return
        self._count += 1
        if len(self._first) < SHOWN:
            what = f"a {part} row asks what a {other} row asks ({place}): {excerpt(question)}"
            self._first.append(Problem(what, where, "delete one of the two rows"))

    def problems(self) -> list[Problem]:
        """The first of them, and how many there are."""
        if not self._count:
            return []
        what = f"{self._count} rows ask what a row of another part asks: the measure would be too good"
        hint = "take them out of one; or give one file and let `data.split` keep them together"
        return [*self._first, Problem(what, hint=hint)]
