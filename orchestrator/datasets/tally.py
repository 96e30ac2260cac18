"""Counts by kind, and the first places of each: in constant memory, however many there are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from orchestrator.errors import Problem

SHOWN_OF_A_KIND = 3


@dataclass
class Counts:
    """How often each kind was met, and where first.

    Attributes:
        counts: kind → rows.
        first: kind → the first places, in the order of the file.
    """

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, list[Problem]] = field(default_factory=dict)

    def add(self, kind: str, what: str, where: str, hint: str = "") -> None:
        """Count one, and keep it when it is among the first of its kind."""
        self.counts[kind] += 1
        self.show(kind, what, where, hint)

    def show(self, kind: str, what: str, where: str, hint: str = "") -> None:
        """Keep it when it is among the first of its kind, without counting."""
        first = self.first.setdefault(kind, [])
        if len(first) < SHOWN_OF_A_KIND:
            first.append(Problem(what, where, hint))

    def problems(self) -> list[Problem]:
        """The first of every kind."""
        return [problem for problems in self.first.values() for problem in problems]

    def to_json(self) -> dict[str, Any]:
        """Kind → {"rows", "first": [{"where", "what"}]}."""
        return {
            kind: {
                "rows": count,
                "first": [{"where": one.where, "what": one.what} for one in self.first.get(kind, [])],
            }
            for kind, count in self.counts.most_common()
        }
