"""A data file as a person brought it: its rows numbered, and hashed while they are read. Never written to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Self

from orchestrator.datasets import ADAPTERS, recognise, unknown_shape
from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.rows import Numbered, is_array, json_array, json_lines
from orchestrator.errors import MissingError, Problem, UsageError
from orchestrator.execute.files import CHUNK


@dataclass(frozen=True, slots=True)
class Reading:
    """Which part of a file is read, and how.

    Attributes:
        items: of XML: the path of a row's element. sheet: of a workbook. split: of a saved data set.
        fix: read what is not written as it should be (encodings) as what it was meant to be.
        mend_json: repair broken JSON, a line at a time.
    """

    items: str = ""
    sheet: str = ""
    split: str = ""
    fix: bool = False
    mend_json: bool = False


class DataFile:
    """An open data file that is hashed while it is read.

    Attributes:
        notes: how it was understood, where that is not obvious.
    """

    def __init__(self, file: IO[bytes], shown: str) -> None:
        self._file, self._shown = file, shown
        self.notes: list[str] = []
        self._digest = hashlib.sha256()

    @classmethod
    def open(cls, path: Path, shown: str, reading: Reading | None = None) -> Self:  # noqa: ARG003
        """Open it; close it by `with`. `shown`: its name, as people know it.

        Raises:
            MissingError: it is not there, a folder, or empty.
        """
        if not path.is_file():
            what = "it is a folder, not a data file" if path.is_dir() else "no such data file"
            raise MissingError(Problem(what, shown, "name a file of rows: JSON lines, or one JSON array"))
        if not path.stat().st_size:
            raise MissingError(Problem("the file is empty", shown, "put rows into it"))
        return cls(path.open("rb"), shown)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def rows(self) -> Iterator[Numbered]:
        """The numbered rows, whichever way the file writes them."""
        array = is_array(self._file.read(CHUNK))
        self._file.seek(0)
        return json_array(self._hashed(self._chunks())) if array else json_lines(self._hashed(self._file))

    def place(self, number: int) -> str:
        """A row's place, as people know it."""
        return f"{self._shown}:{number}"

    def sha256(self) -> str:
        """The hash of the whole file, also of what was not read."""
        for _ in self._hashed(self._chunks()):
            pass
        return "sha256:" + self._digest.hexdigest()

    def _chunks(self) -> Iterator[bytes]:
        return iter(lambda: self._file.read(CHUNK), b"")

    def _hashed(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._digest.update(piece)
            yield piece


def choose_adapter(
    named: str, rows: Iterator[Numbered], shown: str, given: Mapping[str, str] | None = None
) -> tuple[str, Iterator[Numbered]]:
    """The adapter's name, found by the first whole row unless it was named; and all the rows.

    Args:
        named: an adapter; "" when the row decides.
        rows: of the file.
        shown: the file's name, as people know it.
        given: part → column, as the user said it.

    Raises:
        UsageError: no adapter has that name, or none knows the row's shape.
    """
    if named:
        if named not in ADAPTERS:
            raise UsageError(
                Problem(f'no adapter named "{named}"', shown, f"adapters: {', '.join(ADAPTERS)}")
            )
        return named, rows
    looked_at = []
    for numbered in rows:
        looked_at.append(numbered)
        if not isinstance(numbered[1], RowProblem):
            break
    row = next((row for _, row in looked_at if not isinstance(row, RowProblem)), None)
    if row is None:
        return "alpaca", chain(looked_at, rows)
    found = recognise(row, given)
    if found is None:
        what, mend = unknown_shape(row)
        raise UsageError(Problem(what, f"{shown}:{looked_at[-1][0]}", mend))
    return found[0], chain(looked_at, rows)
