"""Collects the findings of a proof in constant memory: all are counted, the first of each kind are stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestrator.results import Sentence

LISTED = 50

Finding = dict[str, object]


@dataclass(slots=True)
class Findings:
    """The number of findings of each kind, and the first LISTED of each."""

    counts: Counter[str] = field(default_factory=Counter)
    _first: dict[str, list[Finding]] = field(default_factory=dict)

    def add(self, kind: str, what: Sentence, where: str = "", hint: str = "", **more: object) -> None:
        """Count a finding, and store it if it is among the first of its kind; `more`: further JSON values."""
        self.counts[kind] += 1
        stored = self._first.setdefault(kind, [])
        if len(stored) < LISTED:
            row = {"kind": kind, "what": what, "where": where, "hint": hint}
            stored.append({key: value for key, value in row.items() if value} | more)

    def first(self, kind: str) -> tuple[Sentence, Sentence, str]:
        """(what, hint, where) of the first finding of a kind that was counted."""
        found = self._first[kind][0]
        what, hint, where = (found.get(key, "") for key in ("what", "hint", "where"))
        return Sentence(what), Sentence(hint), str(where)  # type: ignore[arg-type]  # as add() stores them

    def locations(self, kind: str, most: int = 3) -> Sentence:
        """The locations of the first few of a kind, and how many more there are.

        >>> found = Findings()
        >>> for line in range(5):
        ...     found.add("cut", Sentence("…"), f"rows.jsonl:{line}")
        >>> found.locations("cut")
        'rows.jsonl:0, rows.jsonl:1, rows.jsonl:2 and 2 more'
        """
        return some([str(one.get("where", "")) for one in self._first.get(kind, [])], self.counts[kind], most)

    def listed(self) -> tuple[Finding, ...]:
        """At most LISTED findings, each kind with its fair share, in the order in which kinds appeared."""
        chosen: dict[str, int] = dict.fromkeys(self._first, 0)
        room = LISTED
        while room and (open_ := [kind for kind, rows in self._first.items() if chosen[kind] < len(rows)]):
            for kind in open_[:room]:
                chosen[kind] += 1
            room -= len(open_[:room])
        return tuple(one for kind, number in chosen.items() for one in self._first[kind][:number])


def some(names: Sequence[str], total: int | None = None, most: int = 3) -> Sentence:
    """The first names, and how many more there are of `total` (default: of the names).

    >>> some(["a", "b", "c", "d"]).zh
    'a、b、c 等 4 个'
    """
    total = len(names) if total is None else total
    more = total - len(names[:most])
    en, zh = ", ".join(names[:most]), "、".join(names[:most])
    return Sentence(f"{en} and {more} more", f"{zh} 等 {total} 个") if more > 0 else Sentence(en, zh)
