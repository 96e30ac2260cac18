"""Rows into parts (train, validation, test) by groups of the same question: no part knows another. Pure.

Two rows are of one group when their first questions are the same but for case, width, white space and
punctuation; or, where that is asked for, nearly the same. A group is never torn. Which part a group falls
into depends on the seed and the rows alone. Memory: eight bytes a row, and about 150 a different question.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from orchestrator.datasets.base import Example, KtoExample, Pair, Row, Text
from orchestrator.datasets.near import normalised
from orchestrator.errors import Problem, UsageError

TRAIN, VALIDATION, TEST = "train", "validation", "test"
PARTS = (TRAIN, VALIDATION, TEST)


class Alike(Protocol):
    """What finds a text before one that is nearly the same (near.NearDuplicates)."""

    def see(self, number: int, text: str, /) -> int | None:
        """Its number, None when there is none."""


@dataclass(frozen=True, slots=True)
class SplitWish:
    """How rows are split.

    Attributes:
        weights: part → its weight, above 0; train among them.
        seed: another one gives other parts.
        stratify: the column of the raw row whose values every part shall hold in like shares; "" for none.
        near_duplicates: rows whose questions are nearly the same stay together, too.
    """

    weights: Mapping[str, float]
    seed: int = 42
    stratify: str = ""
    near_duplicates: bool = False


def part_name(dataset: str, part: str) -> str:
    """The data set that holds a part of another: the training part keeps its name.

    >>> part_name("huatuo", "train"), part_name("huatuo", "test")
    ('huatuo', 'huatuo_test')
    """
    return dataset if part == TRAIN else f"{dataset}_{part}"


def first_question(example: Example) -> str:
    """What a row asks first; of a document its whole text."""
    if isinstance(example, Text):
        return example.text
    if isinstance(example, Pair):
        messages = example.prompt
    else:
        messages = example.conversation if isinstance(example, KtoExample) else example
    return next((message["content"] for message in messages if message["role"] == "user"), "")


def group_of(question: str) -> int:
    """The group of a first question, as a number of 64 bits; of one that is all punctuation, its own.

    >>> group_of("头疼，怎么办？") == group_of(" 头疼怎么办") != group_of("牙疼怎么办")
    True
    """
    said = normalised(question) or question
    return _hash(said.encode("utf-8", "surrogatepass"))


def stratum_of(row: Row, column: str) -> str:
    """The value of the column by which rows are stratified, as text.

    Raises:
        UsageError: the row has no such column.
    """
    if column not in row:
        keys = ", ".join(list(row)[:8]) or "none"
        raise UsageError(Problem(f'there is no "{column}" to stratify by (keys: {keys})'))
    return str(row[column])


@dataclass
class Groups:
    """The groups of a file's rows, in the order of the rows.

    Attributes:
        groups: of each row, its group.
        sizes: group → its rows. strata: group → the stratum of its first row.
    """

    alike: Alike | None = None
    groups: array[int] = field(default_factory=lambda: array("Q"))
    sizes: Counter[int] = field(default_factory=Counter)
    strata: dict[int, str] = field(default_factory=dict)
    _joined: dict[int, int] = field(default_factory=dict)
    _numbers: list[int] = field(default_factory=list)

    def add(self, question: str, stratum: str = "") -> None:
        """Take the next row."""
        own = group_of(question)
        group = own if self.alike is None else self._near(own, question)
        self.groups.append(group)
        self.sizes[group] += 1
        if stratum:
            self.strata.setdefault(group, stratum)

    def _near(self, own: int, question: str) -> int:
        if own in self._joined:
            return self._joined[own]
        found = self.alike.see(len(self._numbers), question) if self.alike else None
        group = own if found is None else self._numbers[found]
        self._numbers.append(group)
        self._joined[own] = group
        return group

    def parts(self, wish: SplitWish, shown: str) -> dict[int, str]:
        """The part of each group.

        Args:
            wish: weights and seed.
            shown: the data set, as people know it.

        Raises:
            UsageError: there are fewer groups than parts.
        """
        if len(self.sizes) < len(wish.weights):
            what = (
                f"{len(self.groups)} rows with {len(self.sizes)} different questions cannot be split into "
                f"{len(wish.weights)} parts ({', '.join(wish.weights)})"
            )
            hint = f"at least {len(wish.weights)} different questions are needed; or split into fewer parts"
            raise UsageError(Problem(what, shown, hint))
        return _dealt(self._in_order(wish.seed), self.sizes, wish.weights)

    def _in_order(self, seed: int) -> list[int]:
        """The groups as they are dealt: stratum by stratum, large ones first, else as the seed has it.

        Each deal goes on where the one before ended, so the last stratum evens out what is left over: it is
        the largest.
        """
        rows: Counter[str] = Counter()
        for group, stratum in self.strata.items():
            rows[stratum] += self.sizes[group]

        def key(group: int) -> tuple[Any, ...]:
            stratum = self.strata.get(group, "")
            return rows[stratum], stratum, -self.sizes[group], _hash(b"%d %d" % (seed, group))

        return sorted(self.sizes, key=key)


def _dealt(order: list[int], sizes: Mapping[int, int], weights: Mapping[str, float]) -> dict[int, str]:
    """Give each group to the part that is furthest behind its weight (Webster's method).

    So every stretch of the order is dealt by the weights, which is what keeps strata alike. No part is left
    empty: the last groups are kept for those that are.
    """
    held = dict.fromkeys(sorted(weights, key=lambda part: -weights[part]), 0)
    dealt: dict[int, str] = {}
    for left, group in zip(range(len(order), 0, -1), order, strict=True):
        empty = [part for part, rows in held.items() if not rows]
        among = empty if len(empty) >= left else held
        part = min(among, key=lambda part: (held[part] + sizes[group] / 2) / weights[part])
        held[part] += sizes[group]
        dealt[group] = part
    return dealt


def _hash(text: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
