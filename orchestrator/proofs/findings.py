"""The places where a proof found something: all are counted, the first are kept, in constant memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

LISTED = 50


@dataclass(slots=True)
class Findings:
    """Counts of every kind of finding, and the first LISTED of each.

    Attributes:
        counts: kind → how many there were.
    """

    counts: Counter[str] = field(default_factory=Counter)
    _first: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, kind: str, what: str, where: str = "", hint: str = "", **more: Any) -> None:
        """Count one, and keep it when it is among the first of its kind.

        Args:
            kind: what sort of thing it is, one word or two.
            what: one sentence.
            where: file:line or a path, "" when no place is to blame.
            hint: what to do about it.
            **more: further JSON-able values.
        """
        self.counts[kind] += 1
        kept = self._first.setdefault(kind, [])
        if len(kept) < LISTED:
            told = {"kind": kind, "what": what, "where": where, "hint": hint}
            kept.append({key: value for key, value in told.items() if value} | more)

    def first(self, kind: str) -> dict[str, Any]:
        """The first finding of a kind that was counted."""
        return self._first[kind][0]

    def places(self, kind: str, most: int = 3) -> str:
        """Where the first few of a kind are, and how many more there are.

        >>> found = Findings()
        >>> for line in range(5):
        ...     found.add("cut", "…", f"rows.jsonl:{line}")
        >>> found.places("cut")
        'rows.jsonl:0, rows.jsonl:1, rows.jsonl:2 and 2 more'
        """
        kept = self._first.get(kind, [])[:most]
        rest = self.counts[kind] - len(kept)
        return ", ".join(one.get("where", "") for one in kept) + (f" and {rest} more" if rest else "")

    def listed(self) -> tuple[dict[str, Any], ...]:
        """At most LISTED of them, each kind with its fair share, in the order in which kinds appeared."""
        chosen: dict[str, int] = dict.fromkeys(self._first, 0)
        room = LISTED
        while room and (open_ := [kind for kind, kept in self._first.items() if chosen[kind] < len(kept)]):
            for kind in open_[:room]:
                chosen[kind] += 1
            room -= len(open_[:room])
        return tuple(one for kind, number in chosen.items() for one in self._first[kind][:number])
