"""Splits rows into train, validation and test by groups of the same question. Pure.

Rows are in one group if their first questions are equal except for case, width, white space and punctuation,
or, on request, nearly equal. A group is never divided. The part of a group depends on the seed and the rows
only. Memory: eight bytes a row, and about 150 for each different question.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.datasets.base import Example, Pair, Row, Text, keys_of, messages_of
from orchestrator.datasets.near_duplicates import normalised
from orchestrator.errors import Problem, UsageError

TRAIN, VALIDATION, TEST = "train", "validation", "test"
PARTS = (TRAIN, VALIDATION, TEST)


class Alike(Protocol):
    """Finds an earlier text that is nearly the same (near_duplicates.NearDuplicates)."""

    def see(self, number: int, text: str, /) -> int | None:
        """Its number; None if there is none."""


@dataclass(frozen=True, slots=True)
class SplitSpec:
    """How rows are split.

    Attributes:
        weights: part → its weight, above 0; train among them.
        seed: the random seed.
        stratify: a column of the raw row whose values are shared out evenly; "" for none.
        near_duplicates: keep rows with nearly equal questions together, too.
    """

    weights: Mapping[str, float]
    seed: int = 42
    stratify: str = ""
    near_duplicates: bool = False


def part_name(dataset: str, part: str) -> str:
    """The name of the dataset for a part of another one; the training part keeps the name.

    >>> part_name("huatuo", "train"), part_name("huatuo", "test")
    ('huatuo', 'huatuo_test')
    """
    return dataset if part == TRAIN else f"{dataset}_{part}"


def first_question(example: Example) -> str:
    """The first question of a row; of a document, its whole text."""
    if isinstance(example, Text):
        return example.text
    messages = example.prompt if isinstance(example, Pair) else messages_of(example)
    return next((message["content"] for message in messages if message["role"] == "user"), "")


def group_of(question: str) -> int:
    """The group of a first question, as a number of 64 bits; a question of punctuation only has its own.

    >>> group_of("头疼，怎么办？") == group_of(" 头疼怎么办") != group_of("牙疼怎么办")
    True
    """
    plain = normalised(question) or question
    return _hash(plain.encode("utf-8", "surrogatepass"))


def stratum_of(row: Row, column: str) -> str:
    """The value of the column by which rows are stratified, as text.

    Raises:
        UsageError: the row has no such column.
    """
    if column not in row:
        raise UsageError(Problem(f'no column "{column}" to stratify by (keys: {keys_of(row)})'))
    return str(row[column])


@dataclass
class Groups:
    """The groups of a file's rows.

    Attributes:
        groups: the group of each row, in the order of the rows.
        sizes: group → its rows. strata: group → the stratum of its first row.
    """

    alike: Alike | None = None
    groups: array[int] = field(default_factory=lambda: array("Q"))
    sizes: Counter[int] = field(default_factory=Counter)
    strata: dict[int, str] = field(default_factory=dict)
    _joined: dict[int, int] = field(default_factory=dict)
    _numbers: list[int] = field(default_factory=list)

    def add(self, question: str, stratum: str = "") -> None:
        """Add the next row."""
        own = group_of(question)
        group = own if self.alike is None else self._near(self.alike, own, question)
        self.groups.append(group)
        self.sizes[group] += 1
        if stratum:
            self.strata.setdefault(group, stratum)

    def _near(self, alike: Alike, own: int, question: str) -> int:
        if own in self._joined:
            return self._joined[own]
        found = alike.see(len(self._numbers), question)
        group = own if found is None else self._numbers[found]
        self._numbers.append(group)
        self._joined[own] = group
        return group

    def parts(self, spec: SplitSpec, shown: str) -> dict[int, str]:
        """The part of each group.

        Args:
            spec: weights and seed.
            shown: the dataset's name, for messages.

        Raises:
            UsageError: there are fewer groups than parts.
        """
        if len(self.sizes) < len(spec.weights):
            what = (
                f"cannot split {len(self.groups)} rows with {len(self.sizes)} different questions into "
                f"{len(spec.weights)} parts ({', '.join(spec.weights)})"
            )
            hint = f"at least {len(spec.weights)} different questions are needed; or split into fewer parts"
            raise UsageError(Problem(what, shown, hint))
        return _dealt(self._in_order(spec.seed), self.sizes, spec.weights)

    def _in_order(self, seed: int) -> list[int]:
        """The groups in the order in which they are dealt: by stratum, then by size, then by the seed.

        Each stratum continues where the one before ended. The largest one comes last, to even out the rest.
        """
        rows: Counter[str] = Counter()
        for group, stratum in self.strata.items():
            rows[stratum] += self.sizes[group]

        def key(group: int) -> tuple[int, str, int, int]:
            stratum = self.strata.get(group, "")
            return rows[stratum], stratum, -self.sizes[group], _hash(b"%d %d" % (seed, group))

        return sorted(self.sizes, key=key)


def _dealt(order: list[int], sizes: Mapping[int, int], weights: Mapping[str, float]) -> dict[int, str]:
    """Give each group to the part that is furthest behind its weight (Webster's method).

    Every stretch of the order is dealt by the weights, which keeps strata alike. The last groups are kept for
    empty parts.
    """
    sums = dict.fromkeys(sorted(weights, key=lambda part: -weights[part]), 0)
    dealt: dict[int, str] = {}
    for left, group in zip(range(len(order), 0, -1), order, strict=True):
        empty = [part for part, rows in sums.items() if not rows]
        among = empty if len(empty) >= left else sums
        part = min(among, key=lambda part: (sums[part] + sizes[group] / 2) / weights[part])
        sums[part] += sizes[group]
        dealt[group] = part
    return dealt


def _hash(text: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
