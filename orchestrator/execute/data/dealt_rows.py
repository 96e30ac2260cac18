"""The rows of one file on their way into parts: kept on disk until all were seen, and dealt only then.

Memory: sixteen bytes a row, and what the groups take (datasets/split.py).
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Self

from orchestrator.datasets.base import Example, Row, RowProblem
from orchestrator.datasets.near import NearDuplicates
from orchestrator.datasets.rows import Numbered
from orchestrator.datasets.split import Groups, SplitWish, first_question, stratum_of
from orchestrator.errors import Problem, UsageError


class DealtRows:
    """Takes the lines of a file, and gives them back part by part, in their order.

    Its file has no name: whatever ends the process, nothing is left of it.
    """

    def __init__(self, folder: Path, wish: SplitWish, shown: str) -> None:
        """Open it.

        Args:
            folder: on whose disk the lines are kept.
            wish: how rows are split.
            shown: the file that is split, as people know it.

        Raises:
            MissingError: near-duplicates are wanted, and what finds them is not installed.
        """
        self._wish, self._shown = wish, shown
        self._groups = Groups(NearDuplicates() if wish.near_duplicates else None)
        self._numbers = array("Q")
        self._row: Row = {}
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def watched(self, rows: Iterator[Numbered]) -> Iterator[Numbered]:
        """The rows as they were: what they are stratified by is no part of what is trained."""
        for number, row in rows:
            self._row = {} if isinstance(row, RowProblem) else row
            yield number, row

    def add(self, number: int, example: Example, line: bytes) -> None:
        """Take a row that is kept; `watched` has just given it.

        Raises:
            UsageError: it has no value to stratify by.
        """
        column, stratum = self._wish.stratify, ""
        if column:
            try:
                stratum = stratum_of(self._row, column)
            except UsageError as error:
                where = f"{self._shown}:{number}"
                raise UsageError(
                    Problem(error.problems[0].what, where, "name a column of every row")
                ) from None
        self._groups.add(first_question(example), stratum)
        self._numbers.append(number)
        self._file.write(line)

    def deal(self) -> dict[str, int]:
        """Decide; part → its rows.

        Raises:
            UsageError: there are fewer different questions than parts.
        """
        self._parts = self._groups.parts(self._wish, self._shown)
        counts = dict.fromkeys(self._wish.weights, 0)
        for group in self._groups.groups:
            counts[self._parts[group]] += 1
        return counts

    def rows_of(self, part: str) -> Iterator[tuple[int, bytes]]:
        """Number and line of every row of a part, once they are dealt."""
        self._file.seek(0)
        for number, group, line in zip(self._numbers, self._groups.groups, self._file, strict=True):
            if self._parts[group] == part:
                yield number, line
